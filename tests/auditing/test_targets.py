"""Which documents are attacked."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from robustrank.auditing.targets import attack_tasks, draw, draw_relevant
from robustrank.config import audit_file
from robustrank.config.cases import CasesSpec
from robustrank.core.ranking import order
from robustrank.core.types import Goal
from robustrank.work.attack import AttackTask
from robustrank.work.base import Place
from robustrank.work.perform import workbench
from robustrank.work.records import BEST_RELEVANT, RankingRecord
from robustrank.work.workbench import Workbench

RANKING = [f"d{rank}" for rank in range(1, 31)]
"""A document's number is its rank."""

FILE = """
name = "targets"
measures = ["nDCG@10"]
[[collection]]
use = "selqa"
queries = 3
depth = 12
[[ranker]]
use = "bm25"
[[ranker]]
use = "random"
attacked = false
[cases]
queries = 2
strata = ["1-6", "7-12"]
targets = 2
goal_rank = 3
[[attack]]
name = "injection"
use = "query_injection"
[[attack]]
name = "elsewhere"
use = "query_injection"
rankers = ["random"]
[[attack]]
name = "typos"
use = "query_typos"
"""


@given(
    relevant=st.sets(st.sampled_from(RANKING)),
    seed=st.integers(0, 99),
    targets=st.integers(1, 4),
    strata=st.lists(st.sampled_from(["1-5", "11-20", "18-25", "last 5"]), unique=True, min_size=1),
)
def test_targets_are_distinct_documents_of_their_stratum_that_are_not_relevant(
    relevant: set[str], seed: int, targets: int, strata: list[str]
) -> None:
    drawn = draw(CasesSpec(strata=tuple(strata), targets=targets), seed, "q", RANKING, relevant)
    first_last = {"1-5": (1, 5), "11-20": (11, 20), "18-25": (18, 25), "last 5": (26, 30)}
    for stratum in strata:
        low, high = first_last[stratum]
        possible = set(RANKING[low - 1 : high]) - relevant
        mine = [doc_id for name, doc_id in drawn if name == stratum]
        assert set(mine) <= possible
        assert len(mine) == len(set(mine)) == min(targets, len(possible))


def test_every_document_of_a_stratum_is_drawn_about_as_often_as_another() -> None:
    cases = CasesSpec(strata=("11-20",))
    counts = Counter(draw(cases, 13, f"q{n}", RANKING, {"d11", "d20"})[0][1] for n in range(4000))
    assert set(counts) == {f"d{rank}" for rank in range(12, 20)}
    assert min(counts.values()) > 400  # 500 expected, with a standard deviation of 21
    assert max(counts.values()) < 600


def test_targets_depend_on_seed_and_query_and_on_nothing_else() -> None:
    cases = CasesSpec(strata=("11-20",))
    drawn = {(seed, q): draw(cases, seed, q, RANKING, set()) for seed in range(5) for q in "abcde"}
    assert len({tuple(each) for each in drawn.values()}) > 3
    more = CasesSpec(strata=("1-5", "11-20"), queries=99, goal_rank=3)
    assert all(each[0] in draw(more, seed, q, RANKING, set()) for (seed, q), each in drawn.items())


@given(
    relevant=st.sets(st.sampled_from(RANKING)),
    seed=st.integers(0, 99),
    targets=st.integers(1, 4),
    length=st.integers(1, 30),
    goal=st.sampled_from([Goal.DEMOTE, Goal.KEEP]),
)
def test_who_demotes_or_keeps_a_rank_meets_relevant_documents_at_the_top(
    relevant: set[str], seed: int, targets: int, length: int, goal: Goal
) -> None:
    ranking = RANKING[:length]
    drawn = draw_relevant(CasesSpec(targets=targets), seed, "q", ranking, relevant, goal)
    top = 10 if goal is Goal.DEMOTE else 5
    possible = set(ranking[:top]) & relevant if goal is Goal.KEEP or length > top else set()
    ids = [doc_id for _, doc_id, _ in drawn]
    assert set(ids) <= possible
    assert len(ids) == len(set(ids)) == min(targets, len(possible))
    assert {stratum for stratum, _, _ in drawn} <= {f"relevant, top {top}"}
    for _, doc_id, goal_rank in drawn:
        assert goal_rank == (11 if goal is Goal.DEMOTE else ranking.index(doc_id) + 1)


@pytest.fixture(scope="module")
def bench() -> Workbench:
    return workbench(audit_file.parse(FILE))


def ranked(bench: Workbench, place: Place) -> RankingRecord:
    """Candidates in first-stage order are the clean ranking, and every second one is relevant."""
    ids = [doc.doc_id for doc in place.docs(bench)]
    return RankingRecord(
        **place.names(), doc_ids=ids, scores=[-float(n) for n in range(len(ids))], relevant_from=2,
        qrels={doc_id: 2 if n % 2 else 1 for n, doc_id in enumerate(ids)},
    )  # fmt: skip


