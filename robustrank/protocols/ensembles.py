"""The worst case over attacks: what an attacker who tries all of them achieves, target by target.

Attacks of one kind of edit, or of any, that need no more than a stated access to the ranker are one attacker: a target
is lost where any of them reaches the goal, and a list is worth what the worst of its attacked versions is worth. A
weaker attacker's attacks are among a stronger one's, so that more access never shows less (after AutoAttack: Croce and
Hein, ICML 2020). Controls are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from robustrank.core.types import Access, Estimate
from robustrank.protocols import floor, worst_case
from robustrank.protocols.interface import AuditProtocol, Evidence, Section
from robustrank.protocols.joint import attacked_at_once
from robustrank.protocols.worst_case import TOP, Target, mean
from robustrank.results.figures import Figure, FigureKind, by_query
from robustrank.results.outcomes import Ends, Open, Tally, tally
from robustrank.results.summary import Summary
from robustrank.storage.hashing import digest

if TYPE_CHECKING:
    from robustrank.work.records import AttackRecord, RankingRecord
    from robustrank.work.workbench import Workbench

ANY = "any"
"""In place of an operation: whatever the edit is."""
WORST, ROBUST = f"worst ASR@{TOP}", "robust nDCG@10"


@dataclass(frozen=True, kw_only=True)
class Member:
    """What one attack does among the others."""

    attack: str
    alone: float
    """Share of the targets that it wins."""
    adds: float
    """Share that it alone wins."""
    pairs: int
    """Asked of the ranker, for all targets."""
    tried: int = 0
    """On how many targets."""


@dataclass(frozen=True, kw_only=True)
class Ensemble:
    """All attacks on one ranker with one kind of edit and at most one access."""

    ranker: str
    operation: str
    access: str
    collection: str
    worst: Estimate | None
    """Share of the targets below the top ten that some attack lifts into it; ``None`` where none is decided."""
    robust: Estimate | None
    """Mean over queries of the least nDCG@10 of an attacked list; ``None`` where no list is decided."""
    clean: float
    """The same of these lists as they were."""
    joint: Estimate | None = None
    """The same with all targets of a list attacked at once; of point-wise rankers."""
    ranks: Mapping[str, float]
    """Share of the targets whose best rank is at most 1, 3 and 10; and under ``"reciprocal"`` the mean of 1 / rank."""
    members: Sequence[Member]
    pairs: int
    until_won: float | None = None
    """Mean pairs of one who tries the attacks on a target, the cheapest first, until it is in the top ten."""
    per_query: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """Figure to query to value."""
    tallies: Mapping[str, Tally] = field(default_factory=dict)
    """Figure to its targets or lists; one is open where an attack could not decide, unless another wins the target."""
    ends: Mapping[str, Ends] = field(default_factory=dict)
    open: Mapping[str, Open] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Ensembles:
    """Of an audit."""

    rows: Sequence[Ensemble] = ()
    suite: str = ""
    """The standard suite whose attacks are among them; empty where they are the audit file's alone."""
    ladder: bool = False
    """Attacks were tried one after another, until the target was first: shares of single ones are of those tried."""


def summarise(evidence: Evidence) -> Ensembles | None:
    """One row for every ranker, kind of edit and access at which some attack is."""
    from robustrank.work.records import AttackRecord

    attacked = [r for r in evidence.of(AttackRecord) if worst_case.counts(r)]
    attacked += worst_case.lost(evidence, attacked)
    pointwise = floor.pointwise_rankers(evidence)
    lists: dict[tuple[str, str], dict[str, RankingRecord]] = {}
    for record in evidence.rankings:
        if record.ranker in pointwise:
            lists.setdefault((record.ranker, record.collection), {})[record.query_id] = record
    rows, ladder = [], bool(evidence.spec.cases.ladder)
    for ranker in dict.fromkeys(r.ranker for r in attacked):
        mine = [r for r in attacked if r.ranker == ranker]
        for operation, access in _levels((str(r.threat.edits.operation), r.threat.access) for r in mine):
            group = [r for r in mine if _within(str(r.threat.edits.operation), r.threat.access, operation, access)]
            clean = lists.get((ranker, group[0].collection), {})
            rows.append(_ensemble(ranker, operation, access, group, clean, ladder=ladder))
    return Ensembles(rows=rows, suite=evidence.spec.suite, ladder=ladder) if rows else None


def _levels(kinds: Iterable[tuple[str, Access]]) -> list[tuple[str, Access]]:
    """Any kind of edit, then each where there are several; by access, weakest first."""
    every = set(kinds)
    several = len({operation for operation, _ in every}) > 1
    pairs = {*((ANY, access) for _, access in every), *(every if several else ())}
    return sorted(pairs, key=lambda each: (each[0] != ANY, each[0], each[1].level))


def _within(operation: str, access: Access, wanted: str, most: Access) -> bool:
    return wanted in (operation, ANY) and access.level <= most.level


