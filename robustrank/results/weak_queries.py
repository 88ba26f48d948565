"""The clean queries that the audited ranker served worst, with what it ranked first: a part of the summary."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

MOST = 10
"""Queries of a summary."""


@dataclass(frozen=True, kw_only=True)
class FirstDocument:
    """A document at the top of a clean list."""

    doc_id: str
    head: str
    """Its first words."""
    grade: int | None
    """Of its judgment; ``None`` where it has none."""
    relevant: bool


@dataclass(frozen=True, kw_only=True)
class WeakQuery:
    """One clean query of the home collection."""

    query_id: str
    query: str
    """The first words of its text."""
    value: float
    """Of the leading measure."""
    first: Sequence[FirstDocument]
    """The first documents of its list, best first; empty where the list could not be ranked."""
    relevant_at: int | None
    """Rank of the first relevant document; ``None`` where none is among the candidates."""
    relevant: int
    """Relevant documents among the candidates."""
    candidates: int
    error: str = ""
    """Why the list could not be ranked."""
