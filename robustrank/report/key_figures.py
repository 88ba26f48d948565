"""The four figures of the first screen: of the ranker that the audit is about, chosen by the bound that is certain."""

from __future__ import annotations

from dataclasses import dataclass

from robustrank.core.types import Estimate
from robustrank.report.filters import number, radius
from robustrank.results.select import audited, lead, lead_change, strongest, surest_loss
from robustrank.results.summary import AgainstControl, AttackResult, CertifiedResult, Effectiveness, Shift, Summary


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


def of(summary: Summary) -> list[KeyFigure]:
    """Of the ranker that the audit is about, chosen by the bound that is certain."""
    name = audited(summary)
    effect = next((e for e in led(summary, summary.home) if e.ranker == name), None)
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
            else unproven(summary),
        ),
    ]


def _proven(held: CertifiedResult, home: str) -> str:
    where = "" if held.collection == home else f" of {held.collection}"
    return f"of queries{where}: no document enters the top {held.k} when {radius(held.radius)} of it change"


def unproven(summary: Summary) -> str:
    """Why there is no certificate, where there is none."""
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


def led(summary: Summary, collection: str) -> list[Effectiveness]:
    """Of the leading measure on a collection, one a ranker."""
    return [
        e
        for e in summary.effectiveness
        if (e.collection, e.measure) == (collection, summary.measure) and e.slice is None
    ]


def hardest_control(result: AttackResult) -> AgainstControl | None:
    """The control that comes closest to the attack."""
    return min(result.against_controls, key=lambda against: against.difference.value, default=None)
