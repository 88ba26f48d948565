"""Thresholds from clean documents, and how often clean documents of each source lie above them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf

from robustrank.core.types import Estimate
from robustrank.measures.detection import ENOUGH, RATES, threshold
from robustrank.protocols.detection.results import FalseAlarms, named
from robustrank.results.outcomes import Ends, Tally
from robustrank.work.detection_records import CleanDetectionRecord


def elsewhere(clean: Sequence[CleanDetectionRecord]) -> list[CleanDetectionRecord]:
    """The sources with enough documents, but for the attacked collection."""
    return [record for record in clean if not record.own and not too_few(record)]


def too_few(record: CleanDetectionRecord) -> str:
    """Why a source has no threshold of its own; empty where it has."""
    if len(record.values) < ENOUGH:
        few = f"{len(record.values):,} clean documents, of the {ENOUGH:,} that a rate of 1 % takes"
        return f"{few}: {record.missing}" if record.missing else few
    failed = sum(value is None for value in record.values)
    if failed > min(RATES) * len(record.values):
        why = record.error or "it cannot tell of them"
        return f"the detector has no value of {failed:,} of {len(record.values):,} documents: {why}"
    return ""


def thresholds(records: Sequence[CleanDetectionRecord]) -> dict[str, float]:
    """Rate to the threshold of all documents of some sources together; empty without any."""
    together = [value for record in records for value in record.values]
    return {named(rate): threshold(together, rate) for rate in RATES} if together else {}


def why_none(clean: Sequence[CleanDetectionRecord]) -> str:
    """Why there is no threshold from other sources."""
    others = [record for record in clean if not record.own]
    reasons = [f"{record.source}: {too_few(record)}" for record in others]
    return "no source of clean documents but the attacked collection" + (f" ({'; '.join(reasons)})" if reasons else "")


def false_alarms(clean: Sequence[CleanDetectionRecord], limits: Mapping[str, float]) -> list[FalseAlarms]:
    """Of every source, at the thresholds of the audit and at those of the other sources."""
    rows = []
    for record in clean:
        others = [each for each in elsewhere(clean) if each.source != record.source]
        row = FalseAlarms(
            source=record.source, kind=record.source_kind, own=record.own, documents=len(record.values),
            missing=too_few(record), tally=_tally(record),
        )  # fmt: skip
        if not row.missing:
            row = FalseAlarms(
                source=row.source, kind=row.kind, own=row.own, documents=row.documents, tally=row.tally,
                shares={rate: _share(record, limit) for rate, limit in limits.items()},
                left_out={rate: _share(record, limit) for rate, limit in thresholds(others).items()},
                thresholds=thresholds([record]),
                ends={rate: _ends(record, limit) for rate, limit in limits.items()} if row.tally.undecided else {},
            )  # fmt: skip
        rows.append(row)
    return rows


def _tally(record: CleanDetectionRecord) -> Tally:
    failed = sum(value is None for value in record.values)
    return Tally(planned=len(record.values), errors=failed, error=record.error or ("it cannot tell" if failed else ""))


def _share(record: CleanDetectionRecord, limit: float, missing: float | None = None) -> Estimate:
    from robustrank.stats import intervals

    filled = [missing if value is None else value for value in record.values]
    pairs = [(value, query) for value, query in zip(filled, record.queries, strict=True) if value is not None]
    return intervals.share([value > limit for value, _ in pairs], clusters=[query for _, query in pairs])


def _ends(record: CleanDetectionRecord, limit: float) -> Ends:
    return Ends(_share(record, limit, -inf), _share(record, limit, inf))
