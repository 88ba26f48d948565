"""Text as a reader sees it, in the characters that writers use: what is unseen goes, and letters of one script stay."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from functools import lru_cache

from robustrank.plugin import BLANKS, erased, rendered, skeleton, twins

_CONTROLS = re.compile("[\u202a-\u202e\u2066-\u2069]")
"""Bidirectional controls that embed, override or isolate."""
_RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff\U00010800-\U00010fff\U0001e800-\U0001efff]")
_JOINERS = "\u200c\u200d"
_JOINED = re.compile("[\u0600-\u0dff\u0f00-\u109f\u1780-\u18af]")
"""Letters of scripts in which a joiner or non-joiner is spelling."""
_MARKS = re.compile("[\u0300-\u036f]")
_WORD = re.compile(r"\w+")
ALIKE = frozenset({
    "LATIN", "PHONETIC", "CYRILLIC", "GREEK", "ARMENIAN", "COPTIC", "CHEROKEE", "LISU", "DESERET", "AHOM", "WARANG",
    "MIAO", "OSAGE",
})  # fmt: skip
"""Scripts whose letters are taken for each other's; letters of others stay as they are, whatever they look like."""
_RARE = 0x180
"""From here on Latin letters without an accent are of phonetic alphabets and a few languages of Africa."""
DOMINANT = 0.9
"""Share of a text's letters that makes a script the text's own."""
GREEK_WORD = 3
"""Greek letters that make a word Greek; fewer stand beside Latin ones in the names of proteins and particles."""
MOST_MARKS = 3
"""Combining marks kept after one letter."""


def clean(text: str) -> str:
    """The text; printable ASCII with tabs and line ends stays as it is.

    Backspaces and deletes take effect, letters stored in reverse by a bidirectional override are put in order (on
    lines without letters written from right to left, where it would be their spelling), characters that are drawn as
    nothing go, letters and digits in another form are folded (NFKC where that gives ASCII), a letter of another script
    in a word becomes its twin of the word's own, where it has one, and of stacked marks three stay.
    """
    if text.isascii() and not any(_dropped(character) for character in text):
        return text
    lines = [_in_order(line) for line in erased(text).split("\n")]
    folded = "".join(map(_folded, _without_blanks("\n".join(lines))))
    few = _few_marks(_in_one_script(folded))
    return "".join(c for c in few if not _dropped(c))


@lru_cache(maxsize=65_536)
def _folded(character: str) -> str:
    """A letter or digit in another form, such as full width, bold or raised, as itself; all else as it is written."""
    plain = character if character.isascii() else unicodedata.normalize("NFKC", character)
    return plain if plain.isascii() and plain.isalnum() else character


def _dropped(character: str) -> bool:
    return unicodedata.category(character) == "Cc" and character not in "\t\n\r"


def _in_order(line: str) -> str:
    """A line with its overrides resolved; where letters go from right to left, only without the controls."""
    if not _CONTROLS.search(line):
        return line
    return _CONTROLS.sub("", line) if _RIGHT_TO_LEFT.search(line) else rendered(line)


def _without_blanks(text: str) -> str:
    """Without characters that are drawn as nothing, but for joiners that are spelling."""

    def kept(match: re.Match[str]) -> str:
        before = text[match.start() - 1] if match.start() else ""
        joiner = next((c for c in match[0] if c in _JOINERS), "")
        return joiner if joiner and before and _JOINED.match(before) else ""

    return BLANKS.sub(kept, text)


@lru_cache(maxsize=65_536)
def _script(character: str) -> str:
    """``"LATIN"``, ``"CYRILLIC"``, ``"GREEK"`` ...; ``"PHONETIC"`` of rare Latin ones; empty for what is no letter."""
    if not character.isalpha():
        return ""
    script = unicodedata.name(character, "").partition(" ")[0]
    rare = script == "LATIN" and ord(character) >= _RARE and not unicodedata.decomposition(character)
    return "PHONETIC" if rare else script


def _in_one_script(text: str) -> str:
    """A text without letters of one script among those of another that look the same."""
    if text.isascii():
        return text
    scripts = Counter(_script(character) for character in text)
    scripts.pop("", None)
    most, count = scripts.most_common(1)[0] if scripts else ("", 0)
    dominant = most if count >= DOMINANT * scripts.total() else ""
    return _WORD.sub(lambda word: _of_one_script(word[0], dominant), text)


def _of_one_script(word: str, dominant: str) -> str:
    """A word with letters of other scripts replaced by their twins of its own script, in the same case.

    A word that is all of another script is taken for one of the text's dominant script where every letter has a twin;
    not a Greek one: alpha and beta stand alone in many texts.
    """
    scripts = [_script(character) for character in word]
    counts = Counter(script for script in scripts if script)
    if word.isascii() or not counts or not counts.keys() <= ALIKE:
        return word
    if len(counts) == 1:
        if dominant not in ALIKE - counts.keys() or "GREEK" in counts:
            return word
        whole = [_twin(c, dominant) if s else c for c, s in zip(word, scripts, strict=True)]
        return "".join(whole) if all(whole) else word
    own = max(
        sorted(counts.keys() - {"PHONETIC"}), key=lambda script: (counts[script], script == dominant, script == "LATIN")
    )
    if own == "GREEK" and counts[own] < GREEK_WORD:
        return word
    return "".join(c if s in ("", own) else _twin(c, own) or c for c, s in zip(word, scripts, strict=True))


@lru_cache(maxsize=65_536)
def _twin(character: str, script: str) -> str:
    """The letter of a script that looks like one, in the same case where there is one; empty where there is none."""
    if character.islower() and character != "ο" and _script(character) == "GREEK":
        return ""  # alpha to omega mean something beside Latin letters, but for omicron
    alike = [
        other for other in (skeleton(character), *twins(character)) if len(other) == 1 and _script(other) == script
    ]
    if script == "LATIN":
        alike = [other for other in alike if other.isascii()]
    if "l" in alike and " I" not in unicodedata.name(character, ""):
        return "l"  # a capital I looks the same, and so do letters that are neither
    same_case = [other for other in alike if other.isupper() == character.isupper()]
    return min(same_case or alike, default="")


def _few_marks(text: str) -> str:
    """Letters and their accents as one character where there is one, and at most three marks on a letter."""
    if not _MARKS.search(text):
        return text
    kept, marks = [], 0
    for character in unicodedata.normalize("NFD", text):
        marks = marks + 1 if unicodedata.combining(character) else 0
        if marks <= MOST_MARKS:
            kept.append(character)
    return unicodedata.normalize("NFC", "".join(kept))
