"""Tests: paired differences, corrections for multiple testing, minimum detectable differences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from robustrank.core.types import Estimate
from robustrank.stats.intervals import mean, totals
from robustrank.stats.resampling import CONFIDENCE, Bounds

PERMUTATIONS = 10_000
EXACT = 12
"""Up to so many units, a permutation test enumerates all signs."""
POWER = 0.8
SIGNS_AT_ONCE = 4_000_000


def paired(
    a: Sequence[float],
    b: Sequence[float],
    *,
    clusters: Sequence[str] | None = None,
    bounds: Bounds = (-1, 1),
    seed: int = 0,
) -> tuple[Estimate, float]:
    """Mean of ``a - b`` over the same cases with a bootstrap interval, and a two-sided permutation p value.

    Args:
        a: One value per case.
        b: One value per case, in the same order.
        clusters: The query of each case; default, every case is a query of its own.
        bounds: Least and greatest possible difference; the default is right for measures in [0, 1] and successes.
        seed: Of the resampling.
    """
    differences = [x - y for x, y in zip(a, b, strict=True)]
    sums, _ = totals(differences, clusters)
    return mean(differences, clusters=clusters, bounds=bounds, seed=seed), sign_flips(sums, seed=seed)


def sign_flips(sums: NDArray[np.float64], *, seed: int = 0) -> float:
    """Two-sided p value of a permutation of signs: all of them up to ``EXACT`` differing queries, else at random.

    The observed signs are counted among those drawn, so that p is never 0.

    Args:
        sums: Per query the sum of its differences.
        seed: Of the signs.
    """
    moving = sums[sums != 0]  # the sign of 0 changes nothing
    least = abs(float(moving.sum())) - 1e-9 * float(np.abs(moving).sum())
    if len(moving) <= EXACT:
        signs = 1.0 - 2 * ((np.arange(2 ** len(moving))[:, None] >> np.arange(len(moving))) & 1)
        return float((np.abs(signs @ moving) >= least).mean())
    rng, as_large = np.random.default_rng(seed), 0
    for rows in _blocks(PERMUTATIONS, len(moving)):
        signs = 1.0 - 2 * rng.integers(0, 2, size=(rows, len(moving)), dtype=np.int8)
        as_large += int((np.abs(signs @ moving) >= least).sum())
    return (1 + as_large) / (1 + PERMUTATIONS)


def _blocks(rows: int, width: int) -> Iterator[int]:
    """Numbers of rows that add up, each small enough for memory."""
    step = max(1, SIGNS_AT_ONCE // max(1, width))
    for start in range(0, rows, step):
        yield min(step, rows - start)


def welch_lower(inside: Sequence[float], outside: Sequence[float]) -> float | None:
    """Welch's one-sided p value that the first mean is lower; ``None`` where either side does not vary at all."""
    from scipy.stats import ttest_ind

    if np.ptp(inside) == 0 or np.ptp(outside) == 0:
        return None
    return float(ttest_ind(inside, outside, equal_var=False, alternative="less").pvalue)


def holm(ps: Sequence[float]) -> list[float]:
    """p values corrected for their number after Holm (1979)."""
    return _corrected(ps, "holm")


def benjamini_hochberg(ps: Sequence[float]) -> list[float]:
    """p values corrected to control the share of false discoveries (Benjamini and Hochberg 1995)."""
    return _corrected(ps, "fdr_bh")


def _corrected(ps: Sequence[float], method: str) -> list[float]:
    from statsmodels.stats.multitest import multipletests

    return [float(p) for p in multipletests(ps, method=method)[1]] if ps else []


def detectable(estimate: Estimate, *, power: float = POWER) -> float:
    """Minimum detectable difference: the smallest true one that so many queries show with the given power.

    The standard error is that of the interval's width.

    Args:
        estimate: Of at least two queries.
        power: Probability of rejecting equality.
    """
    from scipy.special import stdtrit

    error = standard_error(estimate)
    t = float(stdtrit(estimate.n - 1, 0.5 + estimate.confidence / 2))
    return error * (t + float(stdtrit(estimate.n - 1, power)))


def standard_error(estimate: Estimate) -> float:
    """The standard error that an interval of this width has, taken as one of Student's t."""
    from scipy.special import stdtrit

    return (estimate.high - estimate.low) / (2 * float(stdtrit(estimate.n - 1, 0.5 + estimate.confidence / 2)))


def expected_detectable(n: int, deviation: float, *, power: float = POWER, alpha: float = 1 - CONFIDENCE) -> float:
    """Minimum detectable difference of ``n`` paired queries at the given power, before anything is run.

    Args:
        n: Queries, at least 3.
        deviation: Standard deviation of the per-query differences that is expected.
        power: Probability of rejecting equality.
        alpha: Of the two-sided t test.
    """
    from statsmodels.stats.power import TTestPower

    return float(TTestPower().solve_power(nobs=n, power=power, alpha=alpha)) * deviation
