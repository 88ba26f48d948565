"""Bootstrap of anything that is computed from means over queries: ratios, spreads, differences of drops.

Every comparison of the five-task table is a function of column means, so one matrix product resamples all of them at
once. Queries of one group (a collection) are resampled together, and groups apart from one another. Tails are those of
Student's t, as in :mod:`robustrank.stats.intervals`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from math import sqrt
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from robustrank.core.types import Estimate

RESAMPLES = 10_000
CONFIDENCE = 0.95
POWER = 0.8
BLOCK = 1_000_000
"""Numbers of a block of weights."""

Floats = NDArray[np.float64]


class Contrast(NamedTuple):
    """An estimate and the two-sided p value of its being 0."""

    estimate: Estimate
    p: float


def contrast(
    groups: Sequence[Sequence[Sequence[float]]], statistic: Callable[..., Floats], *, seed: int = 0
) -> Contrast | None:
    """A statistic of means with its bootstrap interval, and the p value that inverts the same interval.

    Args:
        groups: Per group a matrix, one row a query and one column a quantity; groups are resampled independently.
        statistic: Takes one array per group, of shape (resamples, columns), which holds means over queries; gives one
            number per resample.
        seed: Of the resampling.

    Returns:
        ``None`` where the statistic is undefined, for the data or for more than 1 % of the resamples (a ratio to a
        mean of 0). ``n`` is the number of queries of the smallest group.
    """
    data = [np.asarray(group, dtype=np.float64) for group in groups]
    n = min(len(group) for group in data)
    with np.errstate(divide="ignore", invalid="ignore"):
        (value,) = statistic(*(group.mean(axis=0, keepdims=True) for group in data))
        drawn = statistic(*(_means(group, (seed, place)) for place, group in enumerate(data)))
    fine = np.isfinite(drawn)
    if not np.isfinite(value) or fine.mean() < 0.99 or n < 2:
        return None
    drawn = drawn[fine]
    if np.ptp(drawn) < 1e-12:
        return Contrast(Estimate(float(value), float(value), float(value), n, CONFIDENCE), float(abs(value) < 1e-12))
    return Contrast(_interval(float(value), drawn, n), _p(drawn, n))


def detectable(estimate: Estimate, *, power: float = POWER) -> float:
    """The smallest true difference that so many queries show with the given power, judged by the interval's width."""
    from scipy.special import stdtrit

    t = float(stdtrit(estimate.n - 1, 0.5 + estimate.confidence / 2))
    error = (estimate.high - estimate.low) / (2 * t)
    return error * (t + float(stdtrit(estimate.n - 1, power)))


def foreseen(n: int, deviation: float, *, power: float = POWER, alpha: float = 1 - CONFIDENCE) -> float:
    """The smallest mean difference that ``n`` paired queries show with the given power, before anything was run.

    Args:
        n: Queries, at least 3.
        deviation: Standard deviation of the per-query differences that is expected.
        power: Chance of seeing it.
        alpha: Of the two-sided t test.
    """
    from statsmodels.stats.power import TTestPower

    return float(TTestPower().solve_power(nobs=n, power=power, alpha=alpha)) * deviation


def _means(group: Floats, seed: tuple[int, int]) -> Floats:
    """Resampled means of all columns: weights times values, in blocks that fit into memory."""
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


def _interval(value: float, drawn: Floats, n: int) -> Estimate:
    from scipy.special import ndtr, stdtrit

    t = float(stdtrit(n - 1, 0.5 + CONFIDENCE / 2)) * sqrt(n / (n - 1))
    low, high = np.quantile(drawn, ndtr([-t, t]))
    return Estimate(value, float(min(low, value)), float(max(high, value)), n, CONFIDENCE)


def _p(drawn: Floats, n: int) -> float:
    from scipy.special import ndtri, stdtr

    below = ((drawn < 0).sum() + (drawn == 0).sum() / 2 + 0.5) / (len(drawn) + 1)
    t = abs(float(ndtri(min(below, 1 - below)))) / sqrt(n / (n - 1))
    return float(2 * stdtr(n - 1, -t))
