"""Builds what tasks need, once per process: collections, first-stage lists, rankers and their defended twins."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from random import Random
from threading import RLock, local
from typing import Any

from robustrank.config.specs import AuditSpec
from robustrank.core import interrupts
from robustrank.core.errors import (
    ConfigError,
    DataError,
    MissingExtra,
    PluginError,
    PluginFailed,
    RobustRankError,
    TimeLimitPassed,
    message,
    reason,
)
from robustrank.core.interfaces import Attack, CollectionLoader, CollectionRanker, Defense, Ranker, Variation
from robustrank.core.plugin_spec import Plugin
from robustrank.core.types import Collection, Document, Query, Variant
from robustrank.core.words import words
from robustrank.perturbations.oracle import MeteredRanker
from robustrank.perturbations.quality import CLEAN
from robustrank.plugins import registry
from robustrank.retrieval.first_stage import first_stage
from robustrank.retrieval.lists import Lists
from robustrank.work.executors.local import limited


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


@dataclass(frozen=True)
class QueryVariant:
    """A variant of a query and the candidates retrieved for it; ``None`` where the first stage cannot search again."""

    variant: Variant
    candidates: tuple[Document, ...] | None


class MeteredVictim:
    """A ranker under test on one collection, with the meter around the innermost ranker."""

    def __init__(self, ranker: Ranker, defense: Defense | None = None, *, listwise: bool = False) -> None:
        if defense is None:
            self.declared = ranker.card
            self.ranker = MeteredRanker(ranker, listwise=listwise)
            self.uncached = MeteredRanker(ranker, cache=False, listwise=listwise)
            self._meters = [self.ranker, self.uncached]
        else:
            inner = MeteredRanker(ranker, cache=False)
            defended = defense.wrap(inner)
            self.declared = defended.card
            self.ranker = MeteredRanker(defended, listwise=listwise)
            self.uncached = MeteredRanker(defended, cache=False, listwise=listwise)
            self._meters = [inner]

    @property
    def pairs(self) -> int:
        """Pairs the innermost ranker has scored so far."""
        return sum(meter.pairs for meter in self._meters)

    @property
    def seconds(self) -> float:
        """Seconds inside the innermost ranker so far."""
        return sum(meter.seconds for meter in self._meters)

    def reset(self) -> None:
        """Forget scores, and what was counted."""
        for meter in (self.ranker, self.uncached, *self._meters):
            meter.reset()


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
        self._clean: dict[str, Sequence[str]] = {}
        self._fitted: dict[tuple[str, str], Ranker] = {}
        self._own = local()
        """Of a thread: its victims, because a meter counts one task at a time."""
        self.listwise: frozenset[str] = frozenset()
        """Rankers that are treated as list-wise, whatever their cards say."""
        self._variants: dict[tuple[str, str], dict[str, list[QueryVariant]]] = {}

    def lists(self, name: str) -> Lists:
        """A collection by name, its queries drawn with the audit's seed."""
        with self._building:
            return self._lists.get(name) or self._read(name)

    def _read(self, name: str) -> Lists:
        if name not in self._lists:
            spec = next(c for c in self.spec.collections if c.name == name)
            collection = self.collection(spec.plugin)
            queries = list(collection.queries)
            Random(f"{self.spec.seed}|queries|{collection.digest}").shuffle(queries)
            queries = queries[: spec.queries]
            retrieved = first_stage(spec.first_stage, collection, queries, spec.depth)
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

    def clean(self, name: str) -> Sequence[str]:
        """Texts of documents outside the audited lists, drawn with the audit's seed; none where there are too few.

        Args:
            name: Of the collection.
        """
        if name not in self._clean:
            lists = self.lists(name)
            listed = {doc.doc_id for docs in lists.candidates.values() for doc in docs}
            others = sorted(
                doc_id for doc_id, doc in lists.collection.documents.items() if doc_id not in listed and words(doc.text)
            )
            drawn: list[str] = []
            if len(others) >= CLEAN:
                drawn = Random(f"{self.spec.seed}|clean|{lists.collection.digest}").sample(others, CLEAN)
            self._clean[name] = [lists.collection.documents[doc_id].text for doc_id in drawn]
        return self._clean[name]

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
            with self._building, blaming(f"ranker {base.name!r}"):
                if (base.name, collection) not in self._fitted:
                    fitted = self.fitted(base.plugin, lists.collection)
                    self._fitted[base.name, collection] = fitted
                    fitted.card  # noqa: B018  # loads what the fingerprint is made from
            wrapper = None if victim.defense is None else self.plugin("defense", victim.defense.plugin)
            with blaming(f"{'ranker' if wrapper is None else 'defense'} {ranker!r}"):
                fitted = self._fitted[base.name, collection]
                victims[ranker, collection, listwise] = MeteredVictim(fitted, wrapper, listwise=listwise)
        return victims[ranker, collection, listwise]

    def query_variants(self, variation: str, collection: str) -> Mapping[str, Sequence[QueryVariant]]:
        """A variation's variants of the queries it is limited to, by query id.

        Raises:
            PluginFailed: The variation raised something.
        """
        with self._building:
            return self._vary(variation, collection)

    def _vary(self, variation: str, collection: str) -> Mapping[str, Sequence[QueryVariant]]:
        if (variation, collection) not in self._variants:
            spec = next(v for v in self.spec.variations if v.name == variation)
            lists, plugin = self.lists(collection), self.plugin("variation", spec.plugin)
            made = {}
            for query in list(lists.queries.values())[: spec.queries]:
                # Not the parameters: some are paths, and the same file elsewhere must give the same variants.
                rng = Random(f"{self.spec.seed}|{spec.plugin.use}|{lists.collection.digest}|{query.query_id}")
                who = f"variation {variation!r}"
                try:
                    with blaming(who), limited(self.spec.task_timeout, who):
                        made[query.query_id] = list(plugin.variants(query, rng))
                except TimeLimitPassed as passed:
                    raise PluginFailed(f"{who}, query {query.query_id!r}: {passed}") from passed
            texts = sorted({v.text for variants in made.values() for v in variants})
            retrieved: dict[str, list[str]] = {}
            if spec.end_to_end and lists.spec.first_stage.use == "bm25" and texts:
                queries = [Query(text, text) for text in texts]
                retrieved = first_stage(lists.spec.first_stage, lists.collection, queries, lists.spec.depth)
            documents = lists.collection.documents
            self._variants[variation, collection] = {
                query_id: [
                    QueryVariant(v, tuple(documents[i] for i in retrieved[v.text]) if retrieved else None)
                    for v in variants
                ]
                for query_id, variants in made.items()
            }  # fmt: skip
        return self._variants[variation, collection]

    def attack(self, name: str) -> Attack:
        """An attack by its name in the audit file."""
        attack: Attack = self.plugin("attack", next(a for a in self.spec.attacks if a.name == name).plugin)
        return attack

    @cached_property
    def similarity(self) -> MeteredRanker | None:
        """The bi-encoder whose cosine measures how much an edit changed a text; ``None`` without its extra."""
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
        try:
            return self.encoder_identity()
        except MissingExtra:
            return None

    def check(self) -> None:
        """Build every plug-in once, so that a wrong name or parameter fails before anything is scored."""
        for ranker in self.spec.rankers:
            self.plugin("ranker", ranker.plugin)
        for defense in self.spec.defenses:
            self.plugin("defense", defense.plugin)
        for variation in self.spec.variations:
            if not isinstance(self.plugin("variation", variation.plugin), Variation):
                raise PluginError(f"variation {variation.plugin}: has no `variants`")
        for attack in self.spec.attacks:
            if not isinstance(self.plugin("attack", attack.plugin), Attack):
                raise PluginError(f"attack {attack.plugin}: has no `threat` or no `perturb`")