def _ensemble(
    ranker: str, operation: str, access: Access, group: Sequence[AttackRecord], lists: Mapping[str, RankingRecord], *,
    ladder: bool,
) -> Ensemble:  # fmt: skip
    from robustrank.stats import intervals

    targets = list(worst_case.by_target(group).values())
    below = [t for t in targets if t.below]
    decided = [t for t in below if t.failed is None]
    sides = {WORST: worst_case.wins(below), ROBUST: worst_case.least(group)}
    open_ = {name: {q: (a, b) for q, (a, b, known) in each.items() if not known} for name, each in sides.items()}
    robust = {q: least for q, (least, _, known) in sides[ROBUST].items() if known}
    worth = {r.query_id: r.harm_before for r in group if r.query_id in robust}
    together = list(attacked_at_once(group, lists).values())
    best = [min(r.rank_after for r in t.records) for t in targets if t.decided]
    return Ensemble(
        ranker=ranker,
        operation=operation,
        access=access.value,
        collection=group[0].collection,
        worst=intervals.share([bool(t.won) for t in decided], clusters=[t.query_id for t in decided])
        if decided
        else None,
        robust=intervals.mean(list(robust.values()), bounds=(0, 1)) if robust else None,
        clean=mean(list(worth.values())),
        joint=intervals.mean(together, bounds=(0, 1)) if together else None,
        ranks={
            **{str(k): mean([float(rank <= k) for rank in best]) for k in (1, 3, 10)},
            "reciprocal": mean([1 / rank for rank in best]),
        },
        members=[
            Member(
                attack=attack,
                alone=mean([float(attack in t.won) for t in decided]),
                adds=mean([float(t.won == {attack}) for t in decided]),
                pairs=sum(r.calls for r in group if r.attack == attack),
                tried=sum(r.attack == attack for r in group),
            )
            for attack in dict.fromkeys(r.attack for r in group)
        ],
        pairs=sum(r.calls for r in group),
        until_won=_until_won(decided, _in_order(group) if ladder else _cheapest_first(group)),
        per_query={
            WORST: by_query([t.query_id for t in decided], [float(bool(t.won)) for t in decided]),
            ROBUST: robust,
        },
        tallies={
            WORST: worst_case.tally_of(below),
            ROBUST: tally(worst_case.standing(group)),
        },
        ends={name: worst_case.ends(sides[name]) for name, left in open_.items() if left},
        open=open_,
    )


def _in_order(group: Sequence[AttackRecord]) -> list[str]:
    """Attacks in the order of the audit file, in which they were tried."""
    return list(dict.fromkeys(record.attack for record in group))


def _cheapest_first(group: Sequence[AttackRecord]) -> list[str]:
    """Attacks by access, and by the pairs that they request on average."""
    calls: dict[str, list[int]] = {}
    for record in group:
        calls.setdefault(record.attack, []).append(record.calls)
    levels = {record.attack: record.threat.access.level for record in group}
    return sorted(calls, key=lambda attack: (levels[attack], mean(calls[attack]), attack))


def _until_won(targets: Sequence[Target], attacks: Sequence[str]) -> float:
    spent = []
    for target in targets:
        by_attack = {record.attack: record for record in target.records}
        pairs = 0
        for attack in attacks:
            record = by_attack.get(attack)
            pairs += _pairs(record) if record else 0
            if attack in target.won:
                break
        spent.append(pairs)
    return mean(spent)


def _pairs(record: AttackRecord) -> int:
    """Pairs requested until a text was seen in the top ten, or all."""
    seen = [pairs for pairs, rank in record.trajectory if rank <= TOP] if record.rank_after <= TOP else []
    return min(seen, default=record.calls)


def _expected(measure: str) -> Callable[[Workbench], Iterator[Figure]]:
    def expected(bench: Workbench) -> Iterator[Figure]:
        for victim in (victim for victim in bench.spec.victims if victim.attacked):
            kinds = [(str(t.edits.operation), t.access) for t in worst_case.threats(bench, victim)]
            for operation, access in _levels(kinds):
                labels = {"ranker": victim.name, "operation": operation, "access": access.value}
                yield Figure(measure=measure, labels=labels)

    return expected


def _measured(measure: str) -> Callable[[Summary], Iterator[Figure]]:
    def measured(summary: Summary) -> Iterator[Figure]:
        result = PROTOCOL.result_in(summary)
        for row in result.rows if result else ():
            estimate = row.worst if measure == WORST else row.robust
            yield Figure(
                measure=measure,
                labels={"ranker": row.ranker, "operation": row.operation, "access": row.access},
                estimate=estimate,
                missing="" if estimate or row.ends.get(measure) else "no target stood below the top ten",
                collection=row.collection,
                per_query=row.per_query[measure],
                higher_is_better=measure == ROBUST,
                tally=row.tallies[measure],
                ends=row.ends.get(measure),
                open=row.open.get(measure, {}),
                made=digest([member.attack for member in row.members], summary.seed)[:12],
            )

    return measured


def _kind(name: str, about: str) -> FigureKind:
    return FigureKind(
        name=name,
        about=about,
        where=("ranker", "operation", "access"),
        names=lambda spec: (name,) if spec.attacks else (),
        expected=_expected(name),
        measured=_measured(name),
        bounds=lambda spec, measure: (0, 1),
    )


PROTOCOL = AuditProtocol(
    name="ensembles",
    about="The worst case over attacks, target by target: by kind of edit, and by access to the ranker.",
    result=Ensembles,
    summarise=summarise,
    figures=(
        _kind(WORST, "share of the targets that some attack with at most that access lifts into the top 10"),
        _kind(ROBUST, "mean over queries of the least nDCG@10 of an attacked list"),
    ),
    sections=(Section(anchor="ensembles", title="Worst case", place=68),),
)
