"""What an audit is made of, as its setup record and its summary hold it: collections, rankers, a pool, a machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from robustrank.core.types import CollectionRole


@dataclass(frozen=True, kw_only=True)
class AuditedCollection:
    """One collection as audited.

    Args:
        name: In the audit file.
        role: What it is for.
        documents: How many.
        queries: Audited.
        queries_available: In the collection.
        judgments: Of all its queries.
        first_stage: Canonical one-line form of the plug-in.
        depth: Candidates for each query.
        digest: Hash of its content.
        terms: Licence and origin.
        query_types: Label to number of audited queries.
        warnings: What the loader tolerated.
        query_keys: Query id to a hash of its text, candidates and judgments, in the order in which queries were drawn.
    """

    name: str
    role: CollectionRole
    documents: int
    queries: int
    queries_available: int
    judgments: int
    first_stage: str
    depth: int
    digest: str
    terms: str
    query_types: Mapping[str, int]
    warnings: Sequence[str] = ()
    query_keys: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class AuditedRanker:
    """One ranker, plain or defended.

    Args:
        name: In the audit file, or of the defended ranker.
        plugin: Canonical one-line form of the innermost ranker's plug-in.
        fingerprint: Changes whenever its scores may.
        note: What a reader must know of it.
        base: The ranker behind a defended one.
        defense: Canonical one-line form of the defense's plug-in.
    """

    name: str
    plugin: str
    fingerprint: str
    note: str
    base: str | None = None
    defense: str | None = None


@dataclass(frozen=True, kw_only=True)
class RecordedPool:
    """Lists that other systems gave for the audited queries, and the judgments of those queries.

    Args:
        collection: Whose queries they are.
        relevant: Its least relevant grade.
        runs: System to query id to document ids, best first.
        qrels: Query id to document id to grade.
    """

    collection: str
    relevant: int
    runs: Mapping[str, Mapping[str, Sequence[str]]]
    qrels: Mapping[str, Mapping[str, int]]


@dataclass(frozen=True, kw_only=True)
class Environment:
    """Versions, machine, and the conventions every figure rests on.

    Args:
        versions: Package to version.
        python: Its version.
        platform: Operating system and processor.
        cores: ``None`` where the system does not say.
        tie_rule: How equal scores are ordered.
        word_unit: The tokenisation.
        spec_hash: Of the audit file.
    """

    versions: Mapping[str, str]
    python: str
    platform: str
    cores: int | None
    tie_rule: str
    word_unit: str
    spec_hash: str
