"""Weighted resamples of queries, each with one query more that nobody has drawn.

Queries are the units. Everything in RobustRank that has an interval is a statistic of means over queries, and every
interval and p value is read off resamples of these means: each query gets a random weight, all weights of a group
(a collection) adding up to 1 and every such set of weights being equally likely (Rubin 1981, "The Bayesian bootstrap").

Resampling repeats what was drawn and knows nothing of the rest. So a further query, which was not drawn, is weighted
with the others: at the least possible value for a lower end, at the greatest for an upper one. For a mean of values
within known bounds that is Gaffke's bound (Gaffke 2005, "Three test statistics for a nonparametric one-sided hypothesis
on the mean of a nonnegative variable"; Learned-Miller and Thomas 2019, "A new confidence interval for the mean of a
bounded random variable"): for successes it equals Clopper and Pearson's, and no population is known in which it misses
more often than it says, at any number of queries. Groups that were drawn apart get weights apart, each with its own
further query (melding: Fay, Proschan and Brittain 2015, "Combining one-sample confidence procedures for inference in
the two-sample case"). docs/statistics.md has the policy, and what it costs in width.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from math import inf, isfinite
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

DRAWS = 20_000
"""Sets of weights. No p value is below 2 / (DRAWS + 1)."""
CONFIDENCE = 0.95
TAIL = (1 - CONFIDENCE) / 2
CHUNK = 128
"""Queries whose weights are drawn at once and kept for the next figure."""

Floats = NDArray[np.float64]
Bounds = tuple[float, float]
"""Least and greatest possible value of a statistic for one query; infinite where there is none."""
Statistic = Callable[..., Floats]
"""From one array per group, (resamples, columns), of means over queries, to one number per resample."""

UNBOUNDED: Bounds = (-inf, inf)
NOT_NEGATIVE: Bounds = (0.0, inf)


class Weighted(NamedTuple):
    """One group, weighted at random; weights are divided by their sum when means are taken.

    Args:
        sums: Columns x resamples: weighted sums of what was drawn.
        total: The sum of the weights of what was drawn.
        spare: The weight of the query that was not drawn.
    """

    sums: Floats
    total: Floats
    spare: Floats

    def means(self, further: Floats | None = None) -> Floats:
        """Means of all columns, (resamples, columns), with a further query or of what was drawn alone."""
        if further is None:
            return np.asarray((self.sums / self.total).T)
        return np.asarray(((self.sums + further[:, None] * self.spare) / (self.total + self.spare)).T)


def weighted(group: Floats, *, seed: int, place: int, draws: int = DRAWS) -> Weighted:
    """A group under random weights.

    Args:
        group: One row a query, one column a quantity.
        seed: Of the weights.
        place: Of the group among those of a figure: each has weights of its own.
        draws: Sets of weights.
    """
    columns = np.c_[group, np.ones(len(group))].T
    sums = np.zeros((len(columns), draws))
    for start in range(0, len(group), CHUNK):
        part = columns[:, start : start + CHUNK]
        sums += part @ exponentials(seed, place, 1 + start // CHUNK, draws)[: part.shape[1]]
    return Weighted(sums[:-1], sums[-1], exponentials(seed, place, 0, draws)[0])


@lru_cache(maxsize=24)  # of 20 MB each: for two groups of 1,400 queries; fewer than a figure needs would be none
def exponentials(seed: int, place: int, chunk: int, draws: int = DRAWS) -> Floats:
    """Weights of a chunk of queries before they are divided by their sum; chunk 0 is that of the one not drawn."""
    rows = CHUNK if chunk else 1
    drawn = np.random.default_rng((seed, place, chunk)).standard_exponential((rows, draws))
    drawn.flags.writeable = False
    return drawn


def lower_end(drawn: Floats) -> float:
    """The lower end that resamples give: the least point whose :func:`one_sided` p value is not below the tail's."""
    place = _outside(len(drawn))
    return float(np.partition(drawn, place)[place])


def upper_end(drawn: Floats) -> float:
    """The upper end, likewise."""
    place = len(drawn) - 1 - _outside(len(drawn))
    return float(np.partition(drawn, place)[place])


def _outside(draws: int) -> int:
    """Resamples beyond an end."""
    return int(np.ceil(TAIL * (draws + 1) - 1e-9)) - 2


def one_sided(drawn: Floats, point: float) -> float:
    """p value of the point being above the truth: the share of resamples up to it, the data being one more of them."""
    return (1 + int((drawn <= point).sum())) / (len(drawn) + 1)


def finite(bounds: Bounds, values: Floats) -> Bounds:
    """The bounds; for an infinite one, a convention: as far beyond the values as they span, and at least their size.

    Without bounds no interval has a guaranteed level: a single value that was not drawn could be anything. Bounds that
    a value lies outside of are wrong, and are moved out to it.

    Args:
        bounds: Least and greatest possible value, perhaps infinite.
        values: Observed.
    """
    least, greatest = bounds
    lowest, highest = float(values.min()), float(values.max())
    span = highest - lowest
    room = max(span, max(abs(lowest), abs(highest), 1.0) - span)
    return (
        min(least, lowest) if isfinite(least) else lowest - room,
        max(greatest, highest) if isfinite(greatest) else highest + room,
    )


def missed_share(n: float, level: float = TAIL) -> float:
    """Share of all queries that ``n`` drawn ones miss with probability ``level`` (Clopper and Pearson's for 0 of n)."""
    return float(1 - level ** (1 / n))
