"""Gradient instability: what a score rests on changes when a few words are left out.

After ProGRank (arXiv 2603.22934, of which we read the abstract; the instantiation is ours): some copies of a document,
each without a tenth of its words. Where a score rests on a few planted words, the gradients of the copies point in
different directions (low mean cosine C) and differ in length (D, the variance of their norms over the squared mean).
Rankers lend the norm of the gradient at each word, so that is the gradient here, over the words that all copies have;
ProGRank takes that of the last layer norm's scale.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from itertools import combinations
from random import Random
from statistics import fmean, pvariance

import numpy as np

from robustrank.plugin import ConfigError, ContractError, DetectorCard, Document, Seen, words


@dataclass(frozen=True, kw_only=True)
class GradientInstability:
    """D - C over copies of a document with words left out; for rankers that lend gradients.

    Args:
        copies: Copies, one backward pass each.
        drop: Share of the words that each lacks.
    """

    copies: int = 8
    drop: float = 0.1

    def __post_init__(self) -> None:
        if self.copies < 2 or not 0 < self.drop < 1:
            raise ConfigError("copies must be at least 2, and drop a share above 0 and below 1")

    @property
    def card(self) -> DetectorCard:
        """Reads the query, and asks for gradients."""
        return DetectorCard(
            name="gradient_instability",
            fingerprint=f"gradient instability/1 {self.copies} {self.drop}",
            query=True,
            gradients=True,
        )

    def suspicion(self, document: Document, seen: Seen, /) -> float | None:
        """From -1, where all copies have one gradient; ``None`` where no word is in all copies, or has a gradient.

        Raises:
            ContractError: The ranker lends no gradients.
        """
        assert seen.query is not None, "its card asks for the query"
        if seen.ranker is None:
            raise ContractError("the ranker lends no gradients")
        spans = words(document.text)
        # From the text, so that the same document always has the same copies.
        rng = Random(int.from_bytes(sha256(document.text.encode()).digest()[:8], "big"))
        few = max(1, round(self.drop * len(spans)))
        left_out = [set(rng.sample(range(len(spans)), min(few, len(spans)))) for _ in range(self.copies)]
        shared = [at for at in range(len(spans)) if not any(at in each for each in left_out)]
        if not shared:
            return None
        rows = []
        for dropped in left_out:
            kept = [at for at in range(len(spans)) if at not in dropped]
            copy = document._replace(text=" ".join(spans[at].text for at in kept))
            importance = dict(zip(kept, seen.ranker.gradients(seen.query, copy, {}).importance, strict=False))
            rows.append([importance.get(at, 0.0) for at in shared])
        return _instability(np.array(rows))


def _instability(gradients: np.ndarray[tuple[int, int], np.dtype[np.float64]]) -> float | None:
    """D - C of copies x words."""
    norms = np.linalg.norm(gradients, axis=1)
    if not norms.all():
        return None
    units = gradients / norms[:, None]
    cosine = fmean(float(units[a] @ units[b]) for a, b in combinations(range(len(units)), 2))
    return float(pvariance(norms.tolist()) / fmean(norms.tolist()) ** 2) - cosine
