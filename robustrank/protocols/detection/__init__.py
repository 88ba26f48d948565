"""Detection: what detectors make of the attacked texts of an audit, at thresholds from clean documents elsewhere.

Nothing here knows what an attack looks like but the attacked texts themselves: thresholds are order statistics of clean
documents of other collections, so that a rate of false alarms is what it says where documents are like those, and is
told for every kind of clean document where they are not. What a detector could not tell neither passes nor is detected.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from robustrank.core.types import Surface
from robustrank.measures.detection import RATES
from robustrank.protocols.detection.results import Detection, detected, filtered, named
from robustrank.protocols.interface import AuditProtocol, Evidence, Section
from robustrank.results.figures import Figure, FigureKind
from robustrank.results.summary import Summary
from robustrank.storage.hashing import digest
from robustrank.work.detection_records import CleanDetectionRecord, DetectionRecord

if TYPE_CHECKING:
    from robustrank.config.specs import AuditSpec
    from robustrank.work.base import Place, Task
    from robustrank.work.records import Record
    from robustrank.work.workbench import Workbench

RATE_NAMES = tuple(map(named, RATES))


def tasks(bench: Workbench, records: Mapping[str, Record], places: Sequence[Place]) -> Sequence[Task]:
    """Every detector on clean documents of every source, and on the attacked lists."""
    from robustrank.work import detection

    return detection.tasks(bench, records, places)


def summarise(evidence: Evidence) -> Detection | None:
    """What the detectors said, beside what the attacks did."""
    from robustrank.protocols.detection import rows

    return rows.rows(evidence)


def alarms(rate: str) -> str:
    """Name of the share of clean documents above the threshold."""
    return f"false alarms@{rate}"


def _result(summary: Summary) -> Detection | None:
    result: Detection | None = PROTOCOL.result_in(summary)
    return result


def _expected(measure: str) -> Callable[[Workbench], Iterator[Figure]]:
    def expected(bench: Workbench) -> Iterator[Figure]:
        wanted, spec = bench.spec.detection, bench.spec
        for victim in (victim for victim in spec.victims if victim.attacked and wanted):
            for attack in spec.attacks:
                threat = bench.attack(attack.name).threat
                if victim.name not in (attack.rankers or (victim.name,)) or threat.surface is not Surface.DOCUMENT:
                    continue
                for detector in wanted.detectors if wanted else ():
                    labels = {"ranker": victim.name, "attack": attack.name, "detector": detector.name}
                    yield Figure(measure=measure, labels=labels, control=threat.control)

    return expected


def _measured(measure: str, rate: str) -> Callable[[Summary], Iterator[Figure]]:
    def measured(summary: Summary) -> Iterator[Figure]:
        result = _result(summary)
        made = {(row.ranker, row.detector): row for row in result.detectors} if result else {}
        for row in result.rows if result else ():
            estimate, ends = row.means.get(measure), row.ends.get(measure)
            missing = made[row.ranker, row.detector].missing or "the attack changed no text"
            yield Figure(
                measure=measure,
                labels={"ranker": row.ranker, "attack": row.attack, "detector": row.detector},
                estimate=estimate,
                missing="" if estimate or ends else missing,
                control=row.control,
                collection=row.collection,
                per_query=row.per_query.get(measure, {}),
                higher_is_better=measure == detected(rate),
                tally=row.tally,
                ends=ends,
                open=row.open.get(measure, {}),
                made=digest(measure, made[row.ranker, row.detector].card, row.success, summary.seed)[:12],
            )

    return measured


def _expected_alarms(measure: str) -> Callable[[Workbench], Iterator[Figure]]:
    def expected(bench: Workbench) -> Iterator[Figure]:
        from robustrank.work.clean_documents import sources

        wanted = bench.spec.detection
        for victim in (victim for victim in bench.spec.victims if victim.attacked and wanted):
            for detector in wanted.detectors if wanted else ():
                for source in sources(bench):
                    labels = {"ranker": victim.name, "detector": detector.name, "source": source}
                    yield Figure(measure=measure, labels=labels, robustness=False)

    return expected


def _measured_alarms(measure: str, rate: str) -> Callable[[Summary], Iterator[Figure]]:
    def measured(summary: Summary) -> Iterator[Figure]:
        result = _result(summary)
        for row in result.detectors if result else ():
            for each in row.alarms:
                estimate = each.shares.get(rate)
                yield Figure(
                    measure=measure,
                    labels={"ranker": row.ranker, "detector": row.detector, "source": each.source},
                    estimate=estimate,
                    missing="" if estimate else each.missing or row.missing,
                    higher_is_better=False,
                    robustness=False,
                    tally=each.tally,
                    ends=each.ends.get(rate),
                )

    return measured


def _names(name: str) -> Callable[[AuditSpec], Sequence[str]]:
    return lambda spec: (name,) if spec.detection and spec.attacks else ()


def _kind(name: str, rate: str, about: str) -> FigureKind:
    return FigureKind(
        name=name,
        about=about,
        where=("ranker", "attack", "detector"),
        defaults={"attack": "the strongest that is not a control"},
        names=_names(name),
        expected=_expected(name),
        measured=_measured(name, rate),
        bounds=lambda spec, measure: (0, 1),
    )


def _alarm_kind(rate: str) -> FigureKind:
    name = alarms(rate)
    return FigureKind(
        name=name,
        about=f"share of clean documents of a source above the threshold for a rate of {rate}",
        where=("ranker", "detector", "source"),
        names=_names(name),
        expected=_expected_alarms(name),
        measured=_measured_alarms(name, rate),
        bounds=lambda spec, measure: (0, 1),
        not_a_mean="its queries are those of other collections",
    )


PROTOCOL = AuditProtocol(
    name="detection",
    about="What detectors make of attacked texts, at thresholds from clean documents of other collections.",
    result=Detection,
    summarise=summarise,
    records=(CleanDetectionRecord, DetectionRecord),
    tasks=tasks,
    figures=tuple(
        kind
        for rate in RATE_NAMES
        for kind in (
            _kind(detected(rate), rate, f"share of attacked texts above the threshold for {rate} false alarms"),
            _kind(
                filtered(rate),
                rate,
                f"share of cases in which the attack succeeds and its text passes at {rate} false alarms",
            ),
            _alarm_kind(rate),
        )
    ),
    sections=(Section(anchor="detection", title="Detection", place=89),),
)
