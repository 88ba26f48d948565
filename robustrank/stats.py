"""Intervals and tests. numpy resamples; scipy and statsmodels do the arithmetic that has a name.

Queries are the units: where one query gives several cases, ``clusters`` names the query of each, and whole queries are
resampled. ``n`` of an estimate is always the number of queries.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

import numpy as np
from numpy.typing import NDArray

from robustrank.types import Estimate

RESAMPLES = 2000
CONFIDENCE = 0.95
EXACT = 12
"""Up to so many units, a permutation test enumerates all signs."""

Floats = NDArray[np.float64]


def mean(
    values: Sequence[float],
    *,
    clusters: Sequence[str] | None = None,
    bounds: tuple[float, float] | None = None,
    seed: int = 0,
) -> Estimate:
    """Mean with a bootstrap interval over queries: BCa, or percentile where BCa is undefined.

    Args:
        values: One per case.
        clusters: The query of each case; default, every case is a query of its own.
        bounds: Least and greatest possible value. The interval of a single query is these, since one query says
            nothing of the spread; without bounds it is the value itself.
        seed: Of the resampling.

    Raises:
        ValueError: No values.
    """
    sums, counts = _totals(values, clusters)
    value = float(sums.sum() / counts.sum())
    n = len(sums)
    if n == 1:
        low, high = bounds or (value, value)
        return Estimate(value, float(low), float(high), 1, CONFIDENCE)
    resampled = _resample(sums, counts, seed)
    low, high = np.quantile(resampled, _bca(sums, counts, value, resampled))
    return Estimate(value, float(low), float(high), n, CONFIDENCE)


def share(flags: Sequence[bool], *, clusters: Sequence[str] | None = None) -> Estimate:
    """Share of true flags with the exact binomial (Clopper-Pearson) interval; never of width zero.

    Where queries give several cases, their successes go together: the interval is that of the effective number of
    cases, n / design effect (Korn & Graubard 1998), the design effect estimated from the clusters and at least 1.
    """
    from statsmodels.stats.proportion import proportion_confint

    sums, counts = _totals([float(flag) for flag in flags], clusters)
    total, value = float(counts.sum()), float(sums.sum() / counts.sum())
    effective = total
    if len(sums) > 1 and 0 < value < 1 and counts.max() > 1:
        residuals = sums - value * counts
        variance = len(sums) / (len(sums) - 1) * float((residuals**2).sum()) / total**2
        effective = total / max(1.0, variance / (value * (1 - value) / total))
    elif counts.max() > 1:
        effective = float(len(sums))
    low, high = proportion_confint(value * effective, effective, alpha=1 - CONFIDENCE, method="beta")
    return Estimate(value, float(min(low, value)), float(max(high, value)), len(sums), CONFIDENCE)


def worst_decile(values: Sequence[float], *, seed: int = 0) -> Estimate:
    """Mean of the lowest tenth of the queries (rounded up), with a percentile bootstrap interval."""
    data = np.sort(np.asarray(values, dtype=float))
    size = ceil(len(data) / 10)
    drawn = np.sort(data[_draws(len(data), seed)], axis=1)[:, :size].mean(axis=1)
    low, high = np.quantile(drawn, _tails())
    return Estimate(float(data[:size].mean()), float(low), float(high), len(data), CONFIDENCE)


def paired(
    a: Sequence[float], b: Sequence[float], *, clusters: Sequence[str] | None = None, seed: int = 0
) -> tuple[Estimate, float]:
    """Mean of ``a - b`` over the same cases with a bootstrap interval, and a two-sided permutation p value.

    The signs of the queries' differences are permuted: all of them up to ``EXACT`` queries, else at random with the
    observed one counted among them, so that p is never 0.
    """
    differences = [x - y for x, y in zip(a, b, strict=True)]
    sums, _ = _totals(differences, clusters)
    n = len(sums)
    if n <= EXACT:
        signs = 1 - 2 * ((np.arange(2**n)[:, None] >> np.arange(n)) & 1)
        extra = 0
    else:
        signs = np.random.default_rng(seed).choice([-1, 1], size=(5 * RESAMPLES, n))
        extra = 1
    observed = abs(float(sums.sum()))
    as_large = np.abs(signs @ sums) >= observed - 1e-9 * (1 + observed)
    p = (int(as_large.sum()) + extra) / (len(signs) + extra)
    return mean(differences, clusters=clusters, seed=seed), p


def holm(ps: Sequence[float]) -> list[float]:
    """p values corrected for their number after Holm (1979)."""
    from statsmodels.stats.multitest import multipletests

    return [float(p) for p in multipletests(ps, method="holm")[1]] if ps else []


def shift(
    home: Sequence[float],
    away: Sequence[float],
    base_home: Sequence[float] | None = None,
    base_away: Sequence[float] | None = None,
    *,
    seed: int = 0,
) -> tuple[Estimate, Estimate | None, Estimate | None]:
    """Change of the mean from ``home`` to ``away``: absolute, relative, and relative minus the baseline's.

    Home and away queries are resampled independently, and the same queries for the ranker and its baseline, so that
    the baseline against itself is exactly 0. A relative change is ``None`` where the mean at home is not clearly
    above 0: a ratio to nothing means nothing.

    Args:
        home: Per-query values at the source.
        away: Per-query values at the target.
        base_home: The baseline's values for the same queries as ``home``.
        base_away: The baseline's values for the same queries as ``away``.
        seed: Of the resampling.
    """
    at_home, there = np.asarray(home, dtype=float), np.asarray(away, dtype=float)
    draws_home, draws_there = _draws(len(at_home), seed), _draws(len(there), seed + 1)
    n = min(len(at_home), len(there))

    def estimate(value: float, resampled: Floats) -> Estimate:
        low, high = np.quantile(resampled, _tails())
        return Estimate(float(value), float(low), float(high), n, CONFIDENCE)

    means_home, means_there = at_home[draws_home].mean(axis=1), there[draws_there].mean(axis=1)
    change = estimate(there.mean() - at_home.mean(), means_there - means_home)
    if np.quantile(means_home, _tails()[0]) <= 0:
        return change, None, None
    value, resampled = there.mean() / at_home.mean() - 1, means_there / means_home - 1
    relative = estimate(value, resampled)
    if base_home is None or base_away is None:
        return change, relative, None
    base_h, base_a = np.asarray(base_home, dtype=float), np.asarray(base_away, dtype=float)
    base_means = base_h[draws_home].mean(axis=1)
    if np.quantile(base_means, _tails()[0]) <= 0:
        return change, relative, None
    base_value = base_a.mean() / base_h.mean() - 1
    base_resampled = base_a[draws_there].mean(axis=1) / base_means - 1
    return change, relative, estimate(value - base_value, resampled - base_resampled)


def needed(estimate: Estimate, limit: float, bound: str) -> int | None:
    """Queries with which the interval's ``"low"`` or ``"high"`` bound would clear the limit, all else equal.

    An interval's width shrinks with the square root of the number of queries. ``None`` where the estimate itself is
    on the wrong side of the limit, or on it: no number of queries would do.
    """
    distance = limit - estimate.value if bound == "high" else estimate.value - limit
    if distance <= 0:
        return None
    width = estimate.high - estimate.value if bound == "high" else estimate.value - estimate.low
    return max(estimate.n, ceil(round(estimate.n * (width / distance) ** 2, 6)))  # 40.000000001 is 40


def _totals(values: Sequence[float], clusters: Sequence[str] | None) -> tuple[Floats, Floats]:
    """Sum of values and number of cases per query."""
    if len(values) == 0:
        raise ValueError("no values to estimate from")
    data = np.asarray(values, dtype=float)
    if clusters is None:
        return data, np.ones(len(data))
    _, place = np.unique(np.asarray(clusters), return_inverse=True)
    return np.bincount(place, weights=data), np.bincount(place).astype(float)


def _draws(n: int, seed: int) -> NDArray[np.int64]:
    return np.random.default_rng(seed).integers(0, n, size=(RESAMPLES, n))


def _resample(sums: Floats, counts: Floats, seed: int) -> Floats:
    draws = _draws(len(sums), seed)
    return np.asarray(sums[draws].sum(axis=1) / counts[draws].sum(axis=1), dtype=float)


def _tails() -> tuple[float, float]:
    return (1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2


def _bca(sums: Floats, counts: Floats, value: float, resampled: Floats) -> tuple[float, float]:
    """The quantiles of the resampled means that BCa takes (Efron 1987); the plain tails where it is undefined."""
    from scipy.special import ndtr, ndtri

    below = float((resampled < value).mean() + (resampled == value).mean() / 2)
    jackknife = (sums.sum() - sums) / (counts.sum() - counts)
    deviation = jackknife.mean() - jackknife
    scale = float((deviation**2).sum())
    if not 0 < below < 1 or scale <= 1e-24:
        return _tails()
    bias, acceleration = ndtri(below), float((deviation**3).sum()) / (6 * scale**1.5)
    shifted = bias + ndtri(np.array(_tails()))
    low, high = ndtr(bias + shifted / (1 - acceleration * shifted))
    return float(low), float(high)
