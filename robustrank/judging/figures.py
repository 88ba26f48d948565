"""The single numbers of an audit that a gate can name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from robustrank.core.types import Estimate, Goal
from robustrank.results.summary import AttackResult, Shift, Summary
from robustrank.storage.hashing import digest


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One number of an audit, and the labels that single it out."""

    measure: str
    labels: Mapping[str, str]
    estimate: Estimate | None = None
    """``None`` while the audit has yet to run."""
    control: bool = False
    collection: str = ""
    """Whose queries it is about."""
    per_query: Mapping[str, float] = field(default_factory=dict)
    """Query id to value, where the figure is their mean."""
    bounds: tuple[float, float] = (0, 1)
    """Of one query's value."""
    higher_is_better: bool = True
    """For whoever wants the ranker to be robust."""
    made: str = ""
    """Hash of how it is measured; values of two audits are comparable only where it is the same."""
    fingerprint: str = ""
    """Of the ranker."""

    def __str__(self) -> str:
        """For messages: ``ASR@10 (ranker 'a', attack 'b')``."""
        return f"{self.measure} ({', '.join(f'{key} {value!r}' for key, value in self.labels.items())})"


def measured(summary: Summary) -> list[Figure]:
    """Every figure of a summary."""
    prints = {ranker.name: ranker.fingerprint for ranker in summary.rankers}
    return [
        replace(figure, fingerprint=prints.get(figure.labels.get("ranker", ""), ""))
        for figure in (
            *_effectiveness(summary),
            *(figure for shift in summary.shifts for figure in _shift(shift)),
            *(figure for result in summary.attacks for figure in _attack(result, summary.seed)),
            *_certified(summary),
            *_pooled(summary),
        )
    ]


def _effectiveness(summary: Summary) -> Iterator[Figure]:
    for found in summary.effectiveness:
        labels = {"ranker": found.ranker, "collection": found.collection}
        sliced = labels if found.slice is None else {**labels, "slice": found.slice}
        yield Figure(
            measure=found.measure, labels=sliced, estimate=found.mean, collection=found.collection,
            per_query=found.per_query,
        )  # fmt: skip
        if found.measure == summary.measure and found.judged is not None:
            yield Figure(measure="judged@10", labels=sliced, estimate=found.judged, collection=found.collection)
        if found.slice is None and found.worst_decile is not None:
            yield Figure(
                measure="worst decile", labels={**labels, "of": found.measure}, estimate=found.worst_decile,
                collection=found.collection,
            )  # fmt: skip


def _shift(shift: Shift) -> Iterator[Figure]:
    labels = {"ranker": shift.ranker, **_target(shift)}
    for name, change in (("drop", shift.relative), ("drop vs baseline", shift.relative_to_baseline)):
        if change is not None:
            loss = change._replace(value=-change.value, low=-change.high, high=-change.low)
            yield Figure(measure=name, labels=labels, estimate=loss, higher_is_better=False)


def _attack(result: AttackResult, seed: int) -> Iterator[Figure]:
    labels = {"ranker": result.ranker, "attack": result.attack, "stratum": result.stratum}
    for name, estimate in {**result.success, "boost": result.boost, "harm": result.harm}.items():
        yield Figure(
            measure=name,
            labels=labels,
            estimate=estimate,
            control=result.control,
            collection=result.collection,
            per_query=result.per_query.get(name, {}),
            bounds=(-1, 1) if name == "harm" else (0, 1),
            higher_is_better=name == "boost" and result.goal == Goal.DEMOTE.value,
            made=digest(name, result.plugin, result.budget, result.edits_allowed, result.stratum, seed)[:12],
        )


def _certified(summary: Summary) -> Iterator[Figure]:
    for found in summary.certificates:
        yield Figure(
            measure=f"CRQ@{found.k}",
            labels={"ranker": found.ranker, "radius": str(found.radius), "collection": found.collection},
            estimate=found.crq,
            collection=found.collection,
            per_query=found.per_query,
            made=digest(found.k, found.radius, found.edits)[:12],
        )


def _pooled(summary: Summary) -> Iterator[Figure]:
    for each in summary.pooling.left_out if summary.pooling else ():
        yield Figure(measure="tau", labels={"left_out": each.name}, estimate=each.tau, bounds=(-1, 1))


def _target(shift: Shift) -> dict[str, str]:
    """Where a shift leads: another collection, or a slice of one (``"SciFact: how"``)."""
    if shift.kind == "corpus":
        return {"collection": shift.target}
    collection, _, slice_ = shift.target.partition(": ")
    return {"collection": collection, "slice": slice_}


def order(summary: Summary, collection: str) -> Mapping[str, int]:
    """Query id to its place in the order of drawing, which is the order of asking."""
    keys = next((c.query_keys for c in summary.collections if c.name == collection), {})
    return {query_id: place for place, query_id in enumerate(keys)}
