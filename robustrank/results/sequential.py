"""How far an audit is that asks queries until its gates are decided; alone, because ``robustrank status`` reads it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Stopped(StrEnum):
    """Why an audit asks no further queries."""

    NOT_YET = ""
    DECIDED = "decided"
    """Every gate is."""
    BUDGET = "budget"
    """It is spent."""
    ALL_QUERIES = "all queries used"


@dataclass(frozen=True, kw_only=True)
class Sequential:
    """How an audit went that asks queries until its gates are decided."""

    queries: int
    """Asked so far, of each collection and for cases, where there are as many."""
    stopped: Stopped
