"""Intervals and p values of anything computed from means over queries: differences, ratios, spreads, rank correlations.

The one place where the resamples of :mod:`robustrank.stats.resampling` become an estimate.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product
from math import inf, sqrt
from typing import NamedTuple

import numpy as np

from robustrank.core.types import Estimate
from robustrank.stats.resampling import (
    CONFIDENCE,
    UNBOUNDED,
    Bounds,
    Floats,
    Statistic,
    Weighted,
    finite,
    lower_end,
    missed_share,
    one_sided,
    upper_end,
    weighted,
)

Rows = Sequence[Sequence[float]]

AT_ONCE = 4_000_000
"""Numbers that a statistic is given at once."""


class Contrast(NamedTuple):
    """An estimate, and the two-sided p value of its being 0, which is below 0.05 where the interval excludes 0.

    Args:
        estimate: With its interval.
        p: Twice the one-sided p value on the estimate's side of 0; 1 where the estimate is 0.
        error: Standard error; infinite for a single query.
    """

    estimate: Estimate
    p: float
    error: float


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
    groups: Sequence[Rows],
    statistic: Statistic,
    *,
    unseen: Sequence[Rows],
    parts: Sequence[float] = (1.0,),
    limits: Bounds = UNBOUNDED,
    undefined: float = 0.01,
    seed: int = 0,
    drawn: Sequence[Weighted] | None = None,
) -> Contrast | None:
    """A statistic of means with its interval, and the p value that inverts the same interval.

    A statistic that is no sum of means is biased in resamples as in samples; an end that this draws towards the
    estimate is put back.

    Args:
        groups: Per group a matrix, one row a query and one column a quantity; groups are weighted independently.
        statistic: Takes one array per group, of shape (resamples, columns), which holds means over queries; gives one
            number per resample.
        unseen: Per group the rows that a query could have at the extremes of its bounds. For either end of the
            interval the query that was not drawn has the one that moves the statistic furthest.
        parts: How much of the query that was not drawn is at an extreme, the rest being like the others; the furthest
            of these counts in each resample. Where more of it moves the statistic further, as in a mean, 1 is enough.
        limits: Least and greatest possible value of the statistic, beyond which no end lies.
        undefined: Share of the resamples for which the statistic may be undefined; these count as beyond the end.
        seed: Of the weights.
        drawn: The groups under these weights, where several statistics of the same queries share them.

    Returns:
        ``None`` where the statistic is undefined, for the data or for more than a share of the resamples (a ratio to a
        mean of 0). ``n`` is the number of queries of the smallest group. The width is never 0, unless the extremes
        leave the statistic as it is, and p is never 0.
    """
    data = [np.asarray(group, dtype=np.float64) for group in groups]
    extremes = [np.asarray(rows, dtype=np.float64) for rows in unseen]
    if drawn is None:
        drawn = [weighted(group, seed=seed, place=place) for place, group in enumerate(data)]
    at = [group.mean(axis=0) for group in data]
    n = min(len(group) for group in data)

    def resampled(further: Sequence[Floats | None]) -> Floats:
        means = [each.means(row) for each, row in zip(drawn, further, strict=True)]
        step = max(1, AT_ONCE // sum(mean.shape[1] for mean in means))
        starts = range(0, len(means[0]), step)
        return np.concatenate([statistic(*(mean[start : start + step] for mean in means)) for start in starts])

    with np.errstate(divide="ignore", invalid="ignore"):
        (value,) = statistic(*(mean[None] for mean in at))
        plain = resampled([None] * len(data))
        (centre,) = statistic(*(each.means().mean(axis=0, keepdims=True) for each in drawn))
        ends = []
        for pick, further in ((np.argmin, np.minimum), (np.argmax, np.maximum)):
            rows = [_furthest(data, place, statistic, each, pick) for place, each in enumerate(extremes)]
            moved = [resampled([m + part * (row - m) for m, row in zip(at, rows, strict=True)]) for part in parts]
            ends.append(further.reduce(moved))
        least, greatest = ends
    fine = np.isfinite(plain)
    if (
        not np.isfinite(value)
        or min(float(np.isfinite(each).mean()) for each in (plain, least, greatest)) < 1 - undefined
    ):
        return None
    bias = float(plain[fine].mean() - centre)
    least = np.where(np.isfinite(least), least, -inf) - 2 * max(bias, 0.0)
    greatest = np.where(np.isfinite(greatest), greatest, inf) + 2 * max(-bias, 0.0)
    low = min(float(value), max(lower_end(least), float(limits[0])))
    high = max(float(value), min(upper_end(greatest), float(limits[1])))
    p = one_sided(least, 0.0) if value > 0 else one_sided(-greatest, 0.0) if value < 0 else 1.0
    error = float(plain[fine].std()) * sqrt((n + 1) / (n - 1)) if n > 1 else inf
    return Contrast(Estimate(float(value), float(low), float(high), n, CONFIDENCE), min(2 * p, 1.0), error)


def _furthest(
    data: Sequence[Floats], place: int, statistic: Statistic, rows: Floats, pick: Callable[[Floats], np.intp]
) -> Floats:
    """The row of a group's extremes that moves the statistic furthest when it takes a share that can be missed."""
    means = [np.broadcast_to(group.mean(axis=0), (len(rows), group.shape[1])) for group in data]
    means[place] = means[place] + missed_share(len(data[place])) * (rows - means[place])
    moved = statistic(*means)
    worst = -inf if pick is np.argmax else inf
    chosen: Floats = rows[pick(np.where(np.isfinite(moved), moved, worst))]
    return chosen


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

    Home and away queries are weighted independently, and the same queries alike for a ranker and its baseline. A
    relative change is ``None`` where some resample's mean at home is not above 0, since the ratio is then undefined.

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
