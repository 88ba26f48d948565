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
from dataclasses import replace
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING

from robustrank.config.specs import Bound, GateSpec
from robustrank.core.errors import ConfigError
from robustrank.core.types import Estimate
from robustrank.judging import figures
from robustrank.judging import ratchet as ratchets
from robustrank.judging.ratchet import Held, Ratchet
from robustrank.judging.selection import NoFigureError, pick
from robustrank.results.figures import Figure
from robustrank.results.outcomes import Tally, together
from robustrank.results.summary import Summary
from robustrank.results.verdicts import Outcome, Verdict

if TYPE_CHECKING:
    pass


def judge(gates: Sequence[GateSpec], summary: Summary, ratchet: Path | str | None = None) -> list[Verdict]:
    """One verdict per gate, in order.

    A figure that an unfinished audit has not reached yet makes its gate inconclusive. What a gate cannot be judged for
    makes that gate invalid, and the others are judged.

    Args:
        gates: Of the audit file.
        summary: Of the audit.
        ratchet: The file that ``worse_by`` compares with.

    Raises:
        ConfigError: The ratchet file cannot be read.
    """
    every = figures.measured(summary)
    held = ratchets.read(Path(ratchet)) if ratchet and any(g.worse_by is not None for g in gates) else None
    return [_Judge(gate, summary, held, str(ratchet)).judge(every) for gate in gates]


def exit_code(summary: Summary) -> int:
    """0 when all gates hold, 1 when one does not, 3 when nothing at all could be measured."""
    if measured_nothing(summary):
        return 3
    return 0 if all(verdict.held for verdict in summary.verdicts) else 1


def measured_nothing(summary: Summary) -> str:
    """Why an audit could not measure anything, in a sentence: no ranker ranked a list; empty where one did."""
    lists = together(ranker.tasks.get("ranking", Tally()) for ranker in summary.rankers)
    return f"could not run: {lists.sentence('lists')}" if lists.planned and not lists.decided else ""


def binding(figure: Figure, summary: Summary) -> str:
    """The serious red flags on what a figure is about, in a sentence; empty without any that is not accepted."""
    bases = {ranker.name: ranker.base for ranker in summary.rankers}
    ranker, attack = figure.labels.get("ranker"), figure.labels.get("attack")
    rankers = None if ranker is None else {ranker, bases.get(ranker) or ranker, *figure.others}
    flags = [
        flag
        for flag in summary.red_flags
        if flag.binds
        and flag.about(rankers, attack, figure.collection)
        and (figure.robustness or not flag.of_robustness)
    ]
    if not flags:
        return ""
    more = f", and {len(flags) - 1} more" if len(flags) > 1 else ""
    return f"red flag {str(flags[0].check)!r}{more}: {flags[0].title} ({flags[0].detail})"


def unfit(figure: Figure, summary: Summary) -> str:
    """Why a figure must not become what later audits are compared with; empty where it may."""
    counts = figure.tally or Tally()
    return counts.sentence("cases" if "attack" in figure.labels else "lists") or binding(figure, summary)


