"""What is known of a document's smoothed score, and how far a law of scores can be moved."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, log, sqrt
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bits = NDArray[np.bool_]


class ScoreLaw(NamedTuple):
    """What is known of the law of one document's score under smoothing.

    Args:
        scores: Independent draws from it, or its equally likely values.
        exact: Whether they are all its values.
        touched: Per word that an attack can do something to, things it can do x draws: whether that changes the draw;
            ``None`` where an attacked text has draws of its own.
    """

    scores: Floats
    exact: bool = False
    touched: Sequence[Bits] | None = None

    @property
    def mean(self) -> float:
        """The document's smoothed score: estimated, or exact."""
        return float(self.scores.mean())


def raised_mean(scores: Floats, mass: float) -> float:
    """The largest mean of the uniform law on ``scores`` after ``mass`` of it moves anywhere in [0, 1].

    The lowest share moves to 1: ``m + mass`` minus the integral of the quantile function up to ``mass``.
    """
    if mass >= 1.0:
        return 1.0
    return min(float(scores.mean() + mass - lowest_share(scores, mass)), 1.0)


def lowest_share(scores: Floats, mass: float) -> float:
    """The integral of the quantile function of the uniform law on ``scores`` from 0 to ``mass`` < 1."""
    ordered = np.sort(scores)
    whole = int(mass * len(ordered))
    return float(ordered[:whole].sum() / len(ordered) + (mass - whole / len(ordered)) * ordered[whole])


def lowered_mean(scores: Floats, mass: float) -> float:
    """The smallest mean of the uniform law on ``scores`` after ``mass`` of it moves anywhere in [0, 1]."""
    return 1.0 - raised_mean(1.0 - scores, mass)


def rise(law: ScoreLaw, shift: float, error: float) -> float:
    """How far a shift can lift the mean, from draws whose law is known up to ``error``: at most the shift itself."""
    return min(shift, 1.0) - lowest_share(law.scores, max(min(shift, 1.0) - error - 1e-12, 0.0))


def deviation(alpha: float, statements: int, samples: int) -> float:
    """Half-width at which ``statements`` one-sided Hoeffding, or DKW, bounds hold together with 1 - ``alpha``."""
    return sqrt(log(statements / alpha) / (2 * samples))


def quantile(scores: Floats, p: float) -> float:
    """The least value with at least a share ``p`` of the scores at or below it; 1 where ``p`` is above 1."""
    place = ceil(p * len(scores) - 1e-9) - 1
    return 1.0 if place >= len(scores) else float(np.sort(scores)[max(place, 0)])


def quantile_bounds(law: ScoreLaw, p: float, shift: float, level: float) -> tuple[float, float]:
    """A lower bound on the law's quantile, and an upper bound on that of any law within ``shift`` of it.

    Order statistics, whose ranks are binomial (Chiang et al. 2020).

    Args:
        law: The draws, or all values.
        p: Which quantile, in (0, 1).
        shift: Total variation.
        level: Probability with which each of the two may fail.
    """
    if law.exact:
        # Rounding must not name a rank too low.
        return quantile(law.scores, p), quantile(law.scores, p + shift + 2e-9 * (shift > 0))
    from scipy.stats import binom

    n, ordered = len(law.scores), np.sort(law.scores)
    below = int(binom.ppf(level, n, p))
    while below > 0 and binom.cdf(below - 1, n, p) > level:
        below -= 1
    above = n if p + shift >= 1 else int(binom.isf(level, n, p + shift))
    while above < n and binom.sf(above, n, p + shift) > level:
        above += 1
    return (float(ordered[below - 1]) if below else 0.0), (float(ordered[above]) if above < n else 1.0)


def shared_mean(law: ScoreLaw, words: int) -> float:
    """The largest mean of the same draws after an attack on ``words`` words; 1 where attacked texts have other draws.

    A draw that the attack cannot touch keeps its score, any other may come to 1.
    """
    if law.touched is None:
        return 1.0
    room = 1.0 - law.scores
    gains = sorted((float((things @ room).max()) / len(room) for things in law.touched), reverse=True)
    any_word = np.where(_anywhere(law), 1.0, law.scores).mean()
    return min(law.mean + sum(gains[:words]), float(any_word) if words else law.mean)


def shared_quantile(law: ScoreLaw, p: float, words: int) -> float:
    """The largest quantile of the same draws after an attack on ``words`` words.

    The least score at or below which enough draws stay that the attack cannot touch: draws that scored more anyway
    are no loss.
    """
    if law.touched is None:
        return 1.0
    order = law.scores.argsort(kind="stable")
    lost = _anywhere(law)[order].cumsum()
    if law.touched:
        worst = np.stack([things[:, order].cumsum(axis=1).max(axis=0) for things in law.touched])
        lost = np.minimum(lost, np.sort(worst, axis=0)[max(len(worst) - words, 0) :].sum(axis=0))
    stay = np.arange(1, len(order) + 1) - lost
    enough = np.flatnonzero(stay >= ceil(p * len(order) - 1e-9))
    return float(law.scores[order[enough[0]]]) if len(enough) else 1.0


def _anywhere(law: ScoreLaw) -> Bits:
    """Draws that an attack on some word may change."""
    found = np.zeros(len(law.scores), dtype=np.bool_)
    for things in law.touched or ():
        found |= things.any(axis=0)
    return found
