"""Groups of queries of one topic: given, of shared relevant documents, of one query's variations, or clustered."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

from robustrank.core.errors import ConfigError, DataError
from robustrank.core.interfaces import Variation
from robustrank.core.types import Collection, Query
from robustrank.retrieval.tfidf import Vectors
from robustrank.storage.hashing import digest


@dataclass(frozen=True, kw_only=True)
class TopicGroup:
    """Queries of one topic.

    Args:
        topic_id: Name of the topic.
        attack: Ids of the queries the attacker knows and promotes its document for.
        held_out: Ids of queries of the same topic that the attacker never sees; the main figures are over these.
        coherence: Mean cosine between the tf-idf vectors of its queries, all of them, in [0, 1].
        draw: Number of the draw of attacked queries (from 0), where a topic has several: independent attackers with
            attacked queries of their own and the same held-out ones. A topic is one unit of analysis.
    """

    topic_id: str
    attack: tuple[str, ...]
    held_out: tuple[str, ...]
    coherence: float
    draw: int = 0

    @property
    def key(self) -> str:
        """Names the group within a study."""
        return f"{self.topic_id}|{self.draw}" if self.draw else self.topic_id


def given(path: Path | str, collection: Collection) -> list[TopicGroup]:
    """Groups from a JSON file ``{"topic": {"attack": [query id, ...], "held_out": [query id, ...]}, ...}``.

    Several lists of ids under ``"attack"`` are as many draws.

    Raises:
        DataError: The file is no such file, or names queries that the collection does not have.
    """
    try:
        data = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"cannot be read as topics: {error}", path=str(path)) from error
    if not isinstance(data, dict):
        raise DataError('must hold {"topic": {"attack": [...], "held_out": [...]}}', path=str(path))
    texts = {query.query_id: query.text for query in collection.queries}
    topics: dict[str, tuple[list[list[str]], list[str]]] = {}
    for topic_id, value in data.items():
        draws, held_out = (_listed(value, part) for part in ("attack", "held_out"))
        draws = draws if any(isinstance(draw, list) for draw in draws) else [draws]
        if not held_out or not all(isinstance(draw, list) and draw for draw in draws):
            raise DataError(f"topic {topic_id!r}: needs query ids under 'attack' and under 'held_out'", path=str(path))
        attacked, hidden = [[str(i) for i in draw] for draw in draws], [str(i) for i in held_out]
        attack = [i for draw in attacked for i in draw]
        if unknown := [i for i in (*attack, *hidden) if i not in texts]:
            raise DataError(f"topic {topic_id!r}: no query {unknown[0]!r} in {collection.name}", path=str(path))
        if both := sorted(set(attack) & set(hidden)):
            raise DataError(f"topic {topic_id!r}: {both[0]!r} is both attacked and held out", path=str(path))
        topics[topic_id] = attacked, hidden
    return _groups(topics, texts)


def _listed(value: object, part: str) -> list[Any]:
    ids = value.get(part) if isinstance(value, dict) else None
    return ids if isinstance(ids, list) else []


def shared_documents(collection: Collection, *, key: str = "(.*)") -> dict[str, list[Query]]:
    """Queries by topic; queries whose first relevant document (in order of ids) has the same key are one topic.

    Args:
        collection: Its queries and judgments.
        key: A regular expression; its first group, matched at the start of a relevant document's id, names the topic:
            everything by default, so that the variations of one question, or the questions about one paragraph, are
            a group; ``"([^-]+-[^-]+)-"`` makes one of all paragraphs of an XQuAD article.
    """
    try:
        pattern = re.compile(key)
    except re.error as error:
        raise ConfigError(f"topics: key {key!r} is no regular expression: {error}") from error
    topics: dict[str, list[Query]] = {}
    for query in collection.queries:
        relevant = sorted(d for d, g in collection.qrels.get(query.query_id, {}).items() if g >= collection.relevant)
        match = pattern.match(relevant[0]) if relevant else None
        if match:
            topics.setdefault(match.group(1), []).append(query)
    return topics


def variations_of_queries(
    collection: Collection, variations: Sequence[Variation], *, seed: int
) -> tuple[Collection, dict[str, list[Query]]]:
    """A query and its variations are one topic.

    Args:
        collection: Its queries and judgments.
        variations: Plug-ins that make variations of a query.
        seed: Of the variations.

    Returns:
        The collection with the variations among its queries, with the judgments of their query, and the queries by
        topic (the id of the query).
    """
    topics: dict[str, list[Query]] = {}
    for query in collection.queries:
        texts = dict.fromkeys([query.text])
        for number, variation in enumerate(variations):
            # "wordings" is part of the seed of committed studies: another word would draw other variations.
            rng = Random(f"{seed}|wordings|{number}|{query.query_id}")
            texts |= dict.fromkeys(variant.text for variant in variation.variants(query, rng))
        ids = [query.query_id, *(f"{query.query_id}~{number}" for number in range(1, len(texts)))]
        topics[query.query_id] = [Query(i, text) for i, text in zip(ids, texts, strict=True)]
    all_queries = [query for queries in topics.values() for query in queries]
    qrels = {one.query_id: collection.qrels.get(i, {}) for i, queries in topics.items() for one in queries}
    return replace(collection, queries=all_queries, qrels=qrels, digest=digest(collection.digest, all_queries)), topics


def clustered(queries: Sequence[Query], *, least: float = 0.2) -> dict[str, list[Query]]:
    """Complete-linkage clusters of tf-idf vectors: in a group every two queries have at least this cosine.

    Args:
        queries: Those to group.
        least: The least cosine of two queries of a group, in [0, 1].

    Raises:
        MissingExtra: scikit-learn is not installed.
    """
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform

    if len(queries) < 2:
        return {}
    distances = 1 - Vectors([query.text for query in queries]).cosines([query.text for query in queries])
    tree = linkage(squareform(distances.clip(min=0), checks=False), method="complete")
    topics: dict[str, list[Query]] = {}
    for query, label in zip(queries, fcluster(tree, 1 - least, criterion="distance"), strict=True):
        topics.setdefault(f"cluster-{label}", []).append(query)
    return topics


def split(
    topics: Mapping[str, Sequence[Query]], *, attacked: int, held_out: int, draws: int = 1, seed: int
) -> list[TopicGroup]:
    """Groups with queries on both sides, in order of their topics' names.

    Args:
        topics: The queries of each topic.
        attacked: Attacked queries of a topic, at most, drawn with the seed.
        held_out: Held-out queries of a topic, at most. A topic with too few for all is split in halves.
        draws: Draws of attacked queries, at most; no two share a query. A topic that has enough for one has whole
            draws alone.
        seed: Of the split.
    """
    ids_by_topic = {}
    for name in sorted(topics):
        queries = sorted(topics[name])
        Random(f"{seed}|topic|{name}").shuffle(queries)
        ids = [query.query_id for query in queries][: attacked * draws + held_out]
        cut = min(attacked * draws, (len(ids) + 1) // 2)
        starts = range(0, max(1, cut // attacked) * attacked, attacked)
        ids_by_topic[name] = [ids[start : min(start + attacked, cut)] for start in starts], ids[cut:]
    return _groups(ids_by_topic, {query.query_id: query.text for queries in topics.values() for query in queries})


def _groups(
    topics: Mapping[str, tuple[Sequence[Sequence[str]], Sequence[str]]], texts: Mapping[str, str]
) -> list[TopicGroup]:
    """One group for each draw of each topic that has queries on both sides, in order."""
    vectors = Vectors(list(texts.values())) if topics else None
    return [
        TopicGroup(
            topic_id=name,
            attack=tuple(draw),
            held_out=tuple(held_out),
            coherence=vectors.coherence([texts[i] for i in (*draw, *held_out)]),
            draw=number,
        )
        for name, (draws, held_out) in topics.items()
        for number, draw in enumerate(draws)
        if vectors is not None and draw and held_out
    ]
