"""Gates: limits on single figures of a summary, judged on a bound of the figure's interval.

A gate names its figure by ``measure`` and ``where``; which there are is declared in :mod:`robustrank.protocols.figures`
and listed in docs/gates.md. Without ``attack`` the worst of all attacks that are no controls counts.

``worse_by`` limits how much worse than in the ratchet file a figure is, by the interval of the paired loss over
queries (:mod:`robustrank.judging.ratchet`): a test of non-inferiority. In an audit with ``[sequential]`` every
interval is one that holds at any time (:mod:`robustrank.stats.anytime`), because such an audit stops when its gates
are decided.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from robustrank.config.specs import AuditSpec, Bound, GateSpec
from robustrank.config.tables import check_name
from robustrank.core.errors import ConfigError
from robustrank.core.types import Estimate
from robustrank.judging import figures
from robustrank.judging import ratchet as ratchets
from robustrank.judging.ratchet import Ratchet
from robustrank.judging.selection import NoFigureError, pick
from robustrank.results.figures import Figure, FigureKind
from robustrank.results.summary import Outcome, Summary, Verdict

if TYPE_CHECKING:
    from robustrank.work.workbench import Workbench


def judge(gates: Sequence[GateSpec], summary: Summary, ratchet: Path | str | None = None) -> list[Verdict]:
    """One verdict per gate, in order.

    A figure that an unfinished audit has not reached yet makes its gate inconclusive.

    Args:
        gates: Of the audit file.
        summary: Of the audit.
        ratchet: The file that ``worse_by`` compares with.

    Raises:
        ConfigError: A gate names no figure of a finished audit, or several; the message lists the candidates. Or its
            figure is not comparable with that of the ratchet file.
    """
    every = figures.measured(summary)
    held = ratchets.read(Path(ratchet)) if ratchet and any(g.worse_by is not None for g in gates) else None
    return [_Judge(gate, summary, held, str(ratchet)).judge(every) for gate in gates]


def exit_code(verdicts: Sequence[Verdict]) -> int:
    """0 when all gates hold, 1 otherwise."""
    return 0 if all(verdict.held for verdict in verdicts) else 1


def named(gate: GateSpec, summary: Summary) -> list[Figure]:
    """The figures of a summary that a gate is about: one, or one for every attack.

    Raises:
        ConfigError: None, or several that differ in more than the attack.
    """
    return pick(gate, figures.measured(summary), summary.home, summary.measure)


def check(spec: AuditSpec) -> None:
    """Find the gates whose names are wrong, before anything is loaded.

    Raises:
        ConfigError: An unknown measure, key or name, with the nearest known one; or a figure that cannot be judged in
            the way the gate says.
    """
    victims = [victim.name for victim in spec.victims]
    names = {
        "ranker": victims,
        "collection": [collection.name for collection in spec.collections],
        "attack": [attack.name for attack in spec.attacks],
        "stratum": ["all", *(spec.cases.strata if len(spec.cases.strata) > 1 else ())],
        "radius": [str(radius) for radius in spec.certify.radius],
        "of": list(spec.measures),
    }
    measures = figures.named(spec) if spec.gates else {}
    for gate in spec.gates:
        check_name(gate.measure, list(measures), f"gate {gate.name!r}: measure")
        kind = measures[gate.measure]
        for key, value in gate.where.items():
            check_name(key, kind.where, f"gate {gate.name!r}: `where` key")
            if key in names:
                check_name(str(value), names[key], f"gate {gate.name!r}: {key}")
        if kind.needs_baseline and spec.baseline is None:
            raise ConfigError(f"gate {gate.name!r}: the audit file sets no `baseline`")
        _check_means(gate, kind, spec)


def check_planned(gates: Sequence[GateSpec], bench: Workbench) -> None:
    """Find the gates that no figure of an audit will answer, or several, before anything is scored.

    Raises:
        ConfigError: As :func:`judge` would raise it after the audit.
    """
    if gates:
        every = figures.expected(bench)
        for gate in gates:
            pick(gate, every, bench.spec.home.name, bench.spec.measures[0])


def _check_means(gate: GateSpec, kind: FigureKind, spec: AuditSpec) -> None:
    """Only figures that are means of one value per query can be compared by query or judged at any time."""
    why = kind.not_a_mean or ("a slice keeps no values of its queries" if "slice" in gate.where else "")
    way = "worse_by" if gate.worse_by is not None else "[sequential]" if spec.sequential else None
    if way and spec.sequential:
        why = kind.unbounded or why
        if gate.bound is Bound.VALUE:
            why = "bound = 'value' looks at no interval, and would be decided by the first batch"
    if way and why:
        raise ConfigError(f"gate {gate.name!r}: {gate.measure} does not support {way}: {why}")


class _Judge:
    """One gate at work."""

    def __init__(self, gate: GateSpec, summary: Summary, held: Ratchet | None, path: str) -> None:
        self.gate = gate
        self.summary = summary
        self.held = held
        self.path = path

    def judge(self, every: Sequence[Figure]) -> Verdict:
        """The verdict on the worst of the figures that the gate names."""
        gate = self.gate
        try:
            figures_named = pick(gate, every, self.summary.home, self.summary.measure)
        except NoFigureError:
            if self.summary.finished is not None:
                raise
            return self._verdict(
                Outcome.INCONCLUSIVE, f"the audit is not finished, and has no {gate.measure} for this gate yet"
            )
        verdicts = [self._figure(figure, len(figures_named)) for figure in figures_named]
        sign, severity = -1 if gate.min is not None else 1, list(Outcome)
        return max(verdicts, key=lambda v: (severity.index(v.outcome), sign * v.estimate.value if v.estimate else 0.0))

    def _figure(self, figure: Figure, candidates: int) -> Verdict:
        estimate, limit = self._estimate(figure), _limit(self.gate)
        if estimate is None:
            reason = f"{figure} is not in {self.path} yet; `robustrank gate DIR --update-ratchet` writes it"
            return self._verdict(Outcome.INCONCLUSIVE, reason)
        gate = self.gate
        low, high = (estimate.low, estimate.high) if gate.bound is Bound.INTERVAL else (estimate.value, estimate.value)
        if gate.min is None:
            outcome = Outcome.PASS if high <= limit else Outcome.FAIL if low > limit else Outcome.INCONCLUSIVE
        else:
            outcome = Outcome.PASS if low >= limit else Outcome.FAIL if high < limit else Outcome.INCONCLUSIVE
        of = f", the worst of {candidates} attacks," if candidates > 1 else ""
        than = f"worse than in {Path(self.path).name} by " if gate.worse_by is not None else ""
        anytime = " at any time" if self.summary.sequential else ""
        reason = (
            f"{figure}{of} is {than}{estimate.value:.3f} [{estimate.low:.3f}, {estimate.high:.3f}]{anytime} "
            f"with n={estimate.n}; wanted {_wanted(gate)}"
        )
        needed = None
        if outcome is Outcome.INCONCLUSIVE:
            needed = _needed(estimate, limit)
            reason += f"; about {needed} queries would decide it" if needed else "; the value is the limit itself"
        return self._verdict(outcome, reason, estimate, needed)

    def _estimate(self, figure: Figure) -> Estimate | None:
        """The figure's own interval, that of its loss, or one that holds at any time."""
        from robustrank.stats import intervals  # numpy: not before it is needed

        if self.gate.worse_by is None:
            if not self.summary.sequential:
                return figure.estimate
            return _anytime(figure.per_query, figure, self.summary)
        held = self.held.find(figure) if self.held else None
        if held is None:
            return None
        lost = ratchets.losses(held, figure, self.summary, self.path)
        same = ratchets.unchanged(held, figure, lost)
        if same is not None:
            return same
        width = figure.bounds[1] - figure.bounds[0]
        if self.summary.sequential:
            return _anytime(lost, figure, self.summary, bounds=(-width, width))
        return intervals.mean(list(lost.values()), bounds=(-width, width))

    def _verdict(
        self, outcome: Outcome, reason: str, estimate: Estimate | None = None, needed: int | None = None
    ) -> Verdict:
        return Verdict(
            gate=self.gate.name,
            outcome=outcome,
            reason=reason,
            estimate=estimate,
            limit=_wanted(self.gate),
            queries_needed=needed,
            held=outcome is Outcome.PASS or (outcome is Outcome.INCONCLUSIVE and self.gate.allow_inconclusive),
        )


