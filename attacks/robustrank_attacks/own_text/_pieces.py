"""A text without some of its words or sentences, and with its sentences in another order."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Literal

from robustrank.plugin import sentences, words

Unit = Literal["sentence", "word"]
UNITS: tuple[Unit, ...] = ("sentence", "word")


def spans(text: str, unit: Unit) -> list[tuple[int, int]]:
    """Character offsets of the words or sentences of a text."""
    return [(each.start, each.end) for each in (sentences(text) if unit == "sentence" else words(text))]


def without(text: str, unit: Unit, left_out: Collection[int]) -> str:
    """The text without the units of some numbers; of the white space around one, one side goes with it."""
    pieces, last = [], 0
    for number, (start, end) in enumerate(spans(text, unit)):
        if number in left_out:
            pieces.append(text[last:start])
            last = end + (text[end : end + 1].isspace() and (start == 0 or text[start - 1].isspace()))
    return "".join([*pieces, text[last:]])


def in_order(text: str, order: Sequence[int]) -> str:
    """The text with its sentences in another order, set apart by line breaks where they would join otherwise."""
    parts = sentences(text)
    if list(order) == list(range(len(parts))):
        return text
    head = text[: parts[0].start]
    wanted = [parts[number].text for number in order]
    for between in (" ", "\n"):
        moved = head + between.join(wanted)
        if [sentence.text for sentence in sentences(moved)] == wanted:
            break
    return moved
