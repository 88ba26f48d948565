"""Selects and groups figures of a summary for the templates; computes none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from robustrank.core.types import Estimate
from robustrank.judging import figures
from robustrank.judging.advice import Advice, advise
from robustrank.judging.gate import measured_nothing
from robustrank.judging.proposals import Proposal, propose
from robustrank.judging.since import Since, since
from robustrank.judging.standing import Standing, standings
from robustrank.report import key_figures
from robustrank.report.flag_places import Placed, placed
from robustrank.report.gate_cases import GateCases, of_gate
from robustrank.report.head import Example, Weak, example, weakest
from robustrank.report.key_figures import KeyFigure
from robustrank.results.red_flags import Severity
from robustrank.results.select import audited, strongest, surest_loss
from robustrank.results.summary import (
    AgainstControl,
    AttackResult,
    CertifiedResult,
    Comparison,
    Effectiveness,
    RankerSummary,
    Shift,
    Summary,
    WorstCase,
)
from robustrank.results.verdicts import Outcome, sentence

KEEP = 14
"""Words of unchanged text shown on each side of a change; of longer stretches only the number of words is shown."""

LEVEL = 0.05
"""Significance level: a difference is shown as significant where its corrected p value is below."""


@dataclass(frozen=True, kw_only=True)
class RankerRow:
    """One ranker, one figure per protocol."""

    ranker: RankerSummary
    iid: Effectiveness | None
    shift: Shift | None
    attack: AttackResult | None
    against: AgainstControl | None
    certificates: Sequence[CertifiedResult]
    """At the smallest radius, one per K."""


@dataclass(frozen=True, kw_only=True)
class Piece:
    """A stretch of a difference; ``skipped`` words of unchanged text are left out after it."""

    kind: str
    before: str
    after: str
    skipped: int = 0


@dataclass(frozen=True, kw_only=True)
class Case:
    """A worst case with its difference cut to what changed."""

    case: WorstCase
    pieces: Sequence[Piece]
    promoted: bool
    unit: str
    """What its edits are counted in."""


@dataclass(frozen=True, kw_only=True)
class Threat:
    """The threat model and budget of one attack."""

    threat: AttackResult
    """One of its results; all have the same threat model and budget."""
    tried: Mapping[int, Sequence[str]]
    """Number of cases to the rankers with that many."""


@dataclass(frozen=True, kw_only=True)
class Coverage:
    """Number of tests of one ranker, by kind."""

    ranker: str
    cells: Mapping[str, int]
    """Kind of test to number of cases, queries or collections."""


@dataclass(frozen=True, kw_only=True)
class Certified:
    """The certificates of one ranker on one collection, with the cost of the defense in clean effectiveness."""

    ranker: str
    collection: str
    results: Sequence[CertifiedResult]
    cost: Comparison | None


@dataclass(frozen=True, kw_only=True)
class View:
    """The figures of a summary as the report groups them."""

    state: str
    """``"fail"``, ``"invalid"``, ``"inconclusive"``, ``"pass"`` or ``"none"`` (no gates)."""
    sentence: str
    """What the gates come to."""
    nothing: str
    """Why nothing was measured; empty where something was."""
    confidence: Sequence[float]
    """Of all intervals in the summary."""
    audited: str
    """The ranker that the audit is about; empty without rankers."""
    key_figures: Sequence[KeyFigure]
    example: Example | None
    gate_cases: Sequence[GateCases | None]
    """Of each gate, what its figure is made of; ``None`` where the summary does not hold that."""
    proposals: Sequence[Proposal]
    """Gates that could be set; empty where some are."""
    advice: Sequence[Advice]
    since: Since | None
    """What changed since an earlier audit; ``None`` where there is none."""
    standings: Sequence[Standing]
    """The audited ranker among those of audits that RobustRank comes with."""
    weakest: Sequence[Weak]
    """The clean queries that the audited ranker served worst."""
    flags: Mapping[str, Sequence[Placed]]
    """Section to its red flags."""
    serious: Sequence[Placed]
    level: float
    shown: Sequence[Comparison]
    """Comparisons whose corrected p value is below the level."""
    not_shown: Sequence[Comparison]
    rows: Sequence[RankerRow]
    threats: Sequence[Threat]
    """One per attack of the audit."""
    panels: Sequence[tuple[str, Sequence[AttackResult]]]
    """Results by ranker."""
    cases: Sequence[Case]
    coverage: Sequence[Coverage]
    """One per ranker."""
    certified: Sequence[Certified]
    unproven: str
    """Why there is no certificate, where there is none."""


def build(summary: Summary, earlier: Summary | None = None) -> View:
    """Arrange a summary for the templates.

    Args:
        summary: Of the audit.
        earlier: Of the audit before it; ``None`` where there is none.
    """
    name, flags = audited(summary), placed(summary.red_flags)
    return View(
        state=_state(summary),
        sentence=sentence(summary.verdicts),
        nothing=measured_nothing(summary),
        confidence=sorted({e.confidence for e in _estimates(summary)}),
        audited=name or "",
        key_figures=key_figures.of(summary),
        example=example(summary, name),
        gate_cases=_gate_cases(summary),
        proposals=[] if summary.verdicts else propose(summary),
        advice=advise(summary),
        since=None if earlier is None else since(earlier, summary),
        standings=standings(summary),
        weakest=weakest(summary, name),
        flags=flags,
        serious=[each for group in flags.values() for each in group if each.flag.severity is Severity.SERIOUS],
        level=LEVEL,
        shown=[c for c in summary.comparisons if c.p_holm < LEVEL],
        not_shown=[c for c in summary.comparisons if not c.p_holm < LEVEL],
        rows=[_row(ranker, summary) for ranker in summary.rankers],
        threats=_threats(summary.attacks),
        panels=[
            (ranker, [r for r in summary.attacks if r.ranker == ranker])
            for ranker in dict.fromkeys(r.ranker for r in summary.attacks)
        ],
        cases=[
            Case(
                case=case,
                pieces=pieces(case.diff),
                promoted=case.rank_after < case.rank_before,
                unit=next((r.unit for r in summary.attacks if r.attack == case.attack), "words"),
            )
            for case in summary.worst_cases
        ],
        coverage=[_coverage(ranker.name, summary) for ranker in summary.rankers],
        unproven=key_figures.unproven(summary),
        certified=[
            Certified(
                ranker=ranker,
                collection=collection,
                results=sorted(group, key=lambda c: (c.k, c.radius)),
                cost=next((c for c in summary.comparisons if (c.a, c.collection) == (ranker, collection)), None),
            )
            for (ranker, collection), group in _grouped(summary.certificates)
        ],
    )


def _gate_cases(summary: Summary) -> list[GateCases | None]:
    every = figures.measured(summary) if summary.verdicts else []
    return [of_gate(verdict, summary, every) for verdict in summary.verdicts]


def _state(summary: Summary) -> str:
    """The worst outcome of a gate that is not held, ``"pass"``, or ``"none"`` without gates."""
    broken = {v.outcome for v in summary.verdicts if not v.held}
    worst = next((o for o in reversed(Outcome) if o in broken), Outcome.PASS)
    return str(worst) if summary.verdicts else "none"


def pieces(diff: Sequence[tuple[str, str, str]]) -> list[Piece]:
    """A difference with long unchanged stretches cut to :data:`KEEP` words beside each change."""
    cut = []
    for index, (kind, before, after) in enumerate(diff):
        words = before.split(" ")
        ends = (index > 0) + (index < len(diff) - 1)
        if kind != "equal" or len(words) <= KEEP * ends + 6:
            cut.append(Piece(kind=kind, before=before, after=after))
            continue
        head = " ".join(words[:KEEP]) + " " if index > 0 else ""
        tail = " " + " ".join(words[-KEEP:]) if index < len(diff) - 1 else ""
        cut.append(Piece(kind=kind, before=head, after=head, skipped=len(words) - KEEP * ends))
        if tail:
            cut.append(Piece(kind=kind, before=tail, after=tail))
    return cut


def _threats(results: Sequence[AttackResult]) -> list[Threat]:
    tried: dict[str, list[AttackResult]] = {}
    for result in results:
        if result.stratum == "all":
            tried.setdefault(result.attack, []).append(result)
    return [Threat(threat=group[0], tried=_cases(group)) for group in tried.values()]


def _cases(results: Sequence[AttackResult]) -> dict[int, list[str]]:
    rankers_by_cases: dict[int, list[str]] = {}
    for result in results:
        rankers_by_cases.setdefault(result.tally.planned, []).append(result.ranker)
    return rankers_by_cases


def _coverage(ranker: str, summary: Summary) -> Coverage:
    real = [r for r in summary.attacks if (r.ranker, r.control, r.stratum) == (ranker, False, "all")]

    def tried(surface: str, access: str | None = None) -> int:
        chosen = [r for r in real if r.surface == surface and access in (None, r.access)]
        return sum(r.tally.decided for r in chosen)

    return Coverage(
        ranker=ranker,
        cells={
            "Collections": len({e.collection for e in summary.effectiveness if e.ranker == ranker}),
            **{
                f"Access: {what}": tried("document", access)
                for access, what in (
                    ("none", "none"),
                    ("ranks", "ranks"),
                    ("scores", "scores"),
                    ("weights", "weights"),
                )
            },
            "Changed query": tried("query"),
            "Certified": max((c.crq.n for c in summary.certificates if c.ranker == ranker), default=0),
        },
    )


def _row(ranker: RankerSummary, summary: Summary) -> RankerRow:
    name = ranker.name
    certificates = [c for c in summary.certificates if c.ranker == name]
    least = min((c.radius for c in certificates), default=None)
    attack = strongest(summary.attacks, ranker=name)
    return RankerRow(
        ranker=ranker,
        iid=next((e for e in key_figures.led(summary, summary.home) if e.ranker == name), None),
        shift=surest_loss(summary.shifts, name),
        attack=attack,
        against=key_figures.hardest_control(attack) if attack else None,
        certificates=[c for c in certificates if c.radius == least],
    )


def _grouped(
    certificates: Sequence[CertifiedResult],
) -> list[tuple[tuple[str, str], list[CertifiedResult]]]:
    places = list(dict.fromkeys((c.ranker, c.collection) for c in certificates))
    ordered = sorted(certificates, key=lambda c: places.index((c.ranker, c.collection)))
    return [(place, list(group)) for place, group in groupby(ordered, key=lambda c: (c.ranker, c.collection))]


def _estimates(summary: Summary) -> list[Estimate]:
    estimates = [e.mean for e in summary.effectiveness] + [s.change for s in summary.shifts]
    estimates += [e for r in summary.attacks for e in r.success.values()]
    return estimates + [c.crq for c in summary.certificates]
