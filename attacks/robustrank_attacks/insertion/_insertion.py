"""Inserts words into a text without changing its words."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import Literal

from robustrank.plugin import cost

Place = Literal["start", "end", "interleave"]
PLACES: tuple[Place, ...] = ("start", "end", "interleave")


def affordable(added: Sequence[str], edits: int | None) -> Sequence[str]:
    """The first words, as many as an attack may insert with so many edits; ``None`` is no limit."""
    spent = list(accumulate(map(cost, added)))
    return added if edits is None else added[: bisect_right(spent, edits)]


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
