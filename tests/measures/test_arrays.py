"""Measures on arrays: the numbers of ir-measures, on any run and any judgments."""

from __future__ import annotations

import ir_measures
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robustrank.core.ranking import run_lines
from robustrank.core.types import Qrel
from robustrank.measures import arrays as gains

MEASURES = (
    "nDCG@3", "nDCG@10", "nDCG", "RR@3", "RR", "RR(rel=2)@10", "AP", "AP@3", "AP(rel=2)", "P@3", "P@10", "P(rel=3)@5",
    "R@3", "R@10", "Success@2", "Success(rel=2)@10",
)  # fmt: skip
DOCS = [f"d{i}" for i in range(12)]


@settings(max_examples=120, deadline=None)
@given(
    rankings=st.lists(st.tuples(st.permutations(DOCS), st.integers(0, 12)), min_size=1, max_size=3),
    # One grade of 0 or more each: given only negative ones, the C code behind ir_measures may not come back.
    qrels=st.lists(
        st.dictionaries(st.sampled_from(DOCS[1:]), st.integers(-2, 3)).map(lambda q: {"d0": 1, **q}),
        min_size=1, max_size=3,
    ),
    relevant=st.integers(1, 2),
)  # fmt: skip
def test_values_are_those_of_ir_measures(
    rankings: list[tuple[list[str], int]], qrels: list[dict[str, int]], relevant: int
) -> None:
    """Negative grades, unjudged documents, lists shorter than the cutoff and empty ones, queries without a list."""
    run = {f"q{i}": ranking[:length] for i, (ranking, length) in enumerate(rankings)}
    judged = {f"q{i}": grades for i, grades in enumerate(qrels)}
    found = gains.per_query(MEASURES, {"r": run}, judged, relevant)["r"]
    lines = [line for q, ranking in run.items() for line in run_lines(q, ranking)]
    for name in MEASURES:
        measure = ir_measures.parse_measure(name)
        if "rel" in measure.SUPPORTED_PARAMS and "rel=" not in name:
            measure = measure(rel=relevant)
        triples = [Qrel(q, d, g) for q, grades in judged.items() for d, g in grades.items()]
        theirs = {m.query_id: m.value for m in ir_measures.iter_calc([measure], triples, lines)} if lines else {}
        for q in judged:
            assert found[name][q] == pytest.approx(theirs.get(q, 0.0), abs=1e-12), (name, q)


def test_lists_given_by_place_have_the_values_of_lists_given_by_name() -> None:
    rng = np.random.default_rng(3)
    rank = np.stack([np.stack([rng.permutation(9) + 1 for _ in range(4)]) for _ in range(2)])
    rank[0, 0, rank[0, 0] > 3] = 1 << 30  # a list of three
    grade = rng.integers(-1, 4, size=(4, 9))
    for name in ("nDCG@5", "nDCG@12", "P@5", "RR@2", "Success@1", "R@4", "AP@5", "P(rel=2)@3"):
        measure = gains.parse(name)
        assert measure is not None
        found = gains.scored(measure, gains.placed(rank, measure.cutoff), grade)
        for s in range(2):
            for q in range(4):
                ids = [f"d{d}" for d in np.argsort(rank[s, q]) if rank[s, q, d] < 100]
                grades = {f"d{d}": int(g) for d, g in enumerate(grade[q])}
                assert found[s, q] == pytest.approx(gains.value(measure, ids, grades)), (name, s, q)


def test_one_list_under_many_fillings_is_scored_at_once() -> None:
    rank, grade = np.array([[[2, 1, 3]]]), np.array([[0, 1, 0], [2, 0, 0], [0, 0, 0]])
    found = gains.scored(gains.Cut("RR", 3), gains.placed(rank, 3), grade)
    assert found.tolist() == [[1.0, 0.5, 0.0]]
    assert gains.placed(rank, 2).tolist() == [[[1, 0]]]
    assert gains.placed(np.array([[3, 1]]), 3).tolist() == [[1, -1, 0]]


