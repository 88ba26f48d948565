"""Measures by their definitions, equal to trec_eval's, and ties settled before any tool sees them."""

from __future__ import annotations

from math import log2
from random import Random

import pytest
import pytrec_eval

from robustrank.core.errors import ConfigError
from robustrank.measures import effectiveness


def test_values_equal_the_definitions() -> None:
    qrels = {"q": {"a": 2, "b": 0, "c": 1}}
    found = effectiveness.per_query(["nDCG@10", "RR@10"], {"q": ["b", "a", "c"]}, qrels)
    ideal = 2 / log2(2) + 1 / log2(3)
    assert found["nDCG@10"]["q"] == pytest.approx((2 / log2(3) + 1 / log2(4)) / ideal)
    assert found["RR@10"]["q"] == 0.5


def test_a_query_whose_judgments_are_all_below_zero_is_worth_nothing() -> None:
    qrels = {"q": {"a": -1, "b": -2}, "r": {"a": 1}}
    found = effectiveness.per_query(["nDCG@10", "AP", "RR@10"], {"q": ["b", "a"], "r": ["a"]}, qrels)
    assert found == {name: {"q": 0.0, "r": 1.0} for name in ("nDCG@10", "AP", "RR@10")}


def test_values_equal_trec_eval_on_random_rankings() -> None:
    rng = Random(1)
    docs = [f"d{i}" for i in range(40)]
    qrels = {f"q{i}": {d: rng.randint(-1, 3) for d in rng.sample(docs, 20)} | {"d0": 2} for i in range(20)}
    rankings = {query_id: rng.sample(docs, 30) for query_id in qrels}
    names = {
        "nDCG@10": "ndcg_cut_10",
        "AP": "map",
        "P@5": "P_5",
        "R@20": "recall_20",
        "Bpref": "bpref",
        "RR": "recip_rank",
    }
    run = {q: {d: -float(rank) for rank, d in enumerate(ranking)} for q, ranking in rankings.items()}
    expected = pytrec_eval.RelevanceEvaluator(qrels, set(names.values()), relevance_level=2).evaluate(run)
    found = effectiveness.per_query(list(names), rankings, qrels, relevant=2)
    for ours, theirs in names.items():
        assert found[ours] == pytest.approx({q: expected[q][theirs] for q in qrels})
    cut = effectiveness.per_query(["RR@10"], rankings, qrels, relevant=2)["RR@10"]
    assert cut == {q: value if value >= 0.1 else 0 for q, value in found["RR"].items()}


def test_the_relevance_threshold_reaches_binary_measures_and_not_graded_ones() -> None:
    qrels = {"q": {"a": 1, "b": 2}}
    found = effectiveness.per_query(["RR@10", "nDCG@10", "RR(rel=1)@10"], {"q": ["a", "b"]}, qrels, relevant=2)
    assert found["RR@10"]["q"] == 0.5
    assert found["RR(rel=1)@10"]["q"] == 1.0
    assert found["nDCG@10"] == effectiveness.per_query(["nDCG@10"], {"q": ["a", "b"]}, qrels)["nDCG@10"]


def test_two_names_of_one_measure_both_get_its_values() -> None:
    found = effectiveness.per_query(["RR@10", "MRR@10", "RR(rel=1)@10"], {"q": ["a"]}, {"q": {"a": 1}})
    assert found == {"RR@10": {"q": 1.0}, "MRR@10": {"q": 1.0}, "RR(rel=1)@10": {"q": 1.0}}


def test_the_order_given_is_the_order_measured_whatever_the_ids() -> None:
    qrels = {"q": {"m": 1}}
    for rank in range(20):
        ranking = [f"{'az'[i % 2]}{i}" for i in range(20)]
        ranking.insert(rank, "m")
        assert effectiveness.per_query(["RR"], {"q": ranking}, qrels)["RR"]["q"] == pytest.approx(1 / (rank + 1))


def test_a_judged_query_without_a_ranking_counts_as_zero_and_an_unjudged_one_not_at_all() -> None:
    found = effectiveness.per_query(
        ["nDCG@10", "RR@10"], {"other": ["a"], "empty": []}, {"q": {"a": 1}, "empty": {"a": 1}}
    )
    assert found == {"nDCG@10": {"q": 0.0, "empty": 0.0}, "RR@10": {"q": 0.0, "empty": 0.0}}
    assert effectiveness.per_query(["nDCG@10"], {"q": ["a"]}, {}) == {"nDCG@10": {}}
    assert effectiveness.per_query(["nDCG@10"], {"q": ["a"]}, {"q": {}}) == {"nDCG@10": {"q": 0.0}}


def test_judged_at_k_counts_judgments_of_this_query_over_the_documents_there() -> None:
    assert effectiveness.judged_at(["a", "x", "b", "y"], {"a": 0, "b": 1}, k=3) == pytest.approx(2 / 3)
    assert effectiveness.judged_at(["a"], {"a": 0}, k=10) == 1
    assert effectiveness.judged_at([], {"a": 0}) == 0


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nDGC@10", "no measure named 'nDGC@10'; did you mean 'nDCG@10'"),
        ("", "no measure named ''"),
        ("nDCG@10; import os", "no measure named"),
        ("P", "measure 'P': invalid param cutoff.*most measures need a cutoff"),
        ("AP(depth=3)", "measure 'AP.depth=3.': unsupported params found"),
        ("ERR@10", "measure 'ERR@10' is not one that trec_eval computes"),
    ],
)
def test_a_measure_that_cannot_be_had_is_refused_with_the_mend(name: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        effectiveness.per_query([name], {"q": ["a"]}, {"q": {"a": 1}})


def test_the_share_judged_is_of_the_first_ten_unless_it_is_said() -> None:
    ranking = [f"d{i}" for i in range(12)]
    assert effectiveness.judged_at(ranking, ranking[:5]) == 0.5
    assert effectiveness.judged_at(ranking, ranking[10:]) == 0.0
    assert effectiveness.judged_at(ranking, ranking[10:], 12) == pytest.approx(1 / 6)


def test_measures_of_others_come_in_the_order_of_their_names_with_0_for_queries_without_a_value() -> None:
    qrels = {"q": {"a": 1, "b": 0}, "none": {"a": 1}, "bad": {"a": -1}}
    found = effectiveness.per_query(["Bpref", "P@1", "Judged@2"], {"q": ["a", "x"], "bad": ["a"]}, qrels)
    assert list(found) == ["Bpref", "P@1", "Judged@2"]
    assert found["P@1"] == {"q": 1.0, "none": 0.0, "bad": 0.0}
    assert found["Bpref"] == {"q": 1.0, "none": 0.0, "bad": 0.0}
    assert found["Judged@2"] == {"q": 0.5, "none": 0.0, "bad": 0.0}
    assert effectiveness.per_query(["Bpref"], {"q": ["a"]}, {"q": {"a": -1}}) == {"Bpref": {"q": 0.0}}


@pytest.mark.parametrize("name", ["Bpref", "Rprec"])
def test_the_least_relevant_grade_reaches_the_measures_of_others(name: str) -> None:
    qrels, ranking = {"q": {"a": 1, "b": 2}}, {"q": ["a", "b"]}
    by_grade = [effectiveness.per_query([name], ranking, qrels, relevant)[name]["q"] for relevant in (1, 2)]
    assert by_grade[0] == 1.0
    assert by_grade[1] == 0.0
    assert effectiveness.per_query([f"{name}(rel=1)"], ranking, qrels, 2)[f"{name}(rel=1)"]["q"] == 1.0
