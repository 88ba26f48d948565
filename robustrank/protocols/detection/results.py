"""What the protocol of detection makes of an audit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from robustrank.core.types import Estimate
from robustrank.results.outcomes import Ends, Open, Tally

BASES = (0.01, 0.0001)
"""Shares of attacked documents for which precision is told: 1 in 100 and 1 in 10,000."""


def named(rate: float) -> str:
    """``"1%"``, ``"0.01%"``."""
    return f"{100 * rate:g}%"


@dataclass(frozen=True, kw_only=True)
class FalseAlarms:
    """Clean documents of one source above the threshold."""

    source: str
    kind: str
    own: bool
    """Whether it is the attacked collection, of which the threshold knows nothing."""
    documents: int
    shares: Mapping[str, Estimate] = field(default_factory=dict)
    """By rate: at the threshold of the audit, which is that of all other sources together."""
    left_out: Mapping[str, Estimate] = field(default_factory=dict)
    """By rate: at the threshold of the sources but this one; of the attacked collection the same."""
    thresholds: Mapping[str, float] = field(default_factory=dict)
    """By rate: its own."""
    missing: str = ""
    """Why its shares and thresholds are not told; empty where they are."""
    tally: Tally = field(default_factory=Tally)
    ends: Mapping[str, Ends] = field(default_factory=dict)
    """By rate, of ``shares``."""


@dataclass(frozen=True, kw_only=True)
class Harm:
    """What filtering clean lists costs."""

    change: Estimate
    """nDCG@10 after minus before."""
    p_holm: float
    """Corrected over all detectors, rankers and rates."""
    dropped: float
    """Mean number of documents of a list that are dropped."""
    undecided: int = 0
    """Lists."""
    ends: Ends | None = None


@dataclass(frozen=True, kw_only=True)
class DetectorRow:
    """One detector on the lists of one ranker."""

    ranker: str
    detector: str
    card: str = ""
    needs: Sequence[str] = ()
    thresholds: Mapping[str, float] = field(default_factory=dict)
    """By rate: of the clean documents of all sources but the attacked collection, together."""
    missing: str = ""
    """Why there is no threshold; empty where there is one."""
    alarms: Sequence[FalseAlarms] = ()
    harm: Mapping[str, Harm] = field(default_factory=dict)
    """By rate."""
    error: str = ""
    """The first error of the detector."""


AUC, OWN = "AUC", "own AUC"
"""The share of clean documents that an attacked text exceeds; whether it exceeds the document it was made of."""
BEFORE = "before"


def detected(rate: str) -> str:
    """Name of the share of attacked texts above the threshold."""
    return f"detected@{rate}"


def filtered(rate: str) -> str:
    """Name of the share of cases in which the attack succeeds and the text is not above the threshold."""
    return f"success after filtering@{rate}"


@dataclass(frozen=True, kw_only=True)
class AgainstDetector:
    """One attack on one ranker, before one detector."""

    ranker: str
    attack: str
    detector: str
    collection: str
    control: bool = False
    in_training: bool = False
    """The detector was trained on this attack: its figures here are no evidence of others."""
    success: str = ""
    """What counts as success."""
    texts: int = 0
    """Attacked texts that the detector judged."""
    unchanged: int = 0
    """Cases in which the attack changed nothing: there is no text to judge."""
    means: Mapping[str, Estimate] = field(default_factory=dict)
    """By figure."""
    ends: Mapping[str, Ends] = field(default_factory=dict)
    open: Mapping[str, Open] = field(default_factory=dict)
    per_query: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    tally: Tally = field(default_factory=Tally)
    by_source: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """By rate, source to the share of attacked texts above that source's own threshold."""
    precision: Mapping[str, Mapping[str, tuple[float, float, float]]] = field(default_factory=dict)
    """By rate, base rate to the share of alarms that are attacks, and what it is at the ends of both intervals."""
    roc: Sequence[tuple[float, float]] = ()
    """Some points: false alarms, detections; of the clean documents of all sources but the attacked collection."""
    recall: Sequence[tuple[float, float]] = ()
    """Some points at the first base rate: recall, precision."""
    average_precision: float | None = None
    """At the first base rate."""


@dataclass(frozen=True, kw_only=True)
class Hub:
    """A document that stands in more lists than any did before documents were added."""

    document: str
    planted: bool
    lists: int
    """Of the half of the queries on which it is tested."""
    p_holm: float


@dataclass(frozen=True, kw_only=True)
class HubRow:
    """Hubs among the first-stage lists after one attack on the corpus."""

    attack: str
    ranker: str
    queries: int
    """Of the half on which documents are tested."""
    natural: float
    """Greatest share of lists that a document stood in before."""
    plants: int
    flagged: Sequence[Hub] = ()
    missing: str = ""


@dataclass(frozen=True, kw_only=True)
class Detection:
    """Of an audit."""

    collection: str
    detectors: Sequence[DetectorRow] = ()
    rows: Sequence[AgainstDetector] = ()
    hubs: Sequence[HubRow] = ()
