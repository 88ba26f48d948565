"""Adversarial: what attackers of a stated access and budget achieve, beside controls with the same kind of edit.

Success is reported in several ways because papers define it differently: ``promoted`` (ranked higher than
before), ``ASR@k`` (reached the top k), ``goal`` (reached the rank the attacker was content with). For query attacks:
``demoted`` (the best relevant document fell) and ``harmed`` (the list's nDCG@10 fell). Errors and illegal
perturbations count as failures of the attack, never as missing cases.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from itertools import accumulate

from msgspec import structs

from robustrank.core.types import (
    Estimate,
    Status,
)
from robustrank.perturbations.verify import diff
from robustrank.results.figures import CUTOFFS
from robustrank.results.select import lead, leading
from robustrank.results.summary import AgainstControl, AttackResult, WorstCase
from robustrank.stats import intervals
from robustrank.stats.comparisons import holm, paired
from robustrank.stats.resampling import NOT_NEGATIVE
from robustrank.work.records import AttackRecord

WORST_PER_ATTACK = 3

Success = Callable[[AttackRecord], bool]


def attacks(records: Sequence[AttackRecord]) -> list[AttackResult]:
    """One result per ranker, attack and stratum (and over all strata, where there are several)."""
    groups: dict[tuple[str, str, str], list[AttackRecord]] = {}
    for record in records:
        groups.setdefault((record.ranker, record.attack, record.stratum), []).append(record)
        groups.setdefault((record.ranker, record.attack, "all"), []).append(record)
    results = []
    for (ranker, name, stratum), group in groups.items():
        alone = stratum != "all" and len(groups[ranker, name, "all"]) == len(group)
        if not alone:  # one stratum only: "all" says it
            results.append(_result(ranker, name, stratum, group))
    return _against_controls(results, groups)


def successes(group: Sequence[AttackRecord]) -> dict[str, Success]:
    """The ways of success that make sense for these cases, by name."""
    if group[0].demote:
        return {
            "demoted": lambda r: r.rank_after > r.rank_before,
            "harmed": lambda r: r.harm_after < r.harm_before,
        }
    reached: dict[str, Success] = {
        f"ASR@{k}": lambda r, k=k: r.rank_after <= k  # type: ignore[misc]
        for k in CUTOFFS
        if all(r.rank_before > k for r in group)
    }
    return {
        "promoted": lambda r: r.rank_after < r.rank_before,
        **reached,
        "goal": lambda r: r.rank_after <= r.goal_rank,
    }


def _result(ranker: str, name: str, stratum: str, group: Sequence[AttackRecord]) -> AttackResult:
    clusters = [r.query_id for r in group]
    similar = [(r.similarity, r.query_id) for r in group if r.similarity is not None and r.status is Status.OK]
    threat = group[0].threat
    return AttackResult(
        ranker=ranker,
        attack=name,
        plugin=group[0].plugin,
        control=threat.control,
        surface=threat.surface,
        access=threat.access,
        goal=threat.goal,
        edits_allowed=str(threat.edits),
        budget=asdict(group[0].budget),
        stratum=stratum,
        statuses=dict(sorted(Counter(r.status for r in group).items())),
        success={
            key: intervals.share([test(r) for r in group], clusters=clusters) for key, test in successes(group).items()
        },
        boost=intervals.mean([r.rank_before - r.rank_after for r in group], clusters=clusters, bounds=_span(group)),
        harm=intervals.mean([r.harm_before - r.harm_after for r in group], clusters=clusters, bounds=(-1, 1)),
        calls=intervals.mean([r.calls for r in group], clusters=clusters, bounds=NOT_NEGATIVE),
        edits=intervals.mean([r.edits for r in group], clusters=clusters, bounds=NOT_NEGATIVE),
        similarity=intervals.mean([s for s, _ in similar], clusters=[q for _, q in similar], bounds=(-1, 1))
        if similar
        else None,
        seconds=intervals.mean([r.seconds for r in group], clusters=clusters, bounds=NOT_NEGATIVE),
        judged=intervals.mean([r.judged_after for r in group], clusters=clusters, bounds=(0, 1)),
        collection=group[0].collection,
        per_query={
            **{key: _by_query(group, lambda r, test=test: float(test(r))) for key, test in successes(group).items()},  # type: ignore[misc]
            "boost": _by_query(group, lambda r: float(r.rank_before - r.rank_after)),
            "harm": _by_query(group, lambda r: r.harm_before - r.harm_after),
        },
        quality=_quality(group),
        curve=_curve(group),
    )


def _curve(group: Sequence[AttackRecord]) -> list[tuple[int, float]]:
    """Share of cases with the leading success, by pairs requested: from when the best text so far was one."""
    ways = successes(group)
    test = ways[leading(ways)]
    # What is offered is verified in the end; until then a good rank is only a hope.
    won = [r for r in group if test(r)]
    costs = Counter(
        next((pairs for pairs, rank in r.trajectory if test(structs.replace(r, rank_after=rank))), r.calls) for r in won
    )
    steps = accumulate(sorted(costs.items()), lambda done, more: (more[0], done[1] + more[1]))
    return [(pairs, count / len(group)) for pairs, count in steps]


def _quality(group: Sequence[AttackRecord]) -> dict[str, Estimate]:
    """Every figure of the changed documents, over the cases that have it."""
    names = list(dict.fromkeys(name for r in group for name in r.quality))
    measured = {name: [r for r in group if name in r.quality] for name in names}
    return {
        name: intervals.mean(
            [r.quality[name] for r in some],
            clusters=[r.query_id for r in some],
            bounds=(0, 1) if name.startswith("detected") else (-1, 1),
        )
        for name, some in measured.items()
    }


def _by_query(group: Sequence[AttackRecord], value: Callable[[AttackRecord], float]) -> dict[str, float]:
    """The mean over each query's cases."""
    cases: dict[str, list[float]] = {}
    for record in group:
        cases.setdefault(record.query_id, []).append(value(record))
    return {query_id: sum(values) / len(values) for query_id, values in sorted(cases.items())}