def _anytime(
    values: Mapping[str, float], figure: Figure, summary: Summary, bounds: tuple[float, float] | None = None
) -> Estimate:
    """Mean of the values with an interval that holds at any time, in the order in which the queries were drawn."""
    from robustrank.stats import anytime

    places = figures.drawing_order(summary, figure.collection)
    ordered = [values[query_id] for query_id in sorted(values, key=lambda q: (places.get(q, len(places)), q))]
    if not ordered:
        raise ConfigError(f"{figure} has no per-query values in this summary; run the audit's command again")
    return anytime.mean(ordered, bounds=bounds or figure.bounds)


def _limit(gate: GateSpec) -> float:
    limit = next((limit for limit in (gate.max, gate.min, gate.worse_by) if limit is not None), None)
    if limit is None:
        raise ConfigError(f"gate {gate.name!r} needs either `max`, `min` or `worse_by`")
    return limit


def _wanted(gate: GateSpec) -> str:
    limit = f"at {'least' if gate.min is not None else 'most'} {_limit(gate):g}"
    return limit if gate.worse_by is None else f"worse by {limit}"


def _needed(estimate: Estimate, limit: float) -> int | None:
    """Queries after which the bound on the estimate's side of the limit would clear it."""
    from robustrank.stats import intervals

    return intervals.needed(estimate, limit, "high" if estimate.value < limit else "low")
