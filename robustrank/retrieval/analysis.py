"""The terms of texts, as BM25 sees them: lower-cased, without English stop words, stemmed with Snowball."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache, lru_cache
from typing import Any

from robustrank.core.types import Collection, Document, Query

_WORD = re.compile(r"(?u)\b\w\w+\b")


def analyze(texts: Sequence[str]) -> list[list[str]]:
    """The terms of each text as ``bm25s.tokenize`` makes them, several times faster on single texts.

    Lower-cased runs of two or more word characters, without English stop words, stemmed with Snowball.
    """
    stop_words, stem = _english()
    return [[stem(word) for word in _WORD.findall(text.lower()) if word not in stop_words] for text in texts]


def query_keys(queries: Iterable[Query]) -> list[str]:
    """Keys of queries, equal for queries with the same set of stems; empty where a query has none."""
    return [" ".join(sorted(set(terms))) for terms in analyze([query.text for query in queries])]


def analyzed(collection: Collection) -> list[list[str]]:
    """The terms of a collection's documents, in the order of ids; shared by all callers and not to be modified."""
    return _analyzed(_SameDocuments(collection.documents))


class _SameDocuments:
    """A key of a cache: equal for the same mapping object of documents."""

    def __init__(self, documents: Mapping[str, Document]) -> None:
        self.documents = documents

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _SameDocuments) and self.documents is other.documents

    def __hash__(self) -> int:
        return id(self.documents)


@lru_cache(
    maxsize=64
)  # an audit reads its collections once per ranker; a cache one smaller than their number would never hit
def _analyzed(key: _SameDocuments) -> list[list[str]]:
    return analyze([key.documents[doc_id].text for doc_id in sorted(key.documents)])


@cache
def bm25_library() -> Any:
    """The module bm25s, imported without its side effects."""
    # Where JAX is installed, bm25s warms it up when imported: that reserves most memory of a GPU, or fails where it is
    # in use.
    jax = sys.modules.get("jax")
    sys.modules["jax"] = None  # type: ignore[assignment]  # makes its import fail, which bm25s expects
    try:
        import bm25s
    finally:
        del sys.modules["jax"]
        if jax is not None:
            sys.modules["jax"] = jax
    logging.getLogger("bm25s").setLevel(logging.WARNING)  # it sets DEBUG at import
    return bm25s


@cache
def _english() -> tuple[frozenset[str], Callable[[str], str]]:
    from Stemmer import Stemmer

    bm25_library()
    from bm25s.stopwords import STOPWORDS_EN

    return frozenset(STOPWORDS_EN), lru_cache(maxsize=1 << 16)(Stemmer("english").stemWord)
