"""Types of ranking, attacks and certificates. Standard library only, so importing them is cheap."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from robustrank.core import catalogues


class Query(NamedTuple):
    """A query as the user typed it."""

    query_id: str
    text: str


class Document(NamedTuple):
    """A document, or a passage: the unit that is ranked. A title is the first words of ``text``."""

    doc_id: str
    text: str


class Qrel(NamedTuple):
    """One relevance judgment (field names as in ir_measures)."""

    query_id: str
    doc_id: str
    relevance: int
    iteration: str = "0"


class ScoredDoc(NamedTuple):
    """One line of a run (field names as in ir_measures); an iterable of these is a run."""

    query_id: str
    doc_id: str
    score: float


class Surface(StrEnum):
    """What the attacker may change."""

    QUERY = "query"
    DOCUMENT = "document"
    CORPUS = "corpus"
    """Documents are added; those that are there stay as they are."""


class Access(StrEnum):
    """What the attacker sees of the ranker; each level includes the ones before it."""

    NONE = "none"
    RANKS = "ranks"
    SCORES = "scores"
    WEIGHTS = "weights"

    @property
    def level(self) -> int:
        """0 for ``NONE`` up to 3 for ``WEIGHTS``."""
        return list(Access).index(self)


class Goal(StrEnum):
    """The attacker's goal for the target document's rank."""

    PROMOTE = "promote"
    DEMOTE = "demote"
    """Of a relevant document: a censor's, or a competitor's."""
    KEEP = "keep"
    """A relevant document carries a text of the attacker's, and loses no rank by it."""


class Status(StrEnum):
    """How a task ended."""

    OK = "ok"
    BUDGET_EXHAUSTED = "budget_exhausted"
    """An attack requested more pairs than its budget allows; counts as a failed attack."""
    INVALID = "invalid"
    """An attack broke its threat model; counts as no attack."""
    ERROR = "error"
    """A ranker or a plug-in failed."""


class CollectionRole(StrEnum):
    """What a collection is for."""

    HOME = "home"
    """i.i.d."""
    SHIFT = "shift"
    """Out of distribution."""


class SpeaksOf(StrEnum):
    """Which ranker a certificate is about."""

    EXACT = "exact"
    """The exact smoothed ranker, which the deployed one estimates from samples."""
    DEPLOYED = "deployed"
    """The deployed ranker itself."""


@dataclass(frozen=True, kw_only=True)
class AttackSet:
    """The perturbations that an attack may return, or that a certificate covers.

    Args:
        operation: Name of the one kind of edit allowed: ``"insert"``, ``"substitute"``, ``"misspell"``, ``"replace"``,
            ``"edit"``, or one that a plug-in declares (:mod:`robustrank.perturbations.operations`).
        substitutes: For ``"substitute"``, the name of the table every replacement must be in
            (:func:`robustrank.perturbations.substitutes.load`).
        costs: Where words differ in what changing them costs, the name of the list of costs; an attack's edits are
            then counted in costs.
    """

    operation: str
    substitutes: str | None = None
    costs: str | None = None

    def __str__(self) -> str:
        limits = [*([self.substitutes] if self.substitutes else []), *([f"costs {self.costs}"] if self.costs else [])]
        return f"{self.operation}({', '.join(limits)})" if limits else self.operation


@dataclass(frozen=True, kw_only=True)
class ThreatModel:
    """The access an attack needs and the edits it may make; the harness enforces and re-verifies both."""

    surface: Surface
    access: Access
    edits: AttackSet
    goal: Goal = Goal.PROMOTE
    control: bool = False
    """Whether it is a control: edits of the same budget that are not optimised against the ranker."""
    stage: Access = Access.NONE
    """What it sees of the first stage, where it adds documents to the corpus."""
    payload: bool = True
    """Whether every document that it adds must hold the payload, where the audit has one."""
    known_as: tuple[str, ...] = ()
    """Ids of what it is in public catalogues (:mod:`robustrank.core.catalogues`); none of a control."""

    def __post_init__(self) -> None:
        catalogues.check(self.known_as)


@dataclass(frozen=True, kw_only=True)
class Budget:
    """Limits of one attack on one case; ``None`` is unlimited.

    Args:
        edits: Words that may be changed or inserted.
        characters: Characters that may, where the operation counts these; `edits` does not limit it then.
        calls: Pairs that may be scored.
        similarity: Least cosine between the clean and the perturbed text, by the harness's bi-encoder.
        plants: Documents that may be added to the corpus.
        plant_words: Words that each of them may have.
        encodes: Texts that the first stage may encode, or score, for the attack.
    """

    edits: int | None = None
    calls: int | None = None
    similarity: float | None = None
    characters: int | None = None
    plants: int | None = None
    plant_words: int | None = None
    encodes: int | None = None


class Case(NamedTuple):
    """One attack case: a target document in one query's candidate list.

    ``candidates`` includes ``target`` and is in clean rank order, or for an attack without access to the ranker in
    first-stage order. The attack succeeds when the target's rank is
    ``goal_rank`` or better (or worse, where the goal is to demote); where it is to keep, that is the rank to keep.
    """

    query: Query
    target: Document
    candidates: tuple[Document, ...]
    goal_rank: int = 1


class Variant(NamedTuple):
    """A variation of a query: the operation and the text."""

    operation: str
    text: str


