"""Synthetic documents (ChatGPT-RetrievalQA, Askari et al. 2023): generated texts among the candidates of a query."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any

from robustrank.collections import lines
from robustrank.core.errors import ConfigError, DataError
from robustrank.training import groups


@dataclass(frozen=True, kw_only=True)
class Documents:
    """Add to each list the texts that a file has for its query.

    The file has one JSON object a line, ``{"query": ..., "text": ...}``; texts of one query are several lines. Queries
    are compared without regard to case and space. A text that its list has already changes nothing, lists of other
    queries, and lists that have their teachers' scores already (``replay``), stay as they are; texts of queries that no
    list has are left out. A text of a collection that the training file excludes is an error.

    The paper takes the generated texts for relevant ones, and those of other queries for negatives; here the teachers
    score them among the candidates of their list. A student of such texts may come to prefer generated prose.

    Args:
        path: The file.
        words: Texts are cut to this many words, as passages of a source are.

    Raises:
        ConfigError: ``words`` is below 1.
    """

    path: str
    words: int = 48

    def __post_init__(self) -> None:
        """Check the length."""
        if self.words < 1:
            raise ConfigError("documents: words must be at least 1")

    def check_apart(self, exclude: Sequence[str], /) -> None:
        """Check that no text is one of the excluded collections, with or without its title, in any case and spacing.

        Raises:
            DataError: One is; the message names its line and the document.
        """
        ours = {_hash(text): line for line, _, text in self._rows()}
        for folder in exclude:
            for titles in (True, False):
                for doc_id, text in groups.passages(folder, titles=titles):
                    if (line := ours.get(_hash(text))) is not None:
                        raise DataError(
                            f"this text is document {doc_id!r} of {folder}, whose queries are excluded from training; "
                            "leave it out",
                            path=self.path, line=line,
                        )  # fmt: skip

    def lists(self, lists: Sequence[Any], rng: Random, /) -> list[Any]:
        """The lists with their generated texts, which come last.

        Raises:
            DataError: A line is wrong, or no list has a query of the file.
        """
        by_query: dict[str, list[str]] = {}
        for _, query, text in self._rows():
            by_query.setdefault(_same(query), []).append(groups.window(text, self.words, rng))
        if not any(_same(each.query) in by_query for each in lists):
            raise DataError("no training list has a query of this file", path=self.path)
        return [
            each._replace(texts=tuple(dict.fromkeys((*each.texts, *by_query.get(_same(each.query), ())))))
            if not each.targets
            else each
            for each in lists
        ]

    def _rows(self) -> Iterator[tuple[int, str, str]]:
        """Line, query and text of every line.

        Raises:
            DataError: No such file, no JSON, a field that is missing or without words.
        """
        path = Path(self.path)
        for line, value in lines.objects(path):
            query, text = (lines.field(value, name, path, line).strip() for name in ("query", "text"))
            if not query or not text:
                raise DataError("an empty query or text; leave the line out", path=path, line=line)
            yield line, query, text


def _same(text: str) -> str:
    return " ".join(text.lower().split())


def _hash(text: str) -> bytes:
    return sha256(_same(text).encode()).digest()
