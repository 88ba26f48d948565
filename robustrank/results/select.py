"""Which result leads: the way of success that stands for an attack, and the attack that stands for an audit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from robustrank.core.types import Goal, Surface
from robustrank.results.figures import CUTOFFS
from robustrank.results.summary import AttackResult


def lead(result: AttackResult) -> str:
    """The way of success by which an attack is judged and compared: ASR@k at its largest k, else its first way."""
    return leading(result.success or result.ends)


def leading(ways: Mapping[str, object]) -> str:
    """The same, out of ways of success by name."""
    return next((f"ASR@{k}" for k in reversed(CUTOFFS) if f"ASR@{k}" in ways), next(iter(ways)))


def strongest(
    results: Iterable[AttackResult], *, ranker: str | None = None, baseline: str | None = None
) -> AttackResult | None:
    """The attack, controls left out, with the highest lower bound of success.

    Looked at are attacks that promote documents, where there are none those that demote them, then those on queries,
    and last those that keep a rank: a ranker that reads nothing loses to these.

    Args:
        results: Of an audit.
        ranker: Look at this ranker only.
        baseline: At a tie the result of another ranker leads.
    """
    real = [r for r in results if not r.control and r.stratum == "all" and ranker in (None, r.ranker) and r.success]
    kinds = {_kind(r) for r in real}
    pool = [r for r in real if _kind(r) == min(kinds)]

    def strength(result: AttackResult) -> tuple[float, float, bool]:
        success = result.success[lead(result)]
        return success.low, success.value, result.ranker != baseline

    return max(pool, key=strength, default=None)


def _kind(result: AttackResult) -> int:
    """Which attacks stand for an audit first."""
    if result.goal is Goal.KEEP:
        return 3
    if result.surface is Surface.QUERY:
        return 2
    return int(result.goal is Goal.DEMOTE)
