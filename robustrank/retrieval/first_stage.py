"""The first stage: the candidates that a ranker reranks, and their order.

BM25 (:mod:`robustrank.retrieval.lexical`) and ``dense`` (:mod:`robustrank.retrieval.dense`) search the whole
collection; the others take lists as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import nan
from pathlib import Path

from robustrank.collections.trec import rankings, run_scores
from robustrank.core.errors import ConfigError, DataError
from robustrank.core.plugin_spec import Plugin
from robustrank.core.types import Collection, Query
from robustrank.retrieval import dense
from robustrank.retrieval.lexical import Lexical
from robustrank.retrieval.searching import Scored, Searcher


def first_stage(
    plugin: Plugin, collection: Collection, queries: Sequence[Query], depth: int, search: Searcher | None = None
) -> dict[str, list[str]]:
    """Query id to at most ``depth`` document ids, best first; the list of a query without a matching document is empty.

    Args:
        plugin: ``bm25``, ``dense`` (embeddings of the whole collection, searched exactly), ``run(path=...)`` for a TREC
            run file, ``candidates`` for the list that comes with the collection, or ``judged`` for all documents judged
            for the query, in the order of ids.
        collection: What is searched.
        queries: Queries of the collection.
        depth: Documents per query, at most.
        search: Its :func:`searcher`, where there is one already.

    Raises:
        ConfigError: Another plug-in, wrong parameters, or a depth below 1.
        DataError: The run file is wrong, lists unknown documents or queries, or there are no candidates.
    """
    if depth < 1:
        raise ConfigError(f"first stage {plugin}: depth must be at least 1, not {depth}")
    _check(plugin)
    if searches(plugin):
        found = (search or searcher(plugin, collection)).search([query.text for query in queries], depth)
        return {query.query_id: [doc_id for doc_id, _ in scored] for query, scored in zip(queries, found, strict=True)}
    lists = _LISTS[plugin.use][0](collection, queries, depth, **plugin.params)
    return {query.query_id: list(lists.get(query.query_id, ()))[:depth] for query in queries}


def with_scores(plugin: Plugin, collection: Collection, queries: Sequence[Query], depth: int) -> dict[str, Scored]:
    """As :func:`first_stage`, with the score of every document; NaN where the first stage has none.

    Args:
        plugin: As there.
        collection: What is searched.
        queries: Queries of the collection.
        depth: Documents per query, at most.

    Raises:
        ConfigError: As there.
        DataError: As there.
    """
    if searches(plugin):
        found = searcher(plugin, collection).search([query.text for query in queries], depth)
        return {query.query_id: scored for query, scored in zip(queries, found, strict=True)}
    lists = first_stage(plugin, collection, queries, depth)
    scores = run_scores(Path(plugin.params["path"])) if plugin.use == "run" else {}
    return {
        query_id: [(doc_id, scores.get(query_id, {}).get(doc_id, nan)) for doc_id in doc_ids]
        for query_id, doc_ids in lists.items()
    }


def searches(plugin: Plugin) -> bool:
    """Whether it searches the collection, so that documents that are added to it can be found."""
    return plugin.use in _SEARCHERS


def searcher(plugin: Plugin, collection: Collection) -> Searcher:
    """A first stage that searches, over a collection.

    Raises:
        ConfigError: It takes lists as they are, or its parameters are wrong.
        DataError: No document has anything to search for.
    """
    _check(plugin)
    if not searches(plugin):
        raise ConfigError(f"first stage {plugin} does not search (those that do: {', '.join(_SEARCHERS)})")
    return _SEARCHERS[plugin.use][0](collection, **plugin.params)


def _check(plugin: Plugin) -> None:
    every = {**_LISTS, **_SEARCHERS}
    if plugin.use not in every:
        raise ConfigError(f"no first stage named {plugin.use!r} (have: {', '.join(sorted(every))})")
    kinds, needed = every[plugin.use][1:]
    for name, value in plugin.params.items():
        if name not in kinds:
            raise ConfigError(f"first stage {plugin}: unknown parameter {name!r} (has: {', '.join(kinds) or 'none'})")
        if not isinstance(value, kinds[name]) or isinstance(value, bool):
            what = "text" if kinds[name] is str else "a whole number"
            raise ConfigError(f"first stage {plugin}: {name} must be {what}, not {value!r}")
    for name in needed:
        if name not in plugin.params:
            raise ConfigError(f"first stage {plugin}: needs {name!r}")


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


_Kinds = Mapping[str, type]
"""Parameters, and what they must be."""

_LISTS: dict[str, tuple[Callable[..., Mapping[str, Sequence[str]]], _Kinds, tuple[str, ...]]] = {
    "candidates": (_candidates, {}, ()),
    "judged": (_judged, {}, ()),
    "run": (_run, {"path": str}, ("path",)),
}
_SEARCHERS: dict[str, tuple[Callable[..., Searcher], _Kinds, tuple[str, ...]]] = {
    "bm25": (Lexical, {}, ()),
    "dense": (dense.build, dense.PARAMETERS, ()),
}
