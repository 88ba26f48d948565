"""How far an attack of some size moves the distribution of a document's perturbed texts, in total variation."""

from __future__ import annotations

from collections.abc import Sequence
from math import comb, prod
from typing import NamedTuple


class Reach(NamedTuple):
    """The effect of attacks of one radius on one document.

    Args:
        variation: Largest total variation between the distributions of its perturbed texts before and after.
        words: Words an attack may change.
    """

    variation: float
    words: int = 0


def allowed(radius: float, length: int) -> int:
    """Words of a text of ``length`` words that a radius lets change: itself, or below 1 that share, rounded down."""
    return int(radius) if radius >= 1 else int(radius * length + 1e-9)


def overlap(a: Sequence[str], b: Sequence[str]) -> float:
    """One minus the total variation distance between the uniform distributions on two finite sets.

    The released code of CertDR divides by ``len(a)``, which is no bound where ``b`` is the larger set.
    """
    return len(set(a) & set(b)) / max(len(a), len(b))


def total_variation(overlaps: Sequence[float], radius: int) -> float:
    """The largest total variation of changing ``radius`` words: 1 minus the product of the smallest overlaps.

    Args:
        overlaps: Per word of the document, the least overlap with any of its substitutes.
        radius: Words that may be changed.
    """
    return 1.0 - prod(sorted(overlaps)[:radius])


def total_variation_with_costs(choices: Sequence[Sequence[tuple[int, float]]], budget: int) -> float:
    """The same where words differ in cost, exactly: a multiple-choice knapsack over whole costs.

    Args:
        choices: Per word of the document, the ``(cost, overlap)`` of each edit of it.
        budget: Total cost an attack may spend.
    """
    least = [1.0] * (budget + 1)
    for word in choices:
        before = least[:]
        for cost, kept in word:
            for spent in range(cost, budget + 1):
                least[spent] = min(least[spent], before[spent - cost] * kept)
    return 1.0 - least[budget]


def total_variation_of_masks(length: int, kept: int, radius: int) -> float:
    """The largest total variation of rewriting ``radius`` of ``length`` words, of which ``kept`` are read.

    The chance that a rewritten word is among those read: 1 - C(T - R, k) / C(T, k) (Levine and Feizi 2020). It may
    not be scaled by an average over attacked places, as the code of RanMASK does.
    """
    return 1.0 - comb(max(length - radius, 0), kept) / comb(length, kept) if length else 0.0


def total_variation_of_deletions(keep: float, radius: int) -> float:
    """The largest total variation of ``radius`` words inserted, deleted or replaced.

    The chance that one of them stays, where each word does with probability ``keep`` (Huang et al. 2023, RS-Del; 2024,
    CERT-ED).
    """
    return 1.0 - (1.0 - keep) ** radius
