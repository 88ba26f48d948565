"""Training queries, each with candidates from several strata of a ranking, to be scored by a teacher."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import accumulate, islice
from pathlib import Path
from random import Random
from typing import NamedTuple

from robustrank.collections import lines, trec
from robustrank.collections.beir import Beir, either
from robustrank.core.plugin_spec import Plugin
from robustrank.core.types import Collection, Document, Query
from robustrank.retrieval.analysis import query_keys
from robustrank.retrieval.first_stage import first_stage
from robustrank.storage.hashing import digest
from robustrank.training import invented
from robustrank.training.spec import STRATA, SourceSpec, StageSpec

Write = Callable[[SourceSpec, Mapping[str, Document], set[str], int], tuple[list[Query], dict[str, str]]]
"""A source, its passages, keys of test queries and a seed, to queries and, by query id, the passage of each."""


class Group(NamedTuple):
    """A query and the candidate texts that teachers score and the student learns to rank."""

    query: str
    texts: tuple[str, ...]
    targets: tuple[float, ...] = ()
    """What teachers of an earlier stage gave, where the list comes from one; the teachers of this one are not used."""


def build(
    stage: StageSpec, forbidden: set[str], seed: int, write: Write | None = None
) -> tuple[list[Group], list[Group]]:
    """The groups of the training set and of the development set, each in a seeded order.

    Every group is drawn with a random generator of its own, so changing one source leaves the other groups as they are.

    Args:
        stage: The stage, with its sources.
        forbidden: Keys (:func:`robustrank.retrieval.analysis.query_keys`) of test queries, which are left out.
        seed: Seed of all draws.
        write: Writes the queries of sources with a generator.
    """
    first, *others = [_groups(source, forbidden, seed, write) for source in stage.sources]
    held_out = list(islice(first, stage.dev))
    train = [group for groups in (first, *others) for group in groups]
    Random(f"{seed}|order").shuffle(train)
    if stage.pairs is not None:
        totals = accumulate(len(group.texts) for group in train)
        train = [group for group, total in zip(train, totals, strict=True) if total <= stage.pairs]
    return train, held_out


def _groups(source: SourceSpec, forbidden: set[str], seed: int, write: Write | None) -> Iterator[Group]:
    documents = {doc_id: Document(doc_id, text) for doc_id, text in passages(source.path, titles=source.titles)}
    if source.generator is not None:
        assert write is not None
        queries, origins = write(source, documents, forbidden, seed)
    elif source.split is None:
        queries, origins = _invented(source, documents, seed)
    else:
        queries, origins = _queries_of(source.path, source.split), {}
    Random(f"{seed}|{source.name}").shuffle(queries)
    queries = [query for query, key in zip(queries, query_keys(queries), strict=True) if key and key not in forbidden]
    queries = queries[: source.queries]
    rankings = _rankings(source, documents, queries)
    everything = sorted(documents)
    for query in queries:
        rng = Random(f"{seed}|{source.name}|candidates|{query.query_id}")
        chosen = [origins[query.query_id]] if query.query_id in origins else []
        for ranking in rankings:
            chosen += _spread(ranking.get(query.query_id, ()), source.candidates, rng)
        chosen += rng.sample(everything, min(source.candidates[-1], len(everything)))
        rng = Random(f"{seed}|{source.name}|windows|{query.query_id}")
        texts = (window(documents[doc_id].text, source.words, rng) for doc_id in dict.fromkeys(chosen))
        group = Group(query.text, tuple(dict.fromkeys(texts)))
        if len(group.texts) > 1:
            yield group


def _queries_of(folder: str, split: str) -> list[Query]:
    return list(Beir(path=folder, split=split).load().queries)


def passages(folder: str, *, titles: bool) -> Iterator[tuple[str, str]]:
    """Id and text of every document of a folder in BEIR layout, one at a time.

    Args:
        folder: The folder.
        titles: Whether a document's title is part of its text.

    Raises:
        DataError: The file is missing or wrong.
    """
    path = either(Path(folder) / "corpus.jsonl")
    for line, value in lines.objects(path):
        doc_id, text = (lines.field(value, name, path, line) for name in ("_id", "text"))
        title = value.get("title", "") if titles else ""
        yield doc_id, f"{title} {text}".strip()


def _invented(source: SourceSpec, documents: Mapping[str, Document], seed: int) -> tuple[list[Query], dict[str, str]]:
    """Queries generated from passages, ``rounds`` of each, and query id to the id of its passage."""
    frequencies = invented.document_frequencies(document.text for document in documents.values())
    queries, origins = [], {}
    for number in range(source.rounds):
        for doc_id in sorted(documents):
            rng = Random(f"{seed}|{source.name}|invented|{number}|{doc_id}")
            text = invented.query(documents[doc_id].text, frequencies, rng)
            if text is not None:
                queries.append(Query(f"{doc_id}/{number}", text))
                origins[f"{doc_id}/{number}"] = doc_id
    return queries, origins


def _rankings(
    source: SourceSpec, documents: Mapping[str, Document], queries: Sequence[Query]
) -> list[Mapping[str, Sequence[str]]]:
    """The runs that the source names, or else a BM25 run."""
    if source.runs:
        return [trec.rankings(Path(source.path) / "runs" / f"{run}.trec.gz") for run in source.runs]
    collection = Collection(
        name=source.name, documents=documents, queries=queries, qrels={}, query_types={}, candidates={},
        digest=digest(sorted(documents.items())),  # the key of the cache of analysed terms
    )  # fmt: skip
    return [first_stage(Plugin(use="bm25"), collection, queries, STRATA[-1][1])]


def _spread(ranking: Sequence[str], counts: Sequence[int], rng: Random) -> list[str]:
    """Ids drawn from each stratum of a ranking, ``counts`` giving the number for each."""
    strata = [ranking[start:end] for start, end in STRATA]
    return [
        doc_id
        for stratum, n in zip(strata, counts, strict=False)
        for doc_id in rng.sample(stratum, min(n, len(stratum)))
    ]


_SENTENCE_START = re.compile(r"(?<=[.!?])\s+")


def window(text: str, size: int, rng: Random) -> str:
    """At most ``size`` words: with probability 1/2 the first ones, else those from the start of a random sentence."""
    if len(text.split()) <= size:
        return text
    starts = [0, *(match.end() for match in _SENTENCE_START.finditer(text))]
    start = 0 if rng.random() < 0.5 else rng.choice(starts)
    return " ".join(text[start:].split()[:size])


def forbidden_keys(exclude: Sequence[str]) -> set[str]:
    """Keys of the test queries of collections."""
    return {key for folder in exclude for key in query_keys(_queries_of(folder, "test"))}
