"""Builds what tasks need, once per process: collections, first-stage lists, rankers and their defended twins."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import cached_property
from random import Random
from threading import RLock, local
from typing import Any, NamedTuple

from robustrank.collections import background
from robustrank.config.specs import AuditSpec, VariationSpec
from robustrank.core import interrupts
from robustrank.core.corpus_types import CorpusAttack
from robustrank.core.detector_types import Detector
from robustrank.core.errors import (
    ConfigError,
    ContractError,
    DataError,
    MissingExtra,
    PluginError,
    PluginFailed,
    RobustRankError,
    TimeLimitPassed,
    message,
    reason,
)
from robustrank.core.interfaces import (
    Attack,
    CollectionLoader,
    CollectionRanker,
    Ranker,
    Variation,
    lends_gradients,
)
from robustrank.core.plugin_spec import Plugin
from robustrank.core.types import Access, Collection, Document, Query, Surface, Variant
from robustrank.perturbations.oracle import MeteredRanker
from robustrank.plugins import registry
from robustrank.retrieval.first_stage import first_stage, searcher, searches
from robustrank.retrieval.lists import Lists
from robustrank.retrieval.searching import Searcher
from robustrank.work.executors.local import limited
from robustrank.work.victims import MeteredVictim, check_apart, judged_by


@contextmanager
def blaming(who: str) -> Iterator[None]:
    """Name the plug-in that raised something, in whichever way: ``sys.exit`` and our own errors among them.

    Raises:
        PluginFailed: It did.
    """
    try:
        yield
    except (PluginFailed, TimeLimitPassed):
        raise
    except BaseException as problem:
        interrupts.check()
        what = message(problem) if isinstance(problem, RobustRankError) else reason(problem)
        raise PluginFailed(f"{who}: {what}") from problem


def loading_limit(task_timeout: float) -> float:
    """Seconds in which a plug-in must be built: ten times those of a task, at least half a minute, at most ten."""
    return min(600.0, max(30.0, 10 * task_timeout))


@contextmanager
def loading(who: str, task_timeout: float) -> Iterator[None]:
    """Name the plug-in that hangs while it is built.

    Raises:
        PluginFailed: It did.
    """
    limit = loading_limit(task_timeout)
    alarms = threading.current_thread() is threading.main_thread()  # a thread is let go of, the process goes on
    try:
        with limited(limit if alarms else None, who):
            yield
    except TimeLimitPassed as passed:
        raise PluginFailed(f"{who}: {did_not_load(limit)}") from passed


def did_not_load(limit: float) -> str:
    """The reason of a plug-in that took too long to build."""
    return f"did not load within {limit:g} s (a longer --task-timeout, or task_timeout in the audit file, gives more)"


class QueryVariant(NamedTuple):
    """A variant of a query and the candidates retrieved for it; ``None`` where the first stage cannot search again."""

    variant: Variant
    candidates: tuple[str, ...] | None
    """Document ids."""


class QueryVariants(NamedTuple):
    """A query's variants, or why a variation made none."""

    variants: tuple[QueryVariant, ...]
    error: str = ""


class Bench:
    """Plug-ins, collections and rankers, built on first use and kept; several threads may share it."""

    def __init__(self) -> None:
        self._plugins: dict[tuple[str, str], Any] = {}
        self._building = RLock()

    def plugin(self, kind: str, plugin: Plugin) -> Any:
        """A plug-in built once; equal tables share one object, and so one set of weights."""
        key = (kind, str(plugin))
        with self._building:
            if key not in self._plugins:
                self._plugins[key] = registry.build(kind, plugin)
            return self._plugins[key]

    def collection(self, plugin: Plugin) -> Collection:
        """A collection, read."""
        loader: CollectionLoader = self.plugin("collection", plugin)
        return loader.load()

    def fitted(self, plugin: Plugin, collection: Collection) -> Ranker:
        """A ranker, fitted to a collection where it has statistics of one."""
        built: Ranker | CollectionRanker = self.plugin("ranker", plugin)
        return built.fit(collection) if isinstance(built, CollectionRanker) else built

    def encoder_identity(self) -> str:
        """What similarities by the :meth:`encoder` depend on; it is not loaded, which takes seconds.

        Raises:
            MissingExtra: Its packages are not installed.
        """
        return str(self.plugin("ranker", Plugin(use="bi_encoder")).identity())

    def encoder(self) -> MeteredRanker:
        """The bi-encoder of the harness, which measures how much an edit changed a text.

        Raises:
            MissingExtra: Its packages are not installed.
        """
        ranker: Ranker = self.plugin("ranker", Plugin(use="bi_encoder"))
        ranker.score(Query("", "a"), [Document("", "a")])
        return MeteredRanker(ranker, cache=False)


