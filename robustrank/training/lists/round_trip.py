"""Round-trip filter (Promptagator, Dai et al. 2023): a generated query is kept if it finds its document again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from robustrank.core.errors import ConfigError
from robustrank.core.interfaces import Ranker
from robustrank.core.ranking import checked_scores, order
from robustrank.core.types import Document, Query


@dataclass(frozen=True, kw_only=True)
class RoundTrip:
    """Keep the lists of generated queries whose own passage a ranker puts among the first of the list.

    For sources without ``split``, whose queries are generated from passages: there the first text of a list is the
    passage that its query was made from. The paper searches a whole collection with a model trained on the unfiltered
    queries; here the passage competes with the candidates of its list. A filter prefers queries that are easy by words.

    Args:
        ranker: Ranks the candidates, such as ``{ use = "bm25" }`` or a cross-encoder.
        keep: A list is kept where its passage has this rank or a better one.

    Raises:
        ConfigError: ``keep`` is below 1.
    """

    ranker: Ranker
    keep: int = 1

    def __post_init__(self) -> None:
        """Check the rank."""
        if self.keep < 1:
            raise ConfigError("round_trip: keep must be at least 1")

    def lists(self, lists: Sequence[Any], rng: Random, /) -> list[Any]:
        """The lists that are kept, in their order."""
        return [each for each in lists if self._rank(each) <= self.keep]

    def _rank(self, group: Any) -> int:
        docs = [Document(str(place), text) for place, text in enumerate(group.texts)]
        scores = checked_scores(self.ranker, Query("generated", group.query), docs)
        ranking = order([(doc.doc_id, score) for doc, score in zip(docs, scores, strict=True)])
        return ranking.index("0") + 1
