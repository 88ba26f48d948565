"""What the protocol of defenses makes of an audit: one row for every defended ranker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from robustrank.core.types import Estimate
from robustrank.results.outcomes import Ends, Open, Tally

SHOWN = 0.05
"""A corrected p value below which a difference is told as one."""

CLEAN, BASE_CLEAN = "clean", "base clean"
BASE, UNAWARE, DIRECT, ADAPTIVE = "base", "unaware", "direct", "adaptive"
"""Share of targets that are lifted into the top ten: of the base, by attacks on it; of the defended ranker, by texts
that were made against the base, by attacks on the defended ranker, and by either."""
BASE_WORTH, UNAWARE_WORTH, ADAPTIVE_WORTH = "base nDCG@10", "unaware nDCG@10", "adaptive nDCG@10"
"""The mean of the least nDCG@10 of an attacked list."""


@dataclass(frozen=True, kw_only=True)
class Level:
    """A mean over queries."""

    estimate: Estimate | None
    """Over the queries that are decided; ``None`` without any."""
    per_query: Mapping[str, float] = field(default_factory=dict)
    tally: Tally = field(default_factory=Tally)
    """Of its targets or lists."""
    ends: Ends | None = None
    open: Open = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Difference:
    """The defended ranker's value minus its base's, paired over queries."""

    estimate: Estimate
    """Over the queries on which both are decided."""
    p: float
    """With undecided queries the greatest of three: without them, and with all of them at either end; 1 where the signs
    of the three differ."""
    p_holm: float
    per_query: Mapping[str, float] = field(default_factory=dict)
    undecided: int = 0
    """Queries."""
    ends: Ends | None = None
    open: Open = field(default_factory=dict)

    @property
    def shown(self) -> bool:
        """Whether it differs from 0 after correction, whatever the undecided queries would be."""
        return self.p_holm < SHOWN and (self.estimate.low > 0 or self.estimate.high < 0)


@dataclass(frozen=True, kw_only=True)
class AgainstAttack:
    """One attack that was run on the base and on the defended ranker."""

    attack: str
    base: Estimate
    unaware: Estimate | None
    """By the texts that it made against the base."""
    adaptive: Estimate
    """By these or by the attack on the defended ranker."""
    difference: Difference


@dataclass(frozen=True, kw_only=True)
class CertifiedShare:
    """The share of lists that are certified."""

    k: int
    radius: float
    edits: str
    share: Estimate


@dataclass(frozen=True, kw_only=True)
class Latency:
    """Of one clean list, the median over lists; ``None`` where it was not measured."""

    pairs: float | None = None
    """Scored by the innermost ranker."""
    base_pairs: float | None = None
    seconds: float | None = None
    """Of the whole call, the defense included."""
    base_seconds: float | None = None


@dataclass(frozen=True, kw_only=True)
class Defended:
    """One defended ranker on one collection, against its base."""

    ranker: str
    base: str
    defense: str
    """Canonical one-line form of the plug-in."""
    collection: str
    common: bool = False
    """Whether the same targets are compared; else each ranker's own, by query."""
    missing: str = ""
    """Why nothing can be said of attacks; empty where something can."""
    no_worth: str = ""
    """Why the attacked lists have no nDCG@10."""
    attacks: Sequence[str] = ()
    """Run on both; the base's worst case is over these."""
    left_out: Sequence[str] = ()
    """Run on the base alone: the defended ranker only met their texts."""
    own: Sequence[str] = ()
    """Run on the defended ranker alone."""
    levels: Mapping[str, Level] = field(default_factory=dict)
    differences: Mapping[str, Difference] = field(default_factory=dict)
    """By the level of the defended ranker, Holm-corrected over all rows of the audit."""
    by_attack: Sequence[AgainstAttack] = ()
    """Holm-corrected over all of these of the audit."""
    hindrance: Difference | None = None
    """Success of the base's texts minus that of attacks on the defended ranker; Holm-corrected over the rows."""
    latency: Latency = field(default_factory=Latency)
    certified: Sequence[CertifiedShare] = ()
    sentence: str = ""
    """What the defense buys, by rule."""

    @property
    def hindered(self) -> bool:
        """Whether texts made against the base are shown to do more than attacks that know of the defense."""
        return self.hindrance is not None and self.hindrance.shown and self.hindrance.estimate.value > 0


@dataclass(frozen=True, kw_only=True)
class Defenses:
    """Of an audit."""

    rows: Sequence[Defended] = ()
    ladder: bool = False
    """Attacks were tried one after another, until the target was first: single ones cannot be compared."""
