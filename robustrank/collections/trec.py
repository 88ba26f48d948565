"""TREC files: topics, judgments and runs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from math import isfinite
from pathlib import Path

from robustrank.collections import build, files
from robustrank.errors import DataError
from robustrank.ranking import order
from robustrank.types import Collection, Document, Qrel, Query, ScoredDoc

_TOPIC = re.compile(r"<top>(.*?)</top>", re.DOTALL | re.IGNORECASE)
_NUMBER = re.compile(r"<num>\s*(?:Number:)?\s*(\S+)", re.IGNORECASE)
_TITLE = re.compile(r"<title>\s*(?:Topic:)?\s*(.*?)\s*(?=<|\Z)", re.DOTALL | re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Trec:
    """A collection in TREC files, each of them plain or ``.gz``.

    Args:
        documents: ``id<TAB>text`` lines, or JSON lines with ``_id`` (or ``id``) and ``text``.
        topics: ``<top>`` blocks with ``<num>`` and ``<title>``, or ``id<TAB>text`` lines.
        qrels: Judgments in four columns.
        run: A run in six columns, used where the first stage is ``candidates``.
        relevant: Least grade of a relevant document.
    """

    documents: str
    topics: str
    qrels: str
    run: str | None = None
    relevant: int = 1

    def load(self) -> Collection:
        """Read and check all files.

        Raises:
            DataError: Names file, line and mend.
        """
        path = Path(self.documents)
        docs = build.documents(_documents(path), path)
        asked = build.queries(topics(Path(self.topics)), self.topics)
        run = None if self.run is None else rankings(Path(self.run))
        return build.collection(
            path.parent.name or "trec", docs, asked, judgments(Path(self.qrels)), self.qrels,
            candidates=run, relevant=self.relevant,
        )  # fmt: skip


def topics(path: Path) -> Iterator[tuple[int, Query]]:
    """Queries of a topic file; the title is the query."""
    numbered = list(files.lines(path))
    text = "\n".join(line for _, line in numbered)
    if "<top>" not in text.lower():
        for number, line in numbered:
            query_id, tab, query = line.partition("\t")
            if not tab:
                raise DataError("expected id<TAB>text, or <top> blocks", path=path, line=number)
            yield number, Query(query_id.strip(), query.strip())
        return
    for match in _TOPIC.finditer(text):
        line = numbered[text[: match.start()].count("\n")][0]
        number_, title = _NUMBER.search(match[1]), _TITLE.search(match[1])
        if number_ is None or title is None:
            raise DataError("a topic without <num> or <title>", path=path, line=line)
        yield line, Query(number_[1], " ".join(title[1].split()))


def judgments(path: Path) -> Iterator[tuple[int, Qrel]]:
    """Judgments of a qrels file: query, iteration, document, grade."""
    for number, line in files.lines(path):
        columns = line.split()
        if len(columns) != 4:
            raise DataError(
                f"{len(columns)} columns, expected query, iteration, document, grade", path=path, line=number
            )
        yield number, Qrel(columns[0], columns[2], grade(columns[3], path, number), columns[1])


def grade(text: str, path: Path, line: int) -> int:
    """A grade; ``1.0`` is accepted for 1.

    Raises:
        DataError: Not a whole number.
    """
    try:
        value = float(text)
        if value == int(value):
            return int(value)
    except (ValueError, OverflowError):
        pass
    raise DataError(f"grade {text!r} is not a whole number", path=path, line=line)


def run_lines(path: Path) -> Iterator[tuple[int, ScoredDoc]]:
    """Lines of a run file: query, Q0, document, rank, score, tag. The rank column is not believed; scores decide.

    Raises:
        DataError: A wrong number of columns, a score that is no finite number, a document twice for a query.
    """
    seen: set[tuple[str, str]] = set()
    for number, line in files.lines(path):
        columns = line.split()
        if len(columns) != 6:
            raise DataError(
                f"{len(columns)} columns, expected query, Q0, document, rank, score, tag", path=path, line=number
            )
        try:
            score = float(columns[4])
        except ValueError:
            score = float("nan")
        if not isfinite(score):
            raise DataError(f"score {columns[4]!r} is not a finite number", path=path, line=number)
        if (columns[0], columns[2]) in seen:
            raise DataError(f"document {columns[2]!r} a second time for query {columns[0]!r}", path=path, line=number)
        seen.add((columns[0], columns[2]))
        yield number, ScoredDoc(columns[0], columns[2], score)


def rankings(path: Path) -> dict[str, tuple[str, ...]]:
    """A run file as query id to document ids, best first, ties after the declared rule."""
    scored: dict[str, list[tuple[str, float]]] = {}
    for _, line in run_lines(path):
        scored.setdefault(line.query_id, []).append((line.doc_id, line.score))
    return {query_id: tuple(order(pairs)) for query_id, pairs in scored.items()}


def _documents(path: Path) -> Iterator[tuple[int, Document]]:
    for number, line in files.lines(path):
        if line.lstrip().startswith("{"):
            yield from _json_documents(path)
            return
        doc_id, tab, text = line.partition("\t")
        if not tab:
            raise DataError("expected id<TAB>text, or JSON lines", path=path, line=number)
        yield number, Document(doc_id.strip(), text.strip())


def _json_documents(path: Path) -> Iterator[tuple[int, Document]]:
    for number, value in files.objects(path):
        id_field = "_id" if "_id" in value else "id"
        yield number, Document(files.field(value, id_field, path, number), files.field(value, "text", path, number))
