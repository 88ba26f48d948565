"""What an audit records: a type per kind. What follows a run reads these records and the audit file, nothing else.

A record holds what its readers need, the threat model and budget of its attack among it, so that a summary can be made
where the plug-in is no longer installed. On disk a record is one line of JSON; its ``kind`` says which type it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from msgspec import Struct, field

from robustrank.core.answers import Answers
from robustrank.core.types import Budget, Certificate, Goal, Status, Surface, ThreatModel
from robustrank.core.usage import Usage
from robustrank.retrieval.lists import DescribedQuery
from robustrank.work.audited import AuditedCollection, AuditedRanker, Environment, RecordedPool

BEST_RELEVANT = "best relevant"
"""The stratum of query attacks: their target is the highest-ranked relevant document."""

RELEVANT_WITHIN = {Goal.DEMOTE: 10, Goal.KEEP: 5}
"""Targets of document attacks that demote, or that keep a rank, are relevant documents among so many first ones."""


INVALID_ANSWER = "the ranker's answer for the changed list was invalid"
"""Why a changed list says nothing though it has an order: the order is that of a repair."""


class Part(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A part of a record."""


class BaseRecord(Part, frozen=True, kw_only=True, tag_field="kind"):
    """What every record has.

    Args:
        key: Hash of everything the record depends on.
        session: The run of the audit that made it.
        elapsed: Seconds from that run's start to the record.
    """

    key: str = ""
    session: str = ""
    elapsed: float = 0.0


class TaskRecord(BaseRecord, frozen=True, kw_only=True):
    """What the record of every task has: where it happened, how it ended, and what it cost.

    Args:
        ranker: Name of the ranker, plain or defended.
        collection: Name of the collection.
        query_id: The query.
        depth: Candidates taken from the first-stage list; ``None`` took all.
        status: How it ended.
        error: Why it did not end well; empty where it did.
        pairs: Scored by the innermost ranker.
        scoring_seconds: Inside the innermost ranker.
        measuring_seconds: Inside the encoder that measures similarity.
        seconds: In all.
        service: What its calls of a service or a language model cost; ``None`` where it made none.
        answers: What the innermost ranker answered, in all; ``None`` where it does not say what was wrong in that.
        invalid_answer: Whether a changed list, that the record is about, was ordered by an invalid answer: its ranks
            are those of the repair.
    """

    ranker: str
    collection: str
    query_id: str
    depth: int | None = None
    status: Status = Status.OK
    error: str = ""
    pairs: int = 0
    scoring_seconds: float = 0.0
    measuring_seconds: float = 0.0
    seconds: float = 0.0
    service: Usage | None = None
    answers: Answers | None = None
    invalid_answer: bool = False


class BaseRanking(Part, frozen=True, kw_only=True):
    """The same list ranked by the ranker behind a defended one; fields as in :class:`RankingRecord`."""

    ranker: str
    scores: Sequence[float]
    measures: Mapping[str, float]
    judged: float
    pairs: int | None = None
    call_seconds: float | None = None


class Listed(NamedTuple):
    """A document at the top of a clean list.

    Args:
        doc_id: Its id.
        head: Its first words.
    """

    doc_id: str
    head: str


