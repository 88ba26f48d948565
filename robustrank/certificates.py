"""Top-K certificates of smoothed rankers: from samples of scores to a claim about every attack of a set.

The mathematics only, on numpy arrays; theorems, assumptions and proofs are in docs/certificates.md. All scores lie in
[0, 1]. A document's *shift* is the largest total variation distance between the law of its samples and that of any
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


class Bounds(NamedTuple):
    """A lower bound on the top K's smoothed scores and an upper bound on the attacked runner-ups'."""

    lower: float
    upper: float

    @property
    def certified(self) -> bool:
        """Whether the two are apart."""
        return self.lower > self.upper


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One way to test a list.

    Args:
        bounds: From the top K's samples (documents x samples), the runner-ups' samples (likewise), the runner-ups'
            shifts, alpha, and the number of K asked, to bounds.
        joint: Whether all its claims about one list, for every K and radius, hold together with probability
            1 - alpha.
        independent: Whether that needs the samples of different documents to be independent.
    """

    bounds: Callable[[Floats, Floats, Floats, float, int], Bounds]
    joint: bool = True
    independent: bool = False


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


def raised_mean(samples: Floats, mass: Floats | float) -> Floats:
    """The largest mean after ``mass`` of the law is moved anywhere in [0, 1]: the lowest share goes to 1.

    Args:
        samples: Scores, documents x samples; each row stands for the uniform law on it.
        mass: Share of the law, per document or one for all; 1 or more gives 1.

    Returns:
        Per document, ``m + mass`` minus the integral of the quantile function up to ``mass``.
    """
    ordered = np.sort(samples, axis=1)
    n = ordered.shape[1]
    below = np.concatenate([np.zeros((len(ordered), 1)), np.cumsum(ordered, axis=1)], axis=1) / n
    share = np.clip(np.broadcast_to(np.asarray(mass, dtype=np.float64), len(ordered)), 0.0, 1.0)
    whole = np.minimum((share * n).astype(np.intp), n - 1)
    rows = np.arange(len(ordered))
    moved = below[rows, whole] + (share - whole / n) * ordered[rows, whole]
    raised: Floats = np.minimum(below[:, -1] + share - moved, 1.0)
    return raised


def lowered_mean(samples: Floats, mass: Floats | float) -> Floats:
    """The smallest mean after ``mass`` of the law is moved anywhere in [0, 1]."""
    return 1.0 - raised_mean(1.0 - samples, mass)


def deviation(alpha: float, statements: int, samples: int) -> float:
    """Half-width at which ``statements`` one-sided Hoeffding, or DKW, bounds hold together with 1 - ``alpha``."""
    return sqrt(log(statements / alpha) / (2 * samples))


def list_bounds(scores: Floats, shifts: Floats, ks: Sequence[int], *, alpha: float, rule: str) -> list[Bounds]:
    """The bounds of one list at every K and one radius; the list is certified where they are apart.

    The claims made at different K, and at different radii from the same samples, hold together.

    Args:
        scores: Samples of the smoothed scores, documents x samples, in clean rank order.
        shifts: Per document, in the same order (:func:`shift` at the radius).
        ks: All K that are asked of these samples, settled before looking at them. Where no document stands below
            the top K nothing is claimed.
        alpha: Allowed probability of a false claim about this list.
        rule: A name of :data:`RULES`.

    Raises:
        PluginError: No such rule.
        ContractError: A score outside [0, 1].
    """
    if rule not in RULES:
        raise PluginError(f"no certificate rule named {rule!r} (have: {', '.join(RULES)})")
    if scores.size and not (scores.min() >= 0.0 and scores.max() <= 1.0):
        raise ContractError(f"certificates need scores in [0, 1], got {scores.min():.4g} to {scores.max():.4g}")
    asked = len({k for k in ks if k < len(scores)})
    return [
        RULES[rule].bounds(scores[:k], scores[k:], shifts[k:], alpha, asked) if k < len(scores) else Bounds(0.0, 1.0)
        for k in ks
    ]


def _released(top: Floats, rest: Floats, shifts: Floats, alpha: float, asked: int) -> Bounds:
    """R0: the pair at the border with the worst shift of any runner-up, at a level for that pair alone."""
    error = deviation(alpha, 2, top.shape[1])
    return _apart(top.mean(axis=1) - error, rest.mean(axis=1).max() + shifts + error)


def _joint(top: Floats, rest: Floats, shifts: Floats, alpha: float, asked: int) -> Bounds:
    """R2: each runner-up with its own shift; two-sided for every document, because the samples choose the top K."""
    error = deviation(alpha, 2 * (len(top) + len(rest)), top.shape[1])
    return _apart(top.mean(axis=1) - error, rest.mean(axis=1) + shifts + error)


def _cdf(top: Floats, rest: Floats, shifts: Floats, alpha: float, asked: int) -> Bounds:
    """R3: the whole score law within a DKW band; never worse than R2 from the same samples."""
    error = deviation(alpha, 2 * (len(top) + len(rest)), top.shape[1])
    return _apart(lowered_mean(top, error), raised_mean(rest, shifts + error))


def _paired(top: Floats, rest: Floats, shifts: Floats, alpha: float, asked: int) -> Bounds:
    """R2 with Hoeffding's bound on differences of two means, over the pairs that can make a claim false."""
    half = deviation(alpha, critical_pairs(len(top) + len(rest), asked), 2 * top.shape[1])
    return _apart(top.mean(axis=1) - half, rest.mean(axis=1) + shifts + half)


def critical_pairs(documents: int, asked: int) -> int:
    """How many ordered pairs of documents can, by an error of their difference, make a claim at one of the K false.

    N for one K: the last of the true top K against every document but itself (docs/certificates.md, theorem 3).
    """
    return min(asked * documents, documents * (documents - 1) // 2 + asked)


def _apart(lower: Floats, upper: Floats) -> Bounds:
    return Bounds(float(lower.min()), float(upper.max()))


RULES = {
    "certdr-2022": Rule(bounds=_released, joint=False),
    "certdr-joint": Rule(bounds=_joint),
    "cdf": Rule(bounds=_cdf),
    "paired": Rule(bounds=_paired, independent=True),
}
"""By name: the rule CertDR's code released, its sound form, the form for whole score laws, and for pairs."""
