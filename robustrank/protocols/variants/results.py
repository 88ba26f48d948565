"""What the protocol of variants makes of an audit: one row for every variant, against its parent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from robustrank.core.types import Estimate
from robustrank.protocols.defenses.results import Difference, Level

CLEAN, ROBUST, LOST, VARIED = "nDCG@10", "robust nDCG@10", "lost targets", "nDCG@10, varied queries"
"""Mean of clean lists; of the least that any attack leaves of a list; share of targets that some attack lifts into the
top ten; mean over query variations."""

LOWER_IS_BETTER = frozenset({LOST})
"""Endpoints of which more is worse."""


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """One figure of a variant beside its parent's, over the queries of both."""

    variant: Level
    """The mean over seeds, query by query."""
    parent: Level
    difference: Difference | None = None
    """Holm-corrected over all variants and endpoints of the audit; ``None`` where no query is decided on both sides."""
    detectable: float | None = None
    """The smallest true difference that so many queries show in four of five audits, uncorrected."""
    seeds: Sequence[float] = ()
    """The difference of every seed."""


@dataclass(frozen=True, kw_only=True)
class Order:
    """How a variant orders clean lists of home against its parent, over queries with candidates, means over seeds."""

    tau: Estimate
    """Kendall's tau of both orders of the candidates."""
    overlap: Estimate
    """Share of the parent's top ten that is in the variant's."""
    other_first: Estimate
    """Share of queries with another first document."""
    other_top: Estimate
    """Share of queries whose top ten holds other documents."""
    worse: Sequence[tuple[str, float]] = ()
    """The queries that lose most nDCG@10, worst first, and how much."""


@dataclass(frozen=True, kw_only=True)
class VariantRow:
    """One variant against its parent."""

    variant: str
    parent: str
    rankers: Sequence[str] = ()
    """Its seeds."""
    endpoints: Mapping[str, Endpoint] = field(default_factory=dict)
    by_attack: Mapping[str, Endpoint] = field(default_factory=dict)
    """Share of targets that each attack lifts into the top ten by itself, where there are several and all were tried on
    every target (not with ``ladder``); a Holm family of its own."""
    missing: Sequence[str] = ()
    """Endpoints that its parent has and it has not."""
    left_out: Sequence[str] = ()
    """Attacks that only some of the variant's seeds and its parent met: no worst case is over them."""
    lowest_decile: tuple[Estimate | None, Estimate | None] = (None, None)
    """Of nDCG@10 at home: the variant's and its parent's."""
    order: Order | None = None
    seconds: float | None = None
    """Of a clean list, the median."""
    parent_seconds: float | None = None
    trained: int | None = None
    stored_bytes: int | None = None
    zeros: float | None = None
    common: bool = False
    """Whether the same documents were attacked under every ranker."""
    sentence: str = ""
    """What was shown, by rule."""

    def lost(self, endpoint: str) -> float | None:
        """How much worse the variant is, as far as the estimate tells; ``None`` where it is not measured."""
        each = self.endpoints.get(endpoint)
        if each is None or each.difference is None:
            return None
        value = each.difference.estimate.value
        return value if endpoint in LOWER_IS_BETTER else -value


@dataclass(frozen=True, kw_only=True)
class Variants:
    """Of an audit."""

    rows: Sequence[VariantRow] = ()
    comparisons: int = 0
    """In the Holm family."""
