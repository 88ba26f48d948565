"""What a topic study records: clean lists, and attacks on documents for groups of queries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from robustrank.core.types import Status
from robustrank.storage.journal import RecordFormat
from robustrank.work.records import BaseRecord, Part

SCHEMA = 1
"""Of a line of the journal."""


class Event(Part, frozen=True, kw_only=True):
    """One event of the dynamic setting.

    Args:
        event: Its name.
        lists: Ranked lists requested so far, by reactions to this event and to those before.
        clean: Ranks of the clean text for the held-out queries, as they are after the event.
        kept: The same of the text that the attack made before all events.
        reacted: The same of the text that the attacker shows now.
    """

    event: str
    lists: int
    clean: Sequence[int]
    kept: Sequence[int]
    reacted: Sequence[int]


class CleanLists(BaseRecord, frozen=True, kw_only=True, tag="clean lists"):
    """A pointwise victim's clean scores for the queries of one group, so that a resumed study computes none again.

    Args:
        ranker: The victim.
        topic: The topic.
        scores: Query id to document id to score.
    """

    ranker: str
    topic: str
    scores: Mapping[str, Mapping[str, float]]


class TopicRecord(BaseRecord, frozen=True, kw_only=True, tag="topic"):
    """One attack on one document for one group, as the harness measured it.

    Args:
        ranker: The victim.
        attack: Name of the attack in the topic file.
        topic: The topic.
        draw: Which draw of the topic's attacked queries.
        doc_id: The document.
        status: How it ended; a text that breaks the rules counts as no change.
        error: Why it did not end well; empty where it did.
        coherence: Of the group.
        queries: Texts of the attacked queries; empty where texts were taken out.
        held_out: Texts of the held-out queries; empty where texts were taken out.
        lists: Ranked lists that the attack requested.
        pairs: Scored by the victim during the attack.
        substitutions: Words substituted.
        insertions: Words inserted.
        similarity: Of the clean and the changed text; ``None`` where it was not measured.
        quality: Name to figure of the changed text; empty without a change.
        agreement: Mean Kendall's tau-b of the attacker's model and the victim, over lists it has not seen.
        answers: The document's ranks for the attacked queries, of each text that the attack requested.
        texts_scored: By the attacker's own model.
        planning_seconds: Processor seconds of the attack, without the victim's.
        seconds: In all.
        before: The clean text; empty where texts were taken out.
        after: The text that the attack made; empty where texts were taken out.
        attack_before: Clean ranks for the attacked queries.
        attack_after: Ranks of the text that the attack made.
        held_out_before: Clean ranks for the held-out queries.
        held_out_after: Ranks of the text that the attack made.
        events: Of the dynamic setting; ``None`` where it was not played.
    """

    ranker: str
    attack: str
    topic: str
    doc_id: str
    status: Status
    error: str
    coherence: float
    lists: int
    pairs: int
    substitutions: int
    insertions: int
    similarity: float | None
    quality: Mapping[str, float]
    agreement: float | None
    answers: Sequence[Sequence[int]]
    texts_scored: int
    planning_seconds: float
    seconds: float
    attack_before: Sequence[int]
    attack_after: Sequence[int]
    held_out_before: Sequence[int]
    held_out_after: Sequence[int]
    draw: int = 0
    queries: Sequence[str] = ()
    held_out: Sequence[str] = ()
    before: str = ""
    after: str = ""
    events: Sequence[Event] | None = None

    def ranks(self, side: str) -> tuple[Sequence[int], Sequence[int]]:
        """Ranks before and after, for the ``"attack"`` or the ``"held_out"`` queries; an illegal text changed none."""
        attacked = side == "attack"
        before = self.attack_before if attacked else self.held_out_before
        after = self.attack_after if attacked else self.held_out_after
        return before, after if self.status is Status.OK else before


AnyRecord = CleanLists | TopicRecord
FORMAT: RecordFormat[AnyRecord] = RecordFormat(AnyRecord, schema=SCHEMA)
