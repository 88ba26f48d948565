"""The report's section on unjudged documents and pools: arranges the summary, computes no figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from robustrank.core.types import Estimate, Range
from robustrank.results.pooling import LeftOut, Pooling
from robustrank.results.summary import Summary


@dataclass(frozen=True, kw_only=True)
class Flip:
    """A conclusion of the audit that may change with further judgments."""

    subject: str
    against: str
    where: str
    estimate: Estimate
    unjudged: Range


@dataclass(frozen=True, kw_only=True)
class PoolView:
    """What the section on pools shows."""

    bounded: int
    """Conclusions whose range over unjudged documents is bounded."""
    flips: Sequence[Flip]
    worst: LeftOut | None
    """The system that loses most when it is left out of the pool."""


def build(summary: Summary) -> PoolView:
    """Arrange a summary for the section on pools."""
    bounded = [c for c in summary.comparisons if c.unjudged is not None]
    moved = [s for s in summary.shifts if s.unjudged is not None]
    flips = [
        Flip(subject=c.a, against=c.b, where=c.collection, estimate=c.difference, unjudged=c.unjudged)
        for c in bounded
        if c.may_change and c.unjudged is not None
    ]
    flips += [
        Flip(subject=s.ranker, against=s.source, where=s.target, estimate=s.change, unjudged=s.unjudged)
        for s in moved
        if s.may_change and s.unjudged is not None
    ]
    return PoolView(bounded=len(bounded) + len(moved), flips=flips, worst=_worst(summary.pooling))


def _worst(pooling: Pooling | None) -> LeftOut | None:
    alone = [each for each in pooling.left_out if each.kind == "system"] if pooling else []
    return min(alone, key=lambda each: each.systems[0].change.value, default=None)
