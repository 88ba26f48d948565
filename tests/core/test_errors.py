"""What plug-ins raise, as records keep it."""

from __future__ import annotations

from robustrank.core.errors import LONGEST, reason, shortened
from robustrank.work.base import tried


def test_a_long_message_is_cut_and_its_length_shown() -> None:
    text = reason(ValueError("x" * 10_000_000))
    assert len(text) < LONGEST + 100
    assert text.endswith("… (10,000,000 characters)")


def test_a_message_that_cannot_be_made_is_no_failure_of_the_audit() -> None:
    class Mute(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no text")

    def fails() -> None:
        raise Mute

    _, error = tried(fails, None, "attack 'a' on 'r'")
    assert error == "attack 'a' on 'r': Mute: its message cannot be shown (RuntimeError)"


def test_a_lone_surrogate_in_a_message_can_be_stored() -> None:
    assert shortened("broken \ud800") == "broken \\ud800"