class Edit(NamedTuple):
    """A document that its author edited to rank higher, as two versions.

    ``before``, ``after`` and ``rivals`` are document ids; ``rivals`` are the documents of the round before the edit,
    ``before`` included. Grades are ``None`` for an unjudged version.
    """

    query_id: str
    before: str
    after: str
    rivals: tuple[str, ...]
    grade_before: int | None = None
    grade_after: int | None = None


@dataclass(frozen=True, kw_only=True)
class Perturbation:
    """What an attack returns: a new query text, a new text of the target, texts to add to the corpus, or none of them.

    The harness gives documents that are added their ids.
    """

    query: str | None = None
    target: str | None = None
    inserted: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class WordGradients:
    """First-order information about one document, from one backward pass.

    Args:
        importance: Per word of the document, the L2 norm of the score's gradient at the word's input embeddings;
            0 for a word the ranker truncates away.
        gains: Per requested word position, the first-order change of the score for each candidate, in order.
    """

    importance: Sequence[float]
    gains: Mapping[int, Sequence[float]]


@dataclass(frozen=True, kw_only=True)
class RankerCard:
    """What a ranker declares about itself.

    Args:
        name: As displayed, for example ``"cross_encoder(ms-marco-MiniLM-L-12-v2)"``.
        fingerprint: Changes whenever the scores may: weights, length limit, parameters.
        pointwise: A document's score does not depend on the other documents of the call.
        deterministic: The same call gives the same scores.
        max_length: Word pieces read of a pair (cross-encoder) or text (bi-encoder); ``None`` is no limit.
        pairs_per_score: Forward passes behind one score; a smoothed ranker has one per sample.
        note: What a reader of the audit must know, for example that weights are dequantised.
        invariant: What its scores do not depend on, which red flags check: the ``"order"`` of words, their ``"case"``.
        whole_numbers: Its scores may be 0 to n-1 or 1 to n for a list of n documents; of other rankers such scores
            are taken for an order of the documents, and refused.
        can_change: What the fingerprint covers is not all that its scores depend on, as with a service: every run asks
            some recorded pairs again, and refuses to go on where the scores are others.
        gradients: ``False`` where its class has the method ``gradients`` and this model lends none.
        rank_only: Its scores say the order alone: attacks see ranks, not scores.
    """

    name: str
    fingerprint: str
    pointwise: bool = True
    deterministic: bool = True
    max_length: int | None = None
    pairs_per_score: int = 1
    note: str = ""
    invariant: tuple[str, ...] = ()
    whole_numbers: bool = False
    can_change: bool = False
    gradients: bool = True
    rank_only: bool = False


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """The claim that no attack of a stated set lifts any document into the top K of one list.

    Args:
        query_id: The query.
        k: K: documents ranked below K in the clean list are the possible targets.
        radius: Words each of them may have changed; below 1, that share of its words, rounded down.
        edits: The attack set.
        certified: Whether the claim is made; ``False`` says nothing about the list.
        alpha: Probability, over the samples drawn, that any claim made from these samples about this list is false.
        samples: Samples per document, at most.
        method: The rule, for example ``"certdr-joint"``.
        lower: The smallest lower bound on a top-K document's score.
        upper: The largest upper bound on an attacked runner-up's score; ``None`` where nothing bounds it.
        assumes: What the claim rests on: the exact smoothed ranker, the word tables (with hash), the tokenisation.
        ranker: Which ranker the claim is about.
        unit: The tokenisation that counts words.
        table: sha256 of the table of substitutes, where the attack set has one.
        attacked: Which documents may be attacked.
        calibration: The mapping of the base ranker's scores, fixed before any text was scored.
    """

    query_id: str
    k: int
    radius: int | float
    edits: AttackSet
    certified: bool
    alpha: float
    samples: int
    method: str
    lower: float
    upper: float | None
    assumes: str
    ranker: SpeaksOf = SpeaksOf.EXACT
    unit: str = ""
    table: str = ""
    attacked: str = "all documents below the top K, at once"
    calibration: str = ""


class Estimate(NamedTuple):
    """A mean over ``n`` queries (or cases) with a two-sided interval at ``confidence``."""

    value: float
    low: float
    high: float
    n: int
    confidence: float = 0.95


class Range(NamedTuple):
    """From the least to the greatest value that judging the unjudged documents could give. Nothing is sampled."""

    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Collection:
    """A test collection.

    Args:
        name: Short name.
        documents: By document id.
        queries: Those of the split, in file order.
        qrels: Query id to document id to graded relevance; only judged pairs.
        query_types: Query id to a label of the query's type, where the collection has one.
        candidates: A candidate run that comes with the collection: query id to document ids, best first.
        digest: sha256 over documents, queries and judgments.
        relevant: Least grade that binary measures count as relevant.
        terms: Licence and origin, one line.
        warnings: Irregularities of the files that the loader tolerated, with counts.
    """

    name: str
    documents: Mapping[str, Document]
    queries: Sequence[Query]
    qrels: Mapping[str, Mapping[str, int]]
    query_types: Mapping[str, str]
    candidates: Mapping[str, Sequence[str]]
    digest: str
    relevant: int = 1
    terms: str = ""
    warnings: Sequence[str] = ()
    edits: Sequence[Edit] = ()
    """Edits that authors made to rank higher, where the collection records them."""
