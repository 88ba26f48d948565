"""Families of changed characters: what each makes of a word, and what of a text that it hides.

Categories after Boucher et al. (Bad Characters, IEEE S&P 2022). Their swap of two letters takes ten bidirectional
controls; one override that is closed again shows the same with two, where no number follows.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping, Sequence

from robustrank.plugin import FILLERS, twins

HOMOGLYPHS = str.maketrans("aceijopsxyABCEHIJKMOPSTXYZ", "асеіјорѕхуАВСЕНІЈКМОРЅТХУΖ")
"""Latin letters to Cyrillic or Greek ones of the same shape."""

ZERO_WIDTH = "\u200b"
BACKSPACE = "\b"
_REVERSED, _CLOSED = "\u202e", "\u202c"


def middle(word: str) -> int:
    """Where a character is put into a word: behind at least one letter."""
    return max(1, len(word) // 2)


def homoglyph(word: str) -> str | None:
    """The first letter that has a twin of another script replaced by it, else by any character that looks like it."""
    for at, letter in enumerate(word):
        if ord(letter) in HOMOGLYPHS:
            return word[:at] + chr(HOMOGLYPHS[ord(letter)]) + word[at + 1 :]
    for at, letter in enumerate(word):
        if other := _letter_like(letter):
            return word[:at] + other + word[at + 1 :]
    return None


def _letter_like(letter: str) -> str | None:
    """A letter written from left to right, and not the same to who ignores case."""
    if not letter.isalpha():
        return None
    for other in twins(letter):
        if unicodedata.bidirectional(other) == "L" and other.isalpha() and other.lower() != letter.lower():
            return other
    return None


def filler(word: str) -> str:
    """A letter without ink in the middle."""
    return word[: middle(word)] + FILLERS[0] + word[middle(word) :]


def zero_width(word: str) -> str | None:
    """A zero-width space in the middle."""
    return word[: middle(word)] + ZERO_WIDTH + word[middle(word) :] if len(word) > 1 else None


def bidi(word: str) -> str | None:
    """Two neighbouring letters stored in reverse, and shown as before by a right-to-left override."""
    places = sorted(range(len(word) - 1), key=lambda at: (abs(at + 1 - middle(word)), at))
    for at in places:
        a, b = word[at], word[at + 1]
        if a != b and a.isalpha() and b.isalpha() and not word[at + 2 : at + 3].isdigit():
            return word[:at] + _REVERSED + b + a + _CLOSED + word[at + 2 :]
    return None


def backspace(word: str) -> str:
    """A letter in the middle, and a backspace that takes it away."""
    return word[: middle(word)] + "x" + BACKSPACE + word[middle(word) :]


def accents(word: str) -> list[str]:
    """The word with one vowel accented, for each of its vowels; visible."""
    vowels = [at for at, letter in enumerate(word) if letter.lower() in "aeiou"]
    return [unicodedata.normalize("NFC", word[: at + 1] + "\u0301" + word[at + 1 :]) for at in vowels]


IN_WORDS: Mapping[str, tuple[int, Callable[[str], str | None]]] = {
    "homoglyph": (1, homoglyph),
    "filler": (1, filler),
    "zero_width": (1, zero_width),
    "bidi": (3, bidi),
    "backspace": (2, backspace),
    "accents": (1, lambda word: next(iter(accents(word)), None)),
}
"""Family to what it costs, and what it makes of a word: ``None`` where it has nothing to change."""


def tags(word: str) -> str:
    """A word in tags, which no reader sees."""
    return "".join(chr(0xE0000 + ord(letter)) for letter in word if letter.isascii())


def erased(word: str) -> str:
    """A word with a space, and as many backspaces, which take it away again where they are honoured."""
    return f"{word} {BACKSPACE * (len(word) + 1)}"


HIDDEN: Mapping[str, Callable[[str], str]] = {"hidden_tags": tags, "hidden_backspace": erased}
"""Family to how it writes a word that no reader sees; every character of it costs."""

FAMILIES: Sequence[str] = (*IN_WORDS, *HIDDEN)
