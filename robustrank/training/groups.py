"""Queries for a teacher, each with candidates from the top, the middle and the bottom of a ranking."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate, islice
from pathlib import Path
from random import Random
from typing import NamedTuple

from robustrank.collections import lines, trec
from robustrank.collections.beir import Beir
from robustrank.core.plugin_spec import Plugin
from robustrank.core.types import Collection, Document, Query
from robustrank.retrieval.analysis import analyze
from robustrank.retrieval.first_stage import first_stage
from robustrank.storage.hashing import digest
from robustrank.training import invented
from robustrank.training.spec import STRATA, SourceSpec, StageSpec


class Group(NamedTuple):
    """A query and the texts to be ranked for it."""

    query: str
    texts: tuple[str, ...]


def build(stage: StageSpec, forbidden: set[str], seed: int) -> tuple[list[Group], list[Group]]:
    """The groups to learn from and those of the development set, each in a seeded order.

    Every group is drawn from a generator of its own, so a change to one source leaves the others as they were.

    Args:
        stage: Names the sources.
        forbidden: :func:`keys` of queries that do not occur, nor others of the same stems in any order.
        seed: Of all randomness.
    """
    first, *others = [_groups(source, forbidden, seed) for source in stage.sources]
    held_out = list(islice(first, stage.dev))
    train = [group for groups in (first, *others) for group in groups]
    Random(f"{seed}|order").shuffle(train)
    if stage.pairs is not None:
        totals = accumulate(len(group.texts) for group in train)
        train = [group for group, total in zip(train, totals, strict=True) if total <= stage.pairs]
    return train, held_out


def _groups(source: SourceSpec, forbidden: set[str], seed: int) -> Iterator[Group]:
    folder = Path(source.path)
    documents = _documents(folder, titles=source.titles)
    if source.split is None:
        queries, origins = _invented(source, documents, seed)
    else:
        queries, origins = _asked(source.path, source.split), {}
    Random(f"{seed}|{source.name}").shuffle(queries)
    queries = [query for query, key in zip(queries, keys(queries), strict=True) if key and key not in forbidden]
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


def _asked(folder: str, split: str) -> list[Query]:
    return list(Beir(path=folder, split=split).load().queries)


def _documents(folder: Path, *, titles: bool) -> dict[str, Document]:
    plain, zipped = folder / "corpus.jsonl", folder / "corpus.jsonl.gz"
    path = zipped if zipped.is_file() else plain
    found = {}
    for line, value in lines.objects(path):
        doc_id, text = (lines.field(value, name, path, line) for name in ("_id", "text"))
        title = value.get("title", "") if titles else ""
        found[doc_id] = Document(doc_id, f"{title} {text}".strip())
    return found


def _invented(source: SourceSpec, documents: Mapping[str, Document], seed: int) -> tuple[list[Query], dict[str, str]]:
    """Queries made from passages, ``rounds`` of each, and the passage that each was made from."""
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
    """The runs that come with the collection, where the source names some; or else BM25's."""
    if source.runs:
        return [trec.rankings(Path(source.path) / "runs" / f"{run}.trec.gz") for run in source.runs]
    collection = Collection(
        name=source.name, documents=documents, queries=queries, qrels={}, query_types={}, candidates={},
        digest=digest(sorted(documents.items())),  # what was analysed is kept by it
    )  # fmt: skip
    return [first_stage(Plugin(use="bm25"), collection, queries, STRATA[-1][1])]


def _spread(ranking: Sequence[str], counts: Sequence[int], rng: Random) -> list[str]:
    """So many of each stratum of a ranking."""
    strata = [ranking[start:end] for start, end in STRATA]
    return [
        doc_id
        for stratum, n in zip(strata, counts, strict=False)
        for doc_id in rng.sample(stratum, min(n, len(stratum)))
    ]


_SENTENCE_START = re.compile(r"(?<=[.!?])\s+")


def window(text: str, size: int, rng: Random) -> str:
    """At most ``size`` words: the beginning half of the time, or else from the start of a random sentence."""
    if len(text.split()) <= size:
        return text
    starts = [0, *(match.end() for match in _SENTENCE_START.finditer(text))]
    start = 0 if rng.random() < 0.5 else rng.choice(starts)
    return " ".join(text[start:].split()[:size])


def forbidden_keys(exclude: Sequence[str]) -> set[str]:
    """Keys of the test queries of collections."""
    return {key for folder in exclude for key in keys(_asked(folder, "test"))}


def keys(queries: Iterable[Query]) -> list[str]:
    """Equal for queries with the same stems in any order."""
    return [" ".join(sorted(set(terms))) for terms in analyze([query.text for query in queries])]
