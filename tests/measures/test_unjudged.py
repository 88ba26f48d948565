"""What unjudged documents could do to a measure: compared with every filling there is, and with lists done by hand."""

from __future__ import annotations

from itertools import product
from math import log2
from random import Random

import pytest

from robustrank.measures import effectiveness
from robustrank.measures.arrays import Cut, value
from robustrank.measures.unjudged import bounds, condensed, cut, rbp

FAMILIES = ("nDCG", "P", "RR", "Success")


def every_filling(measure: Cut, a: list[str], b: list[str], grades: dict[str, int], top: int, more: int) -> list[float]:
    holes = [d for d in dict.fromkeys(a[: measure.k] + b[: measure.k]) if d not in grades]
    holes += [f"elsewhere {i}" for i in range(more)]
    found = []
    for filling in product(range(top + 1), repeat=len(holes)):
        filled = {**grades, **dict(zip(holes, filling, strict=True))}
        found.append(value(measure, a, filled) - (value(measure, b, filled) if b else 0.0))
    return found


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("two", [False, True], ids=["one list", "difference of two"])
def test_bounds_are_the_extremes_over_all_fillings(family: str, two: bool) -> None:
    random = Random(f"{family}{two}")
    docs = [f"d{i}" for i in range(7)]
    for _ in range(120):
        top, k = random.choice([1, 2, 3]), random.choice([2, 3])
        a, b = random.sample(docs, random.randint(0, 5)), random.sample(docs, random.randint(1, 5)) if two else []
        grades = {d: random.randint(-1, top) for d in docs if random.random() < 0.5}
        more = random.choice([0, 0, 1]) if family == "nDCG" else 0
        measure = Cut(family, k, random.randint(1, top))
        found = every_filling(measure, a, b, grades, top, more)
        expected = (min(found), max(found))
        assert bounds(measure, a, grades, top, other=b, elsewhere=more) == pytest.approx(expected)


def test_all_relevant_is_not_always_the_best_filling() -> None:
    # The list's own relevant document stands first; a hole at the end that is relevant too makes the ideal better.
    measure, ranking, grades = Cut("nDCG", 3), ["rel", "no", "hole"], {"rel": 1, "no": 0}
    assert bounds(measure, ranking, grades, 1)[1] == value(measure, ranking, grades) == 1
    assert bounds(measure, ranking, grades, 1)[0] == pytest.approx(value(measure, ranking, {**grades, "hole": 1}))


def test_complete_judgments_leave_no_width() -> None:
    grades = {"a": 2, "b": 0, "c": 1}
    for family in FAMILIES:
        measure = Cut(family, 3)
        low, high = bounds(measure, ["b", "a", "c"], grades, 2)
        assert low == pytest.approx(high) == pytest.approx(value(measure, ["b", "a", "c"], grades))
        assert bounds(measure, ["b", "a"], grades, 2, other=["a", "b"])[0] == pytest.approx(
            bounds(measure, ["b", "a"], grades, 2, other=["a", "b"])[1]
        )


def test_only_measures_that_can_be_bounded_are_taken() -> None:
    assert cut("nDCG@10") == Cut("nDCG", 10)
    assert cut("RR@10", relevant=2) == Cut("RR", 10, 2)
    assert cut("P(rel=3)@5", relevant=2) == Cut("P", 5, 3)
    assert cut("AP") is None
    assert cut("nDCG(dcg='exp-log2')@10") is None


def test_bpref_by_hand() -> None:
    few_nonrelevant = {"a": 1, "b": 0, "c": 1, "e": 1, "x": 0, "y": 1}  # R = 4 > N = 2; d has no judgment
    many_nonrelevant = {"a": 0, "b": 1, "c": 0, "d": 1, "x": 0}  # R = 2 < N = 3; e has no judgment
    ranking = {"q": ["a", "b", "c", "d", "e"]}

    def bpref(grades: dict[str, int]) -> float:
        return effectiveness.per_query(["Bpref"], ranking, {"q": grades})["Bpref"]["q"]

    assert bpref(few_nonrelevant) == pytest.approx((1 + (1 - 1 / 2) + (1 - 1 / 2) + 0) / 4)
    assert bpref(many_nonrelevant) == pytest.approx(((1 - 1 / 2) + (1 - 2 / 2)) / 2)


