"""Confidence sequences for means of bounded values: intervals that hold at every number of values at once.

An interval of :mod:`robustrank.stats.intervals` holds for a number of values fixed beforehand. Looking after every
batch and stopping by what is seen needs one of these: with probability 1 - alpha the mean lies in all of them at once,
so the level holds whatever the rule for stopping.

Both are from Waudby-Smith and Ramdas (2024, "Estimating means of bounded random variables by betting"): the hedged
capital process (their Theorem 3) and the predictable plug-in empirical Bernstein sequence (Theorem 2). Values must come
in an order that does not depend on them, each with the same mean given those before.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from robustrank.core.types import Estimate
from robustrank.stats.resampling import CONFIDENCE, Floats

STEPS = 40
"""Halvings of [0, 1] when a bound is searched: it is exact to 1e-12, and off on the safe side."""

CELLS = 2_000_000
"""Numbers held at once."""


def betting(
    values: ArrayLike,
    *,
    alpha: float = 0.05,
    bounds: tuple[float, float] = (0, 1),
    at: Sequence[int] | None = None,
) -> tuple[Floats, Floats]:
    """Lower and upper bounds by betting against every possible mean: tight for few values and for small variances.

    A mean is ruled out once a gambler who bets against it has multiplied his capital by 2 / alpha. The bounds are those
    of the running intersection, so they never loosen.

    Args:
        values: Of shape (..., n); every row of the last axis is a sequence of its own.
        alpha: Probability that the mean is ever outside, two-sided.
        bounds: Least and greatest possible value.
        at: Numbers of values, each in 1 to n, after which bounds are wanted; default 1, 2, ..., n.

    Returns:
        Two arrays of shape (..., len(at)).

    Raises:
        ValueError: Values outside the bounds, or none.
    """
    scaled, counts = _scaled(values, bounds, at)
    sizes = _bets(scaled, alpha / 2)
    low = _ruled_out(scaled, sizes, counts, np.log(2 / alpha))
    high = 1 - _ruled_out(1 - scaled, sizes, counts, np.log(2 / alpha))
    return _unscaled(low, high, bounds)


def mean(values: Sequence[float], *, bounds: tuple[float, float]) -> Estimate:
    """Mean of the values with an interval by :func:`betting` that holds at any time.

    Args:
        values: In an order that does not depend on them.
        bounds: Least and greatest possible value.

    Raises:
        ValueError: Values outside the bounds, bounds that are infinite, or no values.
    """
    if not np.isfinite(bounds).all():
        raise ValueError("an interval that holds at any time needs finite bounds")
    low, high = betting(values, alpha=1 - CONFIDENCE, bounds=bounds, at=[len(values)])
    value = sum(values) / len(values)
    return Estimate(value, min(float(low[0]), value), max(float(high[0]), value), len(values), CONFIDENCE)


def lower_bets(
    values: ArrayLike,
    *,
    alpha: float = 0.05,
    bounds: tuple[float, float] = (0, 1),
    at: Sequence[int] | None = None,
    horizon: int | None = None,
) -> Floats:
    """The lower bounds of :func:`betting` alone, so ``alpha`` is one-sided.

    Args:
        values: As for :func:`betting`.
        alpha: Probability that the mean is ever below the bound.
        bounds: As for :func:`betting`.
        at: As for :func:`betting`.
        horizon: The number of values at which the bound should be sharpest, where that is fixed; the bound
            holds at any other too.

    Returns:
        An array of shape (..., len(at)).

    Raises:
        ValueError: Values outside the bounds, or none.
    """
    scaled, counts = _scaled(values, bounds, at)
    least, greatest = bounds
    return least + (greatest - least) * _ruled_out(scaled, _bets(scaled, alpha, horizon), counts, np.log(1 / alpha))


def empirical_bernstein(
    values: ArrayLike,
    *,
    alpha: float = 0.05,
    bounds: tuple[float, float] = (0, 1),
    at: Sequence[int] | None = None,
) -> tuple[Floats, Floats]:
    """Lower and upper bounds in closed form: wider than those of :func:`betting`, and much cheaper.

    Arguments, results and errors are those of :func:`betting`.
    """
    scaled, counts = _scaled(values, bounds, at)
    sizes = np.minimum(_bets(scaled, alpha / 2), 0.5)
    n = np.arange(1, scaled.shape[-1] + 1)
    guess = np.concatenate([np.full((*scaled.shape[:-1], 1), 0.5), (0.5 + scaled.cumsum(-1)) / (n + 1)], axis=-1)
    spread = (scaled - guess[..., :-1]) ** 2 * (-np.log1p(-sizes) - sizes)
    total = sizes.cumsum(-1)
    centre = (sizes * scaled).cumsum(-1) / total
    width = (np.log(2 / alpha) + spread.cumsum(-1)) / total
    low = np.maximum.accumulate(np.clip(centre - width, 0, 1), axis=-1)[..., counts - 1]
    high = np.minimum.accumulate(np.clip(centre + width, 0, 1), axis=-1)[..., counts - 1]
    return _unscaled(low, high, bounds)


def _scaled(
    values: ArrayLike, bounds: tuple[float, float], at: Sequence[int] | None
) -> tuple[Floats, NDArray[np.intp]]:
    """Values in [0, 1], and the numbers of values after which bounds are wanted."""
    data = np.asarray(values, dtype=np.float64)
    if data.ndim == 0 or data.shape[-1] == 0:
        raise ValueError("no values to estimate from")
    least, greatest = bounds
    if not (data.min() >= least and data.max() <= greatest):
        raise ValueError(f"values must lie in [{least}, {greatest}], not [{data.min()}, {data.max()}]")
    return (data - least) / (greatest - least), np.asarray(at or range(1, data.shape[-1] + 1), dtype=np.intp)


def _unscaled(low: Floats, high: Floats, bounds: tuple[float, float]) -> tuple[Floats, Floats]:
    least, greatest = bounds
    return least + (greatest - least) * low, least + (greatest - least) * high


def _bets(scaled: Floats, alpha: float, horizon: int | None = None) -> Floats:
    """The predictable plug-in for one side: sizes of bets that depend on earlier values alone."""
    n = np.arange(1, scaled.shape[-1] + 1)
    guess = (0.5 + scaled.cumsum(-1)) / (n + 1)
    variance = (0.25 + ((scaled - guess) ** 2).cumsum(-1)) / (n + 1)
    before = np.concatenate([np.full((*scaled.shape[:-1], 1), 0.25), variance[..., :-1]], axis=-1)
    pace = n * np.log1p(n) if horizon is None else horizon
    sizes: Floats = np.sqrt(2 * np.log(1 / alpha) / (before * pace))
    return sizes


def _ruled_out(scaled: Floats, sizes: Floats, counts: NDArray[np.intp], enough: float) -> Floats:
    """The greatest mean that bets on larger values have ruled out; capital falls as the mean it is bet against grows.

    Searched for all rows and counts side by side, in blocks of counts that fit in memory.
    """
    rows, n = scaled.reshape(-1, 1, scaled.shape[-1]), scaled.shape[-1]
    stakes = sizes.reshape(rows.shape)
    block = max(1, CELLS // (rows.shape[0] * n))
    parts = []
    for start in range(0, len(counts), block):
        seen = counts[start : start + block]
        n_seen = int(seen.max())
        late = np.arange(1, n_seen + 1) > seen[:, None]
        low, high = np.zeros((rows.shape[0], len(seen))), np.ones((rows.shape[0], len(seen)))
        for _ in range(STEPS):
            mean = (low + high) / 2
            capped = np.minimum(stakes[..., :n_seen], 0.5 / mean[..., None])
            capital = np.log1p(capped * (rows[..., :n_seen] - mean[..., None])).cumsum(-1)
            ruled_out = np.where(late, -np.inf, capital).max(-1) >= enough
            low, high = np.where(ruled_out, mean, low), np.where(ruled_out, high, mean)
        parts.append(low)
    greatest: Floats = np.concatenate(parts, axis=-1).reshape(*scaled.shape[:-1], len(counts))
    return greatest
