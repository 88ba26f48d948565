"""Estimates of what an audit will cost and can detect, made before it runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Estimated cost of one phase for one ranker."""

    phase: str
    ranker: str
    tasks: int
    pairs: int
    minutes: float
    at_least: bool
    """Whether the estimate is a lower bound: an attack has no limit of calls, and only its last request is counted."""


@dataclass(frozen=True, kw_only=True)
class Power:
    """Minimum detectable difference on one collection."""

    collection: str
    queries: int
    detectable: float
    """Difference of two rankers' means that is detected with a power of 0.8."""


@dataclass(frozen=True, kw_only=True)
class Estimates:
    """Estimates for a whole audit."""

    costs: Sequence[Cost]
    power: Sequence[Power]
    notes: Sequence[str] = ()
    """What will be less than the audit file says."""

    @property
    def pairs(self) -> int:
        """Pairs of all phases and rankers."""
        return sum(cost.pairs for cost in self.costs)

    @property
    def minutes(self) -> float:
        """Scoring time of all phases and rankers, on one worker."""
        return sum(cost.minutes for cost in self.costs)

    @property
    def by_ranker(self) -> Mapping[str, Sequence[Cost]]:
        """Costs by ranker, in the order of the audit file."""
        costs_of: dict[str, list[Cost]] = {}
        for cost in self.costs:
            costs_of.setdefault(cost.ranker, []).append(cost)
        return costs_of
