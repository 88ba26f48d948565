"""Copies: the document that is found first for a query, with one sentence replaced by what the copy is to say.

It reads as well as its model and needs no weights; a search for near duplicates would find it.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from robustrank.plugin import (
    Access,
    AttackSet,
    CorpusCase,
    Perturbation,
    StageOracle,
    Surface,
    ThreatModel,
    analyze,
    sentences,
)
from robustrank_attacks.corpus._texts import carried, cut, price


@dataclass(frozen=True, kw_only=True)
class PlantCopy:
    """One document for each known query: a copy of the first of its list, with the payload for one of its sentences."""

    @property
    def threat(self) -> ThreatModel:
        """Sees which documents are found first for the known queries, as everybody does."""
        return ThreatModel(
            known_as=("LLM08:2025", "AML.T0043", "AML.T0070"),
            surface=Surface.CORPUS,
            access=Access.NONE,
            edits=AttackSet(operation="plant"),
            stage=Access.RANKS,
        )

    def perturb(self, case: CorpusCase, oracle: StageOracle, rng: Random, /) -> Perturbation:
        """The documents, in the order of the queries; none for a query without a list."""
        texts: list[str] = []
        for query in case.group:
            top = oracle.top(query, 1) if len(texts) < case.plants else []
            if top:
                texts.append(copied(top[0].text, query.text, carried(case, rng), case.words))
        return Perturbation(inserted=tuple(texts))


def copied(text: str, query: str, payload: str, limit: int | None) -> str:
    """The text with the payload for the sentence that shares fewest words with the query.

    A text of one sentence keeps it. Above the limit, more sentences that share few words are left out.
    """
    terms = set(analyze([query])[0])
    parts = [sentence.text.strip() for sentence in sentences(text)]
    shared = [len(terms.intersection(analyze([part])[0])) for part in parts]
    # The last of those that share least: what a text begins with says what it is about.
    drop = min(range(len(parts)), key=lambda at: (shared[at], -at)) if len(parts) > 1 else len(parts)
    kept = [(part, count) for part, count in zip(parts, shared, strict=True)]
    kept[drop : drop + 1] = [(payload, len(terms) + 1)]
    while limit is not None and len(kept) > 2 and sum(price(part) for part, _ in kept) > limit:
        kept.pop(min(range(len(kept)), key=lambda at: (kept[at][1], -at)))
    if limit is not None and sum(price(part) for part, _ in kept) > limit:
        kept = [(part if part == payload else cut(part, max(0, limit - price(payload))), n) for part, n in kept]
    return " ".join(part for part, _ in kept if part)
