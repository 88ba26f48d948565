"""How far an attack of some size moves the distribution of a document's rewordings, in total variation."""

from __future__ import annotations

from collections.abc import Sequence
from math import comb, prod
from typing import NamedTuple


class Reach(NamedTuple):
    """What attacks of one radius can do to one document.

    Args:
        variation: Most total variation between the distributions of its rewordings, before and after.
        words: Words they may change.
    """

    variation: float
    words: int = 0


def allowed(radius: float, length: int) -> int:
    """Words of a text of ``length`` words that a radius lets change: itself, or below 1 that share, rounded down."""
    return int(radius) if radius >= 1 else int(radius * length + 1e-9)


def overlap(a: Sequence[str], b: Sequence[str]) -> float:
    """One minus the total variation distance between the uniform distributions on two finite sets.

    The released code of CertDR divides by ``len(a)``, which claims too much where ``b`` is the larger set.
    """
    return len(set(a) & set(b)) / max(len(a), len(b))


def total_variation(overlaps: Sequence[float], radius: int) -> float:
    """The most total variation that changing ``radius`` words brings: 1 minus the product of the smallest overlaps.

    Args:
        overlaps: Per word of the document, the least overlap with any of its substitutes.
        radius: Words that may be changed.
    """
    return 1.0 - prod(sorted(overlaps)[:radius])


def total_variation_with_costs(choices: Sequence[Sequence[tuple[int, float]]], budget: int) -> float:
    """The same where words differ in cost, exactly: a multiple-choice knapsack over whole costs.

    Args:
        choices: Per word of the document, the ``(cost, overlap)`` of each thing that may be done to it.
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
    """The most total variation that rewriting ``radius`` of ``length`` words brings, where ``kept`` of them are read.

    The chance that a rewritten word is among those read: 1 - C(T - R, k) / C(T, k) (Levine and Feizi 2020). It may
    not be scaled by an average over attacked places, as the code of RanMASK does.
    """
    return 1.0 - comb(max(length - radius, 0), kept) / comb(length, kept) if length else 0.0


def total_variation_of_deletions(keep: float, radius: int) -> float:
    """The most total variation that ``radius`` words inserted, deleted or replaced bring.

    The chance that one of them stays, where each word does with probability ``keep`` (Huang et al. 2023, RS-Del; 2024,
    CERT-ED).
    """
    return 1.0 - (1.0 - keep) ** radius
