"""What stands between the words of a text, and what its words are written with."""

from __future__ import annotations

import unicodedata
from collections import Counter
from string import punctuation, whitespace

from robustrank.core.words import gaps


def visible(text: str) -> list[str]:
    """All characters but ordinary white space."""
    return [character for character in text if character not in whitespace]


def marks(text: str) -> Counter[str]:
    """The characters between words, without ordinary white space, and how often each occurs."""
    return Counter(visible("".join(gaps(text))))


def punctuation_in(of: Counter[str]) -> int:
    """How many of the marks are punctuation."""
    return sum(count for mark, count in of.items() if mark in punctuation)


def strange(extra: Counter[str]) -> list[str]:
    """What is not allowed about new characters between words: they are punctuation, or a reason why not."""
    others = sorted(set(extra) - set(punctuation))
    shown = ", ".join(map(ascii, others))
    return [f"inserts characters that are neither words nor punctuation: {shown}"] if others else []


def forms(word: str) -> set[str]:
    """Scripts of the letters of a word, and whether some are marks or compatibility forms; digits count as none."""
    return {_form(char) for char in word if not char.isdecimal()}


def _form(char: str) -> str:
    if unicodedata.category(char).startswith("M"):
        return "mark"
    if unicodedata.normalize("NFKC", char) != char:
        return "compatibility form"
    return unicodedata.name(char, "unnamed").partition(" ")[0]
