"""Sentences of a text, by one fixed rule: where text is inserted, what is copied, and what may change places.

A sentence ends at a line break, or at white space after ``.``, ``!`` or ``?`` and any closing quotes and brackets. A
full stop after a single letter or an abbreviation ends none. A part without a word belongs to the sentence before it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from robustrank.core.words import words

SENTENCES = "robustrank-sentences/1"
"""Name and version of the rule."""

ABBREVIATIONS = frozenset({"dr", "mr", "mrs", "ms", "prof", "st", "vs", "etc", "fig", "vol", "inc", "ltd", "jr", "sr"})

_BREAK = re.compile(r"\s*\n\s*|(?<=[.!?])[\"'”’)\]]*\s+")
_LAST_WORD = re.compile(r"([^\W\d_]+)\.$")


class Sentence(NamedTuple):
    """One sentence and its character offsets, ``text[start:end]``; white space around it is left out."""

    text: str
    start: int
    end: int


def sentences(text: str) -> list[Sentence]:
    """The sentences of a text; none where it has no word."""
    return list(_sentences(text))


def moved_words(before: Sequence[str], after: Sequence[str]) -> int:
    """Words of the sentences that moved: all but the heaviest sentences that stand in both orders in the same order.

    Args:
        before: Sentences.
        after: The same sentences in another order.
    """
    weights = {sentence: len(words(sentence)) for sentence in before}
    row = [0] * (len(after) + 1)
    for sentence in before:
        diagonal = 0
        for j, other in enumerate(after, 1):
            best = diagonal + weights[sentence] if sentence == other else max(row[j], row[j - 1])
            diagonal, row[j] = row[j], best
    return sum(weights[sentence] for sentence in after) - row[-1]


@lru_cache(maxsize=256)
def _sentences(text: str) -> tuple[Sentence, ...]:
    parts: list[tuple[int, int]] = []
    start = 0
    for match in _BREAK.finditer(text):
        if "\n" in match.group() or not _abbreviated(text[start : match.start()]):
            parts.append((start, match.end()))
            start = match.end()
    parts.append((start, len(text)))
    spans: list[list[int]] = []
    for first, last in parts:
        if spans and not words(text[first:last]):
            spans[-1][1] = last
        else:
            spans.append([first, last])
    found = [_trimmed(text, first, last) for first, last in spans]
    return tuple(each for each in found if words(each.text))


def _abbreviated(before: str) -> bool:
    match = _LAST_WORD.search(before)
    return match is not None and (len(match[1]) == 1 or match[1].lower() in ABBREVIATIONS)


def _trimmed(text: str, first: int, last: int) -> Sentence:
    part = text[first:last]
    start = first + len(part) - len(part.lstrip())
    return Sentence(part.strip(), start, start + len(part.strip()))
