"""Gates: limits on single figures of a summary, judged on a bound of the figure's interval.

A gate names its figure by ``measure`` and ``where``:

==================  =======================================================  =================================
measure             figure                                                   ``where``
==================  =======================================================  =================================
``nDCG@10`` …       mean of a measure of the audit file                      ranker, collection (home), slice
``worst decile``    mean of its lowest tenth of queries                      ranker, collection (home), of
``drop``            share of the mean that is lost somewhere unforeseen      ranker, collection or slice
``drop vs baseline``  that share minus the baseline ranker's                 ranker, collection or slice
``ASR@10`` …        share of attacks that succeed                            ranker, attack, stratum (all)
``boost`` ``harm``  mean ranks gained; mean nDCG@10 lost by the list         ranker, attack, stratum (all)
``CRQ@5`` …         share of certified queries                               ranker, radius, collection (home)
``judged@10``       share of the top 10 that somebody judged                 ranker, collection (home), slice
``tau``             Kendall's tau of all systems when one is not pooled      left_out (a system or group)
==================  =======================================================  =================================

A drop is positive when effectiveness falls. Without ``attack`` the worst of all attacks that are no controls counts.

``worse_by`` limits how much worse than in the ratchet file a figure is, by the interval of the paired loss over
queries (:mod:`robustrank.judging.ratchet`): a test of non-inferiority. In an audit with ``[sequential]`` every
interval is one that holds at any time (:mod:`robustrank.stats.anytime`), because such an audit stops when its gates
are decided.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from robustrank.config.audit_file import AuditSpec, GateSpec
from robustrank.config.tables import known, suggest
from robustrank.core.errors import ConfigError
from robustrank.core.strata import first_rank
from robustrank.core.types import Estimate
from robustrank.judging import figures as figuring
from robustrank.judging import ratchet as ratchets
from robustrank.judging.figures import Figure
from robustrank.judging.ratchet import Ratchet
from robustrank.results.summary import Summary, Verdict

if TYPE_CHECKING:
    from robustrank.work.workbench import Workbench

_WHERE = {
    "worst decile": ("ranker", "collection", "of"),
    "drop": ("ranker", "collection", "slice"),
    "drop vs baseline": ("ranker", "collection", "slice"),
    "attack": ("ranker", "attack", "stratum"),
    "CRQ": ("ranker", "radius", "collection"),
    "tau": ("left_out",),
    "effectiveness": ("ranker", "collection", "slice"),
}
_ATTACK_MEASURES = ("promoted", "goal", "demoted", "harmed", "boost", "harm")
_SEVERITY = ("pass", "inconclusive", "fail")
_NO_MEAN = {
    "worst decile": "the worst tenth is not a mean over all queries",
    "judged@10": "its values by query are not kept",
    "tau": "a rank correlation is not a mean over queries",
    "drop": "a drop is a ratio of means over different queries",
    "drop vs baseline": "a drop is a ratio of means over different queries",
}


def judge(gates: Sequence[GateSpec], summary: Summary, ratchet: Path | str | None = None) -> list[Verdict]:
    """One verdict per gate, in order.

    A figure that an unfinished audit has not reached yet makes its gate inconclusive.

    Args:
        gates: Of the audit file.
        summary: What the audit found.
        ratchet: The file that ``worse_by`` compares with.

    Raises:
        ConfigError: A gate names no figure of a finished audit, or several; the message lists the candidates. Or its
            figure is not comparable with that of the ratchet file.
    """
    found = figuring.measured(summary)
    held = ratchets.read(Path(ratchet)) if ratchet and any(g.worse_by is not None for g in gates) else None
    return [_Judge(gate, summary, held, str(ratchet)).judge(found) for gate in gates]


def exit_code(verdicts: Sequence[Verdict]) -> int:
    """0 when all gates hold, 1 otherwise."""
    return 0 if all(verdict.held for verdict in verdicts) else 1


def named(gate: GateSpec, summary: Summary) -> list[Figure]:
    """The figures of a summary that a gate is about: one, or one for every attack.

    Raises:
        ConfigError: None, or several that differ in more than the attack.
    """
    return _pick(gate, figuring.measured(summary), summary.home, summary.measure)


def check(spec: AuditSpec) -> None:
    """Find the gates whose names are wrong, before anything is loaded.

    Raises:
        ConfigError: An unknown measure, key or name, with the nearest known one; or a figure that cannot be judged in
            the way asked for.
    """
    plain = [ranker.name for ranker in spec.rankers]
    names = {
        "ranker": [*plain, *(f"{d.name} + {base}" for d in spec.defenses for base in d.rankers)],
        "collection": [collection.name for collection in spec.collections],
        "attack": [attack.name for attack in spec.attacks],
        "stratum": ["all", *(spec.cases.strata if len(spec.cases.strata) > 1 else ())],
        "radius": [str(radius) for radius in spec.certify.radius],
        "of": list(spec.measures),
    }
    highest = min((first_rank(stratum) for stratum in spec.cases.strata), default=1)
    measures = [
        *spec.measures,
        *("worst decile", "drop", "drop vs baseline", "judged@10"),
        *(("tau",) if spec.pooling else ()),
        *(_ATTACK_MEASURES if spec.attacks else ()),
        *(f"ASR@{k}" for k in (1, 3, 5, 10) if spec.attacks and k < highest),
        *(f"CRQ@{k}" for k in spec.certify.k if spec.defenses),
    ]
    for gate in spec.gates:
        known(gate.measure, measures, f"gate {gate.name!r}: measure")
        keys = _WHERE[_family(gate.measure)]
        for key, value in gate.where.items():
            known(key, keys, f"gate {gate.name!r}: `where` key")
            if key in names:
                known(str(value), names[key], f"gate {gate.name!r}: {key}")
        if gate.measure == "drop vs baseline" and spec.baseline is None:
            raise ConfigError(f"gate {gate.name!r}: the audit file sets no `baseline`")
        _check_means(gate, spec)


def check_planned(gates: Sequence[GateSpec], bench: Workbench) -> None:
    """Find the gates that no figure of an audit will answer, or several, before anything is scored.

    Raises:
        ConfigError: As :func:`judge` would raise it after the audit.
    """
    if gates:
        from robustrank.judging.planned import planned  # what builds rankers: not before an audit runs

        found = planned(bench)
        for gate in gates:
            _pick(gate, found, bench.spec.home.name, bench.spec.measures[0])


def _check_means(gate: GateSpec, spec: AuditSpec) -> None:
    """What needs a value per query is asked only of figures that are means of such values."""
    why = _NO_MEAN.get(gate.measure) or ("a slice keeps no values of its queries" if "slice" in gate.where else None)
    asked = "worse_by" if gate.worse_by is not None else "[sequential]" if spec.sequential else None
    if asked == "[sequential]" or (asked and spec.sequential):
        if gate.measure == "boost":
            why = "ranks gained have no bounds that are known beforehand"
        if gate.bound == "value":
            why = "bound = 'value' looks at no interval, and would be decided by the first batch"
    if asked and why:
        raise ConfigError(f"gate {gate.name!r}: {gate.measure} does not go with {asked}: {why}")


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
            found = _pick(gate, every, self.summary.home, self.summary.measure)
        except _NoFigure:
            if self.summary.finished is not None:
                raise
            return self._verdict(
                "inconclusive", f"the audit is not finished, and has no {gate.measure} for this gate yet"
            )
        verdicts = [self._figure(figure, len(found)) for figure in found]
        sign = -1 if gate.min is not None else 1
        return max(verdicts, key=lambda v: (_SEVERITY.index(v.outcome), sign * v.estimate.value if v.estimate else 0.0))

    def _figure(self, figure: Figure, candidates: int) -> Verdict:
        estimate, limit = self._estimate(figure), _limit(self.gate)
        if estimate is None:
            reason = f"{figure} is not in {self.path} yet; `robustrank gate DIR --update-ratchet` writes it"
            return self._verdict("inconclusive", reason)
        gate = self.gate
        low, high = (estimate.low, estimate.high) if gate.bound == "interval" else (estimate.value, estimate.value)
        if gate.min is None:
            outcome = "pass" if high <= limit else "fail" if low > limit else "inconclusive"
        else:
            outcome = "pass" if low >= limit else "fail" if high < limit else "inconclusive"
        of = f", the worst of {candidates} attacks," if candidates > 1 else ""
        than = f"worse than in {Path(self.path).name} by " if gate.worse_by is not None else ""
        anytime = " at any time" if self.summary.sequential else ""
        reason = (
            f"{figure}{of} is {than}{estimate.value:.3f} [{estimate.low:.3f}, {estimate.high:.3f}]{anytime} "
            f"with n={estimate.n}; wanted {_wanted(gate)}"
        )
        needed = None
        if outcome == "inconclusive":
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
        self, outcome: str, reason: str, estimate: Estimate | None = None, needed: int | None = None
    ) -> Verdict:
        return Verdict(
            gate=self.gate.name,
            outcome=outcome,
            reason=reason,
            estimate=estimate,
            limit=_wanted(self.gate),
            queries_needed=needed,
            held=outcome == "pass" or (outcome == "inconclusive" and self.gate.allow_inconclusive),
        )


def _anytime(
    values: Mapping[str, float], figure: Figure, summary: Summary, bounds: tuple[float, float] | None = None
) -> Estimate:
    """Mean of the values with an interval that holds at any time, in the order in which the queries were drawn."""
    from robustrank.stats import anytime as sequences
    from robustrank.stats import intervals

    places = figuring.order(summary, figure.collection)
    ordered = [values[query_id] for query_id in sorted(values, key=lambda q: (places.get(q, len(places)), q))]
    if not ordered:
        raise ConfigError(f"{figure} has no per-query values in this summary; run the audit's command again")
    low, high = sequences.betting(
        ordered, alpha=1 - intervals.CONFIDENCE, bounds=bounds or figure.bounds, at=[len(ordered)]
    )
    mean = sum(ordered) / len(ordered)
    return Estimate(mean, min(float(low[0]), mean), max(float(high[0]), mean), len(ordered), intervals.CONFIDENCE)


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


class _NoFigure(ConfigError):
    """A gate names no figure."""


def _pick(gate: GateSpec, every: Sequence[Figure], home: str, lead: str) -> list[Figure]:
    """The figures a gate names: one, or one for every attack."""
    where = {key: str(value) for key, value in gate.where.items()}
    of_measure = [figure for figure in every if figure.measure == gate.measure]
    found = [figure for figure in of_measure if _matches(figure, where, home, lead)]
    if not found:
        raise _NoFigure(f"gate {gate.name!r}: no figure {_asked(gate)}{_near(gate, of_measure, every, where)}")
    if len({_apart_from_attack(figure) for figure in found}) > 1:
        listed = "; ".join(map(str, found[:6]))
        raise ConfigError(f"gate {gate.name!r}: {len(found)} figures match {_asked(gate)}; say which: {listed}")
    return found


def _matches(figure: Figure, where: Mapping[str, str], home: str, lead: str) -> bool:
    """Whether a figure is the one asked for; keys left out take the defaults of the table above."""
    drop = figure.measure.startswith("drop")
    defaults: dict[str, str] = {"stratum": "all", "of": lead}
    if not drop or "slice" in where:
        defaults["collection"] = home
    asked = {**{key: value for key, value in defaults.items() if key in figure.labels}, **where}
    if "attack" not in where and figure.control:
        return False
    if "slice" in figure.labels and "slice" not in where:
        return False
    return all(figure.labels.get(key) == value for key, value in asked.items())


def _apart_from_attack(figure: Figure) -> tuple[tuple[str, str], ...]:
    return tuple((key, value) for key, value in figure.labels.items() if key != "attack")


def _asked(gate: GateSpec) -> str:
    where = ", ".join(f"{key} {value!r}" for key, value in gate.where.items())
    return f"{gate.measure}{f' ({where})' if where else ''}"


def _near(gate: GateSpec, alike: Sequence[Figure], figures: Sequence[Figure], where: Mapping[str, str]) -> str:
    if not alike:
        measures = list(dict.fromkeys(figure.measure for figure in figures))
        return f"{suggest(gate.measure, measures)} (have: {', '.join(measures) or 'none'})"
    far = {
        str(f): sum((key not in f.labels) + (f.labels.get(key) != value) for key, value in where.items()) for f in alike
    }
    return f"; near: {'; '.join(sorted(far, key=lambda text: (far[text], text))[:5])}"


def _family(measure: str) -> str:
    if measure in _WHERE:
        return measure
    if measure in _ATTACK_MEASURES or measure.startswith("ASR@"):
        return "attack"
    return "CRQ" if measure.startswith("CRQ@") else "effectiveness"
