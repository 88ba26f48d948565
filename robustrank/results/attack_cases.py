"""Every attacked case of an audit, for reading one by one: a part of the summary.

Texts are held once, however many cases change them; a case says what it changed by positions in its text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from robustrank.core.types import Status
from robustrank.results.outcomes import Ending
from robustrank.work.records import Fall


class Change(NamedTuple):
    """A stretch of a text that was replaced; ``start == end`` is an insertion, an empty ``text`` a deletion."""

    start: int
    end: int
    text: str


class Proof(NamedTuple):
    """A certificate of the case's list that covers the attack's kind of edit."""

    k: int
    radius: int | float
    certified: bool


@dataclass(frozen=True, kw_only=True)
class AttackedCase:
    """One attack on one target of one list. Texts are numbers into :attr:`Cases.texts`."""

    key: str
    """Of the record, shortened; the same case of the same audit has it again."""
    ranker: str
    attack: str
    collection: str
    stratum: str
    status: Status
    ending: Ending
    error: str
    query_id: str
    query: int
    doc_id: str
    document: int
    changes: Sequence[Change]
    """Of the document, or of the query where ``query_changed``; empty where the attack gave nothing."""
    query_changed: bool
    rank_before: int
    rank_after: int
    list_length: int
    score_before: float
    score_after: float
    harm: float
    """Clean minus attacked nDCG@10 of the list."""
    edits: int
    similarity: float | None
    calls: int
    reached: Sequence[str]
    """The ways of success that are true of it."""
    success: bool
    """Whether the way is among them by which the attack is judged."""
    fell: Sequence[Fall]
    """Who was pushed down."""
    proofs: Sequence[Proof]
    """Empty where nothing was to be proven for this list and this kind of edit."""


@dataclass(frozen=True, kw_only=True)
class Cases:
    """All cases, in the order of the audit file."""

    texts: Sequence[str] = ()
    rows: Sequence[AttackedCase] = ()
