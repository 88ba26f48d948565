"""Intervals and p values of anything computed from means over queries: differences, ratios, spreads, rank correlations.

The one place where the bootstrap of :mod:`robustrank.stats.resampling` becomes an estimate.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import NamedTuple

import numpy as np

from robustrank.core.types import Estimate
from robustrank.stats.resampling import (
    CONFIDENCE,
    TAIL,
    Bounds,
    Floats,
    Statistic,
    finite,
    guard,
    influence,
    p_value,
    resampled_means,
    share_below,
    smoothed_share_below,
    tail_probabilities,
)

Rows = Sequence[Sequence[float]]


class Contrast(NamedTuple):
    """An estimate and the two-sided p value of its being 0."""

    estimate: Estimate
    p: float


class Change(NamedTuple):
    """What changes between two sets of queries.

    Args:
        difference: Of the means.
        relative: As a share of the mean at home; ``None`` where that mean could be 0.
        versus_baseline: The relative change minus the baseline's.
    """

    difference: Contrast
    relative: Contrast | None
    versus_baseline: Contrast | None


def contrast(
    groups: Sequence[Rows], statistic: Statistic, *, unseen: Sequence[Rows], undefined: float = 0.01, seed: int = 0
) -> Contrast | None:
    """A statistic of means with its bootstrap interval, and the p value that inverts the same interval.

    Args:
        groups: Per group a matrix, one row a query and one column a quantity; groups are resampled independently.
        statistic: Takes one array per group, of shape (resamples, columns), which holds means over queries; gives one
            number per resample.
        unseen: Per group the rows that a query could have at the extremes of its bounds, for the guard.
        undefined: Share of the resamples for which the statistic may be undefined.
        seed: Of the resampling.

    Returns:
        ``None`` where the statistic is undefined, for the data or for more than a share of the resamples (a ratio to a
        mean of 0). ``n`` is the number of queries of the smallest group. The width is never 0 and neither is p, unless
        the extremes leave the statistic as it is.
    """
    data = [np.asarray(group, dtype=np.float64) for group in groups]
    extremes = [np.asarray(rows, dtype=np.float64) for rows in unseen]
    n = min(len(group) for group in data)
    with np.errstate(divide="ignore", invalid="ignore"):
        (value,) = statistic(*(group.mean(axis=0, keepdims=True) for group in data))
        means = [resampled_means(group, (seed, place)) for place, group in enumerate(data)]
        drawn = statistic(*means)
        fine = np.isfinite(drawn)
        if not np.isfinite(value) or fine.mean() < 1 - undefined:
            return None
        effects = [influence(data, place, statistic, rows) for place, rows in enumerate(extremes)]
        guarded = []
        for place, (group, rows, effect) in enumerate(zip(data, extremes, effects, strict=True)):
            if effect.fade == 0:
                continue
            moved = guard(group.mean(axis=0), len(group), rows, effect.fade)
            others = [each[: len(moved)] for each in means]
            values = statistic(*(moved if i == place else each for i, each in enumerate(others)))
            guarded.append(values[np.isfinite(values)])
    correction = _corrections(float(value), drawn[fine], [effect.rows for effect in effects])
    ends = [np.quantile(drawn[fine], tail_probabilities(n, *correction))]
    ends += [np.quantile(each, (TAIL, 1 - TAIL), method="hazen") for each in guarded if len(each)]
    low, high = min(float(value), *(float(e[0]) for e in ends)), max(float(value), *(float(e[1]) for e in ends))
    ps = [p_value(smoothed_share_below(drawn[fine], 0.0), n, *correction)]
    ps += [2 * min(share, 1 - share) for share in (smoothed_share_below(each, 0.0) for each in guarded if len(each))]
    return Contrast(Estimate(float(value), low, high, n, CONFIDENCE), min(max(ps), 1.0))


def _corrections(value: float, drawn: Floats, rows: Sequence[Floats]) -> tuple[float, float]:
    """BCa's bias and acceleration; none where they are undefined."""
    from scipy.special import ndtri

    below = share_below(drawn, value)
    acts = [(each - each.mean()) / len(each) for each in rows]
    scale = float(sum((each**2).sum() for each in acts))
    if not 0 < below < 1 or not scale > 1e-18:
        return 0.0, 0.0
    return float(ndtri(below)), float(sum((each**3).sum() for each in acts)) / (6 * scale**1.5)


def corners(*bounds: Bounds) -> list[tuple[float, ...]]:
    """Every row whose columns are at an end of their bounds."""
    return list(product(*bounds))


def change(
    home: Sequence[float],
    away: Sequence[float],
    base_home: Sequence[float] | None = None,
    base_away: Sequence[float] | None = None,
    *,
    bounds: Bounds,
    seed: int = 0,
) -> Change:
    """Change of the mean from ``home`` to ``away``: absolute, relative, and relative minus the baseline's.

    Home and away queries are resampled independently, and the same queries for a ranker and its baseline. A relative
    change is ``None`` where some resample's mean at home is not above 0, since the ratio is then undefined.

    Args:
        home: Per-query values at the source.
        away: Per-query values at the target.
        base_home: The baseline's values for the same queries as ``home``.
        base_away: The baseline's values for the same queries as ``away``.
        bounds: Least and greatest possible value of a query.
        seed: Of the resampling.
    """
    sides = [[[x] for x in home], [[x] for x in away]]
    ends = finite(bounds, np.concatenate(sides))
    alone = [corners(ends)] * 2
    difference = contrast(sides, lambda a, b: b[:, 0] - a[:, 0], unseen=alone, seed=seed)
    assert difference is not None, "a difference of means is always defined"
    relative = contrast(sides, lambda a, b: _relative(a, b)[:, 0], unseen=alone, undefined=0.0, seed=seed)
    versus = None
    if relative is not None and base_home is not None and base_away is not None:
        both = [list(zip(*each, strict=True)) for each in ((home, base_home), (away, base_away))]

        def gap(a: Floats, b: Floats) -> Floats:
            changes = _relative(a, b)
            gaps: Floats = changes[:, 0] - changes[:, 1]
            return gaps

        versus = contrast(both, gap, unseen=[corners(ends, ends)] * 2, undefined=0.0, seed=seed)
    return Change(difference, relative, versus)


def _relative(home: Floats, away: Floats) -> Floats:
    """Change of every column as a share of its mean at home; not a number where that is not above 0."""
    return np.where(home > 0, away / np.where(home > 0, home, 1.0) - 1, np.nan)