class Workbench(Bench):
    """Everything an audit file names, built on first use and kept."""

    def __init__(self, spec: AuditSpec) -> None:
        super().__init__()
        self.spec = spec
        self._lists: dict[str, Lists] = {}
        self._searchers: dict[str, Searcher] = {}
        self._fitted: dict[tuple[str, str], Ranker] = {}
        self._own = local()
        """Of a thread: its victims, because a meter counts one task at a time."""
        self.listwise: frozenset[str] = frozenset()
        """Rankers that are treated as list-wise, whatever their cards say."""
        self._variants: dict[tuple[str, str], dict[str, QueryVariants]] = {}
        self.made: dict[tuple[str, str, str], tuple[Sequence[Variant], str]] = {}
        """Variation, collection and query id to the variants that a worker made, or why there are none."""

    def lists(self, name: str) -> Lists:
        """A collection by name, its queries drawn with the audit's seed."""
        with self._building:
            return self._lists.get(name) or self._read(name)

    def _read(self, name: str) -> Lists:
        if name not in self._lists:
            spec = next(c for c in self.spec.collections if c.name == name)
            collection = background.added(self.collection(spec.plugin), spec.background)
            queries = list(collection.queries)
            Random(f"{self.spec.seed}|queries|{collection.digest}").shuffle(queries)
            queries = queries[: spec.queries]
            if searches(spec.first_stage):
                self._searchers[name] = searcher(spec.first_stage, collection)
            retrieved = first_stage(spec.first_stage, collection, queries, spec.depth, self._searchers.get(name))
            candidates = {
                q.query_id: tuple(collection.documents[doc_id] for doc_id in retrieved.get(q.query_id, ()))
                for q in queries
            }
            if not any(candidates.values()):
                empty = f"the first stage found no document for any of {len(queries)} queries"
                raise DataError(f"collection {name!r}: {empty}")
            # A query without candidates stays, and counts as 0 for every ranker.
            self._lists[name] = Lists(spec, collection, {q.query_id: q for q in queries}, candidates)
        return self._lists[name]

    def searcher(self, name: str) -> Searcher:
        """The first stage of a collection, which must be one that searches.

        Raises:
            ConfigError: It takes lists as they are.
        """
        with self._building:
            lists = self.lists(name)
            return self._searchers.get(name) or searcher(lists.spec.first_stage, lists.collection)

    def victim(self, ranker: str, collection: str) -> MeteredVictim:
        """A ranker under test by name, fitted to a collection where it has statistics of one.

        Raises:
            PluginFailed: The ranker or its defense raised something when it was built, loaded or fitted.
        """
        victims: dict[tuple[str, str, bool], MeteredVictim] = self._own.__dict__.setdefault("victims", {})
        listwise = ranker in self.listwise
        if (ranker, collection, listwise) not in victims:
            victim = self.spec.victim(ranker)
            base, lists = victim.ranker, self.lists(collection)
            with self._building, self._loading(who := f"ranker {base.name!r}"), blaming(who):
                if (base.name, collection) not in self._fitted:
                    fitted = self.fitted(base.plugin, lists.collection)
                    self._fitted[base.name, collection] = fitted
                    fitted.card  # noqa: B018  # loads what the fingerprint is made from
            who = f"{'ranker' if victim.defense is None else 'defense'} {ranker!r}"
            with self._loading(who), blaming(who):
                wrapper = None if victim.defense is None else self.plugin("defense", victim.defense.plugin)
                judged = judged_by(wrapper)
            check_apart(judged, lists.collection, collection, who)
            with self._loading(who), blaming(who):
                fitted = self._fitted[base.name, collection]
                victims[ranker, collection, listwise] = MeteredVictim(fitted, wrapper, listwise=listwise)
        return victims[ranker, collection, listwise]

    def can_attack(self, attack: str, ranker: str, collection: str) -> bool:
        """Whether a ranker lends what an attack needs: scores that say more than an order, and gradients."""
        access, victim = self.attack(attack).threat.access, self.victim(ranker, collection).ranker
        if access.level > Access.RANKS.level and victim.card.rank_only:
            return False
        return access is not Access.WEIGHTS or lends_gradients(victim.ranker)

    def _loading(self, who: str) -> AbstractContextManager[None]:
        return loading(who, self.spec.task_timeout)

    def query_variants(self, variation: str, collection: str) -> Mapping[str, QueryVariants]:
        """A variation's variants of the queries it is limited to, by query id."""
        with self._building:
            if (variation, collection) not in self._variants:
                self._variants[variation, collection] = self._retrieved(variation, collection)
            return self._variants[variation, collection]

    def _retrieved(self, variation: str, collection: str) -> dict[str, QueryVariants]:
        """The variants, with what is retrieved for them."""
        spec, lists = self._variation(variation), self.lists(collection)
        made = {query_id: self._made(variation, collection, query_id) for query_id in [*lists.queries][: spec.queries]}
        texts = sorted({v.text for variants, _ in made.values() for v in variants})
        retrieved: dict[str, list[str]] = {}
        if spec.end_to_end and searches(lists.spec.first_stage) and texts:
            found = self.searcher(collection).search(texts, lists.spec.depth)
            retrieved = {text: [doc_id for doc_id, _ in scored] for text, scored in zip(texts, found, strict=True)}
        return {
            query_id: QueryVariants(
                tuple(QueryVariant(v, tuple(retrieved[v.text]) if retrieved else None) for v in variants), error
            )
            for query_id, (variants, error) in made.items()
        }

    def _made(self, variation: str, collection: str, query_id: str) -> tuple[Sequence[Variant], str]:
        """What a worker made, else what is made here."""
        if (variation, collection, query_id) in self.made:
            return self.made[variation, collection, query_id]
        who = f"variation {variation!r}"
        try:
            with blaming(who), limited(self.spec.task_timeout, who):
                return self.vary(variation, collection, query_id), ""
        except PluginFailed as problem:
            return (), message(problem)
        except TimeLimitPassed as passed:
            return (), f"{who}: {passed}"

    def vary(self, variation: str, collection: str, query_id: str) -> Sequence[Variant]:
        """A variation's variants of one query.

        Raises:
            ContractError: They are no variants.
        """
        spec, lists = self._variation(variation), self.lists(collection)
        # Not the parameters: some are paths, and the same file elsewhere must give the same variants.
        rng = Random(f"{self.spec.seed}|{spec.plugin.use}|{lists.collection.digest}|{query_id}")
        plugin: Variation = self.plugin("variation", spec.plugin)
        variants = list(plugin.variants(lists.queries[query_id], rng))
        for each in variants:
            if not (isinstance(each, Variant) and isinstance(each.operation, str) and isinstance(each.text, str)):
                raise ContractError(f"returned {each!r:.80}, which is no Variant of an operation and a text")
        return [Variant(str(each.operation), each.text) for each in variants]

    def _variation(self, name: str) -> VariationSpec:
        return next(v for v in self.spec.variations if v.name == name)

    def built(self, kind: str, name: str, collection: str) -> object:
        """Build a plug-in by its name in the audit file, and what is asked of it before any task.

        Raises:
            PluginFailed: It raised something, or hung.
        """
        if kind == "ranker":
            return self.victim(name, collection).ranker.card
        with self._building, self._loading(f"{kind} {name!r}"):
            if kind == "corpus attack":
                return self.corpus_attack(name).threat
            return self.attack(name).threat if kind == "attack" else self.plugin(kind, self._variation(name).plugin)

    def attack(self, name: str) -> Attack:
        """An attack by its name in the audit file."""
        attack: Attack = self.plugin("attack", next(a for a in self.spec.attacks if a.name == name).plugin)
        return attack

    def corpus_attack(self, name: str) -> CorpusAttack:
        """An attack of ``[corpus]`` by its name in the audit file."""
        named = self.spec.corpus.attacks if self.spec.corpus else ()
        attack: CorpusAttack = self.plugin("attack", next(a for a in named if a.name == name).plugin)
        return attack

    def detector(self, name: str) -> Detector:
        """A detector of ``[detection]`` by its name in the audit file."""
        named = self.spec.detection.detectors if self.spec.detection else ()
        detector: Detector = self.plugin("detector", next(d for d in named if d.name == name).plugin)
        return detector

    @cached_property
    def similarity(self) -> MeteredRanker | None:
        """The bi-encoder whose cosine measures how much an edit changed a text; ``None`` if it cannot or need not."""
        if not self.spec.cases.similarity:
            return None
        try:
            with self._building:
                return self.encoder()
        except MissingExtra as error:
            if any(a.budget.similarity is not None for a in self.spec.attacks):
                raise ConfigError(f"a budget sets `similarity`, which cannot be measured here: {error}") from error
            return None

    @cached_property
    def similarity_by(self) -> str | None:
        """What measured similarities depend on, for the keys of records; ``None`` where none are measured."""
        if not self.spec.cases.similarity:
            return None
        try:
            return self.encoder_identity()
        except MissingExtra:
            return None

    def check(self) -> None:
        """Build every plug-in once, so that a wrong name or parameter fails before anything is scored."""
        spec = self.spec
        for name, kind, plugin in [
            *((r.name, "ranker", r.plugin) for r in spec.rankers),
            *((d.name, "defense", d.plugin) for d in spec.defenses),
            *((v.name, "variation", v.plugin) for v in spec.variations),
            *((a.name, "attack", a.plugin) for a in spec.attacks),
            *((a.name, "corpus attack", a.plugin) for a in (spec.corpus.attacks if spec.corpus else ())),
            *((d.name, "detector", d.plugin) for d in (spec.detection.detectors if spec.detection else ())),
            *((s.name, "collection", s.plugin) for s in (spec.detection.sources if spec.detection else ())),
        ]:
            with self._loading(f"{kind} {name!r}"):
                built = self.plugin(kind.removeprefix("corpus "), plugin)
                if kind == "variation" and not isinstance(built, Variation):
                    raise PluginError(f"variation {plugin}: has no `variants`")
                if kind == "detector" and not isinstance(built, Detector):
                    raise PluginError(f"detector {plugin}: has no `card` or no `suspicion`")
                if kind in ("attack", "corpus attack"):
                    self._check_attack(kind, name, plugin, built)

    def _check_attack(self, kind: str, name: str, plugin: Plugin, attack: object) -> None:
        with blaming(f"{kind} {name!r}"):  # a property may raise anything
            threat = attack.threat if isinstance(attack, Attack) else None
        if threat is None:
            raise PluginError(f"attack {plugin}: has no `threat` or no `perturb`")
        if (kind == "corpus attack") != (threat.surface is Surface.CORPUS):
            right = "[[corpus.attack]]" if threat.surface is Surface.CORPUS else "[[attack]]"
            raise PluginError(f"attack {plugin}: its surface is the {threat.surface.value}; it belongs under {right}")
        if kind == "corpus attack" and threat.access is not Access.NONE:
            raise PluginError(f"attack {plugin}: attacks on the corpus see the first stage (`stage`), not the ranker")
