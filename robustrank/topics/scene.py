"""The inputs of a topic study: groups of queries, the victim's lists for them, and the documents to promote."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from random import Random
from statistics import median

from robustrank.core.errors import DataError
from robustrank.core.plugin_spec import Plugin
from robustrank.core.topic_types import Practice, TopicCase
from robustrank.core.types import Collection, Document, Query
from robustrank.perturbations import group_oracle
from robustrank.perturbations.group_oracle import RankedList
from robustrank.perturbations.oracle import MeteredRanker
from robustrank.retrieval.first_stage import first_stage
from robustrank.topics import groups
from robustrank.topics.groups import TopicGroup
from robustrank.topics.spec import TopicSpec
from robustrank.work.workbench import Bench


@dataclass(frozen=True)
class Scene:
    """The part of a study that does not depend on the victim.

    Args:
        spec: The topic file.
        collection: With the queries and documents that ``[groups]`` selects.
        groups: The selected ones, by topic and draw.
        candidates: First-stage candidates of every query of the groups, best first.
        bench: Builds the plug-ins that the file names.
    """

    spec: TopicSpec
    collection: Collection
    groups: Sequence[TopicGroup]
    candidates: Mapping[str, Sequence[str]]
    bench: Bench

    def query(self, query_id: str) -> Query:
        """A query by its id."""
        return self._queries[query_id]

    def victim(self, name: str) -> MeteredRanker:
        """A ranker of the file, built once and fitted to the collection where it has statistics of one."""
        if name not in self._victims:
            plugin = next(named.plugin for named in self.spec.rankers if named.name == name)
            self._victims[name] = MeteredRanker(self.bench.fitted(plugin, self.collection))
        return self._victims[name]

    @cached_property
    def _queries(self) -> Mapping[str, Query]:
        return {query.query_id: query for query in self.collection.queries}

    @cached_property
    def _victims(self) -> dict[str, MeteredRanker]:
        return {}


@dataclass(frozen=True)
class Role:
    """One document to promote for one group, with the victim's lists; the document is in all of them."""

    group: TopicGroup
    target: Document
    lists: Mapping[str, RankedList]

    @property
    def key(self) -> str:
        """Names the document and the group within a study."""
        return f"{self.group.key}|{self.target.doc_id}"

    def of(self, query_ids: Sequence[str]) -> list[RankedList]:
        """The lists of some queries."""
        return [self.lists[query_id] for query_id in query_ids]

    @property
    def case(self) -> TopicCase:
        """The case of the attacked queries, which the attacker sees."""
        return self._seen(self.group.attack)

    @property
    def practice(self) -> Practice:
        """The cases of both sides of the group, for an attack that trains on it."""
        return Practice(self.case, self._seen(self.group.held_out))

    def _seen(self, query_ids: Sequence[str]) -> TopicCase:
        return group_oracle.topic_case(self.group.topic_id, self.of(query_ids), self.target)


def open_scene(spec: TopicSpec) -> Scene:
    """Load the collection and form the groups.

    Raises:
        DataError: The collection is wrong, or no group is left.
    """
    bench = Bench()
    collection = bench.collection(spec.collection)
    wanted = [query for query in collection.queries if query.query_id.startswith(spec.groups.queries)]
    documents = {i: doc for i, doc in collection.documents.items() if i.startswith(spec.groups.documents)}
    collection = replace(collection, queries=wanted, documents=documents)
    collection, formed = _groups(spec, collection, bench)
    selected = [
        group
        for group in formed
        if min(len(group.attack), len(group.held_out)) >= spec.groups.smallest
        and group.coherence >= spec.groups.coherence
    ]
    topics = list(dict.fromkeys(group.topic_id for group in selected))
    Random(f"{spec.seed}|topics").shuffle(topics)
    kept = set(topics[: spec.groups.limit])
    selected = sorted(
        (group for group in selected if group.topic_id in kept), key=lambda group: (group.topic_id, group.draw)
    )
    if not selected:
        raise DataError(
            f"{collection.name}: no group of queries is left; [groups] requires at least {spec.groups.smallest} "
            f"attacked and as many held-out queries, and a coherence of {spec.groups.coherence:g}"
        )
    ids = {query_id for group in selected for query_id in (*group.attack, *group.held_out)}
    queries = [query for query in collection.queries if query.query_id in ids]
    return Scene(
        spec, collection, selected, first_stage(Plugin(use="bm25"), collection, queries, spec.targets.depth), bench
    )


def _groups(spec: TopicSpec, collection: Collection, bench: Bench) -> tuple[Collection, list[TopicGroup]]:
    """The groups, and the collection that has their queries."""
    wanted = spec.groups
    if wanted.source == "given":
        return collection, groups.given(wanted.path, collection)
    if wanted.source == "variations":
        variations = [bench.plugin("variation", plugin) for plugin in spec.variations]
        collection, topics = groups.variations_of_queries(collection, variations, seed=spec.seed)
    elif wanted.source == "documents":
        topics = groups.shared_documents(collection, key=wanted.key)
    else:
        topics = groups.clustered(collection.queries, least=wanted.least)
    return collection, groups.split(
        topics, attacked=wanted.attacked, held_out=wanted.held_out, draws=wanted.draws, seed=spec.seed
    )


def clean_lists(scene: Scene, group: TopicGroup, ranker: MeteredRanker) -> dict[str, RankedList]:
    """The victim's list for every query of a group that has candidates, by query id."""
    documents = scene.collection.documents
    return {
        i: group_oracle.ranked(ranker, scene.query(i), [documents[d] for d in scene.candidates[i]])
        for i in (*group.attack, *group.held_out)
        if scene.candidates.get(i)
    }


def roles(scene: Scene, group: TopicGroup, lists: Mapping[str, RankedList], ranker: MeteredRanker) -> list[Role]:
    """The documents to promote for one group, against one victim; none where a query has no candidates.

    A target is relevant to no query of its group, is a candidate of at least half of the attacked ones, and has a
    median clean rank for them within the limits. It joins the lists it was no candidate of.
    """
    ids = (*group.attack, *group.held_out)
    documents, wanted = scene.collection.documents, scene.spec.targets
    attacked = [lists[i] for i in group.attack if i in lists]
    if len(lists) < len(ids):
        return []  # a query without candidates has no list in which to promote a document
    relevant = {
        d for i in ids for d, grade in scene.collection.qrels.get(i, {}).items() if grade >= scene.collection.relevant
    }
    pool = []
    for doc_id in sorted({d for one in attacked for d in one.docs} - relevant):
        ranks = [one.rank(doc_id) if doc_id in one.docs else len(one.docs) + 1 for one in attacked]
        containing = sum(doc_id in one.docs for one in attacked)
        if 2 * containing >= len(attacked) and wanted.best <= median(ranks) <= wanted.worst:
            pool.append(doc_id)
    drawn = Random(f"{scene.spec.seed}|target|{group.key}").sample(pool, min(wanted.per_group, len(pool)))
    return [
        Role(group, documents[d], {i: _joined(ranker, one, documents[d]) for i, one in lists.items()}) for d in drawn
    ]


def _joined(ranker: MeteredRanker, one: RankedList, target: Document) -> RankedList:
    if target.doc_id in one.docs:
        return one
    return group_oracle.ranked(ranker, one.query, [*one.docs.values(), target])
