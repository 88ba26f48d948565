"""How documents stand in the first stage of their query, for curricula (MacAvaney et al. 2020)."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, nan
from typing import NamedTuple

from robustrank.retrieval.searching import Scored


class Standing(NamedTuple):
    """Three measures of a document, each from 0 to 1; all 0 for a document that the first stage did not find."""

    reciprocal_rank: float
    normalised_score: float
    """(x - min) / (max - min) of the scores x of the query's whole list; 1/2 in a list of equal scores."""
    kde: float
    """Share below the score of a Gaussian kernel density estimate of the list's scores (Scott's rule)."""


def standings(scored: Scored, doc_ids: Sequence[str]) -> tuple[Standing, ...]:
    """Standings of some documents.

    Args:
        scored: The query's list, best first; scores are NaN where the first stage has none, and so are the measures
            that need them.
        doc_ids: The documents.
    """
    import numpy as np
    from scipy.stats import gaussian_kde

    places = {doc_id: place for place, (doc_id, _) in enumerate(scored)}
    scores = np.array([score for _, score in scored], dtype=np.float64)
    spread = float(np.ptp(scores)) if len(scores) else 0.0
    normalised = (scores - scores.min()) / spread if spread > 0 else np.full(len(scores), nan if spread else 0.5)
    density = gaussian_kde(normalised) if spread > 0 else None

    def standing(doc_id: str) -> Standing:
        if doc_id not in places:
            return Standing(0.0, 0.0, 0.0)
        value = float(normalised[places[doc_id]])
        below = value if density is None else float(density.integrate_box_1d(-inf, value))
        return Standing(1 / (places[doc_id] + 1), value, below)

    return tuple(standing(doc_id) for doc_id in doc_ids)
