"""What a ranker answers when it orders documents instead of scoring them, with what was wrong in the answers.

A language model that orders documents writes text: it forgets documents, repeats them, names some that are not there,
refuses, or is cut off. A ranker of this kind has the method ``answer``, which says so beside the scores.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Protocol, runtime_checkable

from robustrank.core.interfaces import Ranker
from robustrank.core.types import Document, Query


class Repair(StrEnum):
    """What a ranker makes of an answer that does not name every document exactly once."""

    END = "end"
    """What was named first stays; documents that were not named follow, in the order in which they were shown."""
    INPUT = "input"
    """The answer is thrown away: the documents stay in the order in which they were shown."""
    ERROR = "error"
    """The list has no result."""


@dataclass(frozen=True, kw_only=True)
class Faults:
    """How many of a ranker's answers had which fault; an answer can have several.

    Args:
        missing: Did not name every document.
        repeated: Named a document more than once; its first place counts.
        out_of_range: Named a document that was not shown.
        unparsed: Had no name of a document in it.
        refused: Was refused: by the model, by a content filter, or without any text.
        cut: Ended at the limit of its length.
    """

    missing: int = 0
    repeated: int = 0
    out_of_range: int = 0
    unparsed: int = 0
    refused: int = 0
    cut: int = 0

    def __add__(self, other: Faults) -> Faults:
        """Of both."""
        return Faults(**{each.name: getattr(self, each.name) + getattr(other, each.name) for each in fields(self)})

    def __sub__(self, other: Faults) -> Faults:
        """What is left without the other ones."""
        return Faults(**{each.name: getattr(self, each.name) - getattr(other, each.name) for each in fields(self)})

    def __bool__(self) -> bool:
        """Whether there is any."""
        return any(getattr(self, each.name) for each in fields(self))


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One list, ordered, and what was wrong in the answers behind it.

    Args:
        scores: One finite score per document, in the order asked; after the repair.
        answers: Answers of the model behind them: windows, comparisons, or documents.
        invalid: Those with any fault.
        faults: How many had which.
        unchanged: Answers that name the documents in the order in which they were shown; one of a single document does
            not count.
        orderings: Answers that could have been unchanged: those that order two documents or more.
        ties: Comparisons that told no winner.
        comparisons: Answers, or pairs of them, that compare documents and could be such a tie.
    """

    scores: Sequence[float]
    answers: int = 1
    invalid: int = 0
    faults: Faults = Faults()
    unchanged: int = 0
    orderings: int = 0
    ties: int = 0
    comparisons: int = 0


def impossible(answer: Answer) -> str:
    """What of an answer's counts cannot be; empty where they can."""
    if answer.invalid > answer.answers or (answer.invalid > 0) != bool(answer.faults):
        return f"{answer.invalid} of {answer.answers} answers are invalid, with faults {answer.faults}"
    if answer.unchanged > answer.orderings:
        return f"{answer.unchanged} of {answer.orderings} orders are as shown"
    if answer.ties > answer.comparisons:
        return f"{answer.ties} of {answer.comparisons} comparisons are tied"
    counts = [value for name, value in vars(answer).items() if isinstance(value, int)] + [*vars(answer.faults).values()]
    most = max(vars(answer.faults).values(), default=0)
    if min(counts) < 0 or most > answer.invalid:
        return f"counts of {answer.invalid} invalid answers with faults {answer.faults}"
    return ""


@dataclass(frozen=True, kw_only=True)
class Answers:
    """What a ranker answered to several lists, counted.

    Args:
        lists: Asked.
        invalid_lists: Lists with an invalid answer behind them, repaired or not.
        lost_lists: Those of them that have no order, because the repair is :attr:`Repair.ERROR`.
        answers: As in :class:`Answer`; those behind lost lists are not counted, here and below.
        invalid: As in :class:`Answer`.
        faults: As in :class:`Answer`.
        unchanged: As in :class:`Answer`.
        orderings: As in :class:`Answer`.
        ties: As in :class:`Answer`.
        comparisons: As in :class:`Answer`.
    """

    lists: int = 0
    invalid_lists: int = 0
    lost_lists: int = 0
    answers: int = 0
    invalid: int = 0
    faults: Faults = Faults()
    unchanged: int = 0
    orderings: int = 0
    ties: int = 0
    comparisons: int = 0

    def sentence(self) -> str:
        """For people, what was wrong in them."""
        kinds = [f"{getattr(self.faults, each.name):,} {each.name.replace('_', ' ')}" for each in fields(self.faults)]
        some = ", ".join(kind for kind in kinds if not kind.startswith("0 "))
        parts = [
            f"{self.invalid:,} of {self.answers:,} answers invalid{f' ({some})' if some else ''}",
            f"{self.unchanged:,} of {self.orderings:,} orders as shown" if self.orderings else "",
            f"{self.ties:,} of {self.comparisons:,} comparisons tied" if self.comparisons else "",
            f"{self.lost_lists:,} of {self.lists:,} lists lost to invalid answers" if self.lost_lists else "",
        ]
        return ", ".join(filter(None, parts))

    def __add__(self, other: Answers) -> Answers:
        """Of both."""
        return Answers(**{each.name: getattr(self, each.name) + getattr(other, each.name) for each in fields(self)})

    def __sub__(self, other: Answers) -> Answers:
        """What was answered since."""
        return Answers(**{each.name: getattr(self, each.name) - getattr(other, each.name) for each in fields(self)})

    @classmethod
    def of(cls, answer: Answer) -> Answers:
        """Those of one list."""
        counts = {each.name: getattr(answer, each.name) for each in fields(answer) if each.name != "scores"}
        return cls(lists=1, invalid_lists=int(answer.invalid > 0), **counts)


@runtime_checkable
class Answering(Ranker, Protocol):
    """A ranker that says what was wrong in its answers; ``score`` gives the scores of ``answer``."""

    @property
    def repair(self) -> Repair:
        """What it makes of invalid answers, as deployed."""

    def repaired(self, repair: Repair, /) -> Answering:
        """The same ranker with another repair."""

    def answer(self, query: Query, docs: Sequence[Document], /) -> Answer:
        """The list, ordered.

        Raises:
            InvalidAnswer: An answer was invalid, and the repair is :attr:`Repair.ERROR`.
        """
