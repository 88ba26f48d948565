"""The audit file as values: a type per table.

Every table with ``use`` is a plug-in; its other keys, but for the few named here, are the plug-in's parameters.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Annotated, Any

from msgspec import Meta

from robustrank.config.cases import CasesSpec
from robustrank.config.detection import DetectionSpec
from robustrank.config.tables import Count, key
from robustrank.config.variants import VariantOf
from robustrank.core.flags import Check
from robustrank.core.plugin_spec import Plugin
from robustrank.core.types import Budget


@dataclass(frozen=True, kw_only=True)
class CollectionSpec:
    """One ``[[collection]]``. The first is home (i.i.d.); the others are the shifts (out of distribution).

    Args:
        plugin: The loader.
        name: Name in reports.
        queries: Drawn with the audit's seed; default all.
        first_stage: Finds the candidates.
        depth: Candidates for each query.
        background: Folders in BEIR layout whose documents are searched too, unjudged; relative to the audit file.
    """

    plugin: Plugin
    name: str
    queries: Count | None = None
    first_stage: Plugin = field(default_factory=lambda: Plugin(use="bm25"))
    depth: Count = 100
    background: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class RankerSpec:
    """One ``[[ranker]]``; a ``family`` is one model with several seeds, a ``group`` rankers reported together."""

    plugin: Plugin
    name: str
    attacked: bool = True
    audited: bool = False
    """Whether the audit is about it: its figures lead the report. Default: the first one that is not the baseline."""
    family: str | None = None
    group: str | None = None
    variant: VariantOf | None = None
    """The ranker that it is a variant of, for the protocol of variants."""
    claimed: Mapping[str, float] = field(default_factory=dict)
    """Values its developers report, by measure, for example ``{"nDCG@10": 0.71, "ASR@10": 0.05}``: only displayed."""


@dataclass(frozen=True, kw_only=True)
class DefenseSpec:
    """One ``[[defense]]``: each named ranker is also audited with the defense (:class:`Victim`).

    ``queries`` limits the defended ranker to the first queries of each collection it is audited on, because a smoothed
    ranker costs one pair per sample; ``collections`` names those collections (default: home).
    """

    plugin: Plugin
    name: str
    rankers: tuple[str, ...] = ()
    collections: tuple[str, ...] = ()
    queries: Count | None = None
    depth: Count | None = None
    attacked: bool = False


@dataclass(frozen=True, kw_only=True)
class Victim:
    """A ranker under test, undefended or with a defense.

    Args:
        ranker: The undefended ranker.
        defense: The defense around it, if any.
    """

    ranker: RankerSpec
    defense: DefenseSpec | None = None

    @property
    def name(self) -> str:
        """The name in reports and records; built here and never parsed."""
        return self.ranker.name if self.defense is None else behind(self.defense.name, self.ranker.name)

    @property
    def attacked(self) -> bool:
        """Whether attacks are run on it."""
        return (self.ranker if self.defense is None else self.defense).attacked


def behind(defense: str, ranker: str) -> str:
    """The name of a ranker behind a defense."""
    return f"{defense} + {ranker}"


@dataclass(frozen=True, kw_only=True)
class AttackSpec:
    """One ``[[attack]]`` under one budget.

    Args:
        plugin: The plug-in.
        name: Name in reports.
        budget: Its limits.
        rankers: Names of the rankers it attacks; default every attacked one.
        if_possible: Leave out rankers that do not lend the gradients it needs; else its cases are errors there.
    """

    plugin: Plugin
    name: str
    budget: Budget = field(default_factory=Budget)
    rankers: tuple[str, ...] = ()
    if_possible: bool = False


@dataclass(frozen=True, kw_only=True)
class VariationSpec:
    """One ``[[variation]]``: query variations, evaluated with every undefended ranker.

    Args:
        plugin: The plug-in that generates them.
        name: Name in reports.
        collections: Names of the collections; default home.
        queries: Number of queries of each collection, the first ones; default all.
        rankers: Names of the rankers; default every undefended one.
        end_to_end: Also rerun the first stage with the variation, where it is one that can search.
    """

    plugin: Plugin
    name: str
    collections: tuple[str, ...] = ()
    queries: Count | None = None
    rankers: tuple[str, ...] = ()
    end_to_end: bool = True


@dataclass(frozen=True, kw_only=True)
class CorpusSpec:
    """``[corpus]``: attackers who add documents to a collection whose first stage searches.

    Args:
        attacks: Of the surface ``corpus``; each adds ``plants`` documents (of its budget) of ``plant_words`` words.
        collection: Name of the collection; default home.
        queries: Queries that the attacker knows, the first in the order of drawing.
        held_out: The next ones, which the attacker does not know.
        about: Only queries that have this word.
        payload: A text that every document must hold as it is.
        sample: Documents of the corpus that the attacker has read, drawn with the audit's seed.
    """

    attacks: tuple[AttackSpec, ...] = key("attack", default=())
    collection: str | None = None
    queries: Count = 20
    held_out: Count = 20
    about: str | None = None
    payload: str | None = None
    sample: Count = 1000


@dataclass(frozen=True, kw_only=True)
class CertifySpec:
    """``[certify]``: the K and radii (words, or below 1 shares of words) of the certificates of every defense."""

    k: tuple[Count, ...] = (1, 5, 10)
    radius: tuple[int | float, ...] = (1, 2, 5)


@dataclass(frozen=True, kw_only=True)
class SequentialSpec:
    """``[sequential]``: evaluate queries in batches until every gate is decided or the budget is spent.

    The ``queries`` of the collections and of the cases are upper limits.

    Args:
        batch: Queries of each collection, and for cases, that every round adds.
        pairs: Pairs that the whole audit may score.
        minutes: Time that the whole audit may take.
    """

    batch: Count = 20
    pairs: Count | None = None
    minutes: float | None = None


@dataclass(frozen=True, kw_only=True)
class LongDocumentSpec:
    """``[long_document]``: one document of a list is padded, and the whole list is scored in one call.

    Args:
        words: Lengths of the padding.
        where: ``"start"`` and ``"end"`` of the document, either or both.
        filler: Any of ``"neutral"`` (text of other documents without words of the query), ``"corpus"`` (the same as it
            is), ``"word"`` (one word of as many letters), ``"invisible"`` (zero-width spaces), ``"brackets"`` (nested).
        queries: Lists of the home collection, the first ones; each form of padding is tried on each.
    """

    words: tuple[Count, ...] = (256, 1024, 4096)
    where: tuple[str, ...] = ("end",)
    filler: tuple[str, ...] = ("neutral",)
    queries: Count = 5


@dataclass(frozen=True, kw_only=True)
class PresentationSpec:
    """``[presentation]``: every ranker is asked for the same lists again, and in other orders.

    Args:
        orders: Seeded orders in which each list is shown.
        cyclic: Show every cyclic shift of a list in place of seeded orders: each document stands once in every place.
        repeats: How often each list is asked in the order in which the audit asks it.
        queries: Lists of the home collection, the first ones.
        sentence: Move the sentence most like the query to the start, the middle and the end of a relevant document.
    """

    orders: Annotated[int, Meta(ge=2)] = 5
    cyclic: bool = False
    repeats: Annotated[int, Meta(ge=2)] = 2
    queries: Count = 20
    sentence: bool = True


@dataclass(frozen=True, kw_only=True)
class PoolingSpec:
    """``[pooling]``: runs of one collection, to measure how conclusions depend on the judgments.

    Args:
        runs: TREC run files, or folders of them; relative to the audit file.
        collection: Name of the collection they are of; default home.
        measure: nDCG@k, P@k, RR@k or Success@k; default the audit's first measure.
        depth: Pool depth: documents that each run contributes.
        shallow: Depths of shallower pools.
        groups: Group name to names of the runs that are left out of the pool together, such as all lexical ones.
    """

    runs: tuple[str, ...]
    collection: str | None = None
    measure: str | None = None
    depth: Count = 10
    shallow: tuple[Count, ...] = (1, 2, 3, 5, 10, 20, 50)
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


class Bound(StrEnum):
    """What of a figure a gate compares with its limit."""

    INTERVAL = "interval"
    """The bound of the interval."""
    VALUE = "value"
    """The point estimate; such a gate is never inconclusive."""


@dataclass(frozen=True, kw_only=True)
class GateSpec:
    """One ``[[gate]]``: a limit on one figure of the summary, judged on a bound of its interval.

    Args:
        name: A sentence that is true when the gate holds.
        measure: For example ``"nDCG@10"``, ``"ASR@10"``, ``"CRQ@5"``, ``"drop"``, ``"lowest decile"``.
        where: Which figure: ``ranker``, ``collection``, ``attack``, ``slice``, ``radius``.
        max: Upper limit; holds when the interval's upper bound is at most this.
        min: Lower limit; holds when the interval's lower bound is at least this.
        worse_by: How much worse than in the ratchet file it may be; holds when the upper bound of the loss, paired by
            query, is at most this.
        bound: What is compared with the limit: the interval's bound, or the value.
        allow_inconclusive: Count an inconclusive gate as held.
    """

    name: str
    measure: str
    where: Mapping[str, str | int | float] = field(default_factory=dict)
    max: float | None = None
    min: float | None = None
    worse_by: float | None = None
    bound: Bound = Bound.INTERVAL
    allow_inconclusive: bool = False


@dataclass(frozen=True, kw_only=True)
class AcceptSpec:
    """One ``[[accept]]``: a red flag that does not make gates invalid.

    Args:
        flag: What the flag is about, as the report names it: ``"batch"``, ``"ties"``, ...
        reason: Why it is accepted; reports print it.
        ranker: Only of this ranker; default any, here and below.
        attack: Only of this attack.
        collection: Only of this collection.
    """

    flag: Check
    reason: str
    ranker: str | None = None
    attack: str | None = None
    collection: str | None = None


@dataclass(frozen=True, kw_only=True)
class AuditSpec:
    """A whole audit file."""

    name: str
    collections: tuple[CollectionSpec, ...] = key("collection", default=())
    rankers: tuple[RankerSpec, ...] = key("ranker", default=())
    seed: int = 13
    measures: tuple[str, ...] = ("nDCG@10", "RR@10")
    baseline: str | None = None
    defenses: tuple[DefenseSpec, ...] = key("defense", default=())
    suite: str = ""
    """A fixed set of attacks (:mod:`robustrank.config.suites`), which go before those of the file, on fixed targets."""
    attacks: tuple[AttackSpec, ...] = key("attack", default=())
    variations: tuple[VariationSpec, ...] = key("variation", default=())
    query_types: tuple[str, ...] = ("label",)
    """Classifications that slices of queries are formed by (:data:`robustrank.config.checks.QUERY_TYPES`)."""
    cases: CasesSpec = field(default_factory=CasesSpec)
    corpus: CorpusSpec | None = None
    certify: CertifySpec = CertifySpec()
    sequential: SequentialSpec | None = None
    pooling: PoolingSpec | None = None
    long_document: LongDocumentSpec | None = None
    presentation: PresentationSpec | None = None
    detection: DetectionSpec | None = None
    task_timeout: float = 3600.0
    """Seconds that one task may take (:mod:`robustrank.work.executors`)."""
    gates: tuple[GateSpec, ...] = key("gate", default=())
    accepted: tuple[AcceptSpec, ...] = key("accept", default=())
    """Red flags that make no gate invalid."""
    ratchet: str | None = None
    """File of an earlier audit's values, which ``worse_by`` compares with."""
    source: str = key(None, default="")
    """The text of the audit file, so that the report can show how to reproduce itself."""

    @property
    def home(self) -> CollectionSpec:
        """The i.i.d. collection."""
        return self.collections[0]

    @property
    def audited(self) -> str | None:
        """Name of the ranker with ``audited = true``; ``None`` without one."""
        return next((ranker.name for ranker in self.rankers if ranker.audited), None)

    @property
    def victims(self) -> tuple[Victim, ...]:
        """All rankers under test: undefended ones, then defended ones."""
        by_name = {ranker.name: ranker for ranker in self.rankers}
        defended = (Victim(ranker=by_name[name], defense=d) for d in self.defenses for name in d.rankers)
        return (*(Victim(ranker=ranker) for ranker in self.rankers), *defended)

    def victim(self, name: str) -> Victim:
        """The ranker under test with this name."""
        return next(victim for victim in self.victims if victim.name == name)

    def to_json(self) -> dict[str, Any]:
        """Plain data of what records depend on: without gates, stopping rule, time limit, display settings and text."""
        data = asdict(self)
        for name in ("gates", "accepted", "ratchet", "sequential", "source", "task_timeout", "suite"):
            del data[name]
        for name in ("pooling", "long_document", "presentation", "corpus", "detection"):
            if data[name] is None:
                del data[name]
        for collection in data["collections"]:
            if not collection["background"]:
                del collection["background"]
        for ranker in data["rankers"]:
            del ranker["audited"], ranker["claimed"], ranker["family"], ranker["group"]
        return data
