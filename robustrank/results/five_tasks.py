"""Results of the five robustness tasks as plain data: a part of the summary. Losses are positive: more is worse."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from robustrank.core.types import Estimate
from robustrank.results.outcomes import Ends, Tally


@dataclass(frozen=True, kw_only=True)
class Variance:
    """Task 1: how evenly a ranker serves the queries of one collection."""

    ranker: str
    collection: str
    measure: str
    mean: Estimate
    deviation: float
    cv: Estimate | None
    """Standard deviation over queries as a share of the mean."""
    quantiles: Sequence[float]
    """Least, lower quartile, median, upper quartile, greatest."""
    lowest_decile: Estimate
    floor: float
    under_floor: Estimate
    """Share of queries below ``floor``."""
    u_risk: Estimate | None
    """Mean gain over the baseline, with losses counted twice; ``None`` for the baseline."""
    geo_risk: float | None
    """Geometric mean of effectiveness and of risk among the rankers of the audit."""
    judgments: float | None
    """Standard deviation of the mean when a random fifth of the judgments is taken away."""


@dataclass(frozen=True, kw_only=True)
class SeedVariance:
    """Task 1: a family of rankers trained with several seeds; a mixed model tells seeds from queries."""

    family: str
    collection: str
    measure: str
    members: int
    queries: int
    query_variance: float
    seed_variance: float
    residual_variance: float
    """Query and seed together: which queries a seed serves better."""


@dataclass(frozen=True, kw_only=True)
class TypeLoss:
    """Task 2: one type of query against all other types of its axis."""

    ranker: str
    collection: str
    axis: str
    type: str
    queries: int
    others: int
    change: Estimate
    relative: Estimate | None
    versus_baseline: Estimate | None
    p: float | None
    """Of ``versus_baseline``, or of ``change`` where there is none, being 0."""
    p_holm: float | None
    """Corrected over all types, axes, collections and rankers."""


class Setting(StrEnum):
    """How a changed query is ranked."""

    FIXED = "re-rank fixed"
    """The clean query's candidates."""
    END_TO_END = "end to end"
    """Searched again with the changed query."""


@dataclass(frozen=True, kw_only=True)
class VariationLoss:
    """Task 4: one operation of a variation, or all of them."""

    ranker: str
    collection: str
    variation: str
    operation: str
    """An operation, or ``"all"``."""
    setting: Setting
    variants: int
    clean: Estimate
    changed: Estimate
    """Mean over queries of the mean over variants."""
    loss: Estimate | None
    """1 - changed / clean."""
    versus_baseline: Estimate | None
    """``loss`` minus the baseline's on the same queries and variants."""
    worst: Estimate
    """Mean over queries of the worst variant."""
    hurt: Estimate
    """Share of variants that lose more than ``by``."""
    queries_hurt: Estimate
    """Share of queries that some variant costs more than ``by``."""
    by: float
    p: float | None
    p_holm: float | None
    """Corrected over all rows of the table."""
    tally: Tally | None = None
    """Of the queries: those whose variations could not be made or ranked are in none of the figures above."""
    ends: Ends | None = None
    """``loss`` with every such query at its least, and at its greatest loss."""


@dataclass(frozen=True, kw_only=True)
class Manipulation:
    """Task 5: success of people's edits, by the assessors' judgments of the same edits."""

    ranker: str
    collection: str
    edits: int
    promoted: Estimate
    """Share of edits after which the document ranks higher."""
    fooled: Estimate | None
    """The same among edits that made the document no more relevant."""
    earned: Estimate | None
    """The same among edits that made it more relevant."""
    gain: Estimate
    """Ranks gained."""
    versus_baseline: Estimate | None
    """``fooled`` minus the baseline's."""
    p: float | None


class Comparative(StrEnum):
    """How a ranker does next to the baseline."""

    LESS = "less robust"
    MORE = "more robust"
    INCONCLUSIVE = "inconclusive"
    UNDECIDED = "undecided"
    """Errors or invalid cases could change it."""
    NONE = ""
    """Not compared: the baseline itself, or without one."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One ranker, or one group of them, on one task."""

    task: str
    ranker: str
    """Its name, or the group's."""
    members: Sequence[str] = ()
    """The rankers of a group, whose figures are averaged; empty for a single ranker."""
    figure: str
    """What is measured, in words; always a loss, a spread or a success of attackers."""
    kind: str
    """Kind of the records that it is made from."""
    value: Estimate
    versus_baseline: Estimate | None
    effect: float | None
    """The difference over its standard error times the root of n: a standardised effect size."""
    p: float | None
    p_holm: float | None
    detectable: float | None
    """Smallest true difference that would have been seen in four of five repetitions."""
    verdict: Comparative
    undecided: bool = False
    """Whether cases that ended in an error, or are invalid, could change what the difference shows."""


@dataclass(frozen=True, kw_only=True)
class WorstSlice:
    """Queries on which a ranker is worse than on the others, searched for, and tested on queries kept apart."""

    ranker: str
    collection: str
    slice: str
    versus: str | None
    """The baseline whose values were subtracted first; ``None``: the ranker's own values."""
    queries: int
    difference: Estimate
    """Mean inside minus outside, of the half that was kept apart."""
    q: float
    """Of the half that was searched, after Benjamini and Hochberg over everything searched."""
    confirmed_p: float
    """Of that difference, two-sided; 1 where it is no loss."""
    confirmed: bool
    """Below 0.05 after Holm over all slices that were found."""
    query_ids: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class FiveTasks:
    """Everything of the five tasks that is no attack of the suite."""

    table: Sequence[Cell] = ()
    variance: Sequence[Variance] = ()
    seeds: Sequence[SeedVariance] = ()
    types: Sequence[TypeLoss] = ()
    variations: Sequence[VariationLoss] = ()
    manipulations: Sequence[Manipulation] = ()
    slices: Sequence[WorstSlice] = ()
    searched: int = 0
    """Slices that were looked at."""
    families: Sequence[str] = ()
    """Which p values were corrected together."""
