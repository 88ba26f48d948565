"""A collection in BEIR layout: corpus.jsonl, queries.jsonl, qrels/<split>.tsv, each plain or ``.gz``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from robustrank.collections import build, files, trec
from robustrank.errors import DataError
from robustrank.types import Collection, Document, Qrel, Query


@dataclass(frozen=True, kw_only=True)
class Beir:
    """A folder in BEIR layout.

    Args:
        path: The folder.
        split: Name of the judgments in ``qrels/``; its queries are the ones asked.
        qrels: A judgment file inside the folder to read instead of ``qrels/<split>.tsv``.
        query_type: Field of queries.jsonl that holds a query's type.
        run: Name of a run in ``runs/``, used where the first stage is ``candidates``.
        relevant: Least grade of a relevant document.
        terms: Origin and licence, for the report.
    """

    path: str
    split: str = "test"
    qrels: str | None = None
    query_type: str | None = None
    run: str | None = None
    relevant: int = 1
    terms: str = ""

    def load(self) -> Collection:
        """Read and check the folder. Title and text of a document are joined by a blank.

        Raises:
            DataError: Names file, line and mend.
        """
        folder = Path(self.path)
        if not folder.is_dir():
            raise DataError("no such folder", path=folder)
        corpus, asked_file = _either(folder / "corpus.jsonl"), _either(folder / "queries.jsonl")
        judged = folder / self.qrels if self.qrels else _either(folder / "qrels" / f"{self.split}.tsv")
        if not judged.is_file():
            splits = sorted(p.name.partition(".")[0] for p in (folder / "qrels").glob("*.tsv*"))
            raise DataError(f"no such judgments; splits here: {', '.join(splits) or 'none'}", path=judged)
        qrels = list(_judgments(judged))
        wanted = {qrel.query_id for _, qrel in qrels}
        rows = list(files.objects(asked_file))
        asked = {
            query_id: query
            for query_id, query in build.queries(_queries(rows, asked_file), asked_file).items()
            if query_id in wanted  # queries.jsonl holds those of all splits
        }
        types = {str(v.get("_id")): str(v[self.query_type]) for _, v in rows if v.get(self.query_type or "")}
        run = None if self.run is None else trec.rankings(_either(folder / "runs" / f"{self.run}.trec"))
        docs = build.documents(_documents(corpus), corpus)
        return build.collection(
            folder.name, docs, asked, qrels, judged,
            query_types=types, candidates=run, relevant=self.relevant, terms=self.terms,
        )  # fmt: skip


def _either(path: Path) -> Path:
    """The file, or its gzipped form where only that is there."""
    zipped = path.with_name(path.name + ".gz")
    return zipped if zipped.is_file() and not path.is_file() else path


def _documents(path: Path) -> Iterator[tuple[int, Document]]:
    for number, value in files.objects(path):
        title = files.field(value, "title", path, number) if value.get("title") else ""
        text = files.field(value, "text", path, number)
        yield number, Document(files.field(value, "_id", path, number), f"{title} {text}".strip())


def _queries(rows: list[tuple[int, dict[str, object]]], path: Path) -> Iterator[tuple[int, Query]]:
    for number, value in rows:
        text = " ".join(files.field(value, "text", path, number).split())
        yield number, Query(files.field(value, "_id", path, number), text)


def _judgments(path: Path) -> Iterator[tuple[int, Qrel]]:
    for number, line in files.lines(path):
        columns = line.split("\t")
        if number == 1 and columns[0] == "query-id":
            continue
        if len(columns) != 3:
            raise DataError(f"{len(columns)} columns, expected query-id, corpus-id, score", path=path, line=number)
        yield number, Qrel(columns[0], columns[1], trec.grade(columns[2], path, number))
