"""Clean documents by source: retrieved for queries of their own collection, and in no list of the audit.

A detector that reads the query is judged on what retrieval puts before it, so every document comes with a query that
finds it: for a random pair a threshold would be too low.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random
from threading import Lock
from weakref import WeakKeyDictionary

from robustrank.config.detection import DetectionSpec, SourceSpec
from robustrank.core.plugin_spec import Plugin
from robustrank.core.types import Collection, Document, Query
from robustrank.core.words import words
from robustrank.retrieval.first_stage import searcher, searches
from robustrank.work.workbench import Workbench

QUERIES = 1000
"""Queries of a source that are searched, drawn with the audit's seed."""
BEYOND = 200
"""Ranks below the audited lists from which the attacked collection's own clean documents are drawn."""
BACKGROUND = 2000
"""Clean documents that detectors are fitted to, where they ask for some."""


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A clean document in the list of a query."""

    query: Query
    document: Document
    list: tuple[Document, ...]


@dataclass(frozen=True, kw_only=True)
class CleanDocuments:
    """Those of one source.

    Args:
        name: Of the source.
        kind: What its documents are.
        own: Whether it is the attacked collection.
        digest: Of the collection.
        candidates: At most as many as asked for; no document, and no text, twice.
        background: Texts of the collection.
        missing: Why there are none, or fewer.
    """

    name: str
    kind: str
    own: bool
    digest: str
    candidates: Sequence[Candidate] = ()
    background: tuple[str, ...] = ()
    missing: str = ""


def attacked_collection(bench: Workbench) -> str:
    """Name of the collection whose lists are attacked."""
    return bench.spec.cases.collection or bench.spec.home.name


def sources(bench: Workbench) -> list[str]:
    """Names of the sources, the attacked collection first; one of the file that is this collection is left out."""
    wanted, own = bench.spec.detection, attacked_collection(bench)
    if wanted is None:
        return []
    spec = next(c for c in bench.spec.collections if c.name == own)
    others = [s.name for s in wanted.sources if s.name != own and s.plugin != spec.plugin]
    digest = bench.lists(own).collection.digest
    return [own, *(name for name in others if drawn(bench, name).digest != digest)]


_DRAWN: WeakKeyDictionary[Workbench, dict[str, CleanDocuments]] = WeakKeyDictionary()
_LOCK = Lock()


def drawn(bench: Workbench, name: str) -> CleanDocuments:
    """The clean documents of a source, drawn once with the audit's seed.

    Raises:
        DataError: The collection cannot be read.
    """
    wanted = bench.spec.detection
    assert wanted is not None, "asked for where there is [detection]"
    with _LOCK:  # of threads that share a bench
        mine = _DRAWN.setdefault(bench, {})
        if name not in mine:
            own = name == attacked_collection(bench)
            mine[name] = (
                _own(bench, wanted, name)
                if own
                else _elsewhere(bench, wanted, next(s for s in wanted.sources if s.name == name))
            )
        return mine[name]


def _own(bench: Workbench, wanted: DetectionSpec, name: str) -> CleanDocuments:
    lists = bench.lists(name)
    collection = lists.collection
    empty = CleanDocuments(
        name=name, kind="", own=True, digest=collection.digest, background=_background(bench, collection)
    )
    if not searches(lists.spec.first_stage):
        return replace(empty, missing="its first stage takes lists as they are, and finds no other documents")
    listed = {doc.doc_id for docs in lists.candidates.values() for doc in docs}
    queries = _some(bench, collection, "own")
    found = bench.searcher(name).search([query.text for query in queries], lists.spec.depth + BEYOND)
    ranked = {
        query: [doc_id for doc_id, _ in scored if doc_id not in listed]
        for query, scored in zip(queries, found, strict=True)
    }
    return _with(empty, bench, wanted, collection, ranked, [])


def _elsewhere(bench: Workbench, wanted: DetectionSpec, source: SourceSpec) -> CleanDocuments:
    collection = bench.collection(source.plugin)
    empty = CleanDocuments(
        name=source.name, kind=source.kind, own=False, digest=collection.digest,
        background=_background(bench, collection),
    )  # fmt: skip
    queries = _some(bench, collection, source.name)
    found = searcher(Plugin(use="bm25"), collection).search([query.text for query in queries], 5 * wanted.depth)
    ranked = {query: [doc_id for doc_id, _ in scored] for query, scored in zip(queries, found, strict=True)}
    first = {query: doc_ids[: wanted.depth] for query, doc_ids in ranked.items()}
    return _with(empty, bench, wanted, collection, first, [{q: ids[wanted.depth :] for q, ids in ranked.items()}])


def _some(bench: Workbench, collection: Collection, name: str) -> list[Query]:
    queries = sorted(collection.queries, key=lambda query: query.query_id)
    Random(f"{bench.spec.seed}|clean queries|{name}").shuffle(queries)
    return queries[:QUERIES]


def _with(
    empty: CleanDocuments,
    bench: Workbench,
    wanted: DetectionSpec,
    collection: Collection,
    ranked: Mapping[Query, Sequence[str]],
    further: Sequence[Mapping[Query, Sequence[str]]],
) -> CleanDocuments:
    """With candidates of the first lists, and of the further ones where these have too few."""
    audited = {
        doc.text
        for each in bench.spec.collections
        for docs in bench.lists(each.name).candidates.values()
        for doc in docs
    }
    rng, seen = Random(f"{bench.spec.seed}|clean|{collection.digest}"), set(audited)
    taken: list[tuple[Query, str]] = []
    for lists in (ranked, *further):
        pairs = [(query, doc_id) for query, doc_ids in lists.items() for doc_id in doc_ids]
        rng.shuffle(pairs)
        for query, doc_id in pairs:
            text = collection.documents[doc_id].text
            if len(taken) < wanted.documents and text not in seen and words(text):
                seen.add(text)
                taken.append((query, doc_id))
    shown = {
        query: tuple(collection.documents[doc_id] for doc_id in doc_ids[: wanted.depth])
        for query, doc_ids in ranked.items()
    }
    few = f"{len(taken):,} clean documents that its queries find stand in no list, of {wanted.documents:,} asked for"
    return replace(
        empty,
        candidates=[Candidate(query=q, document=collection.documents[d], list=shown[q]) for q, d in taken],
        missing=few if len(taken) < wanted.documents else "",
    )


def _background(bench: Workbench, collection: Collection) -> tuple[str, ...]:
    ids = sorted(collection.documents)
    chosen = Random(f"{bench.spec.seed}|background|{collection.digest}").sample(ids, min(BACKGROUND, len(ids)))
    return tuple(collection.documents[doc_id].text for doc_id in chosen)
