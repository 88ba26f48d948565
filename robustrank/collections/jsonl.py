"""A collection in three files, JSON lines or CSV: documents, queries and judgments."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from robustrank.collections import lines, validate
from robustrank.core.types import Collection, Document, Qrel, Query

IDS = ("_id", "id", "doc_id", "docid", "docno", "pid", "query_id", "qid")
TEXTS = ("text", "contents", "content", "body", "passage", "query", "question")
QUERY_IDS = ("query_id", "query-id", "qid", "topic")
DOC_IDS = ("doc_id", "corpus-id", "docid", "docno", "pid")
GRADES = ("relevance", "score", "grade", "rel", "label")
"""Names of fields, in order of preference."""


@dataclass(frozen=True, kw_only=True)
class Jsonl:
    """Three files, each plain or gzipped: JSON lines, or CSV with a header where the name ends in ``.csv`` or ``.tsv``.

    Args:
        documents: Entries with an id and a text (:data:`IDS`, :data:`TEXTS`: the first name present counts), and
            optionally ``title``, put in front.
        topics: Queries, likewise.
        qrels: Entries with a query id, a document id and a grade (:data:`QUERY_IDS`, :data:`DOC_IDS`, :data:`GRADES`).
        query_type: Field of ``topics`` that holds a query's type.
        relevant: Least grade of a relevant document.
    """

    documents: str
    topics: str
    qrels: str
    query_type: str = "type"
    relevant: int = 1

    def load(self) -> Collection:
        """Read and check the files.

        Raises:
            DataError: Names file, line and fix.
        """
        path, warning_counts = Path(self.documents), Counter[str]()
        docs = validate.documents(documents(path, warning_counts), path)
        queries_by_id, types = queries(Path(self.topics), self.query_type)
        return validate.collection(
            path.parent.name or path.stem, docs, queries_by_id, _judgments(Path(self.qrels)), self.qrels,
            query_types=types, relevant=self.relevant, warning_counts=warning_counts,
        )  # fmt: skip


def documents(path: Path, warning_counts: Counter[str]) -> Iterator[tuple[int, Document]]:
    """Documents with their line numbers; title and text are joined by a space.

    Args:
        path: The file.
        warning_counts: Documents with a title but no text are counted here, by the text of the warning.
    """
    for number, value in lines.objects(path):
        text = lines.field(value, TEXTS, path, number)
        title = lines.field(value, "title", path, number) if value.get("title") else ""
        if title and not text.strip():
            warning_counts["documents with a title but no text (kept)"] += 1
        yield number, Document(_id(value, path, number), f"{title} {text}".strip())


def queries(path: Path, query_type: str) -> tuple[dict[str, Query], dict[str, str]]:
    """Queries by id, and the types of those that have one; runs of white space become one space."""
    types: dict[str, str] = {}

    def rows() -> Iterator[tuple[int, Query]]:
        for number, value in lines.objects(path):
            query_id = _id(value, path, number)
            if isinstance(value.get(query_type), str | int):
                types[query_id] = str(value[query_type])
            yield number, Query(query_id, " ".join(lines.field(value, TEXTS, path, number).split()))

    return validate.queries(rows(), path), types


def _id(value: dict[str, object], path: Path, line: int) -> str:
    return lines.field(value, IDS, path, line).strip()


def _judgments(path: Path) -> Iterator[tuple[int, Qrel]]:
    for number, value in lines.objects(path):
        query_id, doc_id = (lines.field(value, names, path, number).strip() for names in (QUERY_IDS, DOC_IDS))
        whole = {name: int(x) if isinstance(x, float) and x.is_integer() else x for name, x in value.items()}
        grade = lines.grade(lines.field(whole, GRADES, path, number), path, number)
        yield number, Qrel(query_id, doc_id, grade)
