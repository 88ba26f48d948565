"""Gates that an audit without gates could set: limits at the bounds of its own figures, so that they hold today.

They guard against a ranker that gets worse; whether today's figures are good enough, no audit can say.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from math import ceil, floor

from robustrank.config.specs import GateSpec
from robustrank.config.writing import as_toml
from robustrank.core.types import Estimate
from robustrank.judging import gate
from robustrank.results.select import audited, lead, lead_change, strongest, surest_loss
from robustrank.results.summary import AttackResult, ShiftKind, Summary
from robustrank.results.verdicts import Outcome

LOOSE = 0.9
"""Higher limits on a share of successes guard against nothing worth a gate."""


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """A gate that could be set."""

    gate: GateSpec
    estimate: Estimate
    """What its limit is a bound of."""

    @property
    def text(self) -> str:
        """Its table in an audit file."""
        limit = {"min": self.gate.min} if self.gate.min is not None else {"max": self.gate.max}
        table = {"name": self.gate.name, "measure": self.gate.measure, "where": dict(self.gate.where), **limit}
        return as_toml({"gate": [table]}).lstrip("\n")


def propose(summary: Summary) -> list[Proposal]:
    """At most three gates on the audited ranker that hold with the figures of this audit.

    A limit is the bound of the figure's interval, rounded away from it to hundredths. Left out is what no ranker could
    fail (a limit at the end of the measure) and what has no valid measurement.
    """
    if summary.finished is None:
        return []
    return [each for each in _candidates(summary) if gate.judge([each.gate], summary)[0].outcome is Outcome.PASS]


def for_more(proposal: Proposal, queries: int, bounds: tuple[float, float]) -> Proposal | None:
    """A proposal for an audit of more queries than those of its estimate, whose figure is not known yet.

    Args:
        proposal: Of an audit of the first of them.
        queries: Of the larger audit.
        bounds: Least and greatest possible value of a query.

    Returns:
        One that holds in nineteen of twenty such audits where nothing else changes; ``None`` where its limit would
        guard against nothing.
    """
    from robustrank.stats import planning  # numpy: not before it is needed

    each = proposal.gate
    if each.min is not None:
        least = floor(100 * planning.foreseen(proposal.estimate, queries, "low", bounds)) / 100
        return replace(proposal, gate=replace(each, min=least)) if least > bounds[0] else None
    most = ceil(100 * planning.foreseen(proposal.estimate, queries, "high", bounds)) / 100
    return replace(proposal, gate=replace(each, max=most)) if most <= LOOSE else None


def _candidates(summary: Summary) -> Iterable[Proposal]:
    name = audited(summary)
    for e in summary.effectiveness:
        if (e.ranker, e.collection, e.measure, e.slice) == (name, summary.home, summary.measure, None):
            least = floor(100 * e.mean.low) / 100
            if least > 0:
                yield Proposal(
                    gate=GateSpec(
                        name=f"{name} keeps its {e.measure} on {e.collection}",
                        measure=e.measure,
                        where={"ranker": e.ranker, "collection": e.collection},
                        min=least,
                    ),
                    estimate=e.mean,
                )
    mine = [r for r in summary.attacks if r.ranker == name and r.success and not r.control]
    limited = [r for r in mine if lead(r).startswith("ASR@") and _above(r.success[lead(r)]) <= LOOSE]
    attack: AttackResult | None = strongest(limited, ranker=name)
    if attack is not None:
        yield Proposal(
            gate=GateSpec(
                name=f"“{attack.attack}” succeeds against {name} no more often than today",
                measure=lead(attack),
                where={"ranker": attack.ranker, "attack": attack.attack},
                max=_above(attack.success[lead(attack)]),
            ),
            estimate=attack.success[lead(attack)],
        )
    corpora = [s for s in summary.shifts if s.kind is ShiftKind.CORPUS and s.relative is not None]
    shift = surest_loss((s for s in corpora if s.measure == summary.measure), name)
    if shift is not None and shift.relative is not None and lead_change(shift).high < 0:
        lost = Estimate(-shift.relative.value, -shift.relative.high, -shift.relative.low, shift.relative.n)
        if _above(lost) < 1:
            yield Proposal(
                gate=GateSpec(
                    name=f"{name} loses no more on {shift.target} than today",
                    measure="drop",
                    where={"ranker": shift.ranker, "collection": shift.target},
                    max=_above(lost),
                ),
                estimate=lost,
            )


def _above(estimate: Estimate) -> float:
    return ceil(100 * estimate.high) / 100
