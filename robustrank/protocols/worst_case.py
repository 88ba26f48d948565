"""The worst case over attacks, target by target, and what undecided attacks leave open of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from msgspec import structs

from robustrank.core.types import Goal, Status, Surface, ThreatModel
from robustrank.protocols.interface import Evidence
from robustrank.results.outcomes import Ends, Tally, tally, undecided

if TYPE_CHECKING:
    from robustrank.config.specs import Victim
    from robustrank.work.records import AttackRecord
    from robustrank.work.workbench import Workbench

TOP = 10
"""The rank to reach."""


class Target(NamedTuple):
    """The attacks on one document."""

    query_id: str
    records: Sequence[AttackRecord]
    decided: bool
    """All of them."""
    won: frozenset[str]
    """Attacks that reached the top ten."""
    failed: AttackRecord | None
    """An attack that was not decided, where that leaves the target open."""

    @property
    def below(self) -> bool:
        """Whether it stands below the top ten without an attack."""
        return self.records[0].rank_before > TOP


def _target(query_id: str, records: Sequence[AttackRecord]) -> Target:
    left = [r for r in records if undecided(r)]
    won = frozenset(r.attack for r in records if r.rank_after <= TOP and r not in left)
    return Target(query_id, records, not left, won, left[0] if left and not won else None)


def by_target(records: Sequence[AttackRecord]) -> dict[tuple[str, str], Target]:
    """Query and document id to the attacks on that document."""
    groups: dict[tuple[str, str], list[AttackRecord]] = {}
    for record in records:
        groups.setdefault((record.query_id, record.doc_id), []).append(record)
    return {key: _target(key[0], group) for key, group in groups.items()}


def tally_of(targets: Sequence[Target]) -> Tally:
    """How many targets are decided: one is open where an attack could not decide, unless another wins it."""
    return tally([t.failed or next(r for r in t.records if not undecided(r)) for t in targets])


def lost(evidence: Evidence, attacked: Sequence[AttackRecord]) -> list[AttackRecord]:
    """Attacks on lists that could not be ranked: errors on targets below the top ten; the list could be worth all."""
    from robustrank.protocols.lost import lost_cases
    from robustrank.work.records import RankingRecord

    if not attacked or not any(map(undecided, evidence.of(RankingRecord))):
        return []
    like = {record.attack: record for record in attacked}
    return [
        structs.replace(
            like[attack], ranker=ranker, query_id=case.query_id, doc_id=f"lost, {stratum} {place}", status=Status.ERROR,
            error=case.error, rank_before=TOP + 1, rank_after=TOP + 1, harm_before=1.0, harm_after=1.0, calls=0,
        )
        for (ranker, attack, stratum), untried in lost_cases(evidence).items()
        if attack in like
        for place, case in enumerate(untried)
    ]  # fmt: skip


def counts(record: AttackRecord) -> bool:
    """Whether it is an attack on a document that promotes it, and no control."""
    return _promotes(record.threat)


def threats(bench: Workbench, victim: Victim) -> list[ThreatModel]:
    """Of the attacks of an audit file on one ranker that :func:`counts` will count."""
    where = bench.spec.cases.collection or bench.spec.home.name
    named = [a for a in bench.spec.attacks if victim.name in (a.rankers or (victim.name,))]
    possible = [a for a in named if not a.if_possible or bench.can_attack(a.name, victim.name, where)]
    return [threat for a in possible if _promotes(threat := bench.attack(a.name).threat)]


def _promotes(threat: ThreatModel) -> bool:
    return threat.surface is Surface.DOCUMENT and threat.goal is Goal.PROMOTE and not threat.control


Sides = dict[str, tuple[float, float, bool]]
"""Query to its least and greatest value, and whether it is known, which makes them one."""


def wins(targets: Sequence[Target]) -> Sides:
    """The share of a query's targets that are won, and could be."""
    by_query: dict[str, list[Target]] = {}
    for target in targets:
        by_query.setdefault(target.query_id, []).append(target)
    sides: Sides = {}
    for query, mine in sorted(by_query.items()):
        won = [float(bool(t.won)) for t in mine]
        could = [float(bool(t.won or t.failed)) for t in mine]
        sides[query] = mean(won), mean(could), all(t.failed is None for t in mine)
    return sides


def least(group: Sequence[AttackRecord]) -> Sides:
    """The least nDCG@10 of a list that some attack left: 0, as far as we know, where one could not be decided."""
    by_query: dict[str, list[AttackRecord]] = {}
    for record in group:
        by_query.setdefault(record.query_id, []).append(record)
    sides: Sides = {}
    for query, mine in sorted(by_query.items()):
        known = [r for r in mine if undecided(r) is None]
        worst = min([mine[0].harm_before, *(r.harm_after for r in known)])
        sides[query] = (worst, worst, True) if len(known) == len(mine) else (0.0, worst, False)
    return sides


def ends(sides: Sides) -> Ends:
    """The mean over queries with all that is open at its least, and at its greatest value."""
    from robustrank.stats import intervals

    return Ends(*(intervals.mean([each[side] for each in sides.values()], bounds=(0, 1)) for side in (0, 1)))


def standing(group: Sequence[AttackRecord]) -> list[AttackRecord]:
    """Of each list the record that leaves it open, else any."""
    by_list: dict[str, AttackRecord] = {}
    for record in group:
        if record.query_id not in by_list or undecided(record):
            by_list[record.query_id] = record
    return list(by_list.values())


def mean(values: Sequence[float]) -> float:
    """0 of none."""
    return sum(values) / len(values) if values else 0.0