def named(gate: GateSpec, summary: Summary) -> list[Figure]:
    """The figures of a summary that a gate is about: one, or one for every attack.

    Raises:
        ConfigError: None, or several that differ in more than the attack.
    """
    return pick(gate, figures.measured(summary), summary.home, summary.measure)


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
            verdicts = [self._bound(figure, self._figure(figure, len(figures_named))) for figure in figures_named]
        except NoFigureError as problem:
            if self.summary.finished is None:
                reason = f"the audit is not finished, and has no {gate.measure} for this gate yet"
                return self._verdict(Outcome.INCONCLUSIVE, reason)
            return self._verdict(Outcome.INVALID, _not_run(gate, self.summary) or str(problem))
        except ConfigError as problem:
            return self._verdict(Outcome.INVALID, str(problem))
        sign, severity = -1 if gate.min is not None else 1, list(Outcome)
        return max(verdicts, key=lambda v: (severity.index(v.outcome), sign * v.estimate.value if v.estimate else 0.0))

    def _bound(self, figure: Figure, verdict: Verdict) -> Verdict:
        """The verdict, or that there can be none: a serious red flag is on what the gate names."""
        flags = binding(figure, self.summary)
        if not flags:
            return verdict
        reason = f"{flags}; so there is no verdict, and without it: {verdict.outcome}, {verdict.reason}"
        return replace(verdict, outcome=Outcome.INVALID, reason=reason, queries_needed=None, held=False)

    def _figure(self, figure: Figure, candidates: int) -> Verdict:
        counts = figure.tally or Tally()
        cases = "cases" if "attack" in figure.labels else "lists"
        of = f", the worst of {candidates} attacks," if candidates > 1 else ""
        if counts.planned and not counts.decided:
            return self._verdict(Outcome.INVALID, f"{figure}{of} could not be measured: {counts.sentence(cases)}")
        held = None
        if self.gate.worse_by is not None:
            held = self.held.find(figure) if self.held else None
            if held is None:
                reason = f"{figure} is not in {self.path} yet; `robustrank gate DIR --update-ratchet` writes it"
                return self._verdict(Outcome.INCONCLUSIVE, reason)
        estimate = self._estimate(figure, held, figure.per_query, figure.estimate)
        if estimate is None:
            outcome = Outcome.INVALID if counts.undecided else Outcome.INCONCLUSIVE
            why = "; ".join(filter(None, [figure.missing, counts.sentence(cases)]))
            return self._verdict(outcome, f"{figure}{of} cannot be computed: {why or 'it has no value'}")
        gate = self.gate
        outcome = self._outcome(estimate)
        than = f"worse than in {Path(self.path).name} by " if gate.worse_by is not None else ""
        told = ""
        anytime = " at any time" if self.summary.sequential else ""
        reason = (
            f"{figure}{of} is {than}{estimate.value:.3f} [{estimate.low:.3f}, {estimate.high:.3f}]{anytime} "
            f"with n={estimate.n}; wanted {_wanted(gate)}"
        )
        gap = ratchets.Gap((), 0) if held is None else ratchets.gap(held, figure, self.summary)
        if counts.undecided or gap.gone:
            outcome, told = self._with_undecided(figure, held, outcome, counts, gap.gone)
            reason += f"; {counts.sentence(cases)}" if counts.undecided else ""
        if held is not None and any(gap):
            reason += f"; {gap.sentence(self.path, len(held.per_query))}"
        reason += f"; {told}" if told else ""
        needed = None
        if outcome is Outcome.INCONCLUSIVE:
            needed = _needed(estimate, _limit(gate), figure.bounds)
            reason += self._queries_needed(figure, needed)
        return self._verdict(outcome, reason, estimate, needed)

    def _outcome(self, estimate: Estimate) -> Outcome:
        """What an estimate alone comes to."""
        gate, limit = self.gate, _limit(self.gate)
        low, high = (estimate.low, estimate.high) if gate.bound is Bound.INTERVAL else (estimate.value, estimate.value)
        if gate.min is None:
            return Outcome.PASS if high <= limit else Outcome.FAIL if low > limit else Outcome.INCONCLUSIVE
        return Outcome.PASS if low >= limit else Outcome.FAIL if high < limit else Outcome.INCONCLUSIVE

    def _with_undecided(
        self, figure: Figure, held: Held | None, outcome: Outcome, counts: Tally, gone: Sequence[str]
    ) -> tuple[Outcome, str]:
        """The outcome that holds whatever the undecided cases would have been, or that there is none, in words.

        Args:
            figure: Of the audit.
            held: The same figure of the ratchet file.
            outcome: Without them.
            counts: Of the figure's cases.
            gone: Queries of the ratchet file that the audit has no value of; they count as undecided.
        """
        if counts.undecided and figure.ends is None:
            return Outcome.INVALID, "what they would change is not known"
        sides = [self._end(figure, held, side, gone) for side in (0, 1)]
        ends = [side for side in sides if side is not None]
        if len(ends) < 2:
            return Outcome.INVALID, "what they would change is not known"
        between = " or ".join(f"{end.value:.3f} [{end.low:.3f}, {end.high:.3f}]" for end in ends)
        outcomes = {self._outcome(end) for end in ends} | {outcome}
        if len(outcomes) > 1:
            return Outcome.INVALID, f"they could decide it: {between} if all of them were at one end"
        if outcome is Outcome.INCONCLUSIVE and (
            (counts.undecided > 0 and counts.undecided >= counts.decided) or 2 * len(gone) > ends[0].n
        ):
            return Outcome.INVALID, f"too many to judge by: {between} if all of them were at one end"
        return outcome, f"the outcome is the same with all of them at either end ({between})"

    def _end(self, figure: Figure, held: Held | None, side: int, gone: Sequence[str]) -> Estimate | None:
        """The estimate with every undecided case at its least (side 0) or greatest (side 1) value."""
        stored = None if figure.ends is None else figure.ends[side]
        if held is None and not self.summary.sequential:
            return stored
        values = {**figure.per_query, **{query_id: ends[side] for query_id, ends in figure.open.items()}}
        if gone and not isfinite(figure.bounds[side]):
            return None
        same = held and ratchets.unchanged(held, figure, ratchets.losses(held, figure, self.summary, self.path))
        if not same:  # the same ranker that gave the same values has not lost elsewhere either
            values |= dict.fromkeys(gone, figure.bounds[side])
        return self._estimate(figure, held, values, stored, gone)

    def _estimate(
        self,
        figure: Figure,
        held: Held | None,
        values: Mapping[str, float],
        estimate: Estimate | None,
        gone: Sequence[str] = (),
    ) -> Estimate | None:
        """The figure's own interval, that of its loss, or one that holds at any time.

        Args:
            figure: Of the audit.
            held: The same figure of the ratchet file, where the gate compares with it.
            values: By query.
            estimate: Of the values, with a number of queries that was fixed beforehand.
            gone: Queries of the ratchet file whose values are assumed.
        """
        from robustrank.stats import intervals  # numpy: not before it is needed

        if held is None:
            if not self.summary.sequential:
                return estimate
            return _anytime(values, figure, self.summary)
        lost = ratchets.losses(held, replace(figure, per_query=values), self.summary, self.path, gone)
        same = ratchets.unchanged(held, figure, lost)
        if same is not None:
            return same
        width = figure.bounds[1] - figure.bounds[0]
        if self.summary.sequential:
            return _anytime(lost, figure, self.summary, bounds=(-width, width))
        return intervals.mean(list(lost.values()), bounds=(-width, width))

    def _queries_needed(self, figure: Figure, needed: int | None) -> str:
        """How many queries would decide it, and whether the collection has them."""
        if not needed:
            return "; the value is the limit itself"
        name = figure.collection or self.summary.home
        there = next((c.queries_available for c in self.summary.collections if c.name == name), None)
        text = f"; about {needed} queries would decide it"
        return text if there is None or there >= needed else f"{text}, and {name} has only {there}"

    def _verdict(
        self, outcome: Outcome, reason: str, estimate: Estimate | None = None, needed: int | None = None
    ) -> Verdict:
        return Verdict(
            gate=self.gate.name,
            outcome=outcome,
            reason=reason,
            estimate=estimate,
            limit=_wanted(self.gate),
            at=_limit(self.gate),
            measure=self.gate.measure,
            where=self.gate.where,
            queries_needed=needed,
            held=outcome is Outcome.PASS or (outcome is Outcome.INCONCLUSIVE and self.gate.allow_inconclusive),
        )


def _not_run(gate: GateSpec, summary: Summary) -> str:
    """Why a finished audit lacks the figure of a gate: tasks that failed; empty where none did."""
    named_rankers = [r for r in summary.rankers if gate.where.get("ranker", r.name) == r.name] or summary.rankers
    for kind, what in (("ranking", "lists"), ("attack", "cases"), ("certificate", "certificates")):
        counts = together(r.tasks.get(kind, Tally()) for r in named_rankers)
        if counts.undecided:
            return f"could not run: no {gate.measure}, because {counts.sentence(what)}"
    return ""


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


def _needed(estimate: Estimate, limit: float, bounds: tuple[float, float]) -> int | None:
    """Queries with which the bound on the estimate's side of the limit clears it in four audits of five."""
    from robustrank.stats import planning

    return planning.needed(estimate, limit, "high" if estimate.value < limit else "low", bounds)
