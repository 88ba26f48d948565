"""TREC files: topics, judgments and runs."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from math import isfinite, nan
from pathlib import Path

from robustrank.collections import jsonl, lines, validate
from robustrank.core.errors import DataError
from robustrank.core.ranking import order
from robustrank.core.types import Collection, Document, Qrel, Query

_TOPIC = re.compile(r"<top>(.*?)(</top>|(?=<top>)|\Z)", re.DOTALL | re.IGNORECASE)
_NUMBER = re.compile(r"<num>\s*(?:Number:)?\s*([^\s<]+)", re.IGNORECASE)
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
            DataError: Names file, line and fix.
        """
        path, warning_counts = Path(self.documents), Counter[str]()
        _, first = next(lines.lines(path), (0, ""))
        rows = jsonl.documents(path, warning_counts) if first.startswith("{") else _tab_separated(path)
        docs = validate.documents(rows, path)
        queries = validate.queries(topics(Path(self.topics)), self.topics)
        run = None if self.run is None else rankings(Path(self.run))
        return validate.collection(
            path.parent.name or "trec", docs, queries, judgments(Path(self.qrels)), self.qrels,
            candidates=run, relevant=self.relevant, warning_counts=warning_counts,
        )  # fmt: skip


def topics(path: Path) -> Iterator[tuple[int, Query]]:
    """Queries of a topic file; the title is the query."""
    numbered = list(lines.lines(path))
    text = "\n".join(line for _, line in numbered)
    if "<top>" not in text.lower():
        for number, line in numbered:
            query_id, tab, query = line.partition("\t")
            if not tab:
                raise DataError("expected id<TAB>text, or <top> blocks", path=path, line=number)
            yield number, Query(query_id.strip(), " ".join(query.split()))
        return
    for match in _TOPIC.finditer(text):
        start = numbered[text[: match.start()].count("\n")][0]
        if not match[2]:
            raise DataError("a <top> without its </top>", path=path, line=start)
        ident, title = _NUMBER.search(match[1]), _TITLE.search(match[1])
        if ident is None or title is None:
            raise DataError("a topic without <num> or <title>", path=path, line=start)
        yield start, Query(ident[1], " ".join(title[1].split()))


def judgments(path: Path) -> Iterator[tuple[int, Qrel]]:
    """Judgments of a qrels file: query, iteration, document, grade."""
    for number, line in lines.lines(path):
        columns = line.split()
        if len(columns) != 4:
            raise DataError(
                f"{len(columns)} columns, expected query, iteration, document, grade", path=path, line=number
            )
        yield number, Qrel(columns[0], columns[2], lines.grade(columns[3], path, number), columns[1])


def rankings(path: Path) -> dict[str, tuple[str, ...]]:
    """A run file as query id to document ids, best first.

    Columns are query, Q0, document, rank, score, tag. The rank column is ignored: documents are ordered by
    score, and ties are broken by :data:`robustrank.core.ranking.TIE_RULE`.

    Raises:
        DataError: A wrong number of columns, a score that is no finite number, a document twice for a query.
    """
    scored: dict[str, dict[str, float]] = {}
    for number, line in lines.lines(path):
        columns = line.split()
        if len(columns) != 6:
            expected = "query, Q0, document, rank, score, tag"
            raise DataError(f"{len(columns)} columns, expected {expected}", path=path, line=number)
        query_id, _, doc_id, _, score, _ = columns
        scores_by_id = scored.setdefault(query_id, {})
        if doc_id in scores_by_id:
            raise DataError(f"document {doc_id!r} a second time for query {query_id!r}", path=path, line=number)
        scores_by_id[doc_id] = _score(score, path, number)
    return {query_id: tuple(order(list(scores_by_id.items()))) for query_id, scores_by_id in scored.items()}


def _score(text: str, path: Path, line: int) -> float:
    try:
        score = float(text)
    except ValueError:
        score = nan
    if not isfinite(score):
        raise DataError(f"score {text!r} is not a finite number", path=path, line=line)
    return score


def _tab_separated(path: Path) -> Iterator[tuple[int, Document]]:
    for number, line in lines.lines(path):
        doc_id, tab, text = line.partition("\t")
        if not tab:
            raise DataError("expected id<TAB>text on every line, or JSON lines", path=path, line=number)
        yield number, Document(doc_id.strip(), text.strip())
