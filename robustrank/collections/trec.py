"""TREC files: topics, judgments and runs."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import unescape
from math import isfinite, nan
from pathlib import Path

from robustrank.collections import jsonl, lines, validate
from robustrank.core.errors import DataError
from robustrank.core.ranking import order
from robustrank.core.types import Collection, Document, Qrel, Query

_TAG = re.compile(
    r"<(/?)(topics|topic|top|number|num|title|query|question|description|desc|narrative|narr)(\s[^<>]*)?>",
    re.IGNORECASE,
)
"""The tags of TREC topic files; any other "<" is text ("blood pressure < 120")."""

_ATTRIBUTE = re.compile(r"\b(?:number|num|id|qid)\s?=\s?[\"']([^\"'<>]*)[\"']", re.IGNORECASE)
_QUERIES = ("title", "query", "question", "description", "desc")
"""Parts of a topic that may be its query, in order of preference."""

LARGEST = 64 << 20
"""Characters of a topic file."""


@dataclass(frozen=True, kw_only=True)
class Trec:
    """A collection in TREC files, each of them plain, or compressed by gzip or zstd.

    Args:
        documents: ``id<TAB>text`` lines, or JSON lines, a ``.csv`` or a Parquet file as the loader ``jsonl``
            reads them.
        topics: ``<top>`` or ``<topic>`` blocks with a number and a title (else query, question or description), or
            ``id<TAB>text`` lines. Entities (``&amp;``) are resolved.
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
        table = lines.parquet(path) or lines.plain_name(path).endswith(".csv")
        table = table or next(lines.lines(path), (0, ""))[1].startswith("{")
        rows = jsonl.documents(path, warning_counts) if table else _tab_separated(path)
        docs = validate.documents(rows, path)
        queries = validate.queries(topics(Path(self.topics)), self.topics)
        run = None if self.run is None else rankings(Path(self.run))
        return validate.collection(
            path.parent.name or "trec", docs, queries, judgments(Path(self.qrels)), self.qrels,
            candidates=run, relevant=self.relevant, warning_counts=warning_counts,
        )  # fmt: skip


def topics(path: Path) -> Iterator[tuple[int, Query]]:
    """Queries of a topic file.

    Raises:
        DataError: A topic without a number or a text, or not closed; a file larger than :data:`LARGEST`.
    """
    numbered, size = [], 0
    for number, line in lines.lines(path):
        numbered.append((number, line))
        size += len(line)
        if size > LARGEST:
            raise DataError(f"more than {LARGEST >> 20} MB of topics; is this the topic file?", path=path, line=number)
    if not any(tag[2].lower() in ("top", "topic") for _, line in numbered for tag in _TAG.finditer(line)):
        for number, line in numbered:
            query_id, tab, query = line.partition("\t")
            if not tab:
                raise DataError("expected id<TAB>text, or <top> blocks", path=path, line=number)
            yield number, Query(query_id.strip(), " ".join(query.split()))
        return
    yield from _blocks(numbered, path)


def _blocks(numbered: Sequence[tuple[int, str]], path: Path) -> Iterator[tuple[int, Query]]:
    """The topics between tags, in one pass over the lines."""
    start, parts, part = 0, dict[str, list[str]](), ""
    for number, line in numbered:
        last = 0
        for tag in _TAG.finditer(line):
            if start:
                parts.setdefault(part, []).append(line[last : tag.start()])
            last, name, closes = tag.end(), tag[2].lower(), bool(tag[1])
            part = "" if closes else name
            if name not in ("top", "topic"):
                continue
            if closes == (not start):
                raise DataError("a <top> without its </top>", path=path, line=start or number)
            if closes:
                yield start, _topic(parts, path, start)
                start = 0
            else:
                ident = _ATTRIBUTE.search(tag[3] or "")
                start, parts, part = number, {"num": [ident[1]] if ident else []}, ""
        if start:
            parts.setdefault(part, []).append(line[last:])
    if start:
        raise DataError("a <top> without its </top>", path=path, line=start)


def _topic(parts: Mapping[str, Sequence[str]], path: Path, line: int) -> Query:
    text = {name: " ".join(unescape(" ".join(pieces)).split()) for name, pieces in parts.items()}
    ident = text.get("num") or text.get("number", "")
    query = next((text[name] for name in _QUERIES if text.get(name)), text.get("", ""))
    ident = _without(ident, "number").partition(" ")[0]
    if not ident or not query:
        raise DataError("a topic without <num> or <title>", path=path, line=line)
    return Query(ident, _without(query, "topic"))


def _without(text: str, label: str) -> str:
    """A part without the label that some files put in front: ``Number: 301``."""
    head, colon, rest = text.partition(":")
    return rest.strip() if colon and head.strip().lower() == label else text


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

    The rank column is ignored: documents are ordered by score, and ties are broken by
    :data:`robustrank.core.ranking.TIE_RULE`.

    Raises:
        DataError: As of :func:`run_scores`.
    """
    return {query_id: tuple(order(list(scores.items()))) for query_id, scores in run_scores(path).items()}


def run_scores(path: Path) -> dict[str, dict[str, float]]:
    """A run file as query id to document id to score; its columns are query, Q0, document, rank, score, tag.

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
    return scored


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
