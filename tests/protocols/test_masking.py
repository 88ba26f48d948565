"""Red flags on gradients that tell less than scores do."""

from __future__ import annotations

from typing import Any

from msgspec import structs

from robustrank.core.types import Access, AttackSet, Budget, Status, Surface, ThreatModel
from robustrank.protocols.masking import masked
from robustrank.protocols.red_flags import red_flags
from robustrank.work.records import AttackRecord
from tests.evidence import evidence
from tests.protocols.test_adversarial import record


def attack(name: str, access: str, query: int, *, won: bool, **more: Any) -> AttackRecord:
    """On a document at rank 15, whose goal is rank 2."""
    operation = more.pop("operation", "insert")
    edits = AttackSet(operation=operation)
    threat = ThreatModel(
        surface=Surface.DOCUMENT, access=Access(access), edits=edits, control=more.pop("control", False)
    )
    made = record(f"q{query}", 15, 2 if won else 3)
    return structs.replace(made, attack=name, threat=threat, **more)


def records(black: int, white: int, n: int = 30, **more: Any) -> list[AttackRecord]:
    """So many of n targets are won by an attack with scores, and by one with weights."""
    return [
        *(attack("black", "scores", q, won=q < black, **more) for q in range(n)),
        *(attack("white", "weights", q, won=q < white) for q in range(n)),
    ]


def test_scores_that_win_more_than_gradients_are_flagged_and_as_many_are_not() -> None:
    (flag,) = masked(records(20, 5))
    assert (flag.check, flag.ranker) == ("masked", "r")
    assert "+50% of 30 targets" in flag.detail
    assert masked(records(12, 12)) == []
    assert masked(records(5, 20)) == []
    assert masked(records(7, 6)) == []  # one target is no evidence
    assert [each.check for each in red_flags(evidence(records(20, 5))) if each.check == "masked"] == ["masked"]


def test_other_edits_larger_budgets_and_controls_prove_nothing_about_gradients() -> None:
    assert masked(records(20, 5, operation="substitute")) == []
    assert masked(records(20, 5, budget=Budget(edits=6))) == []  # the attack with weights has five
    assert masked(records(20, 5, budget=Budget())) == []
    assert masked(records(20, 5, control=True)) == []
    assert masked([r for r in records(20, 5) if r.attack == "black"]) == []


def test_the_gradients_are_all_attacks_with_them_together_and_open_targets_are_left_out() -> None:
    other = [attack("white too", "weights", q, won=5 <= q < 20) for q in range(30)]
    assert masked([*records(20, 5), *other]) == []
    failed = [structs.replace(r, status=Status.ERROR, error="x") for r in other]
    assert masked([*records(20, 5), *failed]) == []  # no target is decided
