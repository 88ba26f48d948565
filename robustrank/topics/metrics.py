"""Effect of a perturbation on a group of queries: rank boosts and success rates.

``QSR@p`` is the share of targets that rose for at least the share p of the group's queries (query success rate); with
a cutoff k, that entered the top k for so many. The definition is ours: the text of the paper was not available to us.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

SHARES = (0.5, 0.75, 1.0)
"""Shares p of a group's queries at which success is reported."""


class Outcome(NamedTuple):
    """The target's ranks for some queries of one group, before and after, in the same order."""

    before: tuple[int, ...]
    after: tuple[int, ...]

    @property
    def boosts(self) -> list[int]:
        """Ranks gained for each query."""
        return [b - a for b, a in zip(self.before, self.after, strict=True)]

    @property
    def mean_boost(self) -> float:
        """Ranks gained, on average over the queries."""
        return sum(self.boosts) / len(self.boosts)

    @property
    def worst_boost(self) -> int:
        """Ranks gained for the query that gained least; a mean may hide a query on which the target fell."""
        return min(self.boosts)

    def promoted(self) -> float:
        """Share of the queries for which the target rose."""
        return sum(boost > 0 for boost in self.boosts) / len(self.boosts)

    def entered(self, k: int) -> float:
        """Share of the queries for which the target is in the top k after, and was not before."""
        return sum(a <= k < b for b, a in zip(self.before, self.after, strict=True)) / len(self.after)

    def succeeds(self, share: float, k: int | None = None) -> bool:
        """Whether it rose (or entered the top k) for at least this share of the queries."""
        return (self.promoted() if k is None else self.entered(k)) >= share - 1e-12


def qsr(outcomes: Sequence[Outcome], share: float, k: int | None = None) -> float:
    """Share of the targets that succeed; not a number where there are none."""
    return sum(o.succeeds(share, k) for o in outcomes) / len(outcomes) if outcomes else float("nan")
