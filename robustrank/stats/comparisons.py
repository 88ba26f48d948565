"""Tests: paired differences, and corrections for multiple testing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from robustrank.stats.contrasts import Contrast
from robustrank.stats.intervals import mean_and_p
from robustrank.stats.resampling import Bounds


def paired(
    a: Sequence[float],
    b: Sequence[float],
    *,
    clusters: Sequence[str] | None = None,
    bounds: Bounds = (-1, 1),
    seed: int = 0,
) -> Contrast:
    """Mean of ``a - b`` over the same cases with its interval, and the two-sided p value that inverts the interval.

    Args:
        a: One value per case.
        b: One value per case, in the same order.
        clusters: The query of each case; default, every case is a query of its own.
        bounds: Least and greatest possible difference; the default is right for measures in [0, 1] and successes.
        seed: Of the weights.
    """
    differences = [x - y for x, y in zip(a, b, strict=True)]
    return mean_and_p(differences, clusters=clusters, bounds=bounds, seed=seed)


def welch_lower(inside: Sequence[float], outside: Sequence[float]) -> float | None:
    """Welch's one-sided p value that the first mean is lower; ``None`` where either side does not vary at all."""
    from scipy.special import stdtr  # scipy.stats, which has the whole test, takes a second to import

    if np.ptp(inside) == 0 or np.ptp(outside) == 0:
        return None
    variances = np.array([np.var(side, ddof=1) / len(side) for side in (inside, outside)])
    freedom = variances.sum() ** 2 / (variances**2 / [len(inside) - 1, len(outside) - 1]).sum()
    return float(stdtr(freedom, (np.mean(inside) - np.mean(outside)) / np.sqrt(variances.sum())))


def holm(ps: Sequence[float]) -> list[float]:
    """p values corrected for their number after Holm (1979)."""
    rising = np.argsort(ps, kind="stable")
    left = np.arange(len(ps), 0, -1)
    return _placed(rising, np.maximum.accumulate(np.asarray(ps, dtype=np.float64)[rising] * left))


def benjamini_hochberg(ps: Sequence[float]) -> list[float]:
    """p values corrected to control the share of false discoveries (Benjamini and Hochberg 1995)."""
    falling = np.argsort(ps, kind="stable")[::-1]
    share = len(ps) / np.arange(len(ps), 0, -1)
    return _placed(falling, np.minimum.accumulate(np.asarray(ps, dtype=np.float64)[falling] * share))


def _placed(order: NDArray[np.intp], corrected: NDArray[np.float64]) -> list[float]:
    """Corrected p values, none above 1, where they belong."""
    placed = np.empty(len(order))
    placed[order] = np.minimum(corrected, 1.0)
    return [float(p) for p in placed]
