"""The record of a text that was made against one ranker, before another one; light, because the report reads it."""

from __future__ import annotations

from robustrank.core.types import Goal, Status, Surface
from robustrank.work.records import AttackRecord, TaskRecord

TOP = 10
"""The rank to reach."""


class TransferRecord(TaskRecord, frozen=True, kw_only=True, tag="transfer"):
    """Where a text that was made against another ranker stands.

    Args:
        source: The ranker it was made against.
        attack: By which attack.
        control: Whether that is a control.
        doc_id: The changed document.
        rank_before: Under the ranker of the record, unchanged.
        rank_after: Changed.
        list_length: Documents in the list.
        reached_there: Whether it reached the top ten of the ranker it was made against.
    """

    source: str
    attack: str
    control: bool
    doc_id: str
    rank_before: int
    rank_after: int
    list_length: int
    reached_there: bool


def handed_in(record: AttackRecord) -> bool:
    """Whether a document was changed, legally, to promote it."""
    promotes = record.threat.surface is Surface.DOCUMENT and record.threat.goal is Goal.PROMOTE
    return promotes and record.status is Status.OK and not record.miscounted and record.after != record.before
