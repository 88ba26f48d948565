"""The record of documents that an attack added to a corpus; light, because the report reads it."""

from __future__ import annotations

from collections.abc import Sequence

from robustrank.core.types import Budget, ThreatModel
from robustrank.work.records import Part, TaskRecord

TOP = 10
"""Ranks that readers see."""


class Displaced(Part, frozen=True, kw_only=True):
    """A document of the top ten that stands there no longer.

    Args:
        doc_id: Its id.
        grade: As judged; 0 where it is not.
        rank_before: In the clean list.
        rank_after: With the added documents; ``None``: it is no candidate any more.
    """

    doc_id: str
    grade: int
    rank_before: int
    rank_after: int | None


class Places(Part, frozen=True, kw_only=True):
    """Where added documents stand in one list.

    Args:
        ranks: Of each added document, in their order; ``None`` where it is no candidate.
        before: nDCG@10 of the clean list.
        after: nDCG@10 with them.
    """

    ranks: Sequence[int | None]
    before: float
    after: float

    @property
    def best(self) -> int | None:
        """The best rank of an added document."""
        return min((rank for rank in self.ranks if rank is not None), default=None)

    @property
    def slots(self) -> int:
        """How many of the first ten places are added documents'."""
        return sum(rank is not None and rank <= TOP for rank in self.ranks)


class PlantedQuery(Part, frozen=True, kw_only=True):
    """What added documents did to one query.

    Args:
        query_id: The query.
        held_out: Whether the attacker did not know it.
        stage: In the list of the first stage; ``None`` where that failed, or the attack did.
        final: In the list of the ranker behind it; ``None`` where that failed too.
        ideal: The best rank, in the first stage, of vectors in place of texts: centroids of the known queries, as many
            as documents may be added. ``None``: no candidate, or the first stage has no vectors.
        displaced: From the top ten of the ranker's list.
        lost: Relevant documents that are no candidates any more.
        error: Why ``final`` is missing.
    """

    query_id: str
    held_out: bool
    stage: Places | None = None
    final: Places | None = None
    ideal: int | None = None
    displaced: Sequence[Displaced] = ()
    lost: int = 0
    error: str = ""


class PlantRecord(TaskRecord, frozen=True, kw_only=True, tag="plant"):
    """Documents that an attack added, and where they stand for every query of a group.

    Args:
        attack: Name in the audit file.
        plugin: Canonical one-line form of the plug-in.
        threat: The edits and the access it declared.
        budget: Its limits.
        texts: The documents as the attack wrote them; not planted where the record is not ok.
        words: Of all of them.
        encodes: Texts that the first stage encoded for the attack.
        queries: Those that the attacker knew, then those held out.
    """

    attack: str
    plugin: str
    threat: ThreatModel
    budget: Budget
    texts: Sequence[str] = ()
    words: int = 0
    encodes: int = 0
    queries: Sequence[PlantedQuery] = ()

    @property
    def control(self) -> bool:
        """Whether it is no attack but a control."""
        return self.threat.control
