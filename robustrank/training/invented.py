"""Synthetic queries from passages; teachers score them, so they need no judgments.

A passage that contains a question yields it with probability 1/2. Otherwise the query is a phrase or the rare words of
one sentence, usually in a frame of common query words ("what is ...", "... definition").
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from random import Random

from robustrank.retrieval.analysis import analyze

_QUESTION = re.compile(
    r"\b(?:what|how|who|when|where|why|which|is|are|does|do|can|did)\b[^.!?:;]{10,100}\?", re.IGNORECASE
)
_SENTENCE = re.compile(r"[^.!?]+")
_WORD = re.compile(r"[^\W_][\w'’-]*")
_FRAMES = (
    *["{}"] * 10,
    *["what is {}"] * 5,
    *["{} definition", "what does {} mean", "define {}", "how to {}", "what causes {}", "who is {}", "where is {}"],
    *["when was {}", "how much is {}", "how long is {}", "types of {}", "is {}", "why is {}", "how many {}"],
)


def document_frequencies(texts: Iterable[str]) -> Counter[str]:
    """Number of texts that each stem occurs in."""
    return Counter(term for terms in analyze(list(texts)) for term in set(terms))


def query(text: str, frequencies: Mapping[str, int], rng: Random) -> str | None:
    """A query that the text may answer; ``None`` for a text without a sentence of three content words.

    Args:
        text: A passage.
        frequencies: :func:`document_frequencies` of the collection.
        rng: Source of all draws.
    """
    questions = [" ".join(match.split()) for match in _QUESTION.findall(text)]
    if questions and rng.random() < 0.5:
        return rng.choice(questions).lower()
    sentences = [words for match in _SENTENCE.findall(text) if len(words := _content_words(match, frequencies)) >= 3]
    if not sentences:
        return None
    words = rng.choice(sentences)
    chosen = _phrase(words, rng) if rng.random() < 0.5 else _rarest(words, rng)
    return rng.choice(_FRAMES).format(" ".join(word for word, _ in chosen))


def _content_words(sentence: str, frequencies: Mapping[str, int]) -> list[tuple[str, int]]:
    """The words that are no stop words, each with its stem's document frequency."""
    words = _WORD.findall(sentence.lower())
    return [(word, frequencies[terms[0]]) for word, terms in zip(words, analyze(words), strict=True) if terms]


def _phrase(words: list[tuple[str, int]], rng: Random) -> list[tuple[str, int]]:
    size = rng.randint(2, 4)
    start = rng.randrange(max(1, len(words) - size + 1))
    return words[start : start + size]


def _rarest(words: list[tuple[str, int]], rng: Random) -> list[tuple[str, int]]:
    """Two to five words of the sentence, rare ones likelier, in the sentence's order."""
    size = min(rng.randint(2, 5), len(words))
    # Exponential race: word i wins first place with probability proportional to 1 / its frequency.
    race = sorted(range(len(words)), key=lambda i: rng.expovariate(1.0) * words[i][1] ** 0.5)
    return [words[i] for i in sorted(race[:size])]
