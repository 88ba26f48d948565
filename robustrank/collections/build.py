"""The one place that checks a collection, whatever format it came in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from hashlib import sha256
from pathlib import Path

from robustrank.errors import DataError
from robustrank.types import Collection, Document, Qrel, Query


def documents(rows: Iterable[tuple[int, Document]], path: Path | str) -> dict[str, Document]:
    """Documents by id.

    Raises:
        DataError: An id twice, or no documents.
    """
    found: dict[str, Document] = {}
    for line, doc in rows:
        if doc.doc_id in found:
            raise DataError(f"document id {doc.doc_id!r} a second time; ids must be unique", path=path, line=line)
        found[doc.doc_id] = doc
    if not found:
        raise DataError("no documents", path=path)
    return found


def queries(rows: Iterable[tuple[int, Query]], path: Path | str) -> dict[str, Query]:
    """Queries by id.

    Raises:
        DataError: An id twice, an empty query, or no queries.
    """
    found: dict[str, Query] = {}
    for line, query in rows:
        if query.query_id in found:
            raise DataError(f"query id {query.query_id!r} a second time; ids must be unique", path=path, line=line)
        if not query.text.strip():
            raise DataError(f"query {query.query_id!r} is empty; remove it or its judgments", path=path, line=line)
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
    candidates: Mapping[str, tuple[str, ...]] | None = None,
    relevant: int = 1,
    terms: str = "",
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

    Raises:
        DataError: A pair judged twice with different grades, or no judged query.
    """
    qrels: dict[str, dict[str, int]] = {}
    unknown_documents = unknown_queries = 0
    for line, qrel in judgments:
        unknown_documents += qrel.doc_id not in docs
        if qrel.query_id not in asked:
            unknown_queries += 1
            continue
        grades = qrels.setdefault(qrel.query_id, {})
        if grades.setdefault(qrel.doc_id, qrel.relevance) != qrel.relevance:
            pair = f"query {qrel.query_id!r}, document {qrel.doc_id!r}"
            raise DataError(f"{pair} judged {grades[qrel.doc_id]} and {qrel.relevance}", path=path, line=line)
    kept = [query for query in asked.values() if query.query_id in qrels]
    if not kept:
        raise DataError("no query has a judgment; are these the judgments of these queries?", path=path)
    found = {q: [d for d in run if d in docs] for q, run in (candidates or {}).items() if q in qrels}
    lost = sum(len(run) for q, run in (candidates or {}).items() if q in qrels) - sum(map(len, found.values()))
    empty = sum(not doc.text.strip() for doc in docs.values())
    counted = {
        f"{unknown_documents} judgments of documents that are not in the collection (kept: they count in the ideal list)":
            unknown_documents,
        f"{unknown_queries} judgments of queries that are not asked (ignored)": unknown_queries,
        f"{len(asked) - len(kept)} queries without a judgment (ignored)": len(asked) - len(kept),
        f"{empty} documents without text (kept)": empty,
        f"{lost} candidates that are not in the collection (ignored)": lost,
    }  # fmt: skip
    return Collection(
        name=name,
        documents=docs,
        queries=tuple(kept),
        qrels=qrels,
        query_types={q: t for q, t in (query_types or {}).items() if q in qrels},
        candidates=found,
        digest=_digest(docs, kept, qrels),
        relevant=relevant,
        terms=terms,
        warnings=tuple(text for text, count in counted.items() if count),
    )


def _digest(docs: Mapping[str, Document], asked: Iterable[Query], qrels: Mapping[str, Mapping[str, int]]) -> str:
    total = sha256()
    for doc_id in sorted(docs):
        total.update(f"d\0{doc_id}\0{docs[doc_id].text}\n".encode("utf-8", "surrogatepass"))
    for query in sorted(asked):
        total.update(f"q\0{query.query_id}\0{query.text}\n".encode("utf-8", "surrogatepass"))
        for doc_id, grade in sorted(qrels[query.query_id].items()):
            total.update(f"r\0{doc_id}\0{grade}\n".encode("utf-8", "surrogatepass"))
    return total.hexdigest()
