"""Two-sided intervals at :data:`CONFIDENCE` of means, shares and the lowest decile.

Queries are the units: where one query gives several cases, ``clusters`` names the query of each, and whole queries are
resampled. ``n`` of an estimate is always the number of queries. None has width 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import Literal

import numpy as np

from robustrank.core.types import Estimate, Range
from robustrank.stats.contrasts import contrast
from robustrank.stats.resampling import CONFIDENCE, TAIL, Bounds, Floats, finite, spread_factor

WEIGHTINGS = 2000
"""Random weightings of the queries for the lowest decile."""
WEIGHTS_AT_ONCE = 4_000_000


def mean(values: Sequence[float], *, bounds: Bounds, clusters: Sequence[str] | None = None, seed: int = 0) -> Estimate:
    """Mean with a bootstrap interval over queries (:mod:`robustrank.stats.resampling`).

    Args:
        values: One per case.
        bounds: Least and greatest possible value, infinite where there is none. They are the interval of a single
            query, whose spread cannot be estimated, and limit the values of queries that were not drawn.
        clusters: The query of each case; default, every case is a query of its own.
        seed: Of the resampling.

    Raises:
        ValueError: No values.
    """
    sums, counts = totals(values, clusters)
    least, greatest = finite(bounds, sums / counts)
    usual = float(counts.mean())
    unseen = [(least * usual, usual), (greatest * usual, usual)]
    over_cases = contrast([np.c_[sums, counts].tolist()], lambda m: m[:, 0] / m[:, 1], unseen=[unseen], seed=seed)
    assert over_cases is not None, "a mean is always defined"
    return over_cases.estimate


def share(flags: Sequence[bool], *, clusters: Sequence[str] | None = None) -> Estimate:
    """Share of true flags with the exact binomial (Clopper-Pearson) interval.

    Where queries give several cases, their successes go together: the interval is that of the effective number of
    cases (Korn & Graubard 1998), which is the number of cases over the design effect, estimated from the clusters and
    at least 1, and is reduced by the ratio of t quantiles. Where all or no flags are true, cases of one query count
    as one.

    Args:
        flags: One per case.
        clusters: The query of each case; default, every case is a query of its own.

    Raises:
        ValueError: No flags.
    """
    from scipy.special import stdtrit
    from statsmodels.stats.proportion import proportion_confint

    sums, counts = totals([float(flag) for flag in flags], clusters)
    total, value, n = float(counts.sum()), float(sums.sum() / counts.sum()), len(sums)
    effective = total
    if counts.max() > 1:
        effective = float(n)
        if n > 1 and 0 < value < 1:
            variance = spread_factor(n) ** 2 * float(((sums - value * counts) ** 2).sum()) / total**2
            design = max(1.0, variance * total / (value * (1 - value)))
            tails = stdtrit(total - 1, 1 - TAIL) / stdtrit(n - 1, 1 - TAIL)
            effective = total / design * float(tails) ** 2
    low, high = proportion_confint(value * effective, effective, alpha=1 - CONFIDENCE, method="beta")
    return Estimate(value, float(min(low, value)), float(max(high, value)), n, CONFIDENCE)


def lowest_decile(values: Sequence[float], *, bounds: Bounds, seed: int = 0) -> Estimate:
    """Mean of the lowest tenth of the queries (rounded up).

    A plain bootstrap misses low here, because the worst queries there are may not have been drawn at all. So queries
    get Dirichlet weights (Rubin 1981) together with one more query at the least possible value for the lower bound,
    and at the greatest for the upper, in the manner of Gaffke (2005); its coverage is at least
    nominal.

    Args:
        values: One per query.
        bounds: Least and greatest possible value, infinite where there is none.
        seed: Of the weights.

    Raises:
        ValueError: No values.
    """
    data = np.sort(totals(values, None)[0])
    n, rng = len(data), np.random.default_rng(seed)
    least, greatest = finite(bounds, data, beyond=float(np.ptp(data)))
    ends: list[tuple[Floats, Floats]] = []
    step = max(1, WEIGHTS_AT_ONCE // (n + 1))
    for start in range(0, WEIGHTINGS, step):
        weights = rng.exponential(size=(min(step, WEIGHTINGS - start), n + 1)).cumsum(axis=1)
        share_of_tenth = np.diff(np.minimum(weights / weights[:, -1:], 0.1), axis=1, prepend=0) / 0.1
        ends.append((share_of_tenth @ np.r_[least, data], share_of_tenth @ np.r_[data, greatest]))
    lows, highs = (np.concatenate(end) for end in zip(*ends, strict=True))
    value = float(data[: ceil(n / 10)].mean())
    return Estimate(value, float(np.quantile(lows, TAIL)), float(np.quantile(highs, 1 - TAIL)), n, CONFIDENCE)


def central(drawn: Floats) -> Range:
    """The central interval of some draws that holds :data:`CONFIDENCE` of them."""
    low, high = np.quantile(drawn, (TAIL, 1 - TAIL))
    return Range(float(low), float(high))


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


def totals(values: Sequence[float], clusters: Sequence[str] | None) -> tuple[Floats, Floats]:
    """Sum of values and number of cases per query.

    Raises:
        ValueError: No values, or not as many clusters.
    """
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
