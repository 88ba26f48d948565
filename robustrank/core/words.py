"""Word tokenisation: the unit in which attacks, budgets and certificates are counted.

The tokenisation ``UNIT`` is part of every record. A word is a maximal run of letters, digits and combining marks, with
apostrophes and hyphens inside it; everything between words is kept verbatim, so text is rebuilt exactly.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache, lru_cache
from typing import NamedTuple
from unicodedata import category

UNIT = "robustrank-words/2"
"""Name and version of the tokenisation. Version 1 knew the combining marks of six scripts only."""


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
    pattern = _ASCII if text.isascii() else _pattern()
    return tuple(Word(match.group(), *match.span()) for match in pattern.finditer(text))


_ASCII = re.compile(r"[^\W_]\w*(?:['-][^\W_]\w*)*", re.ASCII)
"""The same words in a text of ASCII characters only, twice as fast to find."""


@cache
def _pattern() -> re.Pattern[str]:
    """Letters, digits, underscores and combining marks after a letter or digit; apostrophe or hyphen join such parts.

    ``\\w`` leaves out combining marks (Unicode categories Mn, Mc and Me: accents, vowel signs), which belong to their
    word in every script.
    """
    marks = [code for code in (*range(0x300, 0x20000), *range(0xE0100, 0xE01F0)) if category(chr(code))[0] == "M"]
    ends = [i for i, code in enumerate(marks) if i + 1 == len(marks) or marks[i + 1] != code + 1]
    starts = [0, *(i + 1 for i in ends[:-1])]
    mark = "".join(f"{chr(marks[a])}-{chr(marks[b])}" for a, b in zip(starts, ends, strict=True))
    return re.compile(rf"[^\W_][\w{mark}]*(?:['’-][^\W_][\w{mark}]*)*")


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
