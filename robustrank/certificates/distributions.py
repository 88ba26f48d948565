"""Distributions of smoothed scores; bounds on their means and quantiles under sampling error and total variation."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, log, sqrt
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bits = NDArray[np.bool_]


class ScoreDistribution(NamedTuple):
    """The distribution of one document's score under smoothing: draws from it, or all its values.

    Args:
        scores: Of shape (n,), in [0, 1]: independent draws, or all values, equally likely.
        exact: Whether the scores are all values.
        touched: Per word that an attack can change, edits of that word x draws: whether the edit changes the draw;
            ``None`` where an attacked text has draws of its own.
    """

    scores: Floats
    exact: bool = False
    touched: Sequence[Bits] | None = None

    @property
    def mean(self) -> float:
        """The document's smoothed score: estimated, or exact."""
        return float(self.scores.mean())

    @property
    def draws_or_mean(self) -> Floats | float:
        """The draws, or the mean of an exact distribution: what the difference of two documents is computed from."""
        return self.mean if self.exact else self.scores

    def raised_mean(self, mass: float) -> float:
        """The largest mean after ``mass`` of the distribution of the scores moves anywhere in [0, 1]."""
        return raised_mean(self.scores, mass)

    def lowered_mean(self, mass: float) -> float:
        """The smallest such mean."""
        return lowered_mean(self.scores, mass)


def raised_mean(scores: Floats, mass: float) -> float:
    """The largest mean of the uniform distribution on ``scores`` after ``mass`` of it moves anywhere in [0, 1].

    The lowest share moves to 1: ``m + mass`` minus the integral of the quantile function up to ``mass``.
    """
    if mass >= 1.0:
        return 1.0
    return min(float(scores.mean() + mass - lowest_share(scores, mass)), 1.0)


def lowest_share(scores: Floats, mass: float) -> float:
    """The integral of the quantile function of the uniform distribution on ``scores`` from 0 to ``mass`` < 1."""
    ordered = np.sort(scores)
    whole = int(mass * len(ordered))
    return float(ordered[:whole].sum() / len(ordered) + (mass - whole / len(ordered)) * ordered[whole])


def lowered_mean(scores: Floats, mass: float) -> float:
    """The smallest mean of the uniform distribution on ``scores`` after ``mass`` of it moves anywhere in [0, 1]."""
    return 1.0 - raised_mean(1.0 - scores, mass)


def rise(distribution: ScoreDistribution, variation: float, error: float) -> float:
    """How far an attack can lift the mean, from draws that determine the distribution up to an error.

    Args:
        distribution: The draws, or all values.
        variation: Total variation that the attack brings; no mean rises by more.
        error: Half-width of the band in which the true distribution lies.
    """
    most = min(variation, 1.0)
    return most - lowest_share(distribution.scores, max(most - error - 1e-12, 0.0))


def half_width(level: float, samples: int) -> float:
    """Half-width at which a one-sided Hoeffding bound, or DKW band, of so many samples fails with that probability."""
    return sqrt(log(1 / level) / (2 * samples))


def quantile(scores: Floats, p: float) -> float:
    """The least value with at least a share ``p`` of the scores at or below it; 1 where ``p`` is above 1."""
    place = ceil(p * len(scores) - 1e-9) - 1
    return 1.0 if place >= len(scores) else float(np.sort(scores)[max(place, 0)])


def low_quantile(distribution: ScoreDistribution, p: float, level: float) -> float:
    """A lower bound on the distribution's quantile: an order statistic, whose rank is binomial (Chiang et al. 2020).

    Args:
        distribution: The draws, or all values.
        p: Which quantile, in (0, 1).
        level: Probability with which it may fail.
    """
    if distribution.exact:
        return quantile(distribution.scores, p)
    from scipy.stats import binom

    n, ordered = len(distribution.scores), np.sort(distribution.scores)
    rank = int(binom.ppf(level, n, p))
    while rank > 0 and binom.cdf(rank - 1, n, p) > level:
        rank -= 1
    return float(ordered[rank - 1]) if rank else 0.0


def high_quantile(distribution: ScoreDistribution, p: float, variation: float, level: float) -> float:
    """An upper bound on the quantile of any distribution within a total variation of this one.

    Args:
        distribution: The draws, or all values.
        p: Which quantile, in (0, 1).
        variation: Total variation.
        level: Probability with which it may fail.
    """
    if distribution.exact:
        # Rounding must not name a rank too low.
        return quantile(distribution.scores, p + variation + 2e-9 * (variation > 0))
    from scipy.stats import binom

    n, ordered = len(distribution.scores), np.sort(distribution.scores)
    rank = n if p + variation >= 1 else int(binom.isf(level, n, p + variation))
    while rank < n and binom.sf(rank, n, p + variation) > level:
        rank += 1
    return float(ordered[rank]) if rank < n else 1.0


def shared_mean(distribution: ScoreDistribution, words: int) -> float:
    """The largest mean of the same draws after an attack on ``words`` words; 1 where attacked texts have other draws.

    A draw that the attack cannot touch keeps its score, any other may come to 1.
    """
    if distribution.touched is None:
        return 1.0
    room = 1.0 - distribution.scores
    gains = sorted((float((edits @ room).max()) / len(room) for edits in distribution.touched), reverse=True)
    any_word = np.where(_anywhere(distribution), 1.0, distribution.scores).mean()
    return min(distribution.mean + sum(gains[:words]), float(any_word))


def shared_quantile(distribution: ScoreDistribution, p: float, words: int) -> float:
    """The largest quantile of the same draws after an attack on ``words`` words.

    The least score at or below which enough draws stay that the attack cannot touch: draws that scored more anyway
    are no loss.
    """
    if distribution.touched is None:
        return 1.0
    order = distribution.scores.argsort(kind="stable")
    lost = _anywhere(distribution)[order].cumsum()
    if distribution.touched:
        worst = np.stack([edits[:, order].cumsum(axis=1).max(axis=0) for edits in distribution.touched])
        lost = np.minimum(lost, np.sort(worst, axis=0)[max(len(worst) - words, 0) :].sum(axis=0))
    stay = np.arange(1, len(order) + 1) - lost
    enough = np.flatnonzero(stay >= ceil(p * len(order) - 1e-9))
    return float(distribution.scores[order[enough[0]]]) if len(enough) else 1.0


def _anywhere(distribution: ScoreDistribution) -> Bits:
    """Draws that an attack on some word may change."""
    changed = np.zeros(len(distribution.scores), dtype=np.bool_)
    for edits in distribution.touched or ():
        changed |= edits.any(axis=0)
    return changed