def test_document_attacks_meet_documents_that_are_not_relevant_and_query_attacks_the_best_that_is(
    bench: Workbench,
) -> None:
    query = next(iter(bench.lists("selqa").queries))
    place = Place(ranker="bm25", collection="selqa", query_id=query)
    record = ranked(bench, place)
    tasks = attack_tasks(bench, record, place)
    ranking = order(list(zip(record.doc_ids, record.scores, strict=True)))
    injected = [task for task in tasks if task.attack == "injection"]
    assert Counter(task.stratum for task in injected) == {"1-6": 2, "7-12": 2}
    assert all(record.qrels[task.target] < 2 for task in injected)
    assert {task.goal_rank for task in injected} == {3}
    (typo,) = [task for task in tasks if task.attack == "typos"]
    assert (typo.target, typo.stratum, typo.goal_rank) == (ranking[1], BEST_RELEVANT, len(ranking))
    assert not [task for task in tasks if task.attack == "elsewhere"]


def test_every_field_of_every_task_and_unjudged_documents_are_not_relevant(bench: Workbench) -> None:
    query = next(iter(bench.lists("selqa").queries))
    place = Place(ranker="bm25", collection="selqa", query_id=query)
    clean = ranked(bench, place)
    ids = clean.doc_ids
    record = structs.replace(clean, relevant_from=1, qrels={ids[4]: 1, ids[2]: 1, ids[0]: 0})
    cases = bench.spec.cases
    scores = tuple(record.scores)
    drawn = draw(cases, bench.spec.seed, query, ids, {ids[2], ids[4]})
    assert attack_tasks(bench, record, place) == [
        *(
            AttackTask(
                place=place, attack="injection", stratum=stratum, target=target, goal_rank=3, clean_scores=scores
            )
            for stratum, target in drawn
        ),
        AttackTask(
            place=place, attack="typos", stratum=BEST_RELEVANT, target=ids[2], goal_rank=len(ids), clean_scores=scores
        ),
    ]
    without = attack_tasks(bench, structs.replace(record, qrels={}), place)
    assert {task.attack for task in without} == {"injection"}


def test_only_attacked_rankers_and_the_first_queries_are_attacked(bench: Workbench) -> None:
    queries = list(bench.lists("selqa").queries)
    places = [Place(ranker=r, collection="selqa", query_id=q) for r in ("bm25", "random") for q in queries]
    attacked = [(p.ranker, p.query_id) for p in places if attack_tasks(bench, ranked(bench, p), p)]
    assert attacked == [("bm25", query) for query in queries[:2]]


def test_an_attack_is_left_out_where_it_is_to_be_and_the_ranker_lends_no_gradients() -> None:
    more = '[[attack]]\nname = "{}"\nuse = "prada"\nif_possible = {}\n'
    text = FILE + more.format("if possible", "true") + more.format("anyway", "false")
    white = '[[ranker]]\nname = "white"\nuse = "cross_encoder"\nmodel = "robustrank-tiny"\n'
    text = text.replace("[cases]", f"{white}[cases]")
    text = text.replace('name = "injection"\n', 'name = "injection"\nif_possible = true\n')
    bench = workbench(audit_file.parse(text))
    query_id = next(iter(bench.lists("selqa").queries))
    planned = {}
    for ranker in ("bm25", "white"):
        place = Place(ranker=ranker, collection="selqa", query_id=query_id)
        ids = [doc.doc_id for doc in place.docs(bench)]
        record = RankingRecord(**place.names(), doc_ids=ids, scores=[-float(n) for n in range(len(ids))])
        planned[ranker] = {task.attack for task in attack_tasks(bench, record, place)}
    assert planned["bm25"] == {"injection", "anyway"}  # which needs no gradients, and whose cases will be errors
    assert planned["white"] == {"injection", "anyway", "if possible"}


def test_common_targets_are_drawn_from_the_first_stage_and_are_the_same_for_every_ranker() -> None:
    text = FILE.replace("[cases]", "[cases]\ncommon = true").replace("attacked = false", "")
    bench = workbench(audit_file.parse(text))
    query_id = next(iter(bench.lists("selqa").queries))
    drawn = {}
    for ranker, sign in (("bm25", 1), ("random", -1)):  # as the first stage ranks, and upside down
        place = Place(ranker=ranker, collection="selqa", query_id=query_id)
        ids = [doc.doc_id for doc in place.docs(bench)]
        record = structs.replace(ranked(bench, place), scores=[-sign * n for n in range(len(ids))], qrels={})
        tasks = [task for task in attack_tasks(bench, record, place) if task.attack == "injection"]
        drawn[ranker] = [(task.stratum, ids.index(task.target) + 1) for task in tasks]
    assert drawn["bm25"] == drawn["random"]
    assert Counter(stratum for stratum, _ in drawn["bm25"]) == {"1-6": 2, "7-12": 2}
    assert all(place in (range(1, 7) if stratum == "1-6" else range(7, 13)) for stratum, place in drawn["bm25"])