def test_inferred_average_precision_by_hand() -> None:
    # Relevant at 1 and 4. Above rank 4: one relevant, one not, and c, in the pool (-1) or outside of it.
    ranking = {"q": ["a", "b", "c", "d", "e"]}
    grades = {"a": 1, "b": 0, "d": 1}
    inside = effectiveness.per_query(["infAP"], ranking, {"q": {**grades, "c": -1}})["infAP"]["q"]
    outside = effectiveness.per_query(["infAP"], ranking, {"q": grades})["infAP"]["q"]
    assert inside == pytest.approx((1 + (1 / 4 + 3 / 4 * (3 / 3) * (1 / 2))) / 2, abs=1e-4)
    assert outside == pytest.approx((1 + (1 / 4 + 3 / 4 * (2 / 3) * (1 / 2))) / 2, abs=1e-4)


def test_rank_biased_precision_by_hand() -> None:
    found, residual = rbp(["a", "b", "c", "d", "e"], {"a": 1, "c": 2, "d": 0, "e": 1}, relevant=1, patience=0.8)
    assert found == pytest.approx(0.2 * (1 + 0.8**2 + 0.8**4))
    assert residual == pytest.approx(0.2 * 0.8 + 0.8**5)  # b, and everything after the fifth


def test_condensed_lists_hold_judged_documents_in_order() -> None:
    assert condensed(["a", "b", "c"], {"c": 0, "a": 1}) == ["a", "c"]


def test_every_family_with_a_cutoff_can_be_bounded_and_no_other() -> None:
    for family in FAMILIES:
        assert cut(f"{family}@5") == Cut(family, 5, 1)
    assert [cut(name) for name in ("nDCG", "RR", "AP@5", "R@5", "WSS@95", "ERR@5", "")] == [None] * 7


def test_rank_biased_precision_reads_on_with_probability_0_8_and_takes_a_grade_of_1_unless_it_is_said() -> None:
    ranking, grades = ["a", "b"], {"a": 1}
    assert rbp(ranking, grades) == pytest.approx((0.2, 0.2 * 0.8 + 0.64))
    assert rbp(ranking, grades, 2) == pytest.approx((0.0, 0.2 * 0.8 + 0.64))
    assert rbp(ranking, {"a": 2, "b": 0}, 2, 0.5) == pytest.approx((0.5, 0.25))
    assert rbp([], grades) == (0.0, 1.0)


def test_bounds_of_lists_by_hand() -> None:
    # d is unjudged at rank 1, x relevant at rank 2 with grade 2; top 2.
    ndcg = Cut("nDCG", 2)
    gain, second = 2 / log2(3), 1 / log2(3)
    fillings = [gain / 2, (1 + gain) / (2 + second), (2 + gain) / (2 + 2 * second)]
    assert bounds(ndcg, ["d", "x"], {"x": 2}, 2) == pytest.approx((min(fillings), max(fillings)))
    # One document that no list shows may be relevant: the ideal gains its grade, or 0 where it stays out.
    assert bounds(ndcg, ["x"], {"x": 2}, 2, elsewhere=1) == pytest.approx((2 / (2 + 2 * second), 1.0))
    # More of them than the ideal list has places do no more.
    assert bounds(ndcg, ["x"], {"x": 2}, 2, elsewhere=50) == pytest.approx(
        bounds(ndcg, ["x"], {"x": 2}, 2, elsewhere=2)
    )
    assert bounds(Cut("P", 2), ["d", "x"], {"x": 1}, 1) == (0.5, 1.0)
    assert bounds(Cut("P", 2), ["d", "x"], {"x": 1}, 1, other=["e", "x"]) == (-0.5, 0.5)
    assert bounds(Cut("RR", 2), ["d", "x"], {"x": 1}, 1) == (0.5, 1.0)
    assert bounds(Cut("Success", 1), ["d", "x"], {"x": 1}, 1) == (0.0, 1.0)
    assert bounds(Cut("RR", 2), ["d", "x"], {"x": 1}, 1, other=["x", "d"]) == (-0.5, 0.0)
    assert bounds(ndcg, ["d"], {}, 3) == (0.0, 1.0)


def test_nothing_relevant_is_worth_nothing_whatever_is_elsewhere() -> None:
    assert bounds(Cut("nDCG", 2), ["a"], {"a": 0}, 1, elsewhere=2) == (0.0, 0.0)
    assert bounds(Cut("nDCG", 2), [], {}, 1) == (0.0, 0.0)
