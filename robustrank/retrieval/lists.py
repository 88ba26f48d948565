"""A collection as audited: sampled queries with their first-stage candidates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from robustrank.config.specs import CollectionSpec
from robustrank.core.types import Collection, Document, Query


@dataclass(frozen=True)
class Lists:
    """One collection as audited: the sampled queries and their first-stage candidates."""

    spec: CollectionSpec
    collection: Collection
    queries: Mapping[str, Query]
    """In sampled order, so that the first few are themselves a random sample."""
    candidates: Mapping[str, tuple[Document, ...]]

    @property
    def name(self) -> str:
        """The collection's name in the audit file."""
        return self.spec.name

    @cached_property
    def top_grade(self) -> int:
        """The highest grade in the judgments; 1 where nothing is relevant."""
        return max(1, *(max(grades.values()) for grades in self.collection.qrels.values()))


@dataclass(frozen=True, kw_only=True)
class DescribedQuery:
    """The types and features of a query, by which slices of queries are formed.

    Args:
        types: Axis, such as ``"wh"``, to the query's type on it.
        features: Name to value.
    """

    types: Mapping[str, str]
    features: Mapping[str, float]
