"""Draws the attacked documents: from the victim's clean ranking, or from the first stage's for all victims alike."""

from __future__ import annotations

from collections.abc import Sequence, Set
from random import Random

from robustrank.config.cases import CasesSpec
from robustrank.core.ranking import order
from robustrank.core.strata import ranks
from robustrank.core.types import Goal, Surface
from robustrank.work.attack import AttackTask
from robustrank.work.base import Place
from robustrank.work.records import BEST_RELEVANT, RELEVANT_WITHIN, RankingRecord
from robustrank.work.workbench import Workbench

COMMON = "common"
"""In place of the audit's seed where targets are common: they are the same in every audit of the same lists."""


def attack_tasks(bench: Workbench, record: RankingRecord, place: Place) -> list[AttackTask]:
    """The attacks on one list.

    Targets are some per stratum for document attacks that promote, some relevant ones among the first documents for
    those that demote or keep a rank, and the best relevant one for query attacks.

    Args:
        bench: Of the audit.
        record: The victim's clean ranking of the list.
        place: The list.
    """
    spec, cases = bench.spec, bench.spec.cases
    if place.collection != (cases.collection or spec.home.name) or not spec.victim(place.ranker).attacked:
        return []
    if place.query_id not in list(bench.lists(place.collection).queries)[: cases.queries]:
        return []
    scores = tuple(record.scores)
    ranking = order(list(zip(record.doc_ids, scores, strict=True)))
    relevant = [doc_id for doc_id in ranking if record.qrels.get(doc_id, 0) >= record.relevant_from]
    drawn = (
        draw(cases, COMMON, place.query_id, record.doc_ids, set(relevant))
        if cases.common
        else draw(cases, spec.seed, place.query_id, ranking, set(relevant))
    )
    rank_only = bench.victim(place.ranker, place.collection).ranker.card.rank_only
    tasks = []
    for attack in spec.attacks:
        if attack.rankers and place.ranker not in attack.rankers:
            continue
        possible = bench.can_attack(attack.name, place.ranker, place.collection)
        if not possible and (attack.if_possible or rank_only):
            continue
        threat = bench.attack(attack.name).threat
        if threat.surface is Surface.QUERY:
            targets = [(BEST_RELEVANT, relevant[0], len(ranking))] if relevant else []
        elif threat.goal is not Goal.PROMOTE:
            seed = COMMON if cases.common else spec.seed
            targets = draw_relevant(cases, seed, place.query_id, ranking, set(relevant), threat.goal)
        else:
            targets = [(stratum, target, cases.goal_rank) for stratum, target in drawn]
        tasks += [
            AttackTask(
                place=place, attack=attack.name, stratum=stratum, target=target, goal_rank=goal, clean_scores=scores
            )
            for stratum, target, goal in targets
        ]
    return tasks


def draw(
    cases: CasesSpec, seed: int | str, query_id: str, ranking: Sequence[str], relevant: Set[str]
) -> list[tuple[str, str]]:
    """Targets of document attacks on one list: documents not judged relevant, whose promotion harms the ranking.

    Args:
        cases: Strata, and how many targets of each.
        seed: Of the audit.
        query_id: The query.
        ranking: Document ids, best first: as the victim ranks them, or the first stage.
        relevant: Those that are judged relevant.

    Returns:
        Stratum and document id of every target; fewer of a stratum where it holds fewer documents.
    """
    drawn = []
    for stratum in cases.strata:
        pool = [ranking[rank - 1] for rank in ranks(stratum, len(ranking)) if ranking[rank - 1] not in relevant]
        rng = Random(f"{seed}|target|{query_id}|{stratum}")
        if pool and cases.targets == 1:
            drawn.append((stratum, rng.choice(pool)))
        elif pool:
            drawn += [(stratum, doc_id) for doc_id in rng.sample(pool, min(cases.targets, len(pool)))]
    return drawn


def draw_relevant(
    cases: CasesSpec, seed: int | str, query_id: str, ranking: Sequence[str], relevant: Set[str], goal: Goal
) -> list[tuple[str, str, int]]:
    """Targets of document attacks that demote, or that carry a text and keep the rank: relevant documents at the top.

    Args:
        cases: How many targets a list.
        seed: Of the audit.
        query_id: The query.
        ranking: Document ids, best first.
        relevant: Those that are judged relevant.
        goal: What the attacker wants.

    Returns:
        Stratum, document id and goal rank of every target: the first rank below the top, or the rank to keep. None
        where a list is so short that no document can leave its top.
    """
    top = RELEVANT_WITHIN[goal]
    if goal is Goal.DEMOTE and len(ranking) <= top:
        return []
    stratum = f"relevant, top {top}"
    pool = [doc_id for doc_id in ranking[:top] if doc_id in relevant]
    rng = Random(f"{seed}|target|{query_id}|{stratum}")
    drawn = rng.sample(pool, min(cases.targets, len(pool)))
    return [(stratum, doc_id, top + 1 if goal is Goal.DEMOTE else ranking.index(doc_id) + 1) for doc_id in drawn]
