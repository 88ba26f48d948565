"""An error memory (ReLoop2, Zhu et al. 2023): scores are corrected by what similar judged pairs should have scored.

The paper is about click prediction that drifts; it keeps recent impressions, and a model's last hidden state is the
key. Here the memory holds judged pairs of a query and a document, keyed by an encoder beside the ranker.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import sha256
from random import Random
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from robustrank.plugin import (
    Collection,
    CollectionLoader,
    DataError,
    Document,
    Encoder,
    MissingExtra,
    PluginError,
    Query,
    Ranker,
    RankerCard,
    Vectors,
    checked_scores,
    query_keys,
)
from robustrank_defenses.certified._readings import pointwise

VERSION = 1


class Pair(NamedTuple):
    """A judged pair."""

    query: str
    text: str
    grade: int


@dataclass(frozen=True, kw_only=True)
class ErrorMemory:
    """Correct every score by the errors that the ranker makes on the most similar judged pairs.

    ``f + weight * e`` with ``e = mix * (y - f) + (1 - mix) * (y - m)``: f is the ranker's score, y and m the means of
    the targets and of the ranker's scores of the nearest pairs in the memory, weighted by the softmax of similarity /
    temperature. The target of a grade is on the ranker's scale: isotonic regression of its scores of the memory's pairs
    on their grades (scikit-learn). The similarity of two pairs is the mean of the cosines of their queries and of their
    documents.

    What it opens: a forged judgment, or a click that counts as one, moves every document near its document, for all
    queries near its query, and neither these documents nor the ranker are changed (a poisoned memory); copies of a
    judged document inherit its correction. Judgments of queries that are evaluated are refused, since they would hold
    the answers.

    Args:
        collection: Whose judgments are remembered, such as ``{ use = "beir", path = "nfcorpus", split = "train" }``.
        exclude: A collection whose queries are not remembered, such as ``{ use = "selqa" }``; queries with the same
            stems count as the same.
        encoder: A ranker with embeddings, such as ``{ use = "bi_encoder" }``; without it, tf-idf of the memory's texts.
        weight: Of the correction; 0 is the ranker itself.
        mix: 1 draws scores towards the targets of similar pairs; 0 adds the mean error that the ranker made on them.
        neighbours: Pairs that correct a score.
        temperature: Of the softmax; towards 0 the most similar pair counts alone.
        least_error: Pairs on which the ranker errs by less are not remembered.
        negatives: Documents without a judgment that are taken as not relevant, so many for every relevant one, drawn at
            random; needed where a collection judges relevant documents only.
        size: Pairs that are judged or taken as such, at most; drawn at random.

    Raises:
        PluginError: A value that means nothing, or the encoder has no embeddings.
    """

    collection: CollectionLoader
    exclude: CollectionLoader | None = None
    encoder: Encoder | None = None
    weight: float = 0.3
    mix: float = 1.0
    neighbours: int = 10
    temperature: float = 0.1
    least_error: float = 0.0
    negatives: int = 0
    size: int = 2000

    def __post_init__(self) -> None:
        """Check the parameters."""
        for name in ("collection", "exclude"):
            given = getattr(self, name)
            if not (given is None and name == "exclude") and not callable(getattr(given, "load", None)):
                raise PluginError(f'error_memory: {name} must be a table, such as {{ use = "beir", path = "..." }}')
        if self.encoder is not None and not isinstance(self.encoder, Encoder):
            raise PluginError("error_memory: encoder has no `encode`; give a bi-encoder, or leave it out for tf-idf")
        if not (0.0 <= self.weight <= 1.0 and 0.0 <= self.mix <= 1.0 and self.least_error >= 0.0):
            raise PluginError("error_memory: weight and mix must be from 0 to 1, and least_error at least 0")
        if self.neighbours < 1 or not self.temperature > 0 or self.negatives < 0 or self.size < 0:
            raise PluginError(
                "error_memory: neighbours must be at least 1, temperature above 0, negatives and size at least 0"
            )

    @cached_property
    def judged_queries(self) -> Sequence[Query]:
        """The queries whose judgments are remembered."""
        left_out = set() if self.exclude is None else set(query_keys(self.exclude.load().queries))
        queries = self._collection.queries
        keyed = zip(queries, query_keys(queries), strict=True)
        return [query for query, key in keyed if key and key not in left_out]

    def wrap(self, ranker: Ranker, /) -> Remembering:
        """The ranker with corrected scores; it scores the memory's pairs once.

        Raises:
            DataError: Two grades or more are needed, or a target would say nothing.
            MissingExtra: scikit-learn is not installed.
            PluginError: Its scores depend on the other documents of a call, on chance, or say the order alone.
        """
        if pointwise("error_memory", ranker).card.rank_only:
            raise PluginError(f"error_memory: scores of {ranker.card.name} say the order alone, so they have no scale")
        pairs = self._pairs if self.weight > 0 else ()
        scores = _scores(ranker, pairs)
        targets = scale([pair.grade for pair in pairs], scores) if pairs else scores
        wrong = [n for n in range(len(pairs)) if abs(targets[n] - scores[n]) >= self.least_error]
        return Remembering(
            ranker, self, tuple(pairs[n] for n in wrong), tuple(targets[n] for n in wrong),
            tuple(scores[n] for n in wrong),
        )  # fmt: skip

    @cached_property
    def _collection(self) -> Collection:
        return self.collection.load()

    @cached_property
    def _pairs(self) -> tuple[Pair, ...]:
        """What is remembered, in an order that does not depend on that of the judgments."""
        loaded = self._collection
        queries, documents = {query.query_id: query.text for query in self.judged_queries}, sorted(loaded.documents)
        pairs: dict[Pair, None] = {}
        for query_id, judged in loaded.qrels.items():
            if query_id not in queries:
                continue
            graded = dict(judged)
            relevant = sum(grade >= loaded.relevant for grade in judged.values())
            rng = Random(f"error memory|{query_id}")
            drawn = rng.sample(documents, min(len(documents), self.negatives * relevant + len(judged)))
            unjudged = [doc_id for doc_id in drawn if doc_id not in judged][: self.negatives * relevant]
            graded |= dict.fromkeys(unjudged, 0)
            for doc_id, grade in graded.items():
                if doc_id in loaded.documents:
                    pairs[Pair(queries[query_id], loaded.documents[doc_id].text, grade)] = None
        kept = Random("error memory").sample(sorted(pairs), min(self.size, len(pairs)))
        if kept and len({pair.grade for pair in kept}) < 2:
            raise DataError(
                f"error_memory: all {len(kept)} judgments of {loaded.name!r} have the grade {kept[0].grade}, so every "
                "target would be the same; set negatives = 4 or a larger size, or give other judgments"
            )
        return tuple(kept)


@dataclass(frozen=True)
class Remembering:
    """A ranker whose scores are corrected by a memory.

    Args:
        base: The ranker.
        rules: How.
        pairs: What is remembered.
        targets: What each should score.
        scores: What the ranker gives it.
    """

    base: Ranker
    rules: ErrorMemory
    pairs: tuple[Pair, ...]
    targets: tuple[float, ...]
    scores: tuple[float, ...]

    @cached_property
    def card(self) -> RankerCard:
        """The ranker's own card, under another name."""
        base, rules = self.base.card, self.rules
        numbers = (rules.weight, rules.mix, rules.neighbours, rules.temperature)
        encoder = "tf-idf" if rules.encoder is None else rules.encoder.fingerprint
        state = json.dumps([VERSION, base.fingerprint, encoder, numbers, self.pairs, self.targets, self.scores])
        note = f"corrected by {len(self.pairs)} judged pairs"
        return replace(
            base, name=f"error_memory({base.name})", fingerprint=sha256(state.encode()).hexdigest()[:16],
            gradients=False, invariant=(), note=f"{base.note}; {note}".lstrip("; "),
        )  # fmt: skip

    def score(self, query: Query, docs: Sequence[Document], /) -> list[float]:
        """The ranker's scores, each with its correction."""
        own = self.base.score(query, docs)
        if not self.pairs or not docs:
            return own
        similarity = self._keys.similarity(query.text, [doc.text for doc in docs])
        scores, targets = np.array(self.scores), np.array(self.targets)
        return corrected(np.array(own, dtype=np.float64), similarity, targets, scores, self.rules)

    @cached_property
    def _keys(self) -> _Keys:
        encoder = self.rules.encoder
        return _Keys(_counted(self.pairs) if encoder is None else _embedded(encoder), self.pairs)