def _span(group: Sequence[AttackRecord]) -> tuple[float, float]:
    longest = max(r.list_length for r in group)
    return (1 - longest, longest - 1)


def _against_controls(
    results: Sequence[AttackResult], groups: Mapping[tuple[str, str, str], Sequence[AttackRecord]]
) -> list[AttackResult]:
    """Fill in the paired differences to every control that makes the same kind of edit; Holm over all of them."""
    operations = {name: group[0].threat.edits.operation for (_, name, _), group in groups.items()}
    tests: list[tuple[int, str, tuple[Estimate, float]]] = []
    for index, result in enumerate(results):
        if result.control:
            continue
        for control in results:
            place = (control.ranker, control.stratum, operations[control.attack])
            if control.control and place == (result.ranker, result.stratum, operations[result.attack]):
                tested = _paired(result, groups, control.attack)
                if tested is not None:
                    tests.append((index, control.attack, tested))
    corrected = holm([p for _, _, (_, p) in tests])
    filled = list(results)
    for (index, control_name, (difference, p)), p_holm in zip(tests, corrected, strict=True):
        old = filled[index]
        against = AgainstControl(control=control_name, difference=difference, p=p, p_holm=p_holm)
        filled[index] = replace(old, against_controls=(*old.against_controls, against))
    return filled


def _paired(
    result: AttackResult, groups: Mapping[tuple[str, str, str], Sequence[AttackRecord]], control: str
) -> tuple[Estimate, float] | None:
    ours, theirs = (
        {(r.query_id, r.doc_id): r for r in groups[result.ranker, name, result.stratum]}
        for name in (result.attack, control)
    )
    common = sorted(set(ours) & set(theirs))
    if len(common) < 2:
        return None
    test = successes([ours[case] for case in common])[lead(result)]
    return paired(
        [float(test(ours[case])) for case in common],
        [float(test(theirs[case])) for case in common],
        clusters=[query_id for query_id, _ in common],
    )


def worst_cases(records: Sequence[AttackRecord]) -> list[WorstCase]:
    """The largest moves of every attack on every ranker, largest first."""
    groups: dict[tuple[str, str], list[AttackRecord]] = {}
    for record in records:
        if record.status is Status.OK and not record.control and _gain(record) > 0:
            groups.setdefault((record.ranker, record.attack), []).append(record)
    chosen = [
        record
        for group in groups.values()
        for record in sorted(group, key=lambda r: (-_gain(r), r.edits, r.key))[:WORST_PER_ATTACK]
    ]
    return [_worst(record) for record in sorted(chosen, key=lambda r: (-_gain(r), r.edits, r.key))]


def _gain(record: AttackRecord) -> int:
    moved = record.rank_before - record.rank_after
    return -moved if record.demote else moved


def changed_text(record: AttackRecord) -> tuple[str, str]:
    """The text that the attack changed, query or document, before and after."""
    return (record.before, record.after) if record.query_after is None else (record.query, record.query_after)


def _worst(record: AttackRecord) -> WorstCase:
    before, after = changed_text(record)
    names = (
        "key", "ranker", "attack", "collection", "query_id", "query", "query_after", "doc_id", "rank_before",
        "rank_after", "score_before", "score_after", "list_length", "edits", "similarity", "calls", "before", "after",
    )  # fmt: skip
    return WorstCase(**{name: getattr(record, name) for name in names}, diff=tuple(diff(before, after)))
