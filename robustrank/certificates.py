"""Top-K certificates of smoothed rankers: from samples of scores to a claim about every attack of a set.

The mathematics only, on numpy arrays; theorems, assumptions and proofs are in docs/certificates.md. All scores lie in
[0, 1]. A document's *shift* is the largest total variation distance between the law of its rewordings and that of any
attacked version of it; within that distance its smoothed score can only rise so far.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import log, prod, sqrt
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from robustrank.errors import ContractError, PluginError

Floats = NDArray[np.float64]

ROUNDING = 1e-5
"""Bounds closer than this count as equal, so that no claim rests on the float noise of sums and batches."""


class ScoreLaw(NamedTuple):
    """What is known of the law of one document's score under smoothing.

    Args:
        scores: Independent draws from it, or its equally likely values.
        exact: Whether they are all its values.
    """

    scores: Floats
    exact: bool = False

    @property
    def mean(self) -> float:
        """The document's smoothed score: estimated, or exact."""
        return float(self.scores.mean())


class Bounds(NamedTuple):
    """A lower bound on the top K's smoothed scores and an upper bound on the attacked runner-ups'."""

    lower: float
    upper: float

    @property
    def certified(self) -> bool:
        """Whether the two are apart."""
        return self.lower > self.upper + ROUNDING


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One way to test a list.

    Args:
        bounds: From the laws of the top K, those of the runner-ups, the runner-ups' shifts and alpha, to bounds.
        joint: Whether all its claims about one list, for every K and radius, hold together with probability
            1 - alpha.
    """

    bounds: Callable[[Sequence[ScoreLaw], Sequence[ScoreLaw], Sequence[float], float], Bounds]
    joint: bool


def overlap(a: Sequence[str], b: Sequence[str]) -> float:
    """One minus the total variation distance between the uniform laws on two finite sets.

    The released code of CertDR divides by ``len(a)``, which claims too much where ``b`` is the larger set.
    """
    return len(set(a) & set(b)) / max(len(a), len(b))


def shift(overlaps: Sequence[float], radius: int) -> float:
    """The most total variation that changing ``radius`` words brings: 1 minus the product of the smallest overlaps.

    Args:
        overlaps: Per word of the document, the least overlap with any of its substitutes.
        radius: Words that may be changed.
    """
    return 1.0 - prod(sorted(overlaps)[:radius])


def raised_mean(scores: Floats, mass: float) -> float:
    """The largest mean of the uniform law on ``scores`` after ``mass`` of it moves anywhere in [0, 1].

    The lowest share moves to 1: ``m + mass`` minus the integral of the quantile function up to ``mass``.
    """
    if mass >= 1.0:
        return 1.0
    ordered = np.sort(scores)
    whole = int(mass * len(ordered))
    moved = ordered[:whole].sum() / len(ordered) + (mass - whole / len(ordered)) * ordered[whole]
    return min(float(ordered.mean() + mass - moved), 1.0)


def lowered_mean(scores: Floats, mass: float) -> float:
    """The smallest mean of the uniform law on ``scores`` after ``mass`` of it moves anywhere in [0, 1]."""
    return 1.0 - raised_mean(1.0 - scores, mass)


def deviation(alpha: float, statements: int, samples: int) -> float:
    """Half-width at which ``statements`` one-sided Hoeffding, or DKW, bounds hold together with 1 - ``alpha``."""
    return sqrt(log(statements / alpha) / (2 * samples))


def list_bounds(
    laws: Sequence[ScoreLaw], shifts: Sequence[float], k: int, *, alpha: float, rule: str = "certdr-joint"
) -> Bounds:
    """The bounds of one list at one K and radius; the list is certified where they are apart.

    Args:
        laws: Per document, in clean rank order (by mean).
        shifts: Per document, in the same order (:func:`shift` at the radius).
        k: Size of the top; where no document stands below it nothing is claimed.
        alpha: Allowed probability of a false claim about this list, at any K and radius.
        rule: A name of :data:`RULES`.

    Raises:
        PluginError: No such rule.
        ContractError: A score outside [0, 1].
    """
    if rule not in RULES:
        raise PluginError(f"no certificate rule named {rule!r} (have: {', '.join(RULES)})")
    for law in laws:
        if not (law.scores.min() >= 0.0 and law.scores.max() <= 1.0):
            raise ContractError(
                f"certificates need scores in [0, 1], got {law.scores.min():.4g} to {law.scores.max():.4g}"
            )
    if len(laws) <= k:
        return Bounds(0.0, 1.0)
    return RULES[rule].bounds(laws[:k], laws[k:], shifts[k:], alpha)


def _released(top: Sequence[ScoreLaw], rest: Sequence[ScoreLaw], shifts: Sequence[float], alpha: float) -> Bounds:
    """R0: the pair at the border, the worst shift of any runner-up, and a level for that pair alone."""
    error = max((deviation(alpha, 2, len(law.scores)) for law in (*top, *rest) if not law.exact), default=0.0)
    return Bounds(min(law.mean for law in top) - error, max(law.mean for law in rest) + max(shifts) + error)


def _joint(top: Sequence[ScoreLaw], rest: Sequence[ScoreLaw], shifts: Sequence[float], alpha: float) -> Bounds:
    """R2: each runner-up with its own shift."""
    below, above = _errors(top, rest, alpha)
    return Bounds(
        min(law.mean - error for law, error in zip(top, below, strict=True)),
        max(law.mean + shift + error for law, shift, error in zip(rest, shifts, above, strict=True)),
    )


def _cdf(top: Sequence[ScoreLaw], rest: Sequence[ScoreLaw], shifts: Sequence[float], alpha: float) -> Bounds:
    """R3: the whole score law, within a DKW band; never worse than R2 from the same samples."""
    below, above = _errors(top, rest, alpha)
    return Bounds(
        min(lowered_mean(law.scores, error) for law, error in zip(top, below, strict=True)),
        max(raised_mean(law.scores, shift + error) for law, shift, error in zip(rest, shifts, above, strict=True)),
    )


def _errors(top: Sequence[ScoreLaw], rest: Sequence[ScoreLaw], alpha: float) -> tuple[list[float], list[float]]:
    """Per document the half-width that joins them all: two-sided, because the samples choose who is in the top K."""
    statements = 2 * sum(not law.exact for law in (*top, *rest))
    below, above = (
        [0.0 if law.exact else deviation(alpha, statements, len(law.scores)) for law in laws] for laws in (top, rest)
    )
    return below, above


RULES = {
    "certdr-2022": Rule(bounds=_released, joint=False),
    "certdr-joint": Rule(bounds=_joint, joint=True),
    "cdf": Rule(bounds=_cdf, joint=True),
}
"""By name: the rule that CertDR's code released, its sound form, and the form for whole score laws."""
