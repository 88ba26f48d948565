"""Pasted queries: a document that begins with a query and goes on with what it is to say.

The form of PoisonedRAG without access to the retriever (Zou et al., USENIX Security 2025): query, full stop, text,
without a blank between them. One document for each known query, as far as the budget goes.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from robustrank.plugin import Access, AttackSet, CorpusCase, Perturbation, StageOracle, Surface, ThreatModel
from robustrank_attacks.corpus._texts import carried, cut, room


@dataclass(frozen=True, kw_only=True)
class PlantQuery:
    """One document for each known query: the query, a full stop, and the payload or a sentence of the corpus."""

    @property
    def threat(self) -> ThreatModel:
        """Sees nothing of the first stage."""
        return ThreatModel(
            known_as=("LLM08:2025", "AML.T0043", "AML.T0070"),
            surface=Surface.CORPUS,
            access=Access.NONE,
            edits=AttackSet(operation="plant"),
        )

    def perturb(self, case: CorpusCase, oracle: StageOracle, rng: Random, /) -> Perturbation:
        """The documents, in the order of the queries."""
        texts = []
        for query in case.group[: case.plants]:
            rest = carried(case, rng)
            if case.payload is None:
                rest = cut(rest, room(case, cut(query.text, case.words)))
            texts.append(f"{cut(query.text, room(case, rest))}.{rest}")
        return Perturbation(inserted=tuple(texts))
