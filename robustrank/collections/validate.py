"""Checks of a collection that are the same for all file formats."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path

from robustrank.collections.lines import GRADES
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
    by_id: dict[str, Document] = {}
    for line, doc in rows:
        if not doc.doc_id.strip():
            raise DataError("a document without an id", path=path, line=line)
        if doc.doc_id in by_id:
            raise DataError(f"document id {doc.doc_id!r} a second time; ids must be unique", path=path, line=line)
        by_id[doc.doc_id] = doc
    if not by_id:
        raise DataError("no documents", path=path)
    return by_id


def queries(rows: Iterable[tuple[int, Query]], path: Path | str) -> dict[str, Query]:
    """Queries by id.

    Args:
        rows: Queries, each with the line it was read from.
        path: Their file, for messages.

    Raises:
        DataError: An empty id, an id twice, an empty query, or no queries.
    """
    by_id: dict[str, Query] = {}
    for line, query in rows:
        if not query.query_id.strip():
            raise DataError("a query without an id", path=path, line=line)
        if query.query_id in by_id:
            raise DataError(f"query id {query.query_id!r} a second time; ids must be unique", path=path, line=line)
        if not query.text.strip():
            raise DataError(f"query {query.query_id!r} is empty; write it out or remove it", path=path, line=line)
        by_id[query.query_id] = query
    if not by_id:
        raise DataError("no queries", path=path)
    return by_id


def collection(
    name: str,
    docs: Mapping[str, Document],
    queries: Mapping[str, Query],
    judgments: Iterable[tuple[int, Qrel]],
    path: Path | str,
    *,
    query_types: Mapping[str, str] | None = None,
    candidates: Mapping[str, Sequence[str]] | None = None,
    relevant: int = 1,
    terms: str = "",
    warning_counts: Mapping[str, int] | None = None,
) -> Collection:
    """A checked collection, with only the judged queries.

    Irregularities that evaluation tools tolerate are counted in the collection's warnings.

    Args:
        name: Short name.
        docs: By id.
        queries: Queries by id.
        judgments: With the lines they were read from.
        path: The judgment file, for messages.
        query_types: Query id to type.
        candidates: A run that comes with the collection.
        relevant: Least grade of a relevant document.
        terms: Origin and licence.
        warning_counts: Warnings of the loader, by their text, with counts.

    Raises:
        DataError: A pair judged twice with different grades, a grade beyond
            :data:`robustrank.collections.lines.GRADES`, no judged query, or no relevant document in the collection.
    """
    counts = Counter(warning_counts)
    counts["documents without any text (kept)"] += sum(not doc.text.strip() for doc in docs.values())
    qrels: dict[str, dict[str, int]] = {}
    for line, qrel in judgments:
        if qrel.query_id not in queries:
            counts["judgments of unknown queries (ignored)"] += 1
            continue
        if qrel.doc_id not in docs:
            counts["judgments of documents that are not in the collection (kept: they count in the ideal list)"] += 1
        if abs(qrel.relevance) > GRADES:
            raise DataError(f"grade {qrel.relevance} is not between -{GRADES} and {GRADES}", path=path, line=line)
        grades = qrels.setdefault(qrel.query_id, {})
        if grades.setdefault(qrel.doc_id, qrel.relevance) != qrel.relevance:
            pair = f"query {qrel.query_id!r}, document {qrel.doc_id!r}"
            raise DataError(f"{pair} judged {grades[qrel.doc_id]} and {qrel.relevance}", path=path, line=line)
    if not qrels:
        raise DataError("no query has a judgment; are these the judgments of these queries?", path=path)
    relevant_ids = [d for grades in qrels.values() for d, grade in grades.items() if grade >= relevant]
    if relevant_ids and not any(doc_id in docs for doc_id in relevant_ids):
        pair = f"the judgments name {relevant_ids[0]!r}, the collection has {next(iter(docs))!r}"
        raise DataError(f"none of the {len(relevant_ids)} relevant documents is in the collection: {pair}", path=path)
    counts["queries without a judgment in this split (not evaluated)"] += len(queries) - len(qrels)
    kept_candidates = {}
    for query_id, run in sorted((candidates or {}).items()):
        if query_id in qrels:
            kept_candidates[query_id] = tuple(doc_id for doc_id in run if doc_id in docs)
            counts["candidates that are not in the collection (ignored)"] += len(run) - len(kept_candidates[query_id])
    evaluated = tuple(query for query in queries.values() if query.query_id in qrels)
    return Collection(
        name=name,
        documents=docs,
        queries=evaluated,
        qrels=qrels,
        query_types={q: t for q, t in (query_types or {}).items() if q in qrels},
        candidates=kept_candidates,
        digest=_digest(docs, evaluated, qrels),
        relevant=relevant,
        terms=terms,
        warnings=tuple(f"{what}: {count:,}" for what, count in counts.items() if count),
    )


def _digest(docs: Mapping[str, Document], queries: Iterable[Query], qrels: Mapping[str, Mapping[str, int]]) -> str:
    """sha256 over JSON arrays, which keep the boundaries of ids and texts."""
    total = sha256()
    for doc_id in sorted(docs):
        total.update(json.dumps([doc_id, docs[doc_id].text]).encode())
    for query in sorted(queries):
        total.update(json.dumps([*query, sorted(qrels[query.query_id].items())]).encode())
    return total.hexdigest()
