"""Word tokenisation: the unit in which attacks, budgets and certificates are counted.

The tokenisation ``UNIT`` is part of every record. A word is what a ranker may read as one: a maximal run of letters,
digits and combining marks, without hyphens, underscores or apostrophes, except in front of an English ending
(``don't``, ``king's``). A Chinese character or Hiragana sign is a word of its own, as tokenizers of rankers read them.
Everything between words is kept verbatim, so text is rebuilt exactly.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from functools import cache, lru_cache
from typing import NamedTuple
from unicodedata import category, normalize

UNIT = "robustrank-words/2"
"""Name and version of the tokenisation. Version 1 joined parts by hyphens and apostrophes, and knew the combining marks
of six scripts only."""

LONGEST = 32
"""Characters that one edit can bring into a word; further ones cost further edits."""
UNSPACED = 8
"""The same of scripts that are written without spaces, so that a phrase is one word to this tokenisation."""


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
    return tuple(Word(match.group(), *match.span()) for match in _pattern_for(text).finditer(text))


def split(text: str) -> list[str]:
    """The text before the first word, the word, the text up to the next, and so on; joined, they are the text."""
    return _pattern_for(text).split(text)


def _pattern_for(text: str) -> re.Pattern[str]:
    return _ASCII if text.isascii() else _pattern()


ENDINGS = frozenset({"s", "t", "d", "m", "re", "ve", "ll"})
"""English endings that an apostrophe joins to their word."""

_ENDING = rf"(?:['’](?i:{'|'.join(sorted(ENDINGS))})(?![^\W_]))?"

_ASCII = re.compile(rf"([^\W_]+{_ENDING})", re.ASCII)
"""The same words in a text of ASCII characters only, twice as fast to find."""

_SINGLE = "\u3005-\u3007\u3041-\u309f\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
"""Chinese characters and Hiragana, which are written without spaces: each is a word."""

_BLANK = "\u02b9-\u02bd\u02c8\u02ee\u115f\u1160\u3164\ua78b\ua78c\uffa0"
"""Letters to Unicode that are drawn, or read, as nothing, an apostrophe or a space."""


@cache
def _pattern() -> re.Pattern[str]:
    """Letters, digits and, after one of these, combining marks.

    ``\\w`` leaves out combining marks (Unicode categories Mn, Mc and Me: accents, vowel signs), which belong to their
    word in every script.
    """
    marks = [code for code in (*range(0x300, 0x20000), *range(0xE0100, 0xE01F0)) if category(chr(code))[0] == "M"]
    ends = [i for i, code in enumerate(marks) if i + 1 == len(marks) or marks[i + 1] != code + 1]
    starts = [0, *(i + 1 for i in ends[:-1])]
    mark = "".join(f"{chr(marks[a])}-{chr(marks[b])}" for a, b in zip(starts, ends, strict=True))
    letter = rf"[^\W_{_SINGLE}{_BLANK}]"
    return re.compile(rf"([{_SINGLE}][{mark}]*|{letter}(?:{letter}|[{mark}])*{_ENDING})")


_RUN = re.compile(r"[^\W_]+")


def cost(new: str, old: str = "") -> int:
    """Edits that a word costs when it is inserted, or replaces another: as many words as a ranker may read in it.

    Tokenizers differ in what they make of compatibility characters and of combining marks: some drop a mark, others
    end a word at it. Counted are the runs of two letters or more between marks that the old word does not have, and the
    characters that differ, in units of :data:`LONGEST`, or :data:`UNSPACED` of scripts without spaces. A word of an
    ordinary length in one run costs 1.

    Args:
        new: The word as it will stand.
        old: The word it replaces; empty for an inserted one.
    """
    if new == old:
        return 0
    if new.isascii() and len(new) <= LONGEST:
        return 1
    runs = Counter(_runs(new)) - Counter(_runs(old))
    most = min(len(old), len(new))
    head = next((i for i in range(most) if old[i] != new[i]), most)
    tail = next((i for i in range(most - head) if old[-1 - i] != new[-1 - i]), most - head)
    changed = new[head : len(new) - tail]
    weight = len(changed) + len(_WITHOUT_SPACES.findall(changed)) * (LONGEST // UNSPACED - 1)
    return max(1, runs.total(), -(-weight // LONGEST))


_WITHOUT_SPACES = re.compile(
    "[\u0e00-\u109f\u1780-\u17ff\u1950-\u19df\u1a20-\u1aaf\u1b00-\u1b7f\u30a1-\u30ff\u31f0-\u31ff"
    "\ua980-\ua9df\uaa60-\uaadf\uff66-\uff9f]"
)
"""Thai, Lao, Tibetan, Burmese, Khmer, Tai scripts, Balinese, Javanese and Katakana."""


def in_place_of(new: str, old: str) -> bool:
    """Whether a word can replace another in any text, and the other words of the text stay what they are.

    A word of letters would join the letters next to a Chinese character that it replaces, and an English ending the
    word in front of its apostrophe.
    """
    return _kind(new) == _kind(old) and new.lower() not in ENDINGS


def _runs(word: str) -> list[str]:
    """Runs of two letters or more, as a tokenizer that ends words at combining marks reads them."""
    if word.isascii():
        return [word]
    # Character by character: normalisation of the whole would join a letter and the mark after it.
    return [run for run in _RUN.findall("".join(normalize("NFKC", each) for each in word)) if len(run) > 1]


def _kind(word: str) -> bool:
    """Whether a word is written without spaces around it."""
    return not word.isascii() and re.match(f"[{_SINGLE}]", word) is not None


def gaps(text: str) -> list[str]:
    """The text before, between and after the words: one string more than there are words."""
    return split(text)[::2]


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
    """``word`` in the case of ``model``: UPPER, Capitalised, or as it is.

    Words whose lower case would not come back stay as they are: STRASSE is another word than straße, and what the lower
    case of a capital sigma is depends on the text around it.
    """
    cased = word
    if len(model) > 1 and model.isupper():
        cased = word.upper()
    elif model[:1].isupper():
        cased = word[:1].upper() + word[1:]
    return cased if cased.lower() == "".join(map(str.lower, cased)) == word.lower() else word
