"""Intervals and tests. numpy resamples; scipy and statsmodels do the arithmetic that has a name.

Queries are the units: where one query gives several cases, ``clusters`` names the query of each, and whole queries are
resampled. ``n`` of an estimate is always the number of queries. Every interval is two-sided at ``CONFIDENCE``.

Two things keep few queries from looking like certainty. The tails taken from a bootstrap are those of Student's t
(Hesterberg 2015, "What teachers should know about the bootstrap", expanded percentiles). And where all values are
equal, so that no resampling can differ, the interval allows for the share of other values that so many queries could
miss by chance, which is Clopper and Pearson's bound for "0 of n".
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import ceil, sqrt
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from robustrank.core.types import Estimate

RESAMPLES = 2000
PERMUTATIONS = 10_000
CONFIDENCE = 0.95
TAIL = (1 - CONFIDENCE) / 2
EXACT = 12
"""Up to so many units, a permutation test enumerates all signs."""

Floats = NDArray[np.float64]
Bounds = tuple[float, float]


def mean(
    values: Sequence[float], *, clusters: Sequence[str] | None = None, bounds: Bounds | None = None, seed: int = 0
) -> Estimate:
    """Mean with a bootstrap interval over queries: BCa (Efron 1987) with t tails.

    Args:
        values: One per case.
        clusters: The query of each case; default, every case is a query of its own.
        bounds: Least and greatest possible value. They are the interval of a single query, which says nothing of the
            spread, and limit what queries that all agree may have missed. Without bounds both have width zero.
        seed: Of the resampling.

    Raises:
        ValueError: No values.
    """
    sums, counts = _totals(values, clusters)
    value, n = float(sums.sum() / counts.sum()), len(sums)
    if n == 1 or np.ptp(sums / counts) == 0:
        least, greatest = bounds or (value, value)
        missed = 1.0 if n == 1 else 1 - TAIL ** (1 / n)
        low, high = value - missed * max(0, value - least), value + missed * max(0, greatest - value)
        return Estimate(value, low, high, n, CONFIDENCE)
    totals, sizes = _resample((sums, counts), seed)
    resampled = totals / sizes
    low, high = np.quantile(resampled, _bca(sums, counts, value, resampled))
    return Estimate(value, float(low), float(high), n, CONFIDENCE)


def share(flags: Sequence[bool], *, clusters: Sequence[str] | None = None) -> Estimate:
    """Share of true flags with the exact binomial (Clopper-Pearson) interval; never of width zero.

    Where queries give several cases, their successes go together: the interval is that of the effective number of
    cases (Korn & Graubard 1998), which is the number of cases over the design effect, estimated from the clusters and
    at least 1, and is reduced by the ratio of t quantiles. Where all or no flags are true, cases of one query count
    as one.
    """
    from scipy.special import stdtrit
    from statsmodels.stats.proportion import proportion_confint

    sums, counts = _totals([float(flag) for flag in flags], clusters)
    total, value, n = float(counts.sum()), float(sums.sum() / counts.sum()), len(sums)
    effective = total
    if counts.max() > 1:
        effective = float(n)
        if n > 1 and 0 < value < 1:
            variance = n / (n - 1) * float(((sums - value * counts) ** 2).sum()) / total**2
            design = max(1.0, variance * total / (value * (1 - value)))
            tails = stdtrit(total - 1, 1 - TAIL) / stdtrit(n - 1, 1 - TAIL)
            effective = total / design * float(tails) ** 2
    low, high = proportion_confint(value * effective, effective, alpha=1 - CONFIDENCE, method="beta")
    return Estimate(value, float(min(low, value)), float(max(high, value)), n, CONFIDENCE)


def worst_decile(values: Sequence[float], *, bounds: Bounds = (0, 1), seed: int = 0) -> Estimate:
    """Mean of the lowest tenth of the queries (rounded up).

    A plain bootstrap misses low here, because the worst queries there are may not have been drawn at all. So queries
    get Dirichlet weights (Rubin 1981) together with one more query at the least possible value for the lower bound,
    and at the greatest for the upper, in the manner of Gaffke (2005); covers at least as often as it says.

    Args:
        values: One per query.
        bounds: Least and greatest possible value.
        seed: Of the weights.
    """
    data = np.sort(np.asarray(values, dtype=np.float64))
    n, rng = len(data), np.random.default_rng(seed)
    ends: list[tuple[Floats, Floats]] = []
    for shape in _blocks(RESAMPLES, n + 1):
        weights = rng.exponential(size=shape).cumsum(axis=1)
        share_of_tenth = np.diff(np.minimum(weights / weights[:, -1:], 0.1), axis=1, prepend=0) / 0.1
        ends.append((share_of_tenth @ np.r_[bounds[0], data], share_of_tenth @ np.r_[data, bounds[1]]))
    lows, highs = (np.concatenate(end) for end in zip(*ends, strict=True))
    value = float(data[: ceil(n / 10)].mean())
    return Estimate(value, float(np.quantile(lows, TAIL)), float(np.quantile(highs, 1 - TAIL)), n, CONFIDENCE)


def paired(
    a: Sequence[float],
    b: Sequence[float],
    *,
    clusters: Sequence[str] | None = None,
    bounds: Bounds = (-1, 1),
    seed: int = 0,
) -> tuple[Estimate, float]:
    """Mean of ``a - b`` over the same cases with a bootstrap interval, and a two-sided permutation p value.

    The signs of the queries' differences are permuted: all of them up to ``EXACT`` differing queries, else at random,
    with the observed signs counted among them so that p is never 0.

    Args:
        a: One value per case.
        b: One value per case, in the same order.
        clusters: The query of each case; default, every case is a query of its own.
        bounds: Least and greatest possible difference; the default is right for measures and successes.
        seed: Of the resampling.
    """
    differences = [x - y for x, y in zip(a, b, strict=True)]
    sums, _ = _totals(differences, clusters)
    sums = sums[sums != 0]  # their sign changes nothing
    least = abs(float(sums.sum())) - 1e-9 * float(np.abs(sums).sum())
    if len(sums) <= EXACT:
        signs = 1.0 - 2 * ((np.arange(2 ** len(sums))[:, None] >> np.arange(len(sums))) & 1)
        p = float((np.abs(signs @ sums) >= least).mean())
    else:
        rng, flips = np.random.default_rng(seed), 0
        for shape in _blocks(PERMUTATIONS, len(sums)):
            signs = 1.0 - 2 * rng.integers(0, 2, size=shape, dtype=np.int8)
            flips += int((np.abs(signs @ sums) >= least).sum())
        p = (1 + flips) / (1 + PERMUTATIONS)
    return mean(differences, clusters=clusters, bounds=bounds, seed=seed), p


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
    bounds: Bounds = (0, 1),
    seed: int = 0,
) -> tuple[Estimate, Estimate | None, Estimate | None]:
    """Change of the mean from ``home`` to ``away``: absolute, relative, and relative minus the baseline's.

    Home and away queries are resampled independently, and the same queries for the ranker and its baseline, so that
    the baseline against itself is exactly 0. A relative change is ``None`` where some resample's mean at
    home is not above 0: a ratio to nothing means nothing. ``n`` is the smaller of the two numbers of queries.

    Args:
        home: Per-query values at the source.
        away: Per-query values at the target.
        base_home: The baseline's values for the same queries as ``home``.
        base_away: The baseline's values for the same queries as ``away``.
        bounds: Least and greatest possible value, for queries that all agree (see the module's docstring).
        seed: Of the resampling.
    """
    n = min(len(home), len(away))
    value_home, home_means = _means(home, bounds, seed)
    value_away, away_means = _means(away, bounds, seed + 1)
    change = _estimate(value_away - value_home, away_means - home_means, n)
    if home_means.min() <= 0:
        return change, None, None
    value, resampled = value_away / value_home - 1, away_means / home_means - 1
    relative = _estimate(value, resampled, n)
    if base_home is None or base_away is None:
        return change, relative, None
    base_value_home, base_home_means = _means(base_home, bounds, seed)
    base_value_away, base_away_means = _means(base_away, bounds, seed + 1)
    if base_home_means.min() <= 0:
        return change, relative, None
    base_value, base_resampled = base_value_away / base_value_home - 1, base_away_means / base_home_means - 1
    return change, relative, _estimate(value - base_value, resampled - base_resampled, n)


def needed(estimate: Estimate, limit: float, bound: Literal["low", "high"]) -> int | None:
    """Queries with which the interval's ``bound`` would clear the limit, all else equal.

    An interval's width shrinks with the square root of the number of queries. ``None`` where the estimate itself is
    on the wrong side of the limit, or on it: no number of queries would do.
    """
    distance = limit - estimate.value if bound == "high" else estimate.value - limit
    if distance <= 0:
        return None
    width = estimate.high - estimate.value if bound == "high" else estimate.value - estimate.low
    return max(estimate.n, ceil(estimate.n * (width / distance) ** 2 - 1e-9))


def _totals(values: Sequence[float], clusters: Sequence[str] | None) -> tuple[Floats, Floats]:
    """Sum of values and number of cases per query."""
    if len(values) == 0:
        raise ValueError("no values to estimate from")
    data = np.asarray(values, dtype=np.float64)
    if clusters is None:
        return data, np.ones(len(data))
    if len(clusters) != len(data):
        raise ValueError(f"{len(clusters)} clusters for {len(data)} values")
    _, place = np.unique(np.asarray(clusters), return_inverse=True)
    sums: Floats = np.bincount(place, weights=data).astype(np.float64)
    return sums, np.bincount(place).astype(np.float64)


def _blocks(rows: int, width: int) -> Iterator[tuple[int, int]]:
    """Shapes that together have so many rows, each small enough for memory."""
    step = max(1, 4_000_000 // max(1, width))
    for start in range(0, rows, step):
        yield min(step, rows - start), width


def _resample(columns: Sequence[Floats], seed: int) -> list[Floats]:
    """Sums of every column over resampled rows, the same rows for all columns."""
    rng = np.random.default_rng(seed)
    n = len(columns[0])
    drawn = (rng.integers(0, n, size=shape) for shape in _blocks(RESAMPLES, n))
    sums = [[column[rows].sum(axis=1) for column in columns] for rows in drawn]
    return [np.concatenate(parts) for parts in zip(*sums, strict=True)]


def _means(values: Sequence[float], bounds: Bounds, seed: int) -> tuple[float, Floats]:
    """Mean and resampled means; where all values are equal, means that other values missed by chance could give."""
    data = np.asarray(values, dtype=np.float64)
    if np.ptp(data) > 0:
        return float(data.mean()), _resample((data,), seed)[0] / len(data)
    level = np.random.default_rng(seed).random(RESAMPLES)
    missed = 1 - np.minimum(level, 1 - level) ** (1 / len(data))
    return float(data[0]), data[0] + missed * (np.where(level < 0.5, *bounds) - data[0])


def _estimate(value: float, resampled: Floats, n: int) -> Estimate:
    low, high = np.quantile(resampled, _tails(n))
    return Estimate(value, float(low), float(high), n, CONFIDENCE)


def _tails(n: int) -> tuple[float, float]:
    """Quantiles to take of resampled means of ``n`` queries: those of t, for a spread estimated from the data."""
    from scipy.special import ndtr

    low, high = ndtr(_deviates(n))
    return float(low), float(high)


def _deviates(n: int) -> Floats:
    from scipy.special import stdtrit

    t = float(stdtrit(n - 1, 1 - TAIL)) * sqrt(n / (n - 1)) if n > 1 else np.inf
    return np.array([-t, t])


def _bca(sums: Floats, counts: Floats, value: float, resampled: Floats) -> tuple[float, float]:
    """The quantiles of the resampled means that BCa takes; the plain tails where it is undefined."""
    from scipy.special import ndtr, ndtri

    n = len(sums)
    below = float((resampled < value).mean() + (resampled == value).mean() / 2)
    jackknife = (sums.sum() - sums) / (counts.sum() - counts)
    deviation = jackknife.mean() - jackknife
    scale = float((deviation**2).sum())
    if not 0 < below < 1 or scale <= 0:
        return _tails(n)
    bias, acceleration = float(ndtri(below)), float((deviation**3).sum()) / (6 * scale**1.5)
    shifted = bias + _deviates(n)
    low, high = ndtr(bias + shifted / np.maximum(1 - acceleration * shifted, 1e-9))
    return float(low), float(high)
