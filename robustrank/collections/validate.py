"""The one place that checks a collection, whatever format it came in."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path

from robustrank.core.errors import DataError
from robustrank.core.types import Collection, Document, Qrel, Query


def documents(rows: Iterable[tuple[int, Document]], path: Path | str) -> dict[str, Document]:
    """Documents by id.

    Args:
        rows: Documents, each with the line it was read from.
        path: Their file, for messages.

    Raises:
        DataError: An empty id, an id twice, or no documents.
    """
    found: dict[str, Document] = {}
    for line, doc in rows:
        if not doc.doc_id.strip():
            raise DataError("a document without an id", path=path, line=line)
        if doc.doc_id in found:
            raise DataError(f"document id {doc.doc_id!r} a second time; ids must be unique", path=path, line=line)
        found[doc.doc_id] = doc
    if not found:
        raise DataError("no documents", path=path)
    return found


def queries(rows: Iterable[tuple[int, Query]], path: Path | str) -> dict[str, Query]:
    """Queries by id.

    Args:
        rows: Queries, each with the line it was read from.
        path: Their file, for messages.

    Raises:
        DataError: An empty id, an id twice, an empty query, or no queries.
    """
    found: dict[str, Query] = {}
    for line, query in rows:
        if not query.query_id.strip():
            raise DataError("a query without an id", path=path, line=line)
        if query.query_id in found:
            raise DataError(f"query id {query.query_id!r} a second time; ids must be unique", path=path, line=line)
        if not query.text.strip():
            raise DataError(f"query {query.query_id!r} is empty; write it out or remove it", path=path, line=line)
        found[query.query_id] = query
    if not found:
        raise DataError("no queries", path=path)
    return found


def collection(
    name: str,
    docs: Mapping[str, Document],
    asked: Mapping[str, Query],
    judgments: Iterable[tuple[int, Qrel]],
    path: Path | str,
    *,
    query_types: Mapping[str, str] | None = None,
    candidates: Mapping[str, Sequence[str]] | None = None,
    relevant: int = 1,
    terms: str = "",
    noted: Mapping[str, int] | None = None,
) -> Collection:
    """A checked collection: only judged queries are kept; what tools of the field tolerate is a counted warning.

    Args:
        name: Short name.
        docs: By id.
        asked: Queries by id.
        judgments: With the lines they were read from.
        path: The judgment file, for messages.
        query_types: Query id to type.
        candidates: A run that comes with the collection.
        relevant: Least grade of a relevant document.
        terms: Origin and licence.
        noted: What the loader has counted already, by description.

    Raises:
        DataError: A pair judged twice with different grades, or no judged query.
    """
    seen = Counter(noted)
    seen["documents without any text (kept)"] += sum(not doc.text.strip() for doc in docs.values())
    qrels: dict[str, dict[str, int]] = {}
    for line, qrel in judgments:
        if qrel.query_id not in asked:
            seen["judgments of unknown queries (ignored)"] += 1
            continue
        if qrel.doc_id not in docs:
            seen["judgments of documents that are not in the collection (kept: they count in the ideal list)"] += 1
        grades = qrels.setdefault(qrel.query_id, {})
        if grades.setdefault(qrel.doc_id, qrel.relevance) != qrel.relevance:
            pair = f"query {qrel.query_id!r}, document {qrel.doc_id!r}"
            raise DataError(f"{pair} judged {grades[qrel.doc_id]} and {qrel.relevance}", path=path, line=line)
    if not qrels:
        raise DataError("no query has a judgment; are these the judgments of these queries?", path=path)
    seen["queries without a judgment in this split (not evaluated)"] += len(asked) - len(qrels)
    found = {}
    for query_id, run in sorted((candidates or {}).items()):
        if query_id in qrels:
            found[query_id] = tuple(doc_id for doc_id in run if doc_id in docs)
            seen["candidates that are not in the collection (ignored)"] += len(run) - len(found[query_id])
    kept = tuple(query for query in asked.values() if query.query_id in qrels)
    return Collection(
        name=name,
        documents=docs,
        queries=kept,
        qrels=qrels,
        query_types={q: t for q, t in (query_types or {}).items() if q in qrels},
        candidates=found,
        digest=_digest(docs, kept, qrels),
        relevant=relevant,
        terms=terms,
        warnings=tuple(f"{what}: {count:,}" for what, count in seen.items() if count),
    )


def _digest(docs: Mapping[str, Document], asked: Iterable[Query], qrels: Mapping[str, Mapping[str, int]]) -> str:
    """Over JSON arrays, so that no two contents can run together into the same bytes."""
    total = sha256()
    for doc_id in sorted(docs):
        total.update(json.dumps([doc_id, docs[doc_id].text]).encode())
    for query in sorted(asked):
        total.update(json.dumps([*query, sorted(qrels[query.query_id].items())]).encode())
    return total.hexdigest()
