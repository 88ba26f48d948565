"""Training lists from judgments: a relevant document, and negatives that are not judged relevant, from a ranking."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import log
from random import Random
from typing import NamedTuple

from robustrank.collections.beir import Beir
from robustrank.core.interfaces import Ranker
from robustrank.core.types import Collection, Document, Query
from robustrank.rankers.bm25 import BM25
from robustrank.retrieval.analysis import query_keys
from robustrank.retrieval.first_stage import first_stage, with_scores
from robustrank.retrieval.searching import Scored
from robustrank.training.judged_spec import FilterSpec, JudgedSpec, JudgedStageSpec
from robustrank.training.standing import Standing, standings
from robustrank.training.teacher import CachedTeacher

DEPTH = 100
"""Number of ranks of an evidence retriever that are distinguished; all lower ranks are one class."""

Teachers = Callable[[FilterSpec], CachedTeacher]


class Judged(NamedTuple):
    """A query, its texts with the relevant one first, and of each its retriever features and its standing."""

    query: str
    texts: tuple[str, ...]
    evidence: tuple[tuple[float, ...], ...] = ()
    standings: tuple[Standing, ...] = ()


def build(
    stage: JudgedStageSpec, forbidden: set[str], seed: int, teacher: Teachers
) -> tuple[list[Judged], list[Judged]]:
    """The lists of the training and of the development queries, each in a seeded order.

    Args:
        stage: The stage, with its judgments.
        forbidden: Keys (:func:`robustrank.retrieval.analysis.query_keys`) of test queries, which are left out.
        seed: Seed of all draws.
        teacher: Creates the teacher of a filter.
    """
    train: list[Judged] = []
    dev: list[Judged] = []
    for judged in stage.judged:
        source = _Source.of(judged, forbidden, seed, teacher, standing=stage.curriculum is not None)
        held_out = 0 if dev else stage.dev
        dev += [made for query in source.queries[:held_out] for made in source.lists(query)]
        train += [made for query in source.queries[held_out:] for made in source.lists(query)]
    Random(f"{seed}|order").shuffle(train)
    return train, dev


@dataclass(frozen=True)
class _Source:
    """A ``[[stage.judged]]`` table with its collection, ranking and teacher."""

    spec: JudgedSpec
    seed: int
    collection: Collection
    queries: Sequence[Query]
    ranking: Mapping[str, Sequence[str]] | None
    teacher: CachedTeacher | None
    evidence: _Evidence | None
    scored: Mapping[str, Scored] | None

    @classmethod
    def of(cls, spec: JudgedSpec, forbidden: set[str], seed: int, teacher: Teachers, *, standing: bool) -> _Source:
        collection = Beir(path=spec.path, split=spec.split).load()
        queries = list(collection.queries)
        Random(f"{seed}|{spec.name}").shuffle(queries)
        queries = [
            query for query, key in zip(queries, query_keys(queries), strict=True) if key and key not in forbidden
        ]
        queries = queries[: spec.queries]
        ranking: Mapping[str, Sequence[str]] | None = None
        scored: Mapping[str, Scored] | None = None
        if spec.first_stage and standing:
            scored = with_scores(spec.first_stage, collection, queries, spec.ranks[1])
            ranking = {query_id: [doc_id for doc_id, _ in each] for query_id, each in scored.items()}
        elif spec.first_stage:
            ranking = first_stage(spec.first_stage, collection, queries, spec.ranks[1])
        return cls(
            spec, seed, collection, queries, ranking,
            teacher(spec.filter) if spec.filter else None,
            _Evidence.of(spec, collection, queries) if spec.evidence else None, scored,
        )  # fmt: skip

    def lists(self, query: Query) -> list[Judged]:
        """One list for each relevant document drawn, if it has any negative."""
        grades = self.collection.qrels.get(query.query_id, {})
        relevant = sorted(doc_id for doc_id, grade in grades.items() if grade >= self.collection.relevant)
        rng = Random(f"{self.seed}|{self.spec.name}|{query.query_id}")
        drawn = [
            (doc_id, self._negatives(query, doc_id, set(relevant), rng))
            for doc_id in rng.sample(relevant, min(self.spec.positives, len(relevant)))
        ]
        return [self._judged(query, [doc_id, *negatives]) for doc_id, negatives in drawn if negatives]

    def _judged(self, query: Query, doc_ids: Sequence[str]) -> Judged:
        documents = [self.collection.documents[doc_id] for doc_id in doc_ids]
        evidence = self.evidence.of_pairs(query, documents) if self.evidence else ()
        stand = standings(self.scored[query.query_id], doc_ids) if self.scored is not None else ()
        return Judged(query.text, tuple(document.text for document in documents), evidence, stand)

    def _negatives(self, query: Query, positive: str, relevant: set[str], rng: Random) -> list[str]:
        pool = sorted(self.collection.documents)
        if self.ranking is not None:
            pool = list(self.ranking[query.query_id][self.spec.ranks[0] - 1 :])
        pool = [doc_id for doc_id in pool if doc_id not in relevant]
        rng.shuffle(pool)
        if self.teacher is None or self.spec.filter is None:
            return pool[: self.spec.negatives]
        limit = _limit(self.spec.filter, self._scores(query, [positive])[0])
        negatives: list[str] = []
        while pool and len(negatives) < self.spec.negatives:  # a slow teacher scores no more than needed
            missing = self.spec.negatives - len(negatives)
            candidates, pool = pool[:missing], pool[missing:]
            scores = self._scores(query, candidates)
            negatives += [doc_id for doc_id, score in zip(candidates, scores, strict=True) if score < limit]
        return negatives

    def _scores(self, query: Query, doc_ids: Sequence[str]) -> list[float]:
        assert self.teacher is not None
        return self.teacher.scores(query.text, [self.collection.documents[doc_id].text for doc_id in doc_ids])


def _limit(rule: FilterSpec, positive: float) -> float:
    """The score that a negative must be below."""
    limits = [] if rule.ceiling is None else [rule.ceiling]
    if rule.share is not None:
        limits.append(positive - (1 - rule.share) * abs(positive))
    return min(limits)


@dataclass(frozen=True)
class _Evidence:
    """Features of a document: whether and at which rank each retriever lists it, its BM25 score and its length."""

    ranks: Sequence[Mapping[str, Mapping[str, int]]]
    bm25: Ranker

    @classmethod
    def of(cls, spec: JudgedSpec, collection: Collection, queries: Sequence[Query]) -> _Evidence:
        rankings = [first_stage(plugin, collection, queries, DEPTH) for plugin in spec.evidence]
        ranks = [
            {
                query_id: {doc_id: rank for rank, doc_id in enumerate(doc_ids, start=1)}
                for query_id, doc_ids in run.items()
            }
            for run in rankings
        ]
        return cls(ranks, BM25().fit(collection))

    def of_pairs(self, query: Query, documents: Sequence[Document]) -> tuple[tuple[float, ...], ...]:
        rows = []
        for document, score in zip(documents, self.bm25.score(query, documents), strict=True):
            ranks = [system.get(query.query_id, {}).get(document.doc_id) for system in self.ranks]
            retrieved = [float(rank is not None) for rank in ranks]
            log_ranks = [log(rank or DEPTH + 1) / log(DEPTH + 1) for rank in ranks]
            rows.append((*retrieved, *log_ranks, score / 10, log(1 + len(document.text.split())) / 10))
        return tuple(rows)
