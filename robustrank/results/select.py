"""Which result leads: the ranker of an audit, the attack and the shift that stand for it, and a way of success."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

from robustrank.core.types import Estimate, Goal, Surface
from robustrank.results.figures import CUTOFFS
from robustrank.results.summary import AttackResult, Shift, Summary


class _Ranker(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def base(self) -> str | None: ...


def audited(summary: Summary) -> str | None:
    """The ranker that a report is about (:func:`leader`); ``None`` without rankers."""
    return leader(summary.rankers, summary.audited, summary.baseline)


def leader(rankers: Iterable[_Ranker], named: str | None, baseline: str | None) -> str | None:
    """The ranker that the audit file names as audited; else the first undefended one that is not the baseline."""
    names = [ranker.name for ranker in rankers if ranker.base is None]
    if named is not None:
        return named
    return next((name for name in names if name != baseline), next(iter(names), None))


def lead_change(shift: Shift) -> Estimate:
    """The estimate shown for a shift: relative to the baseline's, else relative, else absolute."""
    return shift.relative_to_baseline or shift.relative or shift.change


def surest_loss(shifts: Iterable[Shift], ranker: str | None) -> Shift | None:
    """The shift of a ranker with the largest loss that its interval is certain of, not the extreme of its values."""
    mine = (shift for shift in shifts if shift.ranker == ranker)
    return min(mine, key=lambda shift: lead_change(shift).high, default=None)


def lead(result: AttackResult) -> str:
    """The way of success by which an attack is judged and compared: ASR@k at its largest k, else its first way."""
    return leading(result.success or result.ends)


def leading(ways: Mapping[str, object]) -> str:
    """The same, out of ways of success by name."""
    return next((f"ASR@{k}" for k in reversed(CUTOFFS) if f"ASR@{k}" in ways), next(iter(ways)))


def strongest(results: Iterable[AttackResult], *, ranker: str | None = None) -> AttackResult | None:
    """The attack, controls left out, with the highest lower bound of success.

    Looked at are attacks that promote documents, where there are none those that demote them, then those on queries,
    and last those that keep a rank: a ranker that reads nothing loses to these.

    Args:
        results: Of an audit.
        ranker: Look at this ranker only.
    """
    real = [r for r in results if not r.control and r.stratum == "all" and ranker in (None, r.ranker) and r.success]
    kinds = {_kind(r) for r in real}
    pool = [r for r in real if _kind(r) == min(kinds)]

    def strength(result: AttackResult) -> tuple[float, float]:
        success = result.success[lead(result)]
        return success.low, success.value

    return max(pool, key=strength, default=None)


def _kind(result: AttackResult) -> int:
    """Which attacks stand for an audit first."""
    if result.goal is Goal.KEEP:
        return 3
    if result.surface is Surface.QUERY:
        return 2
    return int(result.goal is Goal.DEMOTE)
