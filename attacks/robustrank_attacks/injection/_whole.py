"""What the injections share: a text goes in whole or not at all, and controls are as long as what they stand beside."""

from __future__ import annotations

from itertools import islice
from random import Random
from typing import Literal

from robustrank.plugin import Case, Oracle, Perturbation, words
from robustrank_attacks.insertion._insertion import offsets
from robustrank_attacks.insertion._search import price
from robustrank_attacks.insertion.benign_insertion import neutral_sentences

Place = Literal["start", "middle", "end"]
PLACES: tuple[Place, ...] = ("start", "middle", "end")


def put_whole(case: Case, oracle: Oracle, text: str, place: Place) -> Perturbation:
    """The document with a text in it as it stands, line breaks and marks too; unchanged where that is too many edits.

    Args:
        case: Whose target it goes into.
        oracle: Has the budget.
        text: Of any characters that an insertion may bring.
        place: ``"middle"`` is the gap between sentences that is nearest to it.
    """
    if oracle.budget.edits is not None and price(text) > oracle.budget.edits:
        return Perturbation()
    old = case.target.text
    if place == "middle":
        at = min(offsets(old, "gaps"), key=lambda offset: abs(2 * offset - len(old)))
    else:
        at = offsets(old, place)[0]
    before, after = old[:at], old[at:]
    joint = "" if not before or before[-1].isspace() else " "
    behind = "" if not after or text[-1:].isspace() else " "
    return Perturbation(target=f"{before}{joint}{text}{behind}{after}")


def neutral(text: str, rng: Random) -> str:
    """Neutral sentences that cost as many edits as a text, or one fewer."""
    wanted = price(text)
    lines = rng.sample(neutral_sentences(), len(neutral_sentences()))
    endless = (word for _ in range(wanted + 1) for line in lines for word in line)
    return " ".join(islice(endless, wanted))


def same_length(text: str, wanted: str, rng: Random) -> str:
    """A text filled up with neutral words until it has as many words as another."""
    missing = len(words(wanted)) - len(words(text))
    return text if missing <= 0 else f"{text} {' '.join(neutral('x ' * missing, rng).split()[:missing])}"
