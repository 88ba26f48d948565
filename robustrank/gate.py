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
==================  =======================================================  =================================

A drop is positive when effectiveness falls. Without ``attack`` the worst of all attacks that are no controls counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from robustrank.config import AuditSpec, GateSpec
from robustrank.errors import ConfigError
from robustrank.summary import Shift, Summary, Verdict
from robustrank.tables import known, suggest
from robustrank.types import Estimate

_WHERE = {
    "worst decile": ("ranker", "collection", "of"),
    "drop": ("ranker", "collection", "slice"),
    "drop vs baseline": ("ranker", "collection", "slice"),
    "attack": ("ranker", "attack", "stratum"),
    "CRQ": ("ranker", "radius", "collection"),
    "effectiveness": ("ranker", "collection", "slice"),
}
_ATTACK_MEASURES = ("promoted", "goal", "demoted", "harmed", "boost", "harm")
_SEVERITY = ("pass", "inconclusive", "fail")


@dataclass(frozen=True)
class Figure:
    """One number of a summary, and the labels that single it out."""

    measure: str
    labels: Mapping[str, str]
    estimate: Estimate
    control: bool = False

    def __str__(self) -> str:
        """For messages: ``ASR@10 (ranker 'a', attack 'b')``."""
        return f"{self.measure} ({', '.join(f'{key} {value!r}' for key, value in self.labels.items())})"


def judge(gates: Sequence[GateSpec], summary: Summary) -> list[Verdict]:
    """One verdict per gate, in order.

    A figure that an unfinished audit has not reached yet makes its gate inconclusive.

    Raises:
        ConfigError: A gate names no figure of a finished audit, or several; the message lists the candidates.
    """
    figures = list(_figures(summary))
    return [_judge(gate, figures, summary) for gate in gates]


def exit_code(verdicts: Sequence[Verdict]) -> int:
    """0 when all gates hold, 1 otherwise."""
    return 0 if all(verdict.held for verdict in verdicts) else 1


def check(spec: AuditSpec) -> None:
    """Find the gates that can match no figure of an audit, before hours are spent on it.

    Raises:
        ConfigError: An unknown measure, key or name, with the nearest known one.
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
    highest = min((int(stratum.partition("-")[0]) for stratum in spec.cases.strata), default=1)
    measures = [
        *spec.measures,
        *("worst decile", "drop", "drop vs baseline"),
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


def _judge(gate: GateSpec, figures: Sequence[Figure], summary: Summary) -> Verdict:
    where = {key: str(value) for key, value in gate.where.items()}
    named = [figure for figure in figures if figure.measure == gate.measure]
    found = [figure for figure in named if _matches(figure, where, summary)]
    if not found and summary.finished is None:
        reason = f"the audit is not finished, and has no {gate.measure} for this gate yet"
        return _verdict(gate, "inconclusive", reason, None, None)
    if not found:
        raise ConfigError(f"gate {gate.name!r}: no figure {_asked(gate)}{_near(gate, named, figures, where)}")
    if len({_apart_from_attack(figure) for figure in found}) > 1:
        listed = "; ".join(map(str, found[:6]))
        raise ConfigError(f"gate {gate.name!r}: {len(found)} figures match {_asked(gate)}; say which: {listed}")
    verdicts = [_judge_figure(gate, figure, len(found)) for figure in found]
    sign = 1 if gate.max is not None else -1
    return max(verdicts, key=lambda v: (_SEVERITY.index(v.outcome), sign * v.estimate.value if v.estimate else 0.0))


def _judge_figure(gate: GateSpec, figure: Figure, candidates: int) -> Verdict:
    estimate, limit = figure.estimate, _limit(gate)
    low, high = (estimate.low, estimate.high) if gate.bound == "interval" else (estimate.value, estimate.value)
    if gate.max is not None:
        outcome = "pass" if high <= limit else "fail" if low > limit else "inconclusive"
    else:
        outcome = "pass" if low >= limit else "fail" if high < limit else "inconclusive"
    of = f", the worst of {candidates} attacks," if candidates > 1 else ""
    reason = (
        f"{figure}{of} is {estimate.value:.3f} [{estimate.low:.3f}, {estimate.high:.3f}] "
        f"with n={estimate.n}; wanted {_wanted(gate)}"
    )
    needed = None
    if outcome == "inconclusive":
        needed = _needed(estimate, limit)
        reason += f"; about {needed} queries would decide it" if needed else "; the value is the limit itself"
    return _verdict(gate, outcome, reason, estimate, needed)


def _verdict(gate: GateSpec, outcome: str, reason: str, estimate: Estimate | None, needed: int | None) -> Verdict:
    held = outcome == "pass" or (outcome == "inconclusive" and gate.allow_inconclusive)
    return Verdict(
        gate=gate.name,
        outcome=outcome,
        reason=reason,
        estimate=estimate,
        limit=_wanted(gate),
        queries_needed=needed,
        held=held,
    )


def _limit(gate: GateSpec) -> float:
    limit = gate.max if gate.max is not None else gate.min
    if limit is None:
        raise ConfigError(f"gate {gate.name!r} needs either `max` or `min`")
    return limit


def _wanted(gate: GateSpec) -> str:
    return f"at {'most' if gate.max is not None else 'least'} {_limit(gate):g}"


def _needed(estimate: Estimate, limit: float) -> int | None:
    """Queries after which the bound on the estimate's side of the limit would clear it."""
    from robustrank import stats  # numpy: not before it is needed

    return stats.needed(estimate, limit, "high" if estimate.value < limit else "low")


