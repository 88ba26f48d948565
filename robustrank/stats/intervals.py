"""Two-sided intervals at :data:`CONFIDENCE` of means, shares and the lowest decile.

Queries are the units: where one query gives several cases, ``clusters`` names the query of each, and whole queries are
weighted. ``n`` of an estimate is always the number of queries. None has width 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from math import ceil

import numpy as np

from robustrank.core.types import Estimate, Range
from robustrank.stats.contrasts import Contrast, contrast
from robustrank.stats.resampling import (
    CHUNK,
    CONFIDENCE,
    TAIL,
    Bounds,
    Floats,
    exponentials,
    finite,
    lower_end,
    upper_end,
    weighted,
)

DECILE_DRAWS = 5000
"""Sets of weights for the lowest decile, which sorts the queries of each."""


def mean(values: Sequence[float], *, bounds: Bounds, clusters: Sequence[str] | None = None, seed: int = 0) -> Estimate:
    """Mean with its interval over queries (:mod:`robustrank.stats.resampling`).

    Arguments and errors are those of :func:`mean_and_p`.
    """
    return mean_and_p(values, bounds=bounds, clusters=clusters, seed=seed).estimate


def mean_and_p(
    values: Sequence[float], *, bounds: Bounds, clusters: Sequence[str] | None = None, seed: int = 0
) -> Contrast:
    """Mean with its interval over queries, and the p value of its being 0.

    Args:
        values: One per case.
        bounds: Least and greatest possible value, infinite where there is none: what a query that was not drawn can
            have.
        clusters: The query of each case; default, every case is a query of its own. One that was not drawn can have
            as many cases as any.
        seed: Of the weights.

    Raises:
        ValueError: No values.
    """
    return means_and_p({"": (values, bounds)}, clusters=clusters, seed=seed)[""]


def means_and_p(
    figures: Mapping[str, tuple[Sequence[float], Bounds]],
    *,
    clusters: Sequence[str] | None = None,
    seed: int = 0,
) -> dict[str, Contrast]:
    """What :func:`mean_and_p` gives for each of several figures of the same cases, at little more than one's cost.

    Args:
        figures: Name to values, one per case, and their bounds.
        clusters: As there.
        seed: As there.

    Raises:
        ValueError: No values.
    """
    both = {name: totals(values, clusters) for name, (values, _) in figures.items()}
    if not both:
        return {}
    _, counts = next(iter(both.values()))
    drawn = weighted(np.c_[*(sums for sums, _ in both.values()), counts], seed=seed, place=0)
    most = float(counts.max())
    contrasts = {}
    for place, (name, (sums, _)) in enumerate(both.items()):
        least, greatest = finite(figures[name][1], sums / counts)
        over_cases = contrast(
            [np.c_[sums, counts]],
            lambda m: m[:, 0] / m[:, 1],
            unseen=[[(least * most, most), (greatest * most, most)]],
            limits=(least, greatest),
            drawn=[drawn._replace(sums=drawn.sums[[place, -1]])],
        )
        assert over_cases is not None, "a mean is always defined"
        contrasts[name] = over_cases
    return contrasts


def means(
    figures: Mapping[str, tuple[Sequence[float], Bounds | None]], *, clusters: Sequence[str] | None = None
) -> dict[str, Estimate]:
    """Several means (:func:`mean`) and shares (:func:`share`) of the same cases.

    Args:
        figures: Name to values, one per case, and their bounds; of a share ``None``.
        clusters: The query of each case; default, every case is a query of its own.

    Raises:
        ValueError: No values.
    """
    several = clusters is not None and len(set(clusters)) < len(clusters)
    shares = {name for name, (_, bounds) in figures.items() if bounds is None}
    exact = shares if not several else set()
    rest = {name: (values, bounds or (0.0, 1.0)) for name, (values, bounds) in figures.items() if name not in exact}
    over_cases = means_and_p(rest, clusters=clusters)
    return {
        name: share([value == 1 for value in values], clusters=clusters) if name in exact else over_cases[name].estimate
        for name, (values, _) in figures.items()
    }


def share(flags: Sequence[bool], *, clusters: Sequence[str] | None = None) -> Estimate:
    """Share of true flags: the interval of :func:`mean`, which is the exact binomial one of Clopper and Pearson.

    Args:
        flags: One per case.
        clusters: The query of each case; default, every case is a query of its own.

    Raises:
        ValueError: No flags.
    """
    from scipy.special import betaincinv

    sums, counts = totals([float(flag) for flag in flags], clusters)
    if counts.max() > 1:
        return mean([float(flag) for flag in flags], clusters=clusters, bounds=(0, 1))
    successes, n = int(sums.sum()), len(sums)
    low = float(betaincinv(successes, n - successes + 1, TAIL)) if successes else 0.0
    high = float(betaincinv(successes + 1, n - successes, 1 - TAIL)) if successes < n else 1.0
    return Estimate(successes / n, min(low, successes / n), max(high, successes / n), n, CONFIDENCE)


def lowest_decile(values: Sequence[float], *, bounds: Bounds, seed: int = 0) -> Estimate:
    """Mean of the lowest tenth of the queries (rounded up).

    Weights as for a mean (:mod:`robustrank.stats.resampling`): the lowest tenth of them is taken.

    Args:
        values: One per query.
        bounds: Least and greatest possible value, infinite where there is none.
        seed: Of the weights.

    Raises:
        ValueError: No values.
    """
    data = np.sort(totals(values, None)[0])
    least, greatest = finite(bounds, data)
    n = len(data)
    of_tenth = _of_tenth(n, seed)
    low, high = lower_end(np.r_[least, data] @ of_tenth), upper_end(np.r_[data, greatest] @ of_tenth)
    value = float(data[: ceil(n / 10)].mean())
    return Estimate(value, min(low, value), max(high, value), n, CONFIDENCE)


@lru_cache(maxsize=2)
def _of_tenth(n: int, seed: int) -> Floats:
    """The share of the lowest tenth that each of n + 1 sorted queries has, (queries, resamples)."""
    chunks = [exponentials.__wrapped__(seed, 0, chunk, DECILE_DRAWS) for chunk in range(1, 2 + n // CHUNK)]
    reached = np.cumsum(np.concatenate(chunks)[: n + 1], axis=0)
    shares: Floats = np.diff(np.minimum(reached / reached[-1], 0.1), axis=0, prepend=0) / 0.1
    return shares


def central(drawn: Floats) -> Range:
    """The central interval of some draws that holds :data:`CONFIDENCE` of them."""
    low, high = np.quantile(drawn, (TAIL, 1 - TAIL))
    return Range(float(low), float(high))


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
