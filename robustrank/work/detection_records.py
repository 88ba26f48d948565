"""What detectors said of clean documents, and of the lists of an audit with their attacked texts."""

from __future__ import annotations

from collections.abc import Sequence

from robustrank.work.records import Part, TaskRecord


class JudgedText(Part, frozen=True, kw_only=True):
    """A text that an attack made of a document of the list.

    Args:
        attack: Name in the audit file.
        doc_id: The document.
        value: What the detector said of it; ``None`` where it could not tell.
    """

    attack: str
    doc_id: str
    value: float | None


class DetectionRecord(TaskRecord, frozen=True, kw_only=True, tag="detection"):
    """One detector on one list: the clean documents, and what attacks made of them.

    Where the detector failed on one of them, the record is of an error, and has the values of the others.

    Args:
        detector: Name in the audit file.
        doc_ids: Theirs, in first-stage order.
        values: What it said of each.
        attacked: What it said of attacked texts, each in the place of its document.
    """

    detector: str
    doc_ids: Sequence[str] = ()
    values: Sequence[float | None] = ()
    attacked: Sequence[JudgedText] = ()


class CleanDetectionRecord(TaskRecord, frozen=True, kw_only=True, tag="clean_detection"):
    """One detector on the clean documents of one source, each for a query of that source.

    Args:
        detector: Name in the audit file.
        card: The detector's own name.
        needs: What it is shown beside a document.
        trained_on: Attacks that it was trained on, by plug-in.
        source: Name of the source; that of the attacked collection stands for its documents outside the lists.
        source_kind: What its documents are.
        own: Whether it is the attacked collection.
        queries: Of each document, the query it was judged for.
        values: What it said of each.
        missing: Why there are no documents, or fewer than were asked for.
    """

    detector: str
    card: str = ""
    needs: Sequence[str] = ()
    trained_on: Sequence[str] = ()
    source: str
    source_kind: str = ""
    own: bool = False
    queries: Sequence[str] = ()
    values: Sequence[float | None] = ()
    missing: str = ""
