"""What a pool's make-up does to its conclusions: leave systems out, pool less deep, pool one system alone.

The qrels of a pool are the judgments of the documents that its systems put into their first ``depth``. To leave a
system out is to lose the judgments that it alone contributed, which is what would have happened had it come after the
judging (Zobel 1998; Voorhees 2001). The ideal list of nDCG loses them too.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from robustrank.core.types import Estimate
from robustrank.measures.arrays import Cut, Floats
from robustrank.measures.pool import Mask, Pool
from robustrank.stats.comparisons import holm, paired
from robustrank.stats.contrasts import contrast

LEVEL = 0.05
"""Holm-corrected p values below this make a comparison a conclusion."""


def without(pool: Pool, depth: int, systems: Sequence[str]) -> Mask:
    """[Q, D]: the judgments left when these systems had not been pooled."""
    return pool.pooled(depth, [name for name in pool.systems if name not in systems])


def unique(pool: Pool, depth: int, systems: Sequence[str]) -> int:
    """Judgments that only these systems contributed."""
    return int((pool.pooled(depth) & ~without(pool, depth, systems)).sum())


def kendall(before: Floats, after: Floats, *, seed: int = 0) -> Estimate:
    """Kendall's tau-b between two orders of the systems by their means, with its interval over resampled queries.

    The same weights for both. A query that was not drawn (:mod:`robustrank.stats.resampling`) may reverse either order,
    or agree with it, as far as values in [0, 1] can.

    Args:
        before: [S, Q].
        after: [S, Q].
        seed: Of the resampling.
    """
    count = len(before)
    up_before, up_after = (_evenly(each.mean(axis=1)) for each in (before, after))
    unseen = [
        np.r_[one, other]
        for one, other in ((up_before, 1 - up_before), (1 - up_after, up_after), (up_before, up_before))
    ]
    rows = np.concatenate([before, after]).T.tolist()
    agreement = contrast([rows], lambda m: _tau(m[:, :count], m[:, count:]), unseen=[unseen], limits=(-1, 1), seed=seed)
    assert agreement is not None, "tau is always defined"
    return agreement.estimate


def _evenly(means: Floats) -> Floats:
    """Values from 0 to 1 in the order of the means."""
    places = means.argsort().argsort() / max(1, len(means) - 1)
    return np.asarray(places, dtype=np.float64)


def _tau(a: Floats, b: Floats) -> Floats:
    """tau-b of every row of [R, S] sums; 1 where all means tie in both orders, 0 where all tie in one."""
    first, second = np.triu_indices(a.shape[1], 1)
    signs_a = _signs(a[:, first] - a[:, second])
    signs_b = _signs(b[:, first] - b[:, second])
    agreement = (signs_a * signs_b).sum(axis=1)
    size = np.sqrt((signs_a**2).sum(axis=1) * (signs_b**2).sum(axis=1))
    nothing = ((signs_a == 0) & (signs_b == 0)).all(axis=1)
    tau: Floats = np.where(nothing, 1.0, np.divide(agreement, size, out=np.zeros_like(size), where=size > 0))
    return tau


def _signs(differences: Floats) -> Floats:
    return np.sign(np.where(np.abs(differences) < 1e-9, 0.0, differences))


def ranks(values: Floats) -> list[int]:
    """The 1-based rank of every system by its mean; equal means share the better rank."""
    means = values.mean(axis=1)
    return [1 + int((means > mean + 1e-12).sum()) for mean in means]


def conclusions(systems: Sequence[str], values: Floats, *, seed: int = 0) -> dict[tuple[str, str], str]:
    """Every pair of systems to ``"above"``, ``"below"`` or ``"undecided"``: paired, Holm over all."""
    pairs = list(combinations(range(len(systems)), 2))
    tested = [paired(list(values[a]), list(values[b]), seed=seed) for a, b in pairs]
    corrected = holm([each.p for each in tested])
    outcomes = {}
    for (a, b), each, p in zip(pairs, tested, corrected, strict=True):
        decided = p < LEVEL
        outcomes[systems[a], systems[b]] = (
            "undecided" if not decided else "above" if each.estimate.value > 0 else "below"
        )
    return outcomes


def changed(before: dict[tuple[str, str], str], after: dict[tuple[str, str], str], system: str) -> list[str]:
    """The comparisons of one system whose outcome changed, from that system's side: ``"other: above → undecided"``."""
    opposite = {"above": "below", "below": "above", "undecided": "undecided"}
    lines = []
    for pair, old in before.items():
        new = after[pair]
        if system in pair and old != new:
            other = pair[1] if pair[0] == system else pair[0]
            seen_from = (old, new) if pair[0] == system else (opposite[old], opposite[new])
            lines.append(f"{other}: {seen_from[0]} → {seen_from[1]}")
    return lines


def adjustments(pool: Pool, measure: Cut, depth: int) -> NDArray[np.float64]:
    """[3, S, Q]: each system with the whole pool, without its own judgments, and what to add back.

    Our reading of Webber & Park (2009): a system that was not pooled is owed the mean of what the pooled ones lose when
    each is left out in turn. The loss is estimated over systems and queries other than the one it is added to.
    """
    whole = pool.values(measure, pool.pooled(depth))
    left = np.stack(
        [pool.values(measure, without(pool, depth, [name]))[i] for i, name in enumerate(pool.systems)]
    )  # fmt: skip
    loss = (whole - left).mean(axis=1)
    count = len(pool.systems)
    owed = (loss.sum() - loss) / max(1, count - 1)
    return np.stack([whole, left, np.broadcast_to(owed[:, None], whole.shape)])
