"""How well words follow each other under the English trigram model of the extra ``fluency``.

It stands in for the language models of published attacks. Where it is not installed every figure here is 0, so that
attacks go by relevance alone.
"""

from __future__ import annotations

from math import log

from robustrank.plugin import language_model, words

MEMORY = 2
"""Words before a word that a trigram model reads, so that all that is farther away cancels out."""


def log_probability(text: str) -> float:
    """Natural logarithm of the probability of a text's words; 0 of a text without words."""
    perplexity, count = language_model(), len(words(text))
    return -count * log(perplexity(text)) if perplexity is not None and count else 0.0


def coherence(left: str, inserted: str, right: str) -> float:
    """How much better words stand between two texts than apart from them, per inserted word.

    ``[log P(left s) - log P(left) - log P(s)] + [log P(left s right) - log P(left s) - log P(left right) + log
    P(left)]``: what the text before makes of the inserted one, and the inserted one of the text behind it, where IDEM
    asks a model whether one sentence may follow the other.
    """
    if language_model() is None:
        return 0.0
    own = _texts(inserted)
    before, behind = _texts(left)[-MEMORY:], _texts(right)[:MEMORY]
    follows = _log(before + own) - _log(before) - _log(own)
    last = (before + own)[-MEMORY:]
    followed = _log(last + behind) - _log(last) - _log(before + behind) + _log(before)
    return (follows + followed) / max(1, len(own))


def _texts(text: str) -> list[str]:
    return [word.text for word in words(text)]


def _log(tokens: list[str]) -> float:
    return log_probability(" ".join(tokens))
