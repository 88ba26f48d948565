"""The record of one call with a long document in its list; light, because the report reads it."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from robustrank.work.records import TaskRecord


class CallOutcome(StrEnum):
    """What a ranker made of a list with one long document."""

    OK = "ok"
    """Every document kept its rank."""
    OTHERS_MOVED = "others moved"
    """The order of the other documents changed."""
    TARGET_MOVED = "target moved"
    """The long document alone changed its rank."""
    TARGET_DROPPED = "target dropped"
    """The long document alone has no score."""
    FAILED = "whole call failed"
    TIMED_OUT = "timed out"


NOT_ANSWERED: Sequence[CallOutcome] = (CallOutcome.FAILED, CallOutcome.TIMED_OUT)


class LongDocumentRecord(TaskRecord, frozen=True, kw_only=True, tag="long_document"):
    """One call with a document that was padded; in the first attempt, whatever a retry made of it.

    Args:
        words: Words of padding.
        where: ``"start"`` or ``"end"`` of the document.
        filler: What it was padded with.
        doc_id: The document.
        list_length: Documents in the list.
        outcome: What came of it; ``None`` where the same list without padding could not be ranked either.
        rank_before: Of the document, unchanged.
        rank_after: Padded; ``None`` where it has none.
        others_lost: Other documents without a score.
        others_moved: Other documents with another place among each other.
        clean_seconds: Of the call without padding.
        long_seconds: Of the call with it.
        unread: What of the padded document the ranker does not read, scored alone: its ``"start"`` or its ``"end"``;
            empty where that does not show.
    """

    words: int
    where: str
    filler: str
    doc_id: str
    list_length: int
    outcome: CallOutcome | None = None
    rank_before: int | None = None
    rank_after: int | None = None
    others_lost: int = 0
    others_moved: int = 0
    clean_seconds: float = 0.0
    long_seconds: float = 0.0
    unread: str = ""
