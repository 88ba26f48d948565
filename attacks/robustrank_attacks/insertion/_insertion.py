"""Inserts words into a text without changing its words."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import Literal

from robustrank.plugin import cost, function_words, sentences, words

Place = Literal["start", "end", "interleave"]
PLACES: tuple[Place, ...] = ("start", "end", "interleave")

Gap = Literal["start", "end", "gaps", "best"]
GAPS: tuple[Gap, ...] = ("start", "end", "gaps", "best")
"""``"gaps"`` are the places between sentences, ``"best"`` is all places."""

Block = Literal["start", "middle", "end"]
BLOCKS: tuple[Block, ...] = ("start", "middle", "end")
"""Where a block of words goes; ``"middle"`` is the middle one of the gaps between sentences."""

MOST_GAPS = 6
"""Gaps between sentences that are considered, spread evenly where a text has more."""


def affordable(added: Sequence[str], edits: int | None) -> list[str]:
    """As many of some words as an attack may insert with so many edits, in their order; ``None`` is no limit.

    Where not all can be inserted, function words are the first to be left out, and then the last of the others.
    """
    if edits is None:
        return list(added)
    content_first = sorted(range(len(added)), key=lambda at: added[at].lower() in function_words())
    spent = list(accumulate(cost(added[at]) for at in content_first))
    return [added[at] for at in sorted(content_first[: bisect_right(spent, edits)])]


def insert(text: str, added: Sequence[str], place: Place) -> str:
    """The text with words added in one block, or spread evenly over it, always between white space."""
    if place == "start" or not text.strip():
        return " ".join([*added, text]) if added else text
    if place == "end":
        return " ".join([text, *added])
    starts = [match.start() for match in re.finditer(r"\S+", text)]
    at = [starts[(i + 1) * len(starts) // (len(added) + 1)] for i in range(len(added))]
    return insert_at(text, list(zip(at, added, strict=True)))


def insert_at(text: str, added: Sequence[tuple[int, str]]) -> str:
    """The text with words added before some offsets, which must ascend and be starts of runs without white space."""
    pieces = []
    last = 0
    for offset, word in added:
        pieces += [text[last:offset], word, " "]
        last = offset
    return "".join([*pieces, text[last:]])


def offsets(text: str, gap: Gap) -> list[int]:
    """Offsets at which something may be put between sentences: the start, then the end, then gaps in order."""
    starts = [sentence.start for sentence in sentences(text)]
    first, between = starts[:1] or [0], starts[1:]
    if len(between) > MOST_GAPS:
        between = [between[i * len(between) // MOST_GAPS] for i in range(MOST_GAPS)]
    if not between and gap == "gaps":  # one sentence has no gap
        return [len(text)]
    return {"start": first, "end": [len(text)], "gaps": between, "best": [*first, len(text), *between]}[gap]


def put(text: str, added: Sequence[tuple[int, str]]) -> str:
    """The text with words or sentences added at offsets of :func:`offsets`; those at one offset keep their order."""
    inside = sorted((each for each in added if each[0] < len(text)), key=lambda each: each[0])
    behind = [new for offset, new in added if offset >= len(text)]
    return " ".join(part for part in (insert_at(text, inside), *behind) if part)


def insert_block(text: str, added: Sequence[str], place: Block) -> tuple[str, int]:
    """The text with words added in one block, and the position of the first of them among its words."""
    gaps = offsets(text, "gaps" if place == "middle" else place)
    at = gaps[len(gaps) // 2]
    return put(text, [(at, word) for word in added]), sum(word.start < at for word in words(text))
