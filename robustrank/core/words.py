"""Word tokenisation: the unit in which attacks, budgets and certificates are counted.

The tokenisation ``UNIT`` is part of every record. A word is a maximal run of letters, digits and combining marks, with
apostrophes and hyphens inside it; everything between words is kept verbatim, so text is rebuilt exactly.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

UNIT = "robustrank-words/1"
"""Name and version of the tokenisation."""

# \w leaves out combining marks (accents, Indic vowel signs), which belong to their word.
_MARK = (
    "\u0300-\u036f\u0483-\u0489\u0591-\u05bd\u064b-\u065f\u0670"  # Latin, Cyrillic, Hebrew, Arabic
    "\u0900-\u0903\u093a-\u094f\u0e31\u0e34-\u0e3a\u0e47-\u0e4e"  # Devanagari, Thai
)
_WORD = re.compile(rf"[^\W_][\w{_MARK}]*(?:['’-][^\W_][\w{_MARK}]*)*")


class Word(NamedTuple):
    """One word of a text and its character offsets, ``text[start:end]``."""

    text: str
    start: int
    end: int


def words(text: str) -> list[Word]:
    """The words of a text with their character offsets."""
    return list(_words(text))


@lru_cache(maxsize=256)  # attacks edit the same text repeatedly
def _words(text: str) -> tuple[Word, ...]:
    return tuple(Word(match.group(), *match.span()) for match in _WORD.finditer(text))


def gaps(text: str) -> list[str]:
    """The text before, between and after the words: one string more than there are words."""
    ends = [0, *(word.end for word in words(text))]
    starts = [*(word.start for word in words(text)), len(text)]
    return [text[end:start] for end, start in zip(ends, starts, strict=True)]


def substitute(text: str, replacements: Mapping[int, str]) -> str:
    """The text with the words at some positions replaced, each in the case of the word it replaces."""
    pieces = []
    last = 0
    for position, word in enumerate(words(text)):
        if position in replacements:
            pieces += [text[last : word.start], match_case(replacements[position], word.text)]
            last = word.end
    return "".join([*pieces, text[last:]])


def match_case(word: str, model: str) -> str:
    """``word`` in the case of ``model``: UPPER, Capitalised, or as it is."""
    if len(model) > 1 and model.isupper():
        return word.upper()
    if model[:1].isupper():
        return word[:1].upper() + word[1:]
    return word
