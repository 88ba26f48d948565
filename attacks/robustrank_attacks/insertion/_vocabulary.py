"""Words that an attacker would insert: of the query, of the documents that rank high, of the document itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from robustrank.plugin import Case, cost, function_words, words

SOURCES = ("query", "list", "own")

PREFIX = 4
"""Letters by which words that begin alike are taken for related."""

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


def list_words(case: Case, most: int) -> list[str]:
    """Different lower-case words of the list's documents, those of most documents first."""
    seen = Counter(word for doc in case.candidates for word in set(_texts(doc.text)) if cost(word) == 1)
    return sorted(seen, key=lambda word: (-seen[word], word))[:most]


def apart_from(query: str, possible: Sequence[str]) -> list[str]:
    """Words that a reader does not take for the query's.

    Left out are its words, their singulars and plurals, and words that begin with the same four letters as one of its
    content words, or the same three where one of the two has no more.
    """
    own = set(_texts(query))
    heads = {word[:PREFIX] for word in own if len(word) > 2 and word not in function_words()}
    forms = {form for word in own for form in _forms(word)}

    def related(head: str) -> bool:
        return len(head) > 2 and any(head.startswith(other) or other.startswith(head) for other in heads)

    return [word for word in possible if not related(word[:PREFIX]) and not forms.intersection(_forms(word))]


def _forms(word: str) -> set[str]:
    """A word and what it may be the plural of."""
    forms = {word}
    if len(word) > 2 and word.endswith("s"):
        forms |= {word[:-1]} | ({word[:-2]} if word.endswith("es") else set())
    return forms | ({f"{word[:-3]}y"} if word.endswith("ies") else set())


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
