"""How a case, a list or a certificate ended, and what the undecided ones leave open of a figure.

An attack that was refused for breaking its rules (*invalid*), and a ranker, service or plug-in that failed (*error*),
say nothing about robustness. Nor does a list that a ranker ordered by an *invalid answer*: its ranks are those of the
repair. So a figure is estimated over the decided cases, is told with the number of all cases, and
has two ends: what it would be if every undecided case had its least, or its greatest, value.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from robustrank.core.types import Certificate, Estimate, Status
from robustrank.work.records import INVALID_ANSWER, AttackRecord, TaskRecord


class Ending(StrEnum):
    """How a case, a list or a certificate ended."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    INVALID = "invalid"
    """The attack broke its rules."""
    ERROR = "error"
    """The ranker, a service or a plug-in failed."""
    INVALID_ANSWER = "invalid answer"
    """The ranker's answer for the changed list was no order of its documents, and was repaired."""


def undecided(record: TaskRecord) -> Ending | None:
    """Why a record says nothing about robustness; ``None`` where it does."""
    if record.status is Status.ERROR:
        return Ending.ERROR
    if record.status is Status.INVALID or (isinstance(record, AttackRecord) and record.miscounted):
        return Ending.INVALID
    return Ending.INVALID_ANSWER if record.invalid_answer else None


def ending(record: TaskRecord, *, succeeded: bool) -> Ending:
    """How a record ended, given whether it would be a success if it were decided."""
    return undecided(record) or (Ending.SUCCEEDED if succeeded else Ending.FAILED)


def reason(record: TaskRecord) -> str:
    """Why a record is undecided; empty where it is not."""
    if undecided(record) is Ending.INVALID_ANSWER:
        return INVALID_ANSWER
    return "" if undecided(record) is None else record.error or getattr(record, "miscounted", "")


def of_certificate(record: TaskRecord, certificate: Certificate | None) -> Ending:
    """How a certificate of a list ended; ``None`` where the list has none."""
    return ending(record, succeeded=certificate is not None and certificate.certified)


@dataclass(frozen=True, kw_only=True)
class Tally:
    """How many cases (or lists) a figure is about, and how many of them say nothing.

    Args:
        planned: All of them, those that could not be tried included.
        errors: Ended because a ranker, a service or a plug-in failed.
        invalid: Ended because the attack broke its rules.
        invalid_answers: Ended with an invalid answer of the ranker.
        untried: Not tried, because an attack before it had brought the target to the first rank (``[cases] ladder``).
        error: The first error.
        breach: The first broken rule.
    """

    planned: int = 0
    errors: int = 0
    invalid: int = 0
    invalid_answers: int = 0
    untried: int = 0
    error: str = ""
    breach: str = ""

    @property
    def undecided(self) -> int:
        """How many say nothing."""
        return self.errors + self.invalid + self.invalid_answers + self.untried

    @property
    def decided(self) -> int:
        """How many say something."""
        return self.planned - self.undecided

    def sentence(self, what: str = "cases") -> str:
        """``"15 of 15 cases ended in an error, first: HTTPError: 429"``; empty where all are decided."""
        parts = []
        if self.errors:
            parts.append(f"{self.errors} of {self.planned} {what} ended in an error, first: {self.error}")
        if self.invalid:
            parts.append(f"{self.invalid} of {self.planned} {what} are invalid, first: {self.breach}")
        if self.invalid_answers:
            parts.append(f"{self.invalid_answers} of {self.planned} {what} have an invalid answer of the ranker")
        if self.untried:
            parts.append(f"{self.untried} of {self.planned} {what} were not tried: an earlier attack was first already")
        return "; ".join(parts)


class Ends(NamedTuple):
    """A figure with every undecided case at its least, and at its greatest value."""

    low: Estimate
    high: Estimate


Open = Mapping[str, tuple[float, float]]
"""Query id to the least and the greatest value it could have; only of queries with undecided cases."""


def tally(records: Iterable[TaskRecord], lost: Sequence[str] = (), *, untried: int = 0) -> Tally:
    """Count the records.

    Args:
        records: Of cases or lists.
        lost: The error of every case that was planned and has no record, because its list could not be ranked.
        untried: Cases that have none because they were not tried.
    """
    counted = list(records)
    ended = [(end, record) for record in counted if (end := undecided(record))]
    errors = [*(reason(record) for end, record in ended if end is Ending.ERROR), *lost]
    breaches = [reason(record) for end, record in ended if end is Ending.INVALID]
    return Tally(
        planned=len(counted) + len(lost) + untried,
        errors=len(errors),
        invalid=len(breaches),
        invalid_answers=sum(end is Ending.INVALID_ANSWER for end, _ in ended),
        untried=untried,
        error=errors[0] if errors else "",
        breach=breaches[0] if breaches else "",
    )


def together(tallies: Iterable[Tally]) -> Tally:
    """Several tallies as one."""
    every = list(tallies)
    return Tally(
        planned=sum(each.planned for each in every),
        errors=sum(each.errors for each in every),
        invalid=sum(each.invalid for each in every),
        invalid_answers=sum(each.invalid_answers for each in every),
        untried=sum(each.untried for each in every),
        error=next((each.error for each in every if each.error), ""),
        breach=next((each.breach for each in every if each.breach), ""),
    )
