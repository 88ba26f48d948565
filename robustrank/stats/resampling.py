"""The bootstrap: resampled means, the tails that are taken from them, and the guard for values that agree.

Queries are the units. Everything resampled in RobustRank is a statistic of means over queries, so one matrix product
gives all resamples of a figure; queries of one group (a collection) are drawn together, groups apart from one another.

Tails are those of Student's t (Hesterberg 2015, "What teachers should know about the bootstrap", expanded
percentiles), corrected for bias and skewness (BCa, Efron 1987).

Resampling only repeats the values that were drawn. Where all values agree, no resample differs; where they nearly
agree, next to none does. The guard allows for the queries that a sample can have missed by chance: with probability
``level`` a sample of ``n`` misses a share of ``1 - level ** (1 / n)`` of the queries (Clopper and Pearson's bound for 0
of n), and these could have any value within the bounds of the statistic. That is the whole interval where values agree.
Where they vary, the share counts by how little of the possible range they cover, so that it fades without a threshold;
the wider of the two intervals is taken.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from math import inf, isfinite, sqrt
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 10_000
CONFIDENCE = 0.95
TAIL = (1 - CONFIDENCE) / 2
BLOCK = 1_000_000
"""Numbers of a block of weights."""

NUDGE = 1e-4
"""Weight that a row is given when its influence on a statistic is measured."""

Floats = NDArray[np.float64]
Bounds = tuple[float, float]
"""Least and greatest possible value of a statistic for one query; infinite where there is none."""
Statistic = Callable[..., Floats]
"""From one array per group, (resamples, columns), of means over queries, to one number per resample."""

UNBOUNDED: Bounds = (-inf, inf)
NOT_NEGATIVE: Bounds = (0.0, inf)


class Influence(NamedTuple):
    """How one group acts on a statistic.

    Args:
        rows: Per query the change of the statistic per weight moved to it.
        fade: How much the guard counts: 1 where all queries act alike, 0 where they span all that is possible.
    """

    rows: Floats
    fade: float


def spread_factor(n: int) -> float:
    """What a bootstrap's standard error of ``n`` queries is too small by: the root of n / (n - 1)."""
    return sqrt(n / (n - 1)) if n > 1 else inf


def deviates(n: int, tail: float = TAIL) -> Floats:
    """The two normal deviates to take from resamples of ``n`` queries, for a spread estimated from the data."""
    from scipy.special import stdtrit

    t = float(stdtrit(n - 1, 1 - tail)) * spread_factor(n) if n > 1 else inf
    return np.array([-t, t])


def tail_probabilities(n: int, bias: float = 0.0, acceleration: float = 0.0) -> tuple[float, float]:
    """The quantiles of the resamples that are the ends of the interval.

    Args:
        n: Queries, of the smallest group.
        bias: BCa's bias correction, a normal deviate.
        acceleration: BCa's acceleration.
    """
    from scipy.special import ndtr

    shifted = bias + deviates(n)
    if not np.isfinite(shifted).all():
        return 0.0, 1.0
    low, high = ndtr(bias + shifted / np.maximum(1 - acceleration * shifted, 1e-9))
    return float(low), float(high)


def p_value(below: float, n: int, bias: float = 0.0, acceleration: float = 0.0) -> float:
    """The two-sided p value whose interval (:func:`tail_probabilities`) ends at a point.

    Args:
        below: Share of the resamples below the point, in (0, 1).
        n: Queries, of the smallest group.
        bias: As for the interval.
        acceleration: As for the interval.
    """
    from scipy.special import ndtri, stdtr

    if n < 2:
        return 1.0
    away = float(ndtri(below)) - bias
    deviate = away / max(1 + acceleration * away, 1e-9) - bias
    return max(float(2 * stdtr(n - 1, -abs(deviate) / spread_factor(n))), 1 / (RESAMPLES + 1))


def share_below(drawn: Floats, point: float) -> float:
    """Share of the resamples below a point, those on it counted half."""
    return float((drawn < point).mean() + (drawn == point).mean() / 2)


