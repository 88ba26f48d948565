"""The English word trigram model that comes inside the package pocketsphinx (extra ``fluency``)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from importlib.util import find_spec
from math import exp
from pathlib import Path
from typing import Any

from robustrank.core.words import words

PACKAGE = "pocketsphinx"
MODEL = "model/en-us/en-us.lm.bin"
UNKNOWN = -14.0
"""Least natural log probability of a word, also of one outside the vocabulary."""


@lru_cache(maxsize=1)
def log_probabilities() -> Callable[[str], Sequence[float]] | None:
    """From a text to the natural log probability of each of its words after the two before it.

    ``None`` where the model's package is not installed.
    """
    spec = find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        return None
    from pocketsphinx import Config, LogMath, NGramModel

    log = LogMath()
    path = Path(next(iter(spec.submodule_search_locations))) / MODEL
    model: Any = NGramModel(Config(lm=None), log, str(path))

    @lru_cache(maxsize=16384)
    def of_words(text: str) -> Sequence[float]:
        tokens = [word.text.lower().replace("’", "'") for word in words(text)]
        return tuple(
            max(UNKNOWN, log.log_to_ln(model.prob(tokens[max(0, at - 2) : at + 1][::-1]))) for at in range(len(tokens))
        )

    return of_words


@lru_cache(maxsize=1)
def language_model() -> Callable[[str], float] | None:
    """Perplexity of a text with words; ``None`` where the model's package is not installed."""
    of_words = log_probabilities()
    if of_words is None:
        return None

    def perplexity(text: str) -> float:
        logs = of_words(text)
        return exp(-sum(logs) / len(logs))

    return perplexity