class RankingRecord(TaskRecord, frozen=True, kw_only=True, tag="ranking"):
    """One clean list, scored.

    Args:
        candidates: How many documents were to be ranked.
        doc_ids: Theirs, in first-stage order; none where the ranker failed.
        scores: Theirs.
        measures: Measure name to value; those of an empty list where the ranker failed.
        judged: judged@10.
        relevant: Relevant documents among the candidates.
        type: The collection's own label of the query's type.
        qrels: Judgments of the query.
        relevant_from: Least relevant grade of the collection.
        top_grade: Greatest grade of the collection.
        base: Of a defended ranker, its base's ranking of the same list.
        answer: What the innermost ranker answered to this list; ``None`` as in ``answers``.
        rank_only: Whether the ranker's card says that its scores tell the order and nothing else.
        call_seconds: Of the call that ranked the list, a defense included; ``None`` where it was not measured.
        query: The first words of the query.
        first: The documents that it ranks first, at most three, for people.
    """

    candidates: int = 0
    doc_ids: Sequence[str] = ()
    scores: Sequence[float] = ()
    measures: Mapping[str, float] = field(default_factory=dict)
    judged: float = 0.0
    relevant: int = 0
    type: str | None = None
    qrels: Mapping[str, int] = field(default_factory=dict)
    relevant_from: int = 1
    top_grade: int = 1
    base: BaseRanking | None = None
    answer: Answers | None = None
    rank_only: bool = False
    call_seconds: float | None = None
    query: str = ""
    first: Sequence[Listed] = ()

    def __post_init__(self) -> None:
        if len(self.doc_ids) != len(self.scores):
            raise ValueError(f"{len(self.doc_ids)} documents and {len(self.scores)} scores")


class Fall(NamedTuple):
    """A document that stood in the top ten and stands lower in the attacked list."""

    doc_id: str
    before: int
    after: int
    relevant: bool


def miscounted(calls: int, scored: int, budget: Budget) -> str:
    """What of an attack's counts does not add up; empty where they do.

    Args:
        calls: Pairs requested.
        scored: Scores computed for it; fewer where a cache answered.
        budget: Its limits.
    """
    if calls < 0:
        return f"its counts do not add up: {calls} pairs requested"
    if budget.calls is not None and calls > budget.calls:
        return f"its counts do not add up: {calls} pairs requested of a budget of {budget.calls}"
    if scored > calls:
        return f"its counts do not add up: {calls} pairs requested, {scored} scored for it"
    return ""


class AttackRecord(TaskRecord, frozen=True, kw_only=True, tag="attack"):
    """One attack on one target of one list, as measured by the harness.

    An illegal perturbation counts as none: ranks, scores and harm are those of the clean list, and the texts show it.

    Args:
        attack: Name in the audit file.
        plugin: Canonical one-line form of the plug-in.
        threat: Its whole threat model.
        budget: Its limits.
        stratum: The rank range the target was drawn from.
        doc_id: The target.
        goal_rank: Rank at which the attacker is content, or that it wants to keep.
        list_length: Candidates.
        rank_before: Of the target in the clean list.
        rank_after: In the attacked one.
        score_before: Of the target.
        score_after: Of the changed target.
        harm_before: nDCG@10 of the clean list.
        harm_after: Of the attacked list.
        judged_after: judged@10 of the attacked list; a changed document counts as judged if the original was.
        fell: Documents of the clean top ten that stand lower.
        edits: Words changed or inserted, or what they cost, as counted by the harness.
        similarity: Cosine of the changed text and the clean one; ``None`` where it was not measured.
        calls: Pairs the attack requested.
        scored: Scores that the ranker computed while the attack acted; no more than it requested.
        score_seen: Of the changed target, as the attack's own requests were answered; ``None`` where it did not ask.
        rank_seen: The same of its rank.
        same_score: Whether the target's text was changed and a fresh call gives it its clean score, bit for bit.
        quality: Figures of the changed document (:mod:`robustrank.perturbations.quality`).
        trajectory: Pairs requested and the best rank seen so far, rising.
        query: Text of the query.
        query_after: Text of the query the attack returned; ``None`` where it left the query alone.
        before: Text of the target.
        after: Text of the target the attack returned.
    """

    attack: str
    plugin: str
    threat: ThreatModel
    budget: Budget
    stratum: str
    doc_id: str
    goal_rank: int
    list_length: int
    rank_before: int
    rank_after: int
    score_before: float
    score_after: float
    harm_before: float
    harm_after: float
    judged_after: float
    fell: Sequence[Fall]
    edits: int
    similarity: float | None
    calls: int
    scored: int = 0
    score_seen: float | None = None
    rank_seen: int | None = None
    same_score: bool = False
    quality: Mapping[str, float]
    trajectory: Sequence[tuple[int, int]]
    query: str
    query_after: str | None
    before: str
    after: str

    @property
    def goal(self) -> Goal:
        """What the attacker wants of the target."""
        return self.threat.goal

    @property
    def demote(self) -> bool:
        """Whether the attacker wants the target to fall."""
        return self.threat.goal is Goal.DEMOTE

    @property
    def miscounted(self) -> str:
        """What of its counts does not add up; empty where they do."""
        return miscounted(self.calls, self.scored, self.budget)

    @property
    def control(self) -> bool:
        """Whether it is no attack but a control."""
        return self.threat.control

    @property
    def on_document(self) -> bool:
        """Whether it changes documents (and not queries)."""
        return self.threat.surface is Surface.DOCUMENT


