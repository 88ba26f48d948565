"""Attacked texts before a detector: how far they stand out, how many are detected, and which attacks still succeed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from robustrank.core.plugin_spec import parse
from robustrank.core.types import Estimate
from robustrank.measures.detection import (
    RATES,
    average_precision,
    placements,
    precision,
    precision_recall,
    roc,
    thinned,
)
from robustrank.protocols.adversarial import successes
from robustrank.protocols.detection.results import (
    AUC,
    BASES,
    BEFORE,
    OWN,
    AgainstDetector,
    detected,
    filtered,
    named,
)
from robustrank.protocols.lost import LostCase
from robustrank.results.figures import by_query
from robustrank.results.outcomes import Ends, Open, Tally, tally, undecided
from robustrank.results.select import leading
from robustrank.work.detection import changed
from robustrank.work.records import AttackRecord


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """What clean documents say of one detector on one ranker.

    Args:
        clean: Values of the clean documents of all sources but the attacked collection.
        thresholds: By rate; none where there are too few documents.
        by_source: Source to its own thresholds by rate.
        alarms: By rate, the share of clean documents above the threshold: of the attacked collection where that has
            enough, else of all sources together.
        why: Why there are no thresholds.
        trained_on: Attacks (plug-ins) that the detector was trained on.
    """

    clean: Sequence[float] = ()
    thresholds: Mapping[str, float] = field(default_factory=dict)
    by_source: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    alarms: Mapping[str, Estimate] = field(default_factory=dict)
    why: str = ""
    trained_on: Sequence[str] = ()


POINTS = 60
"""Of a curve that is kept."""

Values = Mapping[tuple[str, str, str], float | None]
"""Attack (empty: as it is), query and document to what the detector said."""


@dataclass(frozen=True)
class _Case:
    """What one case says: figure to value, or to its least and greatest value where that is open."""

    query_id: str
    values: Mapping[str, float]
    open: Mapping[str, tuple[float, float]]


def against(
    detector: str,
    group: Sequence[AttackRecord],
    lost: Sequence[LostCase],
    values: Values,
    calibration: Calibration,
) -> AgainstDetector:
    """One row.

    Args:
        detector: Name in the audit file.
        group: The records of one attack on one ranker; at least one.
        lost: Its cases without a record.
        values: What the detector said.
        calibration: Of the detector.
    """
    first = group[0]
    tests = successes(group)
    lead = leading(tests)
    cases = [_case(record, tests[lead](record), values, calibration) for record in group]
    cases += [_Case(each.query_id, {}, dict.fromkeys(_figures(calibration), (0.0, 1.0))) for each in lost]
    judged = [
        value for r in group if changed(r) and not undecided(r)
        if (value := values.get((r.attack, r.query_id, r.doc_id))) is not None
    ]  # fmt: skip
    row = AgainstDetector(
        ranker=first.ranker, attack=first.attack, detector=detector, collection=first.collection,
        control=first.control, in_training=parse(first.plugin).use in calibration.trained_on, success=lead,
        texts=len(judged), unchanged=sum(not undecided(r) and not changed(r) for r in group),
        tally=_tally(group, lost, values, calibration.why),
    )  # fmt: skip
    row = _estimated(row, cases)
    if not judged or not calibration.clean:
        return row
    curve = precision_recall(judged, calibration.clean, BASES[0])
    places = sorted({round(at * (len(curve) - 1) / (POINTS - 1)) for at in range(POINTS)})
    return replace(
        row,
        by_source={
            rate: {source: _above(judged, own[rate]) for source, own in calibration.by_source.items()}
            for rate in calibration.thresholds
        },
        precision={
            rate: _precision(row.means[detected(rate)], alarms)
            for rate, alarms in calibration.alarms.items()
            if detected(rate) in row.means
        },
        roc=thinned(roc(judged, calibration.clean), POINTS),
        recall=[curve[at] for at in places],
        average_precision=average_precision(judged, calibration.clean, BASES[0]),
    )


def _above(values: Sequence[float], limit: float) -> float:
    return sum(value > limit for value in values) / len(values)


def _figures(calibration: Calibration) -> list[str]:
    """All figures of a row; without clean documents there is no AUC against them."""
    rates = list(map(named, RATES))
    return [*([AUC] if calibration.clean else []), OWN, BEFORE, *map(detected, rates), *map(filtered, rates)]


def _case(record: AttackRecord, succeeds: bool, values: Values, calibration: Calibration) -> _Case:
    """What is not known of a case is open: of an undecided attack all, else what takes a value or a threshold.

    Where the attack changed nothing, the document as it is meets the filter, and there is no text to detect.
    """
    if undecided(record):
        return _Case(record.query_id, {}, dict.fromkeys(_figures(calibration), (0.0, 1.0)))
    was = values.get(("", record.query_id, record.doc_id))
    value = values.get((record.attack, record.query_id, record.doc_id)) if changed(record) else was
    told: dict[str, float] = {BEFORE: float(succeeds)}
    left: dict[str, tuple[float, float]] = {}
    for rate in map(named, RATES):
        limit = calibration.thresholds.get(rate)
        if value is None or limit is None:
            left |= {detected(rate): (0.0, 1.0), filtered(rate): (0.0, float(succeeds))}
        else:
            told |= {detected(rate): float(value > limit), filtered(rate): float(succeeds and value <= limit)}
    if calibration.clean:
        if value is None:
            left[AUC] = 0.0, 1.0
        else:
            told[AUC] = placements([value], calibration.clean)[0]
    if value is None or was is None:
        left[OWN] = 0.0, 1.0
    else:
        told[OWN] = (value > was) + (value == was) / 2
    about = [BEFORE, *(filtered(named(rate)) for rate in RATES)] if not changed(record) else _figures(calibration)
    return _Case(
        record.query_id,
        {name: told[name] for name in about if name in told},
        {name: left[name] for name in about if name in left},
    )


def _estimated(row: AgainstDetector, cases: Sequence[_Case]) -> AgainstDetector:
    means: dict[str, Estimate] = {}
    ends: dict[str, Ends] = {}
    open_: dict[str, Open] = {}
    per_query: dict[str, Mapping[str, float]] = {}
    for name in dict.fromkeys(name for case in cases for name in (*case.values, *case.open)):
        bounds = (0.0, 1.0) if name in (AUC, OWN) else None
        told = [(case.query_id, case.values[name]) for case in cases if name in case.values]
        left = [(case.query_id, case.open[name]) for case in cases if name in case.open]
        if told:
            means[name] = _mean(told, bounds)
            per_query[name] = by_query(*zip(*told, strict=True))
        if left:
            both = [[*told, *((query, sides[side]) for query, sides in left)] for side in (0, 1)]
            ends[name] = Ends(*(_mean(each, bounds) for each in both))
            low, high = (by_query(*zip(*each, strict=True)) for each in both)
            open_[name] = {query: (low[query], high[query]) for query in sorted({query for query, _ in left})}
    return replace(row, means=means, ends=ends, open=open_, per_query=per_query)


def _mean(cases: Sequence[tuple[str, float]], bounds: tuple[float, float] | None) -> Estimate:
    from robustrank.stats import intervals

    queries, values = zip(*cases, strict=True)
    return intervals.means({"": (values, bounds)}, clusters=queries)[""]


def _tally(group: Sequence[AttackRecord], lost: Sequence[LostCase], values: Values, why: str) -> Tally:
    """Of all cases; one whose text the detector could not judge, or for which there is no threshold, is an error."""
    silent = [r for r in group if not undecided(r) and (why or _silent(r, values))]
    rest = [r for r in group if r not in silent]
    failed = [why or "the detector has no value of the text"] * len(silent)
    failed += [case.error for case in lost if not case.untried]
    return tally(rest, failed, untried=sum(case.untried for case in lost))


def _silent(record: AttackRecord, values: Values) -> bool:
    return changed(record) and values.get((record.attack, record.query_id, record.doc_id)) is None


def _precision(share: Estimate, alarms: Estimate) -> dict[str, tuple[float, float, float]]:
    return {
        named(base): (
            precision(share.value, alarms.value, base),
            precision(share.low, alarms.high, base),
            precision(share.high, alarms.low, base),
        )
        for base in BASES
    }
