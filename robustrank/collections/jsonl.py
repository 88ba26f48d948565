"""A collection in three JSON-lines files: documents, queries and judgments."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from robustrank.collections import lines, validate
from robustrank.core.types import Collection, Document, Qrel, Query


@dataclass(frozen=True, kw_only=True)
class Jsonl:
    """Three files of JSON lines, each plain or ``.gz``.

    Args:
        documents: Objects with ``id`` (or ``_id``) and ``text``, and optionally ``title``, put in front.
        topics: Queries, as objects with ``id`` (or ``_id``) and ``text``.
        qrels: Objects with ``query_id``, ``doc_id`` and ``relevance``.
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
        text = lines.field(value, "text", path, number)
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
            yield number, Query(query_id, " ".join(lines.field(value, "text", path, number).split()))

    return validate.queries(rows(), path), types


def _id(value: dict[str, object], path: Path, line: int) -> str:
    return lines.field(value, "_id" if "_id" in value else "id", path, line)


def _judgments(path: Path) -> Iterator[tuple[int, Qrel]]:
    for number, value in lines.objects(path):
        query_id, doc_id, grade = (lines.field(value, f, path, number) for f in ("query_id", "doc_id", "relevance"))
        yield number, Qrel(query_id, doc_id, lines.grade(grade, path, number))
