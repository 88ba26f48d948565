"""What a reader sees of a text: whether two texts look the same, and how many characters differ between them.

Rendering: a backspace takes the character before it away and a delete the one after it, bidirectional controls are
resolved into display order (UAX 9, left-to-right paragraphs, by python-bidi; mirrored characters are mirrored here),
and characters that are drawn as nothing are dropped. Two texts look the same where the skeletons (UTS 39, data of
Unicode) of what is rendered are equal. An accent is visible, and so is another letter.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from importlib.resources import files
from unicodedata import mirrored, normalize

from bidi import get_display
from bidi.mirror import MIRRORED
from rapidfuzz.distance import Levenshtein

BACKSPACE, DELETE = "\b", "\x7f"

FILLERS = "\u3164\u115f\u1160\uffa0\u2800"
"""Letters, and a pattern of Braille, without ink."""

BLANKS = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u2800\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]+"
)
"""Unicode's Default_Ignorable_Code_Point (the tags and all bidirectional controls among them), and U+2800."""

_EXPLICIT = re.compile("[\u202a-\u202e\u2066-\u2069\u0590-\u08ff\u200f\ufb1d-\ufdff\ufe70-\ufeff\U00010800-\U0001ffff]")
"""A text without one of these is displayed in the order in which it is stored."""

_MARKERS = "\U000e01ef\U000e01ee\U000e01ed\U000e01ec"
"""Non-spacing, and unseen: put after a mirrored character, one comes out before it where that is displayed reversed."""


def rendered(text: str) -> str:
    """The characters that are drawn, in the order from left to right."""
    if text.isascii() and BACKSPACE not in text and DELETE not in text:
        return text
    return BLANKS.sub("", _displayed(erased(text)))


def skeleton(text: str) -> str:
    """The rendered text with every character replaced by the prototype of those that look like it (UTS 39)."""
    prototypes = _prototypes()
    return normalize("NFD", normalize("NFD", rendered(text)).translate(prototypes))


@lru_cache(maxsize=256)  # attacks edit the same text repeatedly
def _clean_skeleton(text: str) -> str:
    return skeleton(text)


def look_the_same(before: str, after: str) -> bool:
    """Whether a reader sees the same."""
    return before == after or _clean_skeleton(before) == skeleton(after)


def characters_changed(before: str, after: str) -> int:
    """Characters inserted, deleted or replaced, unseen ones included (Levenshtein distance of code points)."""
    return int(Levenshtein.distance(before, after))


@cache
def twins(character: str) -> Sequence[str]:
    """Other characters that look like one, those that NFKC leaves alone first, else by code point."""
    wanted = skeleton(character)
    alike = [chr(code) for code in _prototypes() if chr(code) != character and skeleton(chr(code)) == wanted]
    return tuple(sorted(alike, key=lambda other: (normalize("NFKC", other) != other, other)))


@cache
def _prototypes() -> Mapping[int, str]:
    """Code point to the prototype of those that look like it."""
    text = files("robustrank").joinpath("data", "unicode", "confusables.tsv").read_text(encoding="utf-8")
    pairs = (line.split("\t") for line in text.splitlines() if not line.startswith("#"))
    return {int(code, 16): "".join(chr(int(each, 16)) for each in prototype.split()) for code, prototype in pairs}


def erased(text: str) -> str:
    """The text after every backspace and delete has taken effect."""
    if BACKSPACE not in text and DELETE not in text:
        return text
    kept: list[str] = []
    skip = False
    for character in text:
        if skip:
            skip = False
        elif character == BACKSPACE:
            del kept[-1:]
        elif character == DELETE:
            skip = True
        else:
            kept.append(character)
    return "".join(kept)


def _displayed(text: str) -> str:
    """The text in display order."""
    if not _EXPLICIT.search(text):
        return text
    marker = next((each for each in _MARKERS if each not in text), "")
    # Lone surrogates, which are drawn as one replacement character, are no text to the library.
    whole = "".join("\ufffd" if "\ud800" <= c <= "\udfff" else c + marker if mirrored(c) else c for c in text)
    shown = str(get_display(whole, base_dir="L"))
    return _turned(shown, marker) if marker and marker in shown else shown


def _turned(shown: str, marker: str) -> str:
    """The text without markers, and mirrored what has one in front of it instead of behind it."""
    pieces, at = [], 0
    while at < len(shown):
        character, after = shown[at], shown[at + 1 : at + 2]
        if character == marker:
            pieces.append(_mirrored(after))
        else:
            pieces.append(character)
        at += 2 if character == marker or (after == marker and mirrored(character)) else 1
    return "".join(pieces)


def _mirrored(character: str) -> str:
    return str(MIRRORED.get(character, character))
