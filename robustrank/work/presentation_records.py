"""The record of one list that was shown to a ranker several times and in several orders."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from robustrank.core.answers import Answers
from robustrank.work.records import Part, TaskRecord


class How(StrEnum):
    """In which way a list was asked."""

    AGAIN = "again"
    """In first-stage order, as everywhere in an audit."""
    ORDER = "order"
    """In another order."""
    REPAIR = "repair"
    """In first-stage order, with another repair of invalid answers than the deployed one."""


class Asking(Part, frozen=True, kw_only=True):
    """One call of the ranker for the list.

    Args:
        how: In which way.
        shown: Numbers of the documents, in the order shown.
        ranking: Numbers of the documents, best first; empty where the call failed.
        measure: nDCG@10 of the ranking; 0 where there is none.
        repair: What was made of invalid answers; empty where the ranker does not say.
        answers: What was wrong in them; ``None`` where the ranker does not say.
        error: Why there is no ranking.
    """

    how: How
    shown: Sequence[int]
    ranking: Sequence[int] = ()
    measure: float = 0.0
    repair: str = ""
    answers: Answers | None = None
    error: str = ""

    @property
    def valid(self) -> bool:
        """Whether it has a ranking, by valid answers alone as far as the ranker says."""
        return not self.error and (self.answers is None or not self.answers.invalid_lists)

    @property
    def copied(self) -> bool:
        """Whether the list came back as shown."""
        return list(self.ranking) == list(self.shown)


class SentencePlace(Part, frozen=True, kw_only=True):
    """A relevant document with its sentence most like the query in one place.

    Args:
        where: ``"start"``, ``"middle"`` or ``"end"``.
        rank: Of the document in its list.
        score: Its score.
    """

    where: str
    rank: int
    score: float


class PresentationRecord(TaskRecord, frozen=True, kw_only=True, tag="presentation"):
    """One list, asked several times and in several orders.

    Args:
        doc_ids: The documents in first-stage order; the other fields number them.
        pointwise: Whether the ranker's card says so.
        cyclic: Whether the orders are all the cyclic shifts of the first-stage order.
        askings: The calls.
        sentence_of: The document whose sentence was moved; empty where none was.
        sentences: With the sentence in each place.
        sentence_error: Why they are missing.
    """

    doc_ids: Sequence[str]
    pointwise: bool
    cyclic: bool
    askings: Sequence[Asking] = ()
    sentence_of: str = ""
    sentences: Sequence[SentencePlace] = ()
    sentence_error: str = ""

    def of(self, how: How) -> list[Asking]:
        """The calls of one way."""
        return [asking for asking in self.askings if asking.how is how]
