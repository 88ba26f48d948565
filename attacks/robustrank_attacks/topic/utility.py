"""Utility of a text to the attacker, from its surrogate scores for all queries of the group."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from robustrank.plugin import MissingExtra, TopicCase, language_model
from robustrank_attacks._options import require_choice
from robustrank_attacks.topic.surrogate import GroupSurrogate

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Utility:
    """Utility of one text: ranks, made smooth, turned into gains, and aggregated over the group's queries.

    The rank for a query is 1 plus the sum of logistic functions of the competitors' leads, so that coming nearer to
    the next one counts before it is overtaken. Its gain is ``1 - log(rank) / log(n + 1)`` with n competitors: 1 at the
    top, 0 below all.

    Args:
        aggregation: ``"mean"`` over queries; ``"soft_min"``, a smooth minimum, for an attacker who wants them all;
            ``"share"``, the (smooth) share of queries for which the document rises.
        temperature: Of the logistic functions, in standard deviations of the competitors' scores; 0 gives exact ranks.
        sharpness: Of the smooth minimum.
    """

    aggregation: Literal["mean", "soft_min", "share"] = "mean"
    temperature: float = 0.05
    sharpness: float = 10.0

    def __post_init__(self) -> None:
        require_choice("topic utility", "aggregation", [self.aggregation], ["mean", "soft_min", "share"])

    def ranks(self, scores: Floats, surrogate: GroupSurrogate) -> Floats:
        """(Smooth) ranks as texts x queries."""
        columns = []
        for q, others in enumerate(surrogate.competitors):
            mine = scores[:, q]
            if self.temperature == 0 or not len(others):
                columns.append(1.0 + len(others) - np.searchsorted(others, mine, side="right"))
                continue
            scale = self.temperature * (float(np.std(others)) or 1.0)
            leads = np.clip((others[None, :] - mine[:, None]) / scale, -50, 50)
            columns.append(1.0 + (1 / (1 + np.exp(-leads))).sum(axis=1))
        return np.stack(columns, axis=1)

    def of(self, scores: Floats, surrogate: GroupSurrogate) -> Floats:
        """One number per text, in [0, 1]."""
        ranks = self.ranks(scores, surrogate)
        if self.aggregation == "share":
            clean = self.ranks(surrogate.clean[None, :], surrogate)
            return (1 / (1 + np.exp(np.clip(ranks - clean + 1, -50, 50)))).mean(axis=1)  # type: ignore[no-any-return]
        lengths = np.array([len(others) for others in surrogate.competitors])
        gains = 1 - np.log(ranks) / np.log(np.maximum(lengths, 1) + 1)
        if self.aggregation == "mean":
            return gains.mean(axis=1)  # type: ignore[no-any-return]
        low = gains.min(axis=1, keepdims=True)
        spread = np.exp(-self.sharpness * (gains - low)).mean(axis=1)
        return low[:, 0] - np.log(spread) / self.sharpness  # type: ignore[no-any-return]


def strangeness(texts: Sequence[str], clean: str) -> Floats:
    """Log ratio of each text's perplexity to the clean one's, under the trigram model of
    :mod:`robustrank.perturbations.quality`.

    Raises:
        MissingExtra: The model's package is not installed.
    """
    perplexity = language_model()
    if perplexity is None:
        raise MissingExtra("naturalness of topic attacks", extra="fluency", package="pocketsphinx")
    return np.array([log(perplexity(text)) for text in texts]) - log(perplexity(clean))


def of_ranks(ranks: tuple[int, ...], case: TopicCase) -> float:
    """The mean utility of exact ranks as the victim gives them."""
    lengths = [max(len(docs), 2) for docs in case.lists]
    return float(np.mean([1 - np.log(rank) / np.log(length) for rank, length in zip(ranks, lengths, strict=True)]))
