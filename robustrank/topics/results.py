"""Sums up a topic study: figures with intervals, every attack against the first, agreement, the dynamic curves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from math import exp, log
from typing import Any

from robustrank.core.types import Estimate, Status
from robustrank.stats import intervals
from robustrank.stats.comparisons import holm, paired
from robustrank.stats.contrasts import Contrast
from robustrank.stats.resampling import NOT_NEGATIVE, UNBOUNDED, Bounds
from robustrank.topics.dynamic import held_out_boosts
from robustrank.topics.metrics import SHARES, Outcome
from robustrank.topics.records import TopicRecord
from robustrank.topics.scene import Scene

TOP = 10
EXAMPLES = 3

FAMILIES = (((None, None), (SHARES[0], None)), ((SHARES[1], None), (SHARES[0], TOP)))
"""Figures that are tested together, as a share of queries and a cutoff; no share stands for the boost.

Nearly every edit lifts a document a little for half of the queries: the second family asks for more.
"""

TOGETHER = "all victims"
"""What stands for the victim where all of them count."""

_Pair = tuple[dict[str, Any], list[TopicRecord], list[TopicRecord]]


def summarise(records: Sequence[TopicRecord], scene: Scene) -> dict[str, Any]:
    """A study in plain data, from its records alone.

    Returns:
        What was attacked, the figures of :func:`measured`, and ``examples``: documents in the order of a hash, with the
        ranks for every query of the group.
    """
    attacks = [named.name for named in scene.spec.attacks]
    return {
        "name": scene.spec.name,
        "collection": scene.collection.name,
        "groups": [asdict(group) for group in scene.groups],
        "budget": asdict(scene.spec.budget),
        **measured(records, attacks),
        "examples": _examples(records, attacks),
    }


def measured(records: Sequence[TopicRecord], attacks: Sequence[str]) -> dict[str, Any]:
    """The figures of a study's records; the texts of queries and documents play no part.

    Args:
        records: Of documents that were attacked.
        attacks: Names of the attacks; the first is compared with each other one.

    Returns:
        ``rows``: one per victim and attack, every figure an estimate over documents with topics as units.
        ``comparisons``: the first attack minus each other one, on the same documents, Holm-corrected over each of two
        families of figures (:data:`FAMILIES`), against each victim and, where there are several, against all of them.
        ``costs``: how many times as much as the first attack each other one spends on planning.
        ``dynamic``: mean held-out boost after each event.
    """
    rankers = list(dict.fromkeys(record.ranker for record in records))
    by = {(r, a): [x for x in records if x.ranker == r and x.attack == a] for r in rankers for a in attacks}
    return {
        "rows": [_row(r, a, group) for (r, a), group in by.items() if group],
        "comparisons": _comparisons(by, rankers, attacks),
        "costs": _costs(by, rankers, attacks),
        "dynamic": [
            {"ranker": r, "attack": a, **_curve(group)}
            for (r, a), group in by.items()
            if any(record.events is not None for record in group)
        ],
    }


def outcome(record: TopicRecord, side: str) -> Outcome:
    """The ranks of one record for the ``"attack"`` or the ``"held_out"`` queries; an illegal text changed nothing."""
    before, after = record.ranks(side)
    return Outcome(tuple(before), tuple(after))


def _row(ranker: str, attack: str, group: Sequence[TopicRecord]) -> dict[str, Any]:
    units = [record.topic for record in group]
    figures: dict[str, Estimate | None] = {}
    for side in ("attack", "held_out"):
        found = [outcome(record, side) for record in group]
        figures[f"{side} boost"] = intervals.mean([o.mean_boost for o in found], clusters=units, bounds=UNBOUNDED)
        worst = [float(o.worst_boost) for o in found]
        figures[f"{side} worst boost"] = intervals.mean(worst, clusters=units, bounds=UNBOUNDED)
        for share in SHARES:
            label = f"{side} QSR@{share:.0%}"
            figures[label] = intervals.share([o.succeeds(share) for o in found], clusters=units)
            figures[f"{label} in top {TOP}"] = intervals.share([o.succeeds(share, TOP) for o in found], clusters=units)
    for name in ("lists", "substitutions", "insertions", "texts_scored", "planning_seconds"):
        values = [float(getattr(record, name)) for record in group]
        figures[name] = intervals.mean(values, clusters=units, bounds=NOT_NEGATIVE)
    for name in ("similarity", "agreement"):
        figures[name] = _known(units, [getattr(record, name) for record in group], (-1.0, 1.0))
    for name in sorted({name for record in group for name in record.quality}):
        figures[name] = _known(units, [record.quality.get(name) for record in group], _quality_bounds(name))
    statuses = sorted({record.status for record in group})
    return {
        "ranker": ranker,
        "attack": attack,
        "documents": len(group),
        "statuses": {status.value: sum(record.status == status for record in group) for status in statuses},
        "figures": {name: None if value is None else value._asdict() for name, value in figures.items()},
        "promoted": sorted(outcome(record, "held_out").promoted() for record in group),
        "answered": _answered(group),
    }


def _answered(group: Sequence[TopicRecord]) -> list[tuple[float, float]]:
    """Mean lists asked after each answer of the victim, and the mean boost of the best text that it had seen by then.

    For the attacked queries: of the held-out ones the victim is not asked while an attack runs.
    """
    paths: list[list[tuple[float, float]]] = []
    for record in group:
        queries, before, best = len(record.attack_before), sum(record.attack_before), 0.0
        path = [(0.0, 0.0)]
        for number, ranks in enumerate(record.answers, start=1):
            best = max(best, (before - sum(ranks)) / queries)
            path.append((float(number * queries), best))
        paths.append(path)
    longest = max(map(len, paths), default=0)
    full = [[*path, *[path[-1]] * (longest - len(path))] for path in paths]
    return [tuple(sum(x) / len(full) for x in zip(*at, strict=True)) for at in zip(*full, strict=True)]


def _quality_bounds(name: str) -> Bounds:
    """Least and greatest value of a figure of quality, by its name."""
    return (-1.0, 1.0) if name.endswith("added") else NOT_NEGATIVE


def _known(units: Sequence[str], values: Sequence[float | None], bounds: Bounds) -> Estimate | None:
    """Mean of the values there are."""
    known = [(value, unit) for value, unit in zip(values, units, strict=True) if value is not None]
    if not known:
        return None
    return intervals.mean([value for value, _ in known], clusters=[unit for _, unit in known], bounds=bounds)


def _pairs(
    by: dict[tuple[str, str], list[TopicRecord]], rankers: Sequence[str], attacks: Sequence[str]
) -> Iterator[_Pair]:
    """The first attack and each other one against each victim, on the documents that both attacked.

    An attack none of whose texts was legal is no comparison.
    """
    first, *others = attacks
    for ranker in rankers:
        ours = {_role(r): r for r in by[ranker, first]}
        for other in others:
            theirs = {_role(r): r for r in by[ranker, other]}
            common = sorted(set(ours) & set(theirs))
            if len(common) > 1 and any(theirs[key].status is Status.OK for key in common):
                head = {"ranker": ranker, "a": first, "b": other}
                yield head, [ours[key] for key in common], [theirs[key] for key in common]


def _role(record: TopicRecord) -> tuple[str, int, str]:
    """The document and the group that a record is of."""
    return record.topic, record.draw, record.doc_id


def _comparisons(
    by: dict[tuple[str, str], list[TopicRecord]], rankers: Sequence[str], attacks: Sequence[str]
) -> list[dict[str, Any]]:
    pairs = list(_pairs(by, rankers, attacks))
    sets = [pairs, _together(pairs, len(rankers))] if len(rankers) > 1 else [pairs]
    families = [(chosen, figures) for chosen in sets for figures in FAMILIES]
    return [found for number, family in enumerate(families, start=1) for found in _family(number, *family)]


def _together(pairs: Sequence[_Pair], victims: int) -> list[_Pair]:
    """The same against all victims; what a topic's documents gain against any of them is one unit.

    An attack that is no comparison against one of them is none against all.
    """
    by: dict[str, list[_Pair]] = {}
    for pair in pairs:
        by.setdefault(pair[0]["b"], []).append(pair)
    return [
        ({**some[0][0], "ranker": TOGETHER}, [r for _, ours, _ in some for r in ours], [r for *_, t in some for r in t])
        for some in by.values()
        if len(some) == victims
    ]


def _family(
    number: int, pairs: Sequence[_Pair], figures: Sequence[tuple[float | None, int | None]]
) -> list[dict[str, Any]]:
    """Paired tests of some figures, Holm-corrected over all of them together."""
    found: list[tuple[dict[str, Any], Contrast]] = []
    for head, ours, theirs in pairs:
        for share, k in figures:
            a, b = (
                [
                    one.mean_boost if share is None else float(one.succeeds(share, k))
                    for one in (outcome(record, "held_out") for record in side)
                ]
                for side in (ours, theirs)
            )
            name = "boost" if share is None else f"QSR@{share:.0%}" + (f" in top {k}" if k else "")
            bounds = UNBOUNDED if share is None else (-1.0, 1.0)
            result = paired(a, b, clusters=[record.topic for record in ours], bounds=bounds)
            found.append(({**head, "n": len(ours), "family": number, "figure": f"held_out {name}"}, result))
    corrected = holm([tested.p for _, tested in found])
    return [
        {**head, "difference": tested.estimate._asdict(), "p": tested.p, "p_holm": p_holm}
        for (head, tested), p_holm in zip(found, corrected, strict=True)
    ]


def _costs(
    by: dict[tuple[str, str], list[TopicRecord]], rankers: Sequence[str], attacks: Sequence[str]
) -> list[dict[str, Any]]:
    """Geometric means over documents of what the other attack spends divided by what the first one does."""
    found = []
    for head, ours, theirs in _pairs(by, rankers, attacks):
        for what in ("texts_scored", "planning_seconds"):
            spent = [(a.topic, getattr(a, what), getattr(b, what)) for a, b in zip(ours, theirs, strict=True)]
            if all(min(mine, other) > 0 for _, mine, other in spent):
                logs = [log(other / mine) for _, mine, other in spent]
                ratio = intervals.mean(logs, clusters=[topic for topic, _, _ in spent], bounds=UNBOUNDED)
                times = ratio._replace(value=exp(ratio.value), low=exp(ratio.low), high=exp(ratio.high))
                found.append({**head, "what": what, "times": times._asdict()})
    return found


def _curve(group: Sequence[TopicRecord]) -> dict[str, Any]:
    played = [record.events for record in group if record.events is not None]  # an illegal text has none
    units = [record.topic for record in group if record.events is not None]
    names = [event.event for event in played[0]]
    curves: dict[str, Any] = {"events": names, "documents": len(played)}
    for what in ("kept", "reacted"):
        values = [held_out_boosts(events, what) for events in played]
        found = [intervals.mean(column, clusters=units, bounds=UNBOUNDED) for column in zip(*values, strict=True)]
        curves[what] = [estimate._asdict() for estimate in found]
    lists = [[event.lists for event in events] for events in played]
    curves["lists"] = [sum(row[i] for row in lists) / len(lists) for i in range(len(names))]
    return curves


def _examples(records: Sequence[TopicRecord], attacks: Sequence[str]) -> list[dict[str, Any]]:
    """Of the first attack on the first victim, in the order of the record's key, which is a hash: nobody chose them."""
    kept = (
        "ranker", "attack", "topic", "doc_id", "queries", "held_out", "attack_before", "attack_after",
        "held_out_before", "held_out_after", "before", "after",
    )  # fmt: skip
    first = [r for r in records if (r.ranker, r.attack) == (records[0].ranker, attacks[0])]
    return [{key: getattr(r, key) for key in kept} for r in sorted(first, key=lambda record: record.key)[:EXAMPLES]]
