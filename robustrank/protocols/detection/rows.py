"""The result of the protocol of detection, from records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from robustrank.core.ranking import order
from robustrank.core.types import Estimate
from robustrank.protocols.defenses.texts import worth
from robustrank.protocols.detection import hubs
from robustrank.protocols.detection.attacked import Calibration, Values, against
from robustrank.protocols.detection.results import AgainstDetector, Detection, DetectorRow, Harm
from robustrank.protocols.detection.thresholds import elsewhere, false_alarms, thresholds, why_none
from robustrank.protocols.interface import Evidence
from robustrank.protocols.lost import LostCase, lost_cases, untried_cases
from robustrank.results.outcomes import Ends, undecided
from robustrank.stats.comparisons import holm
from robustrank.work.detection_records import CleanDetectionRecord, DetectionRecord
from robustrank.work.records import AttackRecord, RankingRecord


def rows(evidence: Evidence) -> Detection | None:
    """Of every ranker, detector and attack; ``None`` where nothing was asked of a detector."""
    wanted = evidence.spec.detection
    lists, clean = evidence.of(DetectionRecord), evidence.of(CleanDetectionRecord)
    if wanted is None or not (lists or clean):
        return None
    where = evidence.spec.cases.collection or evidence.spec.home.name
    groups: dict[tuple[str, str], list[AttackRecord]] = {}
    for attacked in evidence.of(AttackRecord):
        if attacked.on_document and attacked.collection == where:
            groups.setdefault((attacked.ranker, attacked.attack), []).append(attacked)
    lost = _lost(evidence)
    detectors: list[DetectorRow] = []
    of_attacks: list[AgainstDetector] = []
    ps: list[float] = []
    for ranker in (victim.name for victim in evidence.spec.victims if victim.attacked):
        clean_lists = [r for r in evidence.of(RankingRecord) if (r.ranker, r.collection) == (ranker, where)]
        for detector in (each.name for each in wanted.detectors):
            mine = [r for r in lists if (r.ranker, r.detector) == (ranker, detector)]
            row, calibration = _detector(ranker, detector, _clean(evidence, ranker, detector), mine)
            for rate, limit in row.thresholds.items():
                if (harm := _harm(clean_lists, mine, limit)) is not None:
                    row = replace(row, harm={**row.harm, rate: harm})
                    ps.append(harm.p_holm)
            detectors.append(row)
            values = _values(mine)
            of_attacks += [
                against(detector, group, lost.get((ranker, attack), []), values, calibration)
                for (name, attack), group in groups.items()
                if name == ranker
            ]
    return Detection(collection=where, detectors=_corrected(detectors, ps), rows=of_attacks, hubs=hubs.rows(evidence))


def _lost(evidence: Evidence) -> dict[tuple[str, str], list[LostCase]]:
    cases: dict[tuple[str, str], list[LostCase]] = {}
    for each in (lost_cases(evidence), untried_cases(evidence)):
        for (ranker, attack, _), group in each.items():
            cases.setdefault((ranker, attack), []).extend(group)
    return cases


def _clean(evidence: Evidence, ranker: str, detector: str) -> list[CleanDetectionRecord]:
    """Of every source: what was made with this ranker, or with another by a detector that does not ask the ranker."""
    every: dict[str, CleanDetectionRecord] = {}
    for record in evidence.of(CleanDetectionRecord):
        asks = "gradients" in record.needs
        if record.detector == detector and (record.ranker == ranker or not asks):
            every[record.source] = record
    wanted = [source.name for source in evidence.spec.detection.sources] if evidence.spec.detection else []
    return sorted(every.values(), key=lambda r: -1 if r.own else wanted.index(r.source))


def _detector(
    ranker: str, detector: str, clean: Sequence[CleanDetectionRecord], lists: Sequence[DetectionRecord]
) -> tuple[DetectorRow, Calibration]:
    others = elsewhere(clean)
    limits = thresholds(others)
    alarms = false_alarms(clean, limits)
    errors = [record.error for record in (*clean, *lists) if record.error]
    told = [each for each in alarms if each.shares]
    judge = next((each for each in told if each.own), None)
    pooled = _pooled(others, limits) if judge is None and others else {}
    row = DetectorRow(
        ranker=ranker, detector=detector, card=clean[0].card if clean else "", needs=clean[0].needs if clean else (),
        thresholds=limits, missing="" if limits else why_none(clean), alarms=alarms, error=next(iter(errors), ""),
    )  # fmt: skip
    calibration = Calibration(
        clean=[value for record in others for value in record.values if value is not None],
        thresholds=limits,
        by_source={record.source: thresholds([record]) for record in others},
        alarms=pooled if judge is None else judge.shares,
        why=row.missing,
        trained_on=clean[0].trained_on if clean else (),
    )
    return row, calibration


def _pooled(records: Sequence[CleanDetectionRecord], limits: Mapping[str, float]) -> dict[str, Estimate]:
    from robustrank.stats import intervals

    pairs = [
        (value, f"{record.source} {query}")
        for record in records
        for value, query in zip(record.values, record.queries, strict=True)
        if value is not None
    ]
    return {
        rate: intervals.share([value > limit for value, _ in pairs], clusters=[query for _, query in pairs])
        for rate, limit in limits.items()
    }


def _values(lists: Sequence[DetectionRecord]) -> Values:
    values: dict[tuple[str, str, str], float | None] = {}
    for record in lists:
        for doc_id, value in zip(record.doc_ids, record.values, strict=True):
            values["", record.query_id, doc_id] = value
        for text in record.attacked:
            values[text.attack, record.query_id, text.doc_id] = text.value
    return values


def _harm(clean: Sequence[RankingRecord], lists: Sequence[DetectionRecord], limit: float) -> Harm | None:
    """What putting suspicious documents last does to clean lists; its p value is yet to be corrected."""
    from robustrank.stats import intervals

    judged = {record.query_id: record for record in lists}
    told: list[float] = []
    left: list[tuple[float, float]] = []
    dropped = []
    for record in clean:
        mine = judged.get(record.query_id)
        if undecided(record) or (record.doc_ids and mine is None):
            left.append((-1.0, 1.0))
            continue
        ranking = order(list(zip(record.doc_ids, record.scores, strict=True)))
        before = worth(record, ranking)
        value = dict(zip(mine.doc_ids, mine.values, strict=True)) if mine else {}
        if any(value[doc_id] is None for doc_id in ranking):
            left.append((-before, 1 - before))
            continue
        bad = {doc_id for doc_id in ranking if (value[doc_id] or 0.0) > limit}
        dropped.append(len(bad))
        filtered = [*(d for d in ranking if d not in bad), *(d for d in ranking if d in bad)]
        told.append(worth(record, filtered) - before)
    if not told:
        return None
    change = intervals.mean_and_p(told, bounds=(-1, 1))
    ends = [intervals.mean([*told, *(sides[at] for sides in left)], bounds=(-1, 1)) for at in (0, 1)] if left else []
    return Harm(
        change=change.estimate, p_holm=change.p, dropped=sum(dropped) / len(dropped), undecided=len(left),
        ends=Ends(*ends) if ends else None,
    )  # fmt: skip


def _corrected(detectors: Sequence[DetectorRow], ps: Sequence[float]) -> list[DetectorRow]:
    corrected = iter(holm(ps) if ps else [])
    return [
        replace(row, harm={rate: replace(harm, p_holm=next(corrected)) for rate, harm in row.harm.items()})
        for row in detectors
    ]
