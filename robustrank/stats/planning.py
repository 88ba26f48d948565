"""What a number of queries can show, before they are run: detectable differences, and queries that a verdict needs.

An interval's end lies away from the estimate for two reasons: the queries vary, and some were not drawn. The first
shrinks with the root of their number, the second with the number itself.
"""

from __future__ import annotations

from collections.abc import Callable
from math import erfc, exp, log, sqrt
from statistics import NormalDist
from typing import Literal

from robustrank.core.types import Estimate
from robustrank.stats.contrasts import Contrast
from robustrank.stats.resampling import TAIL, Bounds, missed_share

POWER = 0.8
"""Four audits of five."""

MOST = 10**9
"""Queries; nobody has more."""

_NORMAL = NormalDist()


def half_width(n: float, deviation: float, reach: float) -> float:
    """How far an end of the interval of a mean lies from the mean, to be expected of ``n`` queries.

    The query that was not drawn has a share that is about exponential; what the others add is about normal.

    Args:
        n: Queries.
        deviation: Standard deviation of a query's value.
        reach: From the mean to the least or greatest possible value, on the side of the end.
    """
    scale, share = deviation / sqrt(n), reach * missed_share(n) / -log(TAIL)
    if scale <= 1e-6 * reach:
        return reach * missed_share(n)
    if share <= 1e-6 * scale:
        return scale * _NORMAL.inv_cdf(1 - TAIL)
    return scale * _root(lambda x: _beyond(x, scale / share) - TAIL, 0.0, 10 + 10 * share / scale)


def _beyond(x: float, rate: float) -> float:
    """Probability that a standard normal number plus an exponential one of this rate is above x."""
    away = x - rate
    if away > -30:
        return _below(-x) + exp(rate * (rate / 2 - x)) * _below(away)
    # The factors leave the range of floats; Mills' ratio of the normal tail is 1 / |away|, less its third power.
    return _below(-x) - _NORMAL.pdf(x) * (1 / away - 1 / away**3)


def _below(x: float) -> float:
    """Probability that a standard normal number is below x, exact in the tail too."""
    return erfc(-x / sqrt(2)) / 2


def _root(falling: Callable[[float], float], low: float, high: float) -> float:
    """Where a falling function passes 0, by halving."""
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if falling(middle) > 0 else (low, middle)
    return high


def needed(estimate: Estimate, limit: float, bound: Literal["low", "high"], bounds: Bounds) -> int | None:
    """Queries with which the interval's ``bound`` clears the limit in four audits of five, all else equal.

    Args:
        estimate: A mean of queries.
        limit: Of the gate.
        bound: The end of the interval that is between the estimate and the limit.
        bounds: Least and greatest possible value of a query.

    Returns:
        ``None`` where the estimate itself is on the wrong side of the limit, or on it: no number of queries would do.
    """
    distance = limit - estimate.value if bound == "high" else estimate.value - limit
    if distance <= 0:
        return None
    widths = (estimate.value - estimate.low, estimate.high - estimate.value)
    reaches = [
        min(max(reach, 0.0), width * estimate.n)
        for reach, width in zip((estimate.value - bounds[0], bounds[1] - estimate.value), widths, strict=True)
    ]
    reach = reaches[bound == "high"]
    # Of a skewed mean the two ends say different things of the deviation; the larger is the safer one.
    deviation = max(_deviation(estimate.n, width, far) for width, far in zip(widths, reaches, strict=True))

    def clears(n: int) -> bool:
        return half_width(n, deviation, reach) + _NORMAL.inv_cdf(POWER) * deviation / sqrt(n) <= distance

    low, high = estimate.n - 1, estimate.n
    while not clears(high):
        low, high = high, 2 * high
        if high > MOST:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if clears(middle) else (middle, high)
    return high


def foreseen(estimate: Estimate, n: int, bound: Literal["low", "high"], bounds: Bounds, chance: float = 0.95) -> float:
    """How far out the interval's ``bound`` lies at most when the audit goes on to more queries, all else equal.

    Args:
        estimate: A mean of the first queries.
        n: Queries then, these among them.
        bound: The end of the interval.
        bounds: Least and greatest possible value of a query.
        chance: Share of audits in which it lies no farther out.

    Returns:
        At least as far out as the estimate's own bound.
    """
    sign, own = (1, estimate.high) if bound == "high" else (-1, estimate.low)
    reaches = (estimate.value - bounds[0], bounds[1] - estimate.value)
    widths = (estimate.value - estimate.low, estimate.high - estimate.value)
    capped = [min(max(r, 0.0), w * estimate.n) for r, w in zip(reaches, widths, strict=True)]
    deviation = max(_deviation(estimate.n, w, r) for w, r in zip(widths, capped, strict=True))
    moves = _NORMAL.inv_cdf(chance) * deviation * sqrt(max(0.0, 1 / estimate.n - 1 / n))
    far = estimate.value + sign * (half_width(n, deviation, capped[bound == "high"]) + moves)
    return min(max(own, far), bounds[1]) if bound == "high" else max(min(own, far), bounds[0])


def _deviation(n: int, width: float, reach: float) -> float:
    """The standard deviation of a query's value with which an interval's end lies so far from the mean."""
    if half_width(n, 0.0, reach) >= width * (1 - 1e-6):
        return 0.0
    return _root(lambda deviation: width - half_width(n, deviation, reach), 0.0, width * sqrt(n))


def detectable(contrast: Contrast, *, power: float = POWER, among: int = 1) -> float:
    """Minimum detectable difference: the smallest true one that so many queries show with the given power.

    Args:
        contrast: Of the queries.
        power: Probability that it is shown.
        among: Comparisons that p values are corrected for; the half-width then grows as that of a normal mean.
    """
    low, high = contrast.estimate.value - contrast.estimate.low, contrast.estimate.high - contrast.estimate.value
    wider = _NORMAL.inv_cdf(1 - TAIL / among) / _NORMAL.inv_cdf(1 - TAIL)
    return max(low, high) * wider + _NORMAL.inv_cdf(power) * contrast.error


def expected_detectable(n: int, deviation: float, *, reach: float = 1.0, power: float = POWER) -> float:
    """Minimum detectable difference of ``n`` paired queries at the given power, before anything is run.

    Args:
        n: Queries, at least 2.
        deviation: Standard deviation of the per-query differences that is expected.
        reach: The largest possible difference.
        power: Probability that the interval excludes 0.
    """
    return half_width(n, deviation, reach) + _NORMAL.inv_cdf(power) * deviation / sqrt(n)