def test_negative_grades_are_worth_nothing_and_cost_nothing() -> None:
    for name in ("nDCG@3", "P@3", "RR@3", "AP"):
        measure = gains.parse(name)
        assert measure is not None
        assert gains.value(measure, ["bad", "good"], {"bad": -2, "good": 1}) == gains.value(
            measure, ["bad", "good"], {"bad": 0, "good": 1}
        )


def test_names_are_read_with_their_parameters() -> None:
    assert gains.parse("P(rel=3)@5", relevant=2) == gains.Cut("P", 5, 3)
    assert gains.parse("AP", relevant=2) == gains.Cut("AP", None, 2)
    assert [str(gains.Cut("AP")), str(gains.Cut("RR", 10))] == ["AP", "RR@10"]
    assert [gains.parse(name) for name in ("P@0", "nDCG(rel=2)@10", "WSS", "R", "Success", "ERR@10")] == [None] * 6
    with pytest.raises(ValueError, match="AP has no cutoff"):
        _ = gains.Cut("AP").cutoff
    with pytest.raises(ValueError, match="no measure 'P'"):
        gains.measured("P", gains.graded([], []))


def test_a_query_without_a_ranking_counts_as_nothing() -> None:
    found = gains.per_query(["nDCG@10", "AP"], {"r": {}}, {"q": {"d0": 1}})
    assert found == {"r": {"nDCG@10": {"q": 0.0}, "AP": {"q": 0.0}}}


def test_work_saved_over_sampling_by_hand() -> None:
    # 10 documents, 2 relevant at ranks 1 and 4: a recall of 95 % needs both, so 6 of 10 need not be read.
    ranking = [f"d{i}" for i in range(10)]
    found = gains.per_query(["WSS@95", "WSS@50"], {"r": {"q": ranking}}, {"q": {"d0": 1, "d3": 1}})["r"]
    assert found["WSS@95"]["q"] == pytest.approx(0.6 - 0.05)
    assert found["WSS@50"]["q"] == pytest.approx(0.9 - 0.5)


def test_nothing_is_saved_where_the_recall_is_not_reached() -> None:
    found = gains.per_query(["WSS@95"], {"r": {"q": ["d0", "d1"]}}, {"q": {"d0": 1, "elsewhere": 1}})
    assert found["r"]["WSS@95"]["q"] == pytest.approx(-0.05)


@pytest.mark.parametrize(("name", "known"), [("nDCG@10", True), ("P", False), ("Bpref", False), ("nDCG@x", False)])
def test_what_arrays_can_measure(name: str, known: bool) -> None:
    assert gains.supported(name) is known


def test_work_saved_counts_the_documents_that_the_recall_needs() -> None:
    # 3 relevant of 6: half of them is 1.5, so two are needed; they stand first, and 4 of 6 are saved.
    ranking, qrels = [f"d{i}" for i in range(6)], {"q": {"d0": 1, "d1": 1, "d5": 1}}
    found = gains.per_query(["WSS@50", "WSS@100", "WSS@34"], {"r": {"q": ranking}}, qrels)["r"]
    assert found["WSS@50"]["q"] == pytest.approx(4 / 6 - 0.5)
    assert found["WSS@100"]["q"] == pytest.approx(0.0)
    assert found["WSS@34"]["q"] == pytest.approx(4 / 6 - 0.66)
    # Of 100 relevant, 29 % are 29 although 100 * 29 / 100 need not be 29 in floating point.
    many = [f"d{i}" for i in range(200)]
    found = gains.per_query(["WSS@29", "WSS@57"], {"r": {"q": many}}, {"q": dict.fromkeys(many[:100], 1)})["r"]
    assert found["WSS@29"]["q"] == pytest.approx((200 - 29) / 200 - 0.71)
    assert found["WSS@57"]["q"] == pytest.approx((200 - 57) / 200 - 0.43)
    nothing = gains.per_query(["WSS@95"], {"r": {"q": many, "e": []}}, {"q": {"d0": 0}, "e": {"x": 1}})["r"]
    assert nothing["WSS@95"] == {"q": 0.0, "e": pytest.approx(-0.05)}