def _figures(summary: Summary) -> Iterator[Figure]:
    for found in summary.effectiveness:
        labels = {"ranker": found.ranker, "collection": found.collection}
        sliced = labels if found.slice is None else {**labels, "slice": found.slice}
        yield Figure(found.measure, sliced, found.mean)
        if found.slice is None and found.worst_decile is not None:
            yield Figure("worst decile", {**labels, "of": found.measure}, found.worst_decile)
    for shift in summary.shifts:
        labels = {"ranker": shift.ranker, **_target(shift)}
        if shift.relative is not None:
            yield Figure("drop", labels, _negated(shift.relative))
        if shift.relative_to_baseline is not None:
            yield Figure("drop vs baseline", labels, _negated(shift.relative_to_baseline))
    for attack in summary.attacks:
        labels = {"ranker": attack.ranker, "attack": attack.attack, "stratum": attack.stratum}
        for name, estimate in {**attack.success, "boost": attack.boost, "harm": attack.harm}.items():
            yield Figure(name, labels, estimate, attack.control)
    for certified in summary.certificates:
        labels = {"ranker": certified.ranker, "radius": str(certified.radius), "collection": certified.collection}
        yield Figure(f"CRQ@{certified.k}", labels, certified.crq)


def _target(shift: Shift) -> dict[str, str]:
    """Where a shift leads: another collection, or a slice of one (``"SciFact: how"``)."""
    if shift.kind == "corpus":
        return {"collection": shift.target}
    collection, _, slice_ = shift.target.partition(": ")
    return {"collection": collection, "slice": slice_}


def _negated(change: Estimate) -> Estimate:
    return change._replace(value=-change.value, low=-change.high, high=-change.low)


def _matches(figure: Figure, where: Mapping[str, str], summary: Summary) -> bool:
    """Whether a figure is the one asked for; keys left out take the defaults of the table above."""
    drop = figure.measure.startswith("drop")
    defaults: dict[str, str] = {"stratum": "all", "of": summary.measure}
    if not drop or "slice" in where:
        defaults["collection"] = summary.home
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


def _near(gate: GateSpec, named: Sequence[Figure], figures: Sequence[Figure], where: Mapping[str, str]) -> str:
    if not named:
        measures = list(dict.fromkeys(figure.measure for figure in figures))
        return f"{suggest(gate.measure, measures)} (have: {', '.join(measures) or 'none'})"
    far = {
        str(f): sum((key not in f.labels) + (f.labels.get(key) != value) for key, value in where.items()) for f in named
    }
    return f"; near: {'; '.join(sorted(far, key=lambda text: (far[text], text))[:5])}"


def _family(measure: str) -> str:
    if measure in _WHERE:
        return measure
    if measure in _ATTACK_MEASURES or measure.startswith("ASR@"):
        return "attack"
    return "CRQ" if measure.startswith("CRQ@") else "effectiveness"
