"""Verdicts on gates: a part of the summary."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from robustrank.core.types import Estimate


class Outcome(StrEnum):
    """What a gate comes to, from good to bad."""

    PASS = "pass"
    INCONCLUSIVE = "inconclusive"
    INVALID = "invalid"
    """Errors, invalid cases or a red flag stand between the figure and a verdict: there is no measurement to judge."""
    FAIL = "fail"


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """A gate, judged."""

    gate: str
    outcome: Outcome
    reason: str
    estimate: Estimate | None
    limit: str
    """For example ``"at most 0.10"``."""
    at: float | None = None
    """The limit as a number."""
    queries_needed: int | None = None
    held: bool = False
    """Pass, or inconclusive where the audit file allows that in writing."""
    measure: str = ""
    where: Mapping[str, str | int | float] = field(default_factory=dict)
    """Which figure it is about, as the gate says."""


WORDS = {
    Outcome.FAIL: "failed",
    Outcome.INVALID: "invalid",
    Outcome.INCONCLUSIVE: "inconclusive",
    Outcome.PASS: "passed",
}
"""Of outcomes, after a number of gates; from bad to good."""


def counted(verdicts: Sequence[Verdict]) -> dict[Outcome, int]:
    """Outcome to number of gates, from bad to good; outcomes of no gate are left out."""
    counts = {outcome: sum(verdict.outcome is outcome for verdict in verdicts) for outcome in WORDS}
    return {outcome: count for outcome, count in counts.items() if count}


def sentence(verdicts: Sequence[Verdict]) -> str:
    """``"2 of 3 gates do not hold: 1 failed, 1 invalid, 1 passed"``."""
    broken, n = sum(not verdict.held for verdict in verdicts), len(verdicts)
    counts = ", ".join(f"{count} {WORDS[outcome]}" for outcome, count in counted(verdicts).items())
    gates = "gate" if n == 1 else "gates"
    if not broken:
        return f"{n} {gates} {'holds' if n == 1 else 'hold'}: {counts}"
    return f"{broken} of {n} {gates} {'does' if broken == 1 else 'do'} not hold: {counts}"
