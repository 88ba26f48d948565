"""A collection in three files, JSON lines, CSV or Parquet: documents, queries and judgments."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from robustrank.collections import lines, validate
from robustrank.core.errors import ConfigError, DataError
from robustrank.core.types import Collection, Document, Qrel, Query

IDS = ("_id", "id", "doc_id", "docid", "docno", "pid", "query_id", "qid")
TEXTS = ("text", "contents", "content", "body", "passage", "query", "question")
QUERY_IDS = ("query_id", "query-id", "qid", "topic")
DOC_IDS = ("doc_id", "corpus-id", "docid", "docno", "pid")
GRADES = ("relevance", "score", "grade", "rel", "label")
"""Names of fields, in order of preference."""

ROLES = {
    "doc_id": (*IDS, *DOC_IDS), "doc_text": TEXTS, "title": ("title",), "query_id": (*IDS, *QUERY_IDS),
    "query_text": TEXTS, "grade": GRADES,
}  # fmt: skip
"""What a column may be, to its usual names."""


class Columns:
    """Names of fields: the usual ones, and before them those that the audit file gives.

    Args:
        given: Role (:data:`ROLES`) to the name of its column.

    Raises:
        ConfigError: An unknown role.
    """

    def __init__(self, given: Mapping[str, str] | None = None) -> None:
        self._given = dict(given or {})
        self._seen: set[str] = set()
        for role in self._given:
            if role not in ROLES:
                raise ConfigError(f"columns: unknown {role!r}; a column is one of {', '.join(ROLES)}")

    def names(self, role: str, usual: Sequence[str], row: Mapping[str, object]) -> Sequence[str]:
        """Names in order of preference for a row."""
        own = self._given.get(role)
        if own is None:
            return usual
        if own in row:
            self._seen.add(role)
        return (own, *usual)

    def check(self, path: Path) -> None:
        """Refuse a name that no file has.

        Raises:
            DataError: There is one.
        """
        for role in self._given.keys() - self._seen:
            raise DataError(f"no file has the column {self._given[role]!r} (columns: {role})", path=path)


@dataclass(frozen=True, kw_only=True)
class Jsonl:
    """Three files: JSON lines, CSV with a header (``.csv``, ``.tsv``) or Parquet; plain, or compressed by gzip or zstd.

    Args:
        documents: Entries with an id and a text (:data:`IDS`, :data:`TEXTS`: the first name present counts), and
            optionally ``title``, put in front.
        topics: Queries, likewise.
        qrels: Entries with a query id, a document id and a grade (:data:`QUERY_IDS`, :data:`DOC_IDS`, :data:`GRADES`).
        query_type: Field of ``topics`` that holds a query's type.
        relevant: Least grade of a relevant document.
        columns: Names of columns that are not the usual ones: of ``doc_id``, ``doc_text``, ``title``, ``query_id``,
            ``query_text`` and ``grade``.
    """

    documents: str
    topics: str
    qrels: str
    query_type: str = "type"
    relevant: int = 1
    columns: Mapping[str, str] = field(default_factory=dict)

    def load(self) -> Collection:
        """Read and check the files.

        Raises:
            DataError: Names file, line and fix.
        """
        path, warning_counts, columns = Path(self.documents), Counter[str](), Columns(self.columns)
        docs = validate.documents(documents(path, warning_counts, columns), path)
        queries_by_id, types = queries(Path(self.topics), self.query_type, columns)
        collection = validate.collection(
            path.parent.name or path.stem, docs, queries_by_id, judgments(Path(self.qrels), columns), self.qrels,
            query_types=types, relevant=self.relevant, warning_counts=warning_counts,
        )  # fmt: skip
        columns.check(path)
        return collection


Rows = Iterable[tuple[int, dict[str, Any]]]
"""Number of a row to its fields by name."""


def documents(
    path: Path, warning_counts: Counter[str], columns: Columns | None = None, rows: Rows | None = None
) -> Iterator[tuple[int, Document]]:
    """Documents with their line numbers; title and text are joined by a space.

    Args:
        path: The file.
        warning_counts: Documents with a title but no text are counted here, by the text of the warning.
        columns: Names of fields.
        rows: What stands in it, where it has been read; ``path`` is then a name for messages, here and below.
    """
    columns = columns or Columns()
    for number, value in lines.objects(path) if rows is None else rows:
        text = lines.field(value, columns.names("doc_text", TEXTS, value), path, number)
        titles = [name for name in columns.names("title", ("title",), value) if value.get(name)]
        title = lines.field(value, titles, path, number) if titles else ""
        if title and not text.strip():
            warning_counts["documents with a title but no text (kept)"] += 1
        ident = lines.field(value, columns.names("doc_id", IDS, value), path, number).strip()
        yield number, Document(ident, f"{title} {text}".strip())


def queries(
    path: Path, query_type: str, columns: Columns | None = None, rows: Rows | None = None
) -> tuple[dict[str, Query], dict[str, str]]:
    """Queries by id, and the types of those that have one; runs of white space become one space."""
    types: dict[str, str] = {}
    names = columns or Columns()

    def each() -> Iterator[tuple[int, Query]]:
        for number, value in lines.objects(path) if rows is None else rows:
            query_id = lines.field(value, names.names("query_id", IDS, value), path, number).strip()
            if isinstance(value.get(query_type), str | int):
                types[query_id] = str(value[query_type])
            text = lines.field(value, names.names("query_text", TEXTS, value), path, number)
            yield number, Query(query_id, " ".join(text.split()))

    return validate.queries(each(), path), types


def judgments(path: Path, columns: Columns, rows: Rows | None = None) -> Iterator[tuple[int, Qrel]]:
    """Judgments with their line numbers."""
    for number, value in lines.objects(path) if rows is None else rows:
        query_id, doc_id = (
            lines.field(value, columns.names(role, names, value), path, number).strip()
            for role, names in (("query_id", QUERY_IDS), ("doc_id", DOC_IDS))
        )
        whole = {name: int(x) if isinstance(x, float) and x.is_integer() else x for name, x in value.items()}
        grade = lines.grade(lines.field(whole, columns.names("grade", GRADES, whole), path, number), path, number)
        yield number, Qrel(query_id, doc_id, grade)
