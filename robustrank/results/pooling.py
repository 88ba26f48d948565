"""Results of the pooling protocol as plain data: a part of the summary."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from robustrank.core.types import Estimate, Range


class SystemKind(StrEnum):
    """Where a system's lists come from."""

    RUN = "run"
    RANKER = "ranker"
    """Of the audit."""


class LeftOutKind(StrEnum):
    """What is left out of a pool."""

    SYSTEM = "system"
    GROUP = "group"


@dataclass(frozen=True, kw_only=True)
class PooledSystem:
    """One system under all judgments there are."""

    system: str
    kind: SystemKind
    value: Estimate
    judged: Estimate
    """judged@k: share of the top k with a judgment for the query."""
    unjudged: Range
    """Least and greatest mean over all grades of the unjudged documents of its top k."""
    fill: Range | None
    """Central 95 % of the mean when the grades of unjudged documents are drawn from the relevance model."""
    condensed: Estimate
    """The measure of the lists without their unjudged documents."""
    bpref: Estimate
    inf_ap: Estimate
    rbp: Estimate
    rbp_residual: Estimate


@dataclass(frozen=True, kw_only=True)
class PooledPair:
    """The difference of two systems, and whether judging the unjudged documents of both could reverse it."""

    a: str
    b: str
    difference: Estimate
    p_holm: float
    """Paired over queries, Holm-corrected over all pairs."""
    unjudged: Range
    may_change: bool
    flip_share: float | None
    """Share of drawn fillings in which the other one is ahead."""


@dataclass(frozen=True, kw_only=True)
class LeftOutSystem:
    """A system scored with the judgments it would have had to do without."""

    system: str
    pooled: Estimate
    """The measure with the judgments of the whole pool."""
    change: Estimate
    """What the system loses (negative) or gains without its own judgments, paired."""
    rank: int
    rank_left_out: int
    judged: Estimate
    """judged@k without its own judgments."""
    unjudged: Range
    """Least and greatest value over all grades of the documents of its top k that leaving it out made unjudged."""
    fill: Range | None
    conclusions: Sequence[str]
    """Which comparisons with another system say something else than with the whole pool."""


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """Leave one system, or one group of systems, out of the pool."""

    name: str
    kind: LeftOutKind
    unique: int
    """Judgments that nobody else contributed."""
    judgments: int
    """Judgments of the whole pool."""
    tau: Estimate
    """Kendall's tau-b between the order of all systems before and after, over resampled queries."""
    systems: Sequence[LeftOutSystem]


@dataclass(frozen=True, kw_only=True)
class OtherPool:
    """All systems scored with another pool: a shallower one, or that of one system alone."""

    pool: str
    """``"depth 5"``, or the name of the only system that was pooled."""
    judgments: int
    tau: Estimate
    """Kendall's tau-b with the order under the whole pool."""
    values: Mapping[str, Estimate]
    """System to mean."""
    judged: Mapping[str, Estimate]


@dataclass(frozen=True, kw_only=True)
class Adjustment:
    """A system's mean without its own judgments, plain and with the others' mean loss added back."""

    system: str
    pooled: float
    left_out: float
    added: float
    error: Estimate
    """Plain minus pooled, over queries."""
    adjusted_error: Estimate


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """How well the relevance model predicts judgments of queries it was not fitted on."""

    bias: Estimate
    """Mean predicted minus observed share of relevant documents."""
    brier: float
    brier_of_constant: float
    """Brier score of always predicting the share of the other queries."""
    documents: int


@dataclass(frozen=True, kw_only=True)
class Pooling:
    """The whole protocol on one collection."""

    collection: str
    measure: str
    k: int
    depth: int
    queries: int
    judgments: int
    """Official judgments of these queries."""
    pooled: int
    """Of them, those of documents in the pool."""
    systems: Sequence[PooledSystem]
    pairs: Sequence[PooledPair]
    left_out: Sequence[LeftOut]
    shallow: Sequence[OtherPool]
    only: Sequence[OtherPool]
    adjustments: Sequence[Adjustment]
    calibration: Calibration | None
    """``None`` where the judgments hold no documents that are not relevant, or no relevant ones."""
