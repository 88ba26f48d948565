"""A collection in BEIR layout: corpus.jsonl, queries.jsonl, qrels/<split>.tsv, each plain, ``.gz`` or ``.zst``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from robustrank.collections import jsonl, lines, trec, validate
from robustrank.core.errors import DataError
from robustrank.core.types import Collection, Qrel


@dataclass(frozen=True, kw_only=True)
class Beir:
    """A folder in BEIR layout; title and text of a document are joined by a space.

    Args:
        path: The folder.
        split: Name of the judgments in ``qrels/``; its queries are evaluated.
        qrels: A judgment file inside the folder to read instead of ``qrels/<split>.tsv``.
        query_type: Field of queries.jsonl that holds a query's type.
        doc_prefix: Only documents whose id begins with this, for example ``"en-"``.
        types: Only queries of these types.
        run: Name of a run in ``runs/``, used where the first stage is ``candidates``.
        relevant: Least grade of a relevant document.
        terms: Origin and licence, for the report.
    """

    path: str
    split: str = "test"
    qrels: str | None = None
    query_type: str = "type"
    doc_prefix: str = ""
    types: Sequence[str] = ()
    run: str | None = None
    relevant: int = 1
    terms: str = ""

    def load(self) -> Collection:
        """Read and check the folder.

        Raises:
            DataError: Names file, line and fix.
        """
        folder = Path(self.path)
        if not folder.is_dir():
            raise DataError("no such folder", path=folder)
        qrels_path = folder / self.qrels if self.qrels else either(folder / "qrels" / f"{self.split}.tsv")
        if not qrels_path.is_file():
            splits = sorted(p.name.partition(".tsv")[0] for p in (folder / "qrels").glob("*.tsv*"))
            raise DataError(f"no such judgments; splits here: {', '.join(splits) or 'none'}", path=qrels_path)
        corpus, warning_counts = either(folder / "corpus.jsonl"), Counter[str]()
        docs = validate.documents(jsonl.documents(corpus, warning_counts), corpus)
        queries, types = jsonl.queries(either(folder / "queries.jsonl"), self.query_type)
        docs = {doc_id: doc for doc_id, doc in docs.items() if doc_id.startswith(self.doc_prefix)}
        queries = {
            query_id: q for query_id, q in queries.items() if not self.types or types.get(query_id) in self.types
        }
        run = None if self.run is None else trec.rankings(either(folder / "runs" / f"{self.run}.trec"))
        return validate.collection(
            folder.resolve().name, docs, queries, _judgments(qrels_path), qrels_path,
            query_types=types, candidates=run, relevant=self.relevant, terms=self.terms, warning_counts=warning_counts,
        )  # fmt: skip


def either(path: Path) -> Path:
    """The file, or its compressed form where only that exists."""
    forms = [path, *(path.with_name(path.name + ending) for ending in lines.COMPRESSED)]
    return next((form for form in forms if form.is_file()), path)


def _judgments(path: Path) -> Iterator[tuple[int, Qrel]]:
    for number, line in lines.lines(path):
        columns = [column.strip() for column in line.split("\t")]
        if number == 1 and columns[0] == "query-id":
            continue
        if len(columns) != 3:
            raise DataError(
                f"{len(columns)} columns, expected query-id, corpus-id, score with tabs between", path=path, line=number
            )
        yield number, Qrel(columns[0], columns[1], lines.grade(columns[2], path, number))
