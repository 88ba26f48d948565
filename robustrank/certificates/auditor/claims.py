"""Bounds that someone claims, written from their formulas, for :mod:`robustrank.certificates.auditor.search` to try.

A bound sees a small space and must compute, from the clean document alone, how far an attack can move the
smoothed score. The first three do not hold as worst-case bounds in our test; the others are those of this package.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations
from math import comb, prod
from typing import Literal

import numpy as np

from robustrank.certificates.auditor.spaces import HIDDEN, Kind, SmallSpace, Text
from robustrank.certificates.distributions import Floats, lowered_mean, raised_mean
from robustrank.certificates.total_variation import (
    overlap,
    total_variation,
    total_variation_of_deletions,
    total_variation_of_masks,
)

Side = Literal["upper", "lower"]


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A bound on the smoothed score of every attacked document.

    Args:
        name: For people.
        kind: The spaces it is for.
        side: Whether no attacked score should be above it, or none below.
        bound: From a space to the bound.
        formula: What it computes, and where that comes from.
    """

    name: str
    kind: Kind
    side: Side
    bound: Callable[[SmallSpace], float]
    formula: str


def _overlaps(space: SmallSpace, divide: Callable[[int, int], int]) -> list[float]:
    least_shares = []
    for word in space.document:
        own = space.sets.get(word, (word,))
        others = [space.sets.get(other, (other,)) for other in space.synonyms.get(word, ())]
        shares = [len(set(own) & set(other)) / divide(len(own), len(other)) for other in others]
        least_shares.append(min(shares, default=1.0))
    return least_shares


def _unequal(space: SmallSpace) -> float:
    overlaps = _overlaps(space, lambda own, other: own)
    return space.smoothed() + 1.0 - prod(sorted(overlaps)[: space.radius])


def _scaled(space: SmallSpace, of: Callable[[float], float]) -> float:
    """Delta times beta: the mean of a score over kept words that touch attacked places, averaged over those places."""
    length, kept = len(space.document), min(space.kept, len(space.document))
    distribution, means = space.distribution(), []
    for places in combinations(range(length), min(space.radius, length)):
        touched = {text: p for text, p in distribution.items() if any(text[i] != HIDDEN for i in places)}
        mass = sum(touched.values())
        means.append(sum(p * of(space.scores.get(text, 0.0)) for text, p in touched.items()) / mass if mass else 0.0)
    beta = sum(means) / len(means) if means else 0.0
    return beta * total_variation_of_masks(length, kept, min(space.radius, length))


def _averaged_beta(space: SmallSpace) -> float:
    return space.smoothed() - _scaled(space, lambda score: score)


def _alpha_beta(space: SmallSpace) -> float:
    alpha = 1 / comb(len(space.document), min(space.kept, len(space.document)))
    return space.smoothed() + alpha * _scaled(space, lambda score: 1.0 - score)


def space_variation(space: SmallSpace) -> float:
    """This package's bound on the total variation between the distributions of the clean and an attacked text."""
    if space.kind == "substitution":
        rows = [
            [overlap(space.sets.get(w, (w,)), space.sets.get(s, (s,))) for s in space.synonyms.get(w, ())]
            for w in space.document
        ]
        return total_variation([min(row, default=1.0) for row in rows], space.radius)
    if space.kind == "masking":
        length = len(space.document)
        return total_variation_of_masks(length, min(space.kept, length), min(space.radius, length))
    return total_variation_of_deletions(space.keep, space.radius)


def equally_likely(space: SmallSpace, document: Text | None = None) -> Floats:
    """Scores of equally likely perturbed texts, some of them the same text; of the clean document if none is named."""
    distribution = space.distribution(document)
    least = min(distribution.values())
    return np.array([space.scores.get(text, 0.0) for text, p in distribution.items() for _ in range(round(p / least))])


UNEQUAL_SETS = Claim(
    name="unequal-sets",
    kind="substitution",
    side="upper",
    bound=_unequal,
    formula="g + 1 - product of the smallest |P_w and P_s| / |P_w|: the overlap as CertDR's released code divides it, "
    "used for sets of unequal size (the released tables have equal ones)",
)
AVERAGED_BETA = Claim(
    name="averaged-beta",
    kind="masking",
    side="lower",
    bound=_averaged_beta,
    formula="g - beta * Delta, with Delta = 1 - C(T-R, k) / C(T, k) and beta averaged over random attacked places, as "
    "in the code of RanMASK",
)
ALPHA_BETA = Claim(
    name="alpha-beta",
    kind="masking",
    side="upper",
    bound=_alpha_beta,
    formula="g + alpha * beta * Delta, with alpha = 1 / C(T, k) and beta as above, as we read RobustMask (arXiv "
    "2512.23307)",
)
TOTAL_VARIATION = Claim(
    name="total-variation",
    kind="substitution",
    side="upper",
    bound=lambda space: space.smoothed() + space_variation(space),
    formula="g + 1 - product of the smallest |P_w and P_s| / max(|P_w|, |P_s|)",
)
WHOLE_DISTRIBUTION = Claim(
    name="whole-distribution",
    kind="substitution",
    side="upper",
    bound=lambda space: raised_mean(equally_likely(space), space_variation(space)),
    formula="the mean after the share delta of lowest scores has moved to 1",
)
MASKING = Claim(
    name="masking",
    kind="masking",
    side="upper",
    bound=lambda space: raised_mean(equally_likely(space), space_variation(space)),
    formula="the mean after the share Delta = 1 - C(T-R, k) / C(T, k) of lowest scores has moved to 1",
)
MASKING_LOWER = Claim(
    name="masking-lower",
    kind="masking",
    side="lower",
    bound=lambda space: lowered_mean(equally_likely(space), space_variation(space)),
    formula="the mean after the share Delta of highest scores has moved to 0",
)
DELETION = Claim(
    name="deletion",
    kind="deletion",
    side="upper",
    bound=lambda space: space.smoothed() + space_variation(space),
    formula="g + 1 - (1 - keep)^R for R words inserted, deleted or replaced",
)
