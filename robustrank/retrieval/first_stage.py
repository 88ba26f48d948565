"""The first stage: the candidates that a ranker reranks, and their order.

BM25 is that of bm25s in its Lucene form with Anserini's parameters for passages (k1 = 0.9, b = 0.4), English stop words
and the Snowball stemmer. Only documents that share a term with the query are retrieved, as in Lucene.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from pathlib import Path

from robustrank.collections.trec import rankings
from robustrank.core.errors import ConfigError, DataError
from robustrank.core.plugin_spec import Plugin
from robustrank.core.ranking import order
from robustrank.core.types import Collection, Query
from robustrank.retrieval.analysis import analyze, analyzed, bm25_library

K1, B = 0.9, 0.4
"""Parameters of BM25, for the first stage and the ranker alike."""


def first_stage(plugin: Plugin, collection: Collection, queries: Sequence[Query], depth: int) -> dict[str, list[str]]:
    """Query id to at most ``depth`` document ids, best first; the list of a query without a matching document is empty.

    Args:
        plugin: ``bm25``, ``run(path=...)`` for a TREC run file, ``candidates`` for the list that comes with the
            collection, or ``judged`` for all documents judged for the query, in the order of ids.
        collection: What is searched.
        queries: Queries of the collection.
        depth: Documents per query, at most.

    Raises:
        ConfigError: Another plug-in, wrong parameters, or a depth below 1.
        DataError: The run file is wrong, lists unknown documents or queries, or there are no candidates.
    """
    if depth < 1:
        raise ConfigError(f"first stage {plugin}: depth must be at least 1, not {depth}")
    if plugin.use not in _STAGES:
        raise ConfigError(f"no first stage named {plugin.use!r} (have: {', '.join(_STAGES)})")
    stage, parameters = _STAGES[plugin.use]
    for name, value in plugin.params.items():
        if name not in parameters:
            raise ConfigError(
                f"first stage {plugin}: unknown parameter {name!r} (has: {', '.join(parameters) or 'none'})"
            )
        if not isinstance(value, str):
            raise ConfigError(f"first stage {plugin}: {name} must be text, not {value!r}")
    for name in parameters:
        if name not in plugin.params:
            raise ConfigError(f"first stage {plugin}: needs {name!r}")
    lists = stage(collection, queries, depth, **plugin.params)
    return {query.query_id: list(lists.get(query.query_id, ()))[:depth] for query in queries}


def _bm25(collection: Collection, queries: Sequence[Query], depth: int) -> Mapping[str, Sequence[str]]:
    import numpy as np

    ids = sorted(collection.documents)
    terms = analyzed(collection)
    if not any(terms):
        raise DataError(f"collection {collection.name!r}: no document has a word that BM25 could index")
    vocabulary = {term: number for number, term in enumerate(sorted(set(chain.from_iterable(terms))))}
    index = bm25_library().BM25(method="lucene", k1=K1, b=B, dtype="float64")
    index.index(([[vocabulary[term] for term in document] for document in terms], vocabulary), show_progress=False)
    lists = {}
    for query, words in zip(queries, analyze([query.text for query in queries]), strict=True):
        scores = index.get_scores_from_ids([vocabulary[word] for word in words if word in vocabulary])
        least = np.partition(scores, -depth)[-depth] if depth < len(ids) else 0.0
        # All documents that tie at the cut-off are kept: order() applies the tie rule, numpy breaks ties arbitrarily.
        (candidates,) = np.nonzero((scores > 0) & (scores >= least))
        lists[query.query_id] = order([(ids[i], float(scores[i])) for i in candidates])
    return lists


def _run(collection: Collection, queries: Sequence[Query], depth: int, *, path: str) -> Mapping[str, Sequence[str]]:
    run = rankings(Path(path))
    for query_id, doc_ids in run.items():
        for doc_id in doc_ids[:depth]:
            if doc_id not in collection.documents:
                raise DataError(
                    f"query {query_id!r} lists document {doc_id!r}, unknown to collection {collection.name!r}; "
                    "is it the run of another collection?",
                    path=path,
                )
    return run


def _candidates(collection: Collection, queries: Sequence[Query], depth: int) -> Mapping[str, Sequence[str]]:
    if not collection.candidates:
        raise DataError(f"collection {collection.name!r} comes without candidates; use the first stage bm25")
    return collection.candidates


def _judged(collection: Collection, queries: Sequence[Query], depth: int) -> Mapping[str, Sequence[str]]:
    """All documents judged for the query, by id; for collections whose candidates are all judged."""
    return {
        query.query_id: [i for i in sorted(collection.qrels[query.query_id]) if i in collection.documents]
        for query in queries
    }


_STAGES: dict[str, tuple[Callable[..., Mapping[str, Sequence[str]]], tuple[str, ...]]] = {
    "bm25": (_bm25, ()),
    "candidates": (_candidates, ()),
    "judged": (_judged, ()),
    "run": (_run, ("path",)),
}