class VariantValue(Part, frozen=True, kw_only=True):
    """The lead measure for one variation of a query.

    Args:
        operation: What was done to the query.
        text: The changed query.
        fixed: The measure of the clean query's candidates.
        end: The measure of what the first stage retrieves for the changed query; ``None``: not searched again.
    """

    operation: str
    text: str
    fixed: float
    end: float | None


class VariationRecord(TaskRecord, frozen=True, kw_only=True, tag="variation"):
    """One query in other words; nobody optimises them.

    Args:
        variation: Name in the audit file.
        plugin: Canonical one-line form of the plug-in.
        measure: The lead measure.
        query: The clean query.
        clean: The measure for it.
        variants: Its variations.
        unit: The tokenisation.
    """

    variation: str
    plugin: str
    measure: str
    query: str
    clean: float = 0.0
    variants: Sequence[VariantValue] = ()
    unit: str


class EditedDocument(Part, frozen=True, kw_only=True):
    """A document that a person changed to rank higher, ranked before and after among its rivals.

    Args:
        before: Document id of the version before.
        after: Document id of the version after.
        rivals: How many documents it competed with.
        rank_before: Its rank among them.
        rank_after: The same of the version after.
        score_before: Its score.
        score_after: The same of the version after.
        grade_before: What assessors gave; ``None``: not judged.
        grade_after: The same of the version after.
    """

    before: str
    after: str
    rivals: int
    rank_before: int
    rank_after: int
    score_before: float
    score_after: float
    grade_before: int | None
    grade_after: int | None

    @property
    def promoted(self) -> bool:
        """Whether the document ranks higher than before."""
        return self.rank_after < self.rank_before

    @property
    def more_relevant(self) -> bool | None:
        """Whether assessors graded it higher than before; ``None`` where a version is not judged."""
        if self.grade_before is None or self.grade_after is None:
            return None
        return self.grade_after > self.grade_before


class EditRecord(TaskRecord, frozen=True, kw_only=True, tag="edit"):
    """People's edits of documents for one query."""

    query: str
    edits: Sequence[EditedDocument] = ()


class CertificateRecord(TaskRecord, frozen=True, kw_only=True, tag="certificate"):
    """What a defended ranker proves about one list; its certificates hold together."""

    certificates: Sequence[Certificate] = ()


class SetupRecord(BaseRecord, frozen=True, kw_only=True, tag="setup"):
    """What the audit is made of.

    Args:
        started: When.
        collections: As audited.
        rankers: Plain ones, then defended ones.
        queries: Collection to query id to its types and features.
        environment: Versions and machine.
        pool: What ``[pooling]`` needs.
    """

    started: str
    collections: Sequence[AuditedCollection]
    rankers: Sequence[AuditedRanker]
    queries: Mapping[str, Mapping[str, DescribedQuery]]
    environment: Environment
    pool: RecordedPool | None = None


class SessionRecord(BaseRecord, frozen=True, kw_only=True, tag="session"):
    """One run of the audit that ended by itself."""

    finished: str


class ForeignRecord(BaseRecord, frozen=True, kw_only=True, tag="foreign"):
    """A record of a protocol that is not installed here: it counts as done, and no protocol reads it.

    Args:
        written_as: The kind it has in the journal.
    """

    written_as: str


Record = TaskRecord | SetupRecord | SessionRecord | ForeignRecord