def smoothed_share_below(drawn: Floats, point: float) -> float:
    """The same with half a resample more on either side, so that it is never 0 or 1."""
    return (share_below(drawn, point) * len(drawn) + 0.5) / (len(drawn) + 1)


def resampled_means(group: Floats, seed: tuple[int, int]) -> Floats:
    """Resampled means of all columns, (resamples, columns): weights times values, in blocks that fit into memory.

    Args:
        group: One row a query, one column a quantity.
        seed: Of the resampling.
    """
    n = len(group)
    step = max(1, BLOCK // n)
    starts = range(0, RESAMPLES, step)
    return np.concatenate([_weights(n, min(step, RESAMPLES - s), (*seed, s)) @ group for s in starts])


@lru_cache(maxsize=8)
def _weights(n: int, resamples: int, seed: tuple[int, ...]) -> Floats:
    """How often each of n queries was drawn, over n; the same for every figure of so many queries."""
    rows = np.random.default_rng(seed).integers(0, n, size=(resamples, n))
    counts = np.bincount((rows + n * np.arange(resamples)[:, None]).ravel(), minlength=resamples * n)
    weights: Floats = counts.reshape(resamples, n) / n
    return weights


def finite(bounds: Bounds, values: Floats, *, beyond: float = 0.0) -> Bounds:
    """The bounds; for an infinite one, a convention: the values' own size, at least 1, less what they span.

    Without bounds no interval of values that agree has a guaranteed coverage; this one has a width, and values that
    vary as much as they are large need no guard.

    Args:
        bounds: Least and greatest possible value, perhaps infinite.
        values: Observed.
        beyond: How far an end in place of an infinite one lies beyond the values at least.
    """
    least, greatest = bounds
    room = max(max(float(np.abs(values).max()), 1.0) - float(np.ptp(values)), beyond)
    return (
        least if isfinite(least) else float(values.min()) - room,
        greatest if isfinite(greatest) else float(values.max()) + room,
    )


def missed_share(n: int, level: Floats) -> Floats:
    """Share of all queries that ``n`` drawn ones miss with probability ``level``; 1 for a single query."""
    return 1 - level ** (1 / n) if n > 1 else np.ones_like(level)


def influence(groups: Sequence[Floats], place: int, statistic: Statistic, unseen: Floats) -> Influence:
    """How the queries of one group act on a statistic of means, and how much of the possible range they cover.

    Args:
        groups: One matrix a group.
        place: Which group.
        statistic: Of means.
        unseen: Rows that queries of the group could have, one for each extreme.
    """
    means = [group.mean(axis=0) for group in groups]
    rows = np.concatenate([groups[place], unseen])
    nudged = [np.broadcast_to(mean, (len(rows), len(mean))) for mean in means]
    nudged[place] = means[place] + NUDGE * (rows - means[place])
    (value,) = statistic(*(mean[None] for mean in means))
    effect = (statistic(*nudged) - value) / NUDGE
    own, possible = effect[: len(groups[place])], effect[len(groups[place]) :]
    span = float(np.ptp(possible)) if np.isfinite(possible).all() else 0.0
    covered = float(np.ptp(own))
    # Floating point noise of the nudge is no spread.
    fade = 1 - covered / span if span > 1e-9 and covered > 1e-9 else 1.0
    return Influence(own, min(max(fade, 0.0), 1.0) if isfinite(fade) else 0.0)


def guard(mean: Floats, n: int, unseen: Floats, fade: float) -> Floats:
    """Means that a group could have with the queries it missed, (draws, columns), at evenly spread levels.

    The share of the draws at an extreme that lie beyond the one of a level is that level.

    Args:
        mean: Of every column.
        n: Queries.
        unseen: Rows that missed queries could have; each gets as many draws.
        fade: How much of the share counts.
    """
    each = RESAMPLES // len(unseen)
    levels = (np.arange(each) + 0.5) / (each * len(unseen))
    missed = fade * missed_share(n, levels)[:, None, None]
    return (mean + missed * (unseen - mean)).reshape(-1, len(mean))
