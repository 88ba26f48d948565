"""Selects and groups figures of a summary for the templates; computes none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from robustrank.core.types import Estimate
from robustrank.judging.advice import Advice, advise
from robustrank.judging.gate import measured_nothing
from robustrank.judging.proposals import Proposal, propose
from robustrank.report.filters import number, radius
from robustrank.report.head import Example, WeakQuery, case_of, example, weakest
from robustrank.results.red_flags import RedFlag, Severity
from robustrank.results.select import audited, lead, lead_change, strongest, surest_loss
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
class KeyFigure:
    """One figure of the first screen."""

    title: str
    estimate: Estimate | None
    digits: int = 2
    sign: bool = False
    subject: str = ""
    """Names from the audit file, which need escaping."""
    note: str
    missing: str = "not measured"
    """What stands in place of the figure where there is none."""


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
    gate_cases: Sequence[str]
    """Of each gate, the key of the case to look at; empty where it is about none."""
    proposals: Sequence[Proposal]
    """Gates that could be set; empty where some are."""
    advice: Sequence[Advice]
    weakest: Sequence[WeakQuery]
    """The clean queries that the audited ranker served worst."""
    serious: Sequence[RedFlag]
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


def build(summary: Summary) -> View:
    """Arrange a summary for the templates."""
    name = audited(summary)
    return View(
        state=_state(summary),
        sentence=sentence(summary.verdicts),
        nothing=measured_nothing(summary),
        confidence=sorted({e.confidence for e in _estimates(summary)}),
        audited=name or "",
        key_figures=_key_figures(summary),
        example=example(summary, name),
        gate_cases=[case_of(verdict, summary) for verdict in summary.verdicts],
        proposals=[] if summary.verdicts else propose(summary),
        advice=advise(summary),
        weakest=weakest(summary, name),
        serious=[flag for flag in summary.red_flags if flag.severity is Severity.SERIOUS],
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
        unproven=_unproven(summary),
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


def _state(summary: Summary) -> str:
    """The worst outcome of a gate that is not held, ``"pass"``, or ``"none"`` without gates."""
    broken = {v.outcome for v in summary.verdicts if not v.held}
    worst = next((o for o in reversed(Outcome) if o in broken), Outcome.PASS)
    return str(worst) if summary.verdicts else "none"


def hardest_control(result: AttackResult) -> AgainstControl | None:
    """The control that comes closest to the attack."""
    return min(result.against_controls, key=lambda against: against.difference.value, default=None)


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
        iid=next((e for e in _led(summary, summary.home) if e.ranker == name), None),
        shift=surest_loss(summary.shifts, name),
        attack=attack,
        against=hardest_control(attack) if attack else None,
        certificates=[c for c in certificates if c.radius == least],
    )


def _led(summary: Summary, collection: str) -> list[Effectiveness]:
    return [
        e
        for e in summary.effectiveness
        if (e.collection, e.measure) == (collection, summary.measure) and e.slice is None
    ]


def _key_figures(summary: Summary) -> list[KeyFigure]:
    """Of the ranker that the audit is about, chosen by the bound that is certain."""
    name = audited(summary)
    effect = next((e for e in _led(summary, summary.home) if e.ranker == name), None)
    loss = surest_loss(summary.shifts, name)
    certain = loss is not None and lead_change(loss).high < 0
    attack = strongest(summary.attacks, ranker=name)
    proven = {ranker.name for ranker in summary.rankers if name in (ranker.name, ranker.base)}
    held = max(
        (c for c in summary.certificates if c.ranker in proven),
        key=lambda c: (c.crq.low, c.crq.value, c.radius, -c.k),
        default=None,
    )
    return [
        KeyFigure(
            title="Effectiveness",
            estimate=effect.mean if effect else None,
            digits=3,
            subject=effect.ranker if effect else "",
            note=f"{summary.measure} on {summary.home}" if effect else "No list of it was ranked.",
        ),
        KeyFigure(
            title="Loss out of distribution",
            estimate=lead_change(loss) if loss and certain else None,
            sign=True,
            missing="none is shown" if loss else "not measured",
            subject=loss.target if loss and certain else "",
            note=_loss(loss, summary, name) if loss else "No second collection and no query types.",
        ),
        KeyFigure(
            title="Strongest attack",
            estimate=attack.success[lead(attack)] if attack else None,
            subject=attack.attack if attack else "",
            note=_success(attack)
            if attack
            else "No attack on it was judged."
            if summary.attacks
            else "No attack was run.",
        ),
        KeyFigure(
            title="Surest certificate",
            estimate=held.crq if held else None,
            subject=held.ranker if held else "",
            note=_proven(held, summary.home)
            if held
            else f"No certificate of {name}."
            if summary.certificates
            else _unproven(summary),
        ),
    ]


def _proven(held: CertifiedResult, home: str) -> str:
    where = "" if held.collection == home else f" of {held.collection}"
    return f"of queries{where}: no document enters the top {held.k} when {radius(held.radius)} of it change"


def _unproven(summary: Summary) -> str:
    if summary.finished is None and any(ranker.defense is not None for ranker in summary.rankers):
        return "The audit has not reached its certificates yet."
    return "The audit file requests no certificate."


def _loss(shift: Shift, summary: Summary, ranker: str | None) -> str:
    tried = sum(s.ranker == ranker for s in summary.shifts)
    least = "its interval lies below zero" if tried == 1 else f"of {tried} shifts, the loss whose interval is surest"
    if lead_change(shift).high >= 0:
        return f"{'The interval' if tried == 1 else f'Every interval of {tried} shifts'} reaches zero."
    what = f"{shift.measure}, {shift.source} → {shift.target}"
    if shift.relative_to_baseline:
        return f"relative change of {what}, minus that of {summary.baseline}; {least}"
    return f"{'relative change' if shift.relative else 'change'} of {what}; {least}"


def _success(attack: AttackResult) -> str:
    way, _, k = lead(attack).partition("@")
    did = {"ASR": f"of documents lifted into the top {k}", "out": f"of relevant documents pushed out of the top {k}"}
    share = did.get(way, f"of cases: {lead(attack)}")
    control = hardest_control(attack)
    if control is None:
        return f"{share}; no control to compare with"
    return f"{share}; {number(control.difference.value, sign=True)} against {control.control}"


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