def corrected(
    own: NDArray[np.float64], similarity: NDArray[np.float64], targets: NDArray[np.float64],
    scores: NDArray[np.float64], rules: ErrorMemory,
) -> list[float]:  # fmt: skip
    """Scores with their corrections.

    Args:
        own: Scores of documents by the ranker.
        similarity: Documents x pairs of the memory.
        targets: Of these pairs.
        scores: Of these pairs by the ranker.
        rules: The parameters.
    """
    nearest = np.argsort(-similarity, axis=1, kind="stable")[:, : rules.neighbours]
    exponents = np.take_along_axis(similarity, nearest, axis=1) / rules.temperature
    shares = np.exp(exponents - exponents.max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    target, before = (shares * targets[nearest]).sum(axis=1), (shares * scores[nearest]).sum(axis=1)
    error = rules.mix * (target - own) + (1 - rules.mix) * (target - before)
    return [float(score) for score in own + rules.weight * error]


def scale(grades: Sequence[int], scores: Sequence[float]) -> list[float]:
    """What each pair should score: the isotonic regression of scores on grades.

    Raises:
        MissingExtra: scikit-learn is not installed.
    """
    try:
        from sklearn.isotonic import IsotonicRegression
    except ImportError as error:
        raise MissingExtra("error_memory", extra="torch", package="scikit-learn") from error
    return [float(y) for y in IsotonicRegression().fit_transform(np.array(grades, dtype=np.float64), np.array(scores))]


def _scores(ranker: Ranker, pairs: Sequence[Pair]) -> list[float]:
    by_query: dict[str, list[Document]] = {}
    for number, pair in enumerate(pairs):
        by_query.setdefault(pair.query, []).append(Document(str(number), pair.text))
    scores: dict[int, float] = {}
    for text, docs in by_query.items():
        given = checked_scores(ranker, Query("memory", text), docs)
        scores |= {int(doc.doc_id): score for doc, score in zip(docs, given, strict=True)}
    return [scores[number] for number in range(len(pairs))]


_Encoded = Callable[[Sequence[str], bool], Any]
"""Texts, and whether they are queries, to rows of length 1 (0 for a text without content), dense or sparse."""


def _embedded(encoder: Encoder) -> _Encoded:
    def encoded(texts: Sequence[str], query: bool) -> NDArray[np.float64]:
        rows = encoder.encode(texts, query=query).astype(np.float64)
        unit: NDArray[np.float64] = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
        return unit

    return encoded


def _counted(pairs: Sequence[Pair]) -> _Encoded:
    vectors = Vectors(sorted({text for pair in pairs for text in (pair.query, pair.text)}))
    return lambda texts, query: vectors.rows(texts)


class _Keys:
    """Keys of the memory's pairs: a row for the query, and one for the document."""

    def __init__(self, encoded: _Encoded, pairs: Sequence[Pair]) -> None:
        self._encoded = encoded
        self._queries = encoded([pair.query for pair in pairs], True)
        self._texts = encoded([pair.text for pair in pairs], False)

    def similarity(self, query: str, texts: Sequence[str]) -> NDArray[np.float64]:
        """Texts x pairs."""
        of_query = _cosines(self._encoded([query], True), self._queries)
        return (of_query + _cosines(self._encoded(texts, False), self._texts)) / 2


def _cosines(rows: Any, others: Any) -> NDArray[np.float64]:
    product = rows @ others.T
    return np.asarray(product.toarray() if hasattr(product, "toarray") else product)
