"""A collection in three JSON-lines files of a team's own making."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from robustrank.collections import build, files, trec
from robustrank.types import Collection, Document, Qrel, Query


@dataclass(frozen=True, kw_only=True)
class Jsonl:
    """Three files of JSON lines, each plain or ``.gz``.

    Args:
        documents: Objects with ``id`` and ``text``.
        queries: Objects with ``id`` and ``text``, and perhaps ``type``.
        qrels: Objects with ``query_id``, ``doc_id`` and ``relevance``.
        relevant: Least grade of a relevant document.
    """

    documents: str
    queries: str
    qrels: str
    relevant: int = 1

    def load(self) -> Collection:
        """Read and check the files.

        Raises:
            DataError: Names file, line and mend.
        """
        path, asked_file = Path(self.documents), Path(self.queries)
        docs = build.documents(
            (
                (n, Document(files.field(v, "id", path, n), files.field(v, "text", path, n)))
                for n, v in files.objects(path)
            ),
            path,
        )
        rows = list(files.objects(asked_file))
        asked = build.queries(
            ((n, Query(files.field(v, "id", asked_file, n), files.field(v, "text", asked_file, n))) for n, v in rows),
            asked_file,
        )
        types = {str(v["id"]): str(v["type"]) for _, v in rows if v.get("type")}
        return build.collection(
            path.parent.name or "jsonl", docs, asked, _judgments(Path(self.qrels)), self.qrels,
            query_types=types, relevant=self.relevant,
        )  # fmt: skip


def _judgments(path: Path) -> Iterator[tuple[int, Qrel]]:
    for number, value in files.objects(path):
        query_id, doc_id, grade = (files.field(value, f, path, number) for f in ("query_id", "doc_id", "relevance"))
        yield number, Qrel(query_id, doc_id, trec.grade(grade, path, number))
