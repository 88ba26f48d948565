"""Orders out of what a language model wrote, with what is wrong in them.

``"strict"`` reads an answer that is an order and nothing else: labels, with or without brackets, between ``>``, commas
and blanks. ``"lenient"`` reads as deployed re-rankers do: every run of digits is a label, in prose too; of letters,
every run of letters is the joined numbers of its letters (``"AI"`` is 19), as in rank_llm. Neither ever reads what an
exception says: a back end that fails raises.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple
from unicodedata import normalize

from robustrank.core.answers import Faults, Repair
from robustrank.rankers.llm.interface import Written

NUMBERS, LETTERS = "numbers", "letters"
STRICT, LENIENT = "strict", "lenient"

_THOUGHT = re.compile(r"</think(?:ing)?>")
_STRICT = {
    NUMBERS: re.compile(r"\s*(?:\[\d++\]|\d++)(?:[\s>,]++(?:\[\d++\]|\d++))*+\s*"),
    LETTERS: re.compile(r"\s*(?:\[[A-Z]\]|[A-Z])(?:[\s>,]++(?:\[[A-Z]\]|[A-Z]))*+\s*"),
}
_RUN = {NUMBERS: re.compile(r"\d+"), LETTERS: re.compile(r"[^\W\d_]+")}
_CHOICE = {
    STRICT: re.compile(r"\s*(?:[Pp]assage\s+)?\W?([A-Z])\W{0,2}\s*"),
    LENIENT: re.compile(r"(?:\W*|.*?\b[Pp]assage\s+\W?)([A-Z])\b.*", re.DOTALL),
}
_DIGITS = 9
"""Longest number that is read as one; longer ones are of no document."""


class Order(NamedTuple):
    """What an answer names."""

    named: Sequence[int]
    """0-based numbers of documents as shown, each once, best first."""
    faults: Faults


def read(written: Written, count: int, *, labels: str = NUMBERS, parser: str = LENIENT) -> Order:
    """The order that an answer names.

    Args:
        written: The answer.
        count: Documents shown.
        labels: ``"numbers"`` or ``"letters"``.
        parser: ``"strict"`` or ``"lenient"``.
    """
    cut = int(written.cut)
    text = spoken(written.text)
    if written.refused or not (text.strip() or cut):
        return Order((), Faults(refused=1, cut=cut))
    numbers = _labels(text, labels, parser)
    if not numbers:
        return Order((), Faults(unparsed=1, cut=cut))
    inside = [number - 1 for number in numbers if 1 <= number <= count]
    named = tuple(dict.fromkeys(inside))
    faults = Faults(
        missing=int(len(named) < count),
        repeated=int(len(named) < len(inside)),
        out_of_range=int(len(inside) < len(numbers)),
        cut=cut,
    )
    return Order(named, faults)


def choose(written: Written, count: int, *, parser: str = STRICT) -> tuple[int | None, Faults]:
    """The 0-based place of the one document that an answer names by its letter, and what is wrong in the answer.

    Args:
        written: The answer; one that was cut after a letter is none the worse.
        count: Documents shown.
        parser: ``"strict"`` reads a letter, or ``Passage`` and a letter, and nothing else; ``"lenient"`` answers that
            begin so, or say it somewhere.
    """
    text = spoken(written.text)
    if written.refused or not (text.strip() or written.cut):
        return None, Faults(refused=1)
    match = _CHOICE[parser].fullmatch(text)
    if match is None:
        return None, Faults(unparsed=1, cut=int(written.cut))
    place = ord(match[1]) - ord("A")
    return (place, Faults()) if place < count else (None, Faults(out_of_range=1))


def spoken(text: str) -> str:
    """An answer without what precedes a closing think tag; a thought that never closes is no answer."""
    after = _THOUGHT.split(text)[-1]
    return "" if after.lstrip().startswith(("<think>", "<thinking>")) else after


def filled(order: Order, count: int, repair: Repair) -> list[int]:
    """All documents in an order, by the repair where the answer does not name each of them once.

    Args:
        order: As read.
        count: Documents shown.
        repair: :attr:`Repair.END` or :attr:`Repair.INPUT`.
    """
    if repair == Repair.INPUT and order.faults:
        return list(range(count))
    return list(dict.fromkeys([*order.named, *range(count)]))


def _labels(text: str, labels: str, parser: str) -> list[int]:
    """1-based numbers of the labels in a text, in order; 0 for what is of no document."""
    text = normalize("NFKC", text)
    if parser == STRICT and not _STRICT[labels].fullmatch(text):
        return []
    return [_number(run if labels == NUMBERS else _joined(run)) for run in _RUN[labels].findall(text)]


def _joined(run: str) -> str:
    return "".join(str(ord(letter) - ord("A") + 1) for letter in run)


def _number(digits: str) -> int:
    return int(digits) if len(digits) <= _DIGITS and digits.isdecimal() else 0