def test_grades_are_looked_up_by_run_query_and_rank() -> None:
    found = gains.graded(
        [[["a", "x", "b"], []], [["b"], ["c", "a"]]], [{"a": 2, "b": -1}, {"c": 1, "d": 3, "e": -2}], 2
    )
    assert found.grades.tolist() == [[[2, -1, -1], [-1, -1, -1]], [[-1, -1, -1], [1, -1, -1]]]
    assert found.ideal.tolist() == [[2, 0, 0], [3, 1, 0]]
    assert found.lengths.tolist() == [[3, 0], [1, 2]]
    assert found.relevant == 2
    assert gains.graded([[[]]], [{}]).grades.tolist() == [[[-1]]]
    assert gains.graded([[[]]], [{}]).ideal.tolist() == [[0]]
    assert gains.graded([], []).relevant == 1


def test_the_least_relevant_grade_is_that_of_the_measure() -> None:
    data = gains.graded([[["a", "b"]]], [{"a": 1, "b": 2}], 1)
    assert gains.measured("RR@2", data).tolist() == [[1.0]]
    assert gains.measured("RR(rel=2)@2", data).tolist() == [[0.5]]
    assert gains.measured(gains.Cut("RR", 2, 2), data).tolist() == [[0.5]]
    assert data.relevant == 1
    assert gains.value(gains.Cut("RR", 2, 2), ["a", "b"], {"a": 1, "b": 2}) == 0.5
    values = gains.per_query(["RR@2", "P@2"], {"r": {"q": ["a", "b"]}}, {"q": {"a": 1, "b": 2}}, 2)["r"]
    assert values == {"RR@2": {"q": 0.5}, "P@2": {"q": 0.5}}
    assert gains.per_query(["P@2"], {"r": {"q": ["a", "b"]}}, {"q": {"a": 1, "b": 2}}) == {"r": {"P@2": {"q": 1.0}}}
    with pytest.raises(ValueError, match=r"^no measure 'ERR@5' on arrays$"):
        gains.measured("ERR@5", data)


def test_discounts_are_those_of_ndcg() -> None:
    assert gains.discounts(3).tolist() == pytest.approx([1.0, 1 / np.log2(3), 0.5])


def test_names_give_cutoff_and_least_relevant_grade() -> None:
    assert gains.parse("RR(rel=2)") == gains.Cut("RR", None, 2)
    assert gains.parse("nDCG@10", relevant=3) == gains.Cut("nDCG", 10, 3)
    assert gains.parse("nDCG@10") == gains.Cut("nDCG", 10, 1)
    assert gains.parse("WSS@95") == gains.Cut("WSS", 95, 1)
    assert [gains.parse(name) for name in ("WSS(rel=2)@95", "P", "nDCG@10x", "xnDCG@10", "RR@010")] == [None] * 5
    assert [name for name in ("nDCG", "RR", "AP", "P", "R", "Success", "WSS") if gains.parse(name)] == [
        "nDCG", "RR", "AP",
    ]  # fmt: skip
    assert gains.Cut("RR", 10).cutoff == 10


def test_lists_given_by_place_are_as_long_as_their_places() -> None:
    # Both lists hold the one relevant document, at rank 1 of 3 and at rank 1 of 1.
    rank, grade = np.array([[[1, 2, 3]], [[1, 1 << 30, 1 << 30]]]), np.array([[1, 0, 0]])
    found = gains.scored(gains.Cut("WSS", 100), gains.placed(rank, 3), grade)
    assert found == pytest.approx(np.array([[2 / 3], [0.0]]))
