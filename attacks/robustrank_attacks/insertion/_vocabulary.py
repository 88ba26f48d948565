"""Words that an attacker would insert: of the query, of the documents that rank high, of the document itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from robustrank.plugin import Case, cost, function_words, words

SOURCES = ("query", "list", "own")

TOP = 10
"""Documents at the head of the list whose words are compared with those of the others."""


def vocabulary(case: Case, sources: Sequence[str], terms: int) -> list[str]:
    """Different lower-case words, the most promising first.

    Args:
        case: Its candidates in rank order.
        sources: ``"query"``: its content words, or all its words where none is one; ``"list"``: words that more of the
            first documents have than of the others; ``"own"``: the most frequent content words of the target.
        terms: Most words of each source but the query.
    """
    query = list(dict.fromkeys(_texts(case.query.text)))
    listed = {
        "query": [word for word in query if word not in function_words()] or query,
        "list": [word for word in contrast_words(case, terms + len(query)) if word not in query][:terms],
        "own": [word for word, _ in Counter(_content(case.target.text)).most_common(terms)],
    }
    joined = dict.fromkeys(word for source in SOURCES if source in sources for word in listed[source])
    return [word for word in joined if cost(word) == 1]


def contrast_words(case: Case, count: int) -> list[str]:
    """Content words by the share of the first documents that have them, minus that of the others; the target apart."""
    texts = [doc.text for doc in case.candidates if doc.doc_id != case.target.doc_id]
    shares = [_shares(texts[:TOP]), _shares(texts[TOP:])]
    contrast = {word: share - shares[1].get(word, 0.0) for word, share in shares[0].items()}
    return sorted((word for word in contrast if contrast[word] > 0), key=lambda word: (-contrast[word], word))[:count]


def _shares(texts: Sequence[str]) -> dict[str, float]:
    """Word to the share of the texts that have it."""
    seen = Counter(word for text in texts for word in set(_content(text)))
    return {word: count / len(texts) for word, count in seen.items()}


def _content(text: str) -> list[str]:
    return [word for word in _texts(text) if len(word) > 2 and word not in function_words()]


def _texts(text: str) -> list[str]:
    return [word.text.lower() for word in words(text)]
