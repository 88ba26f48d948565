"""Attacked cases without a record: lists that their victim could not rank, and targets that were not tried."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from robustrank.core.strata import ranks
from robustrank.core.types import Goal, Surface
from robustrank.protocols.interface import Evidence
from robustrank.results.outcomes import undecided
from robustrank.work.records import BEST_RELEVANT, RELEVANT_WITHIN, AttackRecord, RankingRecord


class LostCase(NamedTuple):
    """A case without a record: the victim could not rank its list, or it was not tried."""

    query_id: str
    list_length: int
    error: str
    untried: bool = False
    """An attack before it had brought the target to the first rank."""


Lost = Mapping[tuple[str, str, str], Sequence[LostCase]]
"""Ranker, attack and stratum to cases."""


def lost_cases(evidence: Evidence) -> dict[tuple[str, str, str], list[LostCase]]:
    """The cases of lists that their victim could not rank, by ranker, attack and stratum.

    Of documents as many as ``[cases]`` draws from a list of that length; of queries one, where the list holds a
    relevant document.
    """
    spec, cases = evidence.spec, evidence.spec.cases
    where = cases.collection or spec.home.name
    keys = next((c.query_keys for c in evidence.setup.collections if c.name == where), {})
    attacked = list(keys)[: cases.queries]
    threats = {r.attack: r.threat for r in evidence.of(AttackRecord)}
    done = {(r.ranker, r.attack) for r in evidence.of(AttackRecord)}
    lost: dict[tuple[str, str, str], list[LostCase]] = {}
    for record in evidence.of(RankingRecord):
        failed = undecided(record) is not None and record.collection == where and record.query_id in attacked
        if not failed or not spec.victim(record.ranker).attacked:
            continue
        for attack in spec.attacks:
            if record.ranker not in (attack.rankers or (record.ranker,)):
                continue
            if (attack.if_possible or record.rank_only) and (record.ranker, attack.name) not in done:
                continue  # it was left out
            case = LostCase(record.query_id, record.candidates, record.error)
            threat = threats.get(attack.name)
            if threat and threat.surface is Surface.DOCUMENT and threat.goal is not Goal.PROMOTE:
                top = RELEVANT_WITHIN[threat.goal]
                possible = threat.goal is not Goal.DEMOTE or record.candidates > top
                targets = {f"relevant, top {top}": min(cases.targets, record.relevant, top) if possible else 0}
            elif threat is None or threat.surface is Surface.DOCUMENT:
                targets = {s: min(cases.targets, len(ranks(s, record.candidates))) for s in cases.strata}
            else:
                targets = {BEST_RELEVANT: int(record.relevant > 0)}
            for stratum, count in targets.items():
                lost.setdefault((record.ranker, attack.name, stratum), []).extend([case] * count)
    return lost


def untried_cases(evidence: Evidence) -> dict[tuple[str, str, str], list[LostCase]]:
    """Where attacks are tried one after another, the targets that an attack was not tried on, as :func:`lost_cases`."""
    if not evidence.spec.cases.ladder:
        return {}
    targets: dict[str, dict[tuple[str, str], AttackRecord]] = {}
    made: dict[tuple[str, str], set[tuple[str, str]]] = {}
    for record in evidence.of(AttackRecord):
        if record.on_document and record.goal is Goal.PROMOTE and not record.control:
            targets.setdefault(record.ranker, {})[record.query_id, record.doc_id] = record
            made.setdefault((record.ranker, record.attack), set()).add((record.query_id, record.doc_id))
    missing: dict[tuple[str, str, str], list[LostCase]] = {}
    for (ranker, attack), tried in made.items():
        for target, like in targets[ranker].items():
            if target not in tried:
                case = LostCase(like.query_id, like.list_length, "not tried", untried=True)
                missing.setdefault((ranker, attack, like.stratum), []).append(case)
    return missing
