"""Pools as arrays, and what leaving systems out of them does: every array of small pools by hand."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pytest
from scipy.stats import kendalltau

from robustrank.measures import leave_out
from robustrank.measures.arrays import Cut, Floats
from robustrank.measures.pool import FAR, build
from robustrank.stats.comparisons import holm, paired
from robustrank.stats.contrasts import Contrast, contrast

RUNS = {"one": {"q2": ["a", "b"], "q1": ["c"]}, "two": {"q1": ["b", "c"]}}
QRELS = {"q2": {"a": -1, "z": 3}, "q1": {"c": 1}}


def test_the_arrays_of_a_pool() -> None:
    pool = build(RUNS, QRELS)
    assert (pool.systems, pool.queries, pool.top) == (("one", "two"), ("q1", "q2"), 3)
    assert pool.documents == (("c", "b"), ("a", "b", "z"))
    assert pool.rank.tolist() == [[[1, FAR, FAR], [1, 2, FAR]], [[2, 1, FAR], [FAR, FAR, FAR]]]
    assert pool.grade.tolist() == [[1, 0, 0], [0, 0, 3]]
    assert pool.judged.tolist() == [[True, False, False], [True, False, True]]
    dtypes = [each.dtype for each in (pool.rank, pool.grade, pool.judged)]
    assert [dtype.name for dtype in dtypes] == ["int64", "int64", "bool"]


def test_queries_may_be_chosen_and_need_no_judgments_or_lists() -> None:
    pool = build(RUNS, QRELS, ["q2", "q9"])
    assert pool.queries == ("q2", "q9")
    assert pool.documents == (("a", "b", "z"), ())
    assert not pool.judged[1].any()
    assert pool.ranking(0, 1) == []
    unjudged = build(RUNS, {}, ["q1"])
    assert unjudged.documents == (("c", "b"),)
    assert not unjudged.judged.any()
    assert build({}, {}).rank.shape == (0, 0, 0)


@pytest.mark.parametrize(("grades", "top"), [({"a": 0}, 1), ({"a": -2}, 1), ({}, 1), ({"a": 1}, 1), ({"a": 2}, 2)])
def test_the_greatest_grade_is_at_least_1(grades: dict[str, int], top: int) -> None:
    assert build({"s": {"q": ["a"]}}, {"q": grades}).top == top


def test_a_pool_of_some_depth_holds_the_judgments_of_what_stands_so_high() -> None:
    pool = build(RUNS, {"q1": {"b": 1, "c": 0}, "q2": {"b": 1, "z": 1}})
    assert pool.contributed(1).tolist() == [
        [[True, False, False], [True, False, False]], [[False, True, False], [False, False, False]],
    ]  # fmt: skip
    assert pool.pooled(1).tolist() == [[True, True, False], [False, False, False]]
    assert pool.pooled(2).tolist() == [[True, True, False], [False, True, False]]
    assert pool.pooled(2, ["two"]).tolist() == [[True, True, False], [False, False, False]]
    assert pool.pooled(1, ["one"]).tolist() == [[True, False, False], [False, False, False]]
    assert not pool.pooled(2, []).any()
    assert pool.grades(0, pool.pooled(1, ["one"])) == {"c": 0}
    assert pool.ranking(1, 0) == ["b", "c"]


def test_values_and_shares_judged_of_lists_as_short_as_they_are() -> None:
    pool = build(RUNS, QRELS)
    judged = pool.judged
    assert pool.values(Cut("P", 2), judged).tolist() == [[0.5, 0.0], [0.5, 0.0]]
    assert pool.values(Cut("RR", 2), judged).tolist() == [[1.0, 0.0], [0.5, 0.0]]
    assert pool.values(Cut("P", 2), ~judged).tolist() == [[0.0, 0.0], [0.0, 0.0]]
    assert pool.judged_at(2, judged).tolist() == [[1.0, 0.5], [0.5, 0.0]]
    assert pool.judged_at(1, judged).tolist() == [[1.0, 1.0], [0.0, 0.0]]
    assert pool.score(Cut("P", 1), np.array([[0, 2, 0], [1, 0, 0]])).tolist() == [[0.0, 1.0], [1.0, 0.0]]


def signs(values: Floats) -> Floats:
    return np.stack([np.sign(values[..., i] - values[..., j]) for i, j in combinations(range(values.shape[-1]), 2)], -1)


def plain_tau(means: Floats) -> Floats:
    """tau of rows without ties: the mean product of signs over the pairs of systems."""
    tau: Floats = (signs(means[:, :3]) * signs(means[:, 3:])).mean(axis=1)
    return tau


@pytest.mark.parametrize("seed", [0, 4])
def test_tau_has_the_interval_of_its_resamples_and_of_queries_that_agree_with_or_reverse_an_order(seed: int) -> None:
    rng = np.random.default_rng(1)
    before, after = rng.random((3, 9)), rng.random((3, 9))
    places = [np.argsort(np.argsort(each.mean(axis=1))) / 2 for each in (before, after)]
    unseen = [np.r_[places[0], 1 - places[0]], np.r_[1 - places[1], places[1]], np.r_[places[0], places[0]]]
    rows = np.concatenate([before, after]).T.tolist()
    expected = contrast([rows], plain_tau, unseen=[[tuple(row) for row in unseen]], limits=(-1, 1), seed=seed)
    assert expected is not None
    assert leave_out.kendall(before, after, seed=seed) == pytest.approx(expected.estimate)


def test_tau_of_ties() -> None:
    a = np.array([[3.0, 2.0, 1.0, 1.0], [1.0, 1.0, 1.0, 1.0], [1.0, 1.0, 1.0, 1.0], [1.0, 2.0, 3.0, 4.0]])
    b = np.array([[3.0, 3.0, 1.0, 2.0], [2.0, 2.0, 2.0, 2.0], [4.0, 3.0, 2.0, 1.0], [1.0, 1.0, 2.0, 2.0]])
    found = leave_out._tau(a, b)
    assert found.tolist() == pytest.approx(
        [kendalltau(a[0], b[0]).statistic, 1.0, 0.0, kendalltau(a[3], b[3]).statistic]
    )
    assert leave_out._tau(np.array([[0.0, 5e-10]]), np.array([[0.0, -5e-10]])).tolist() == [1.0]
    assert leave_out._tau(np.array([[0.0, 2e-9]]), np.array([[0.0, -2e-9]])).tolist() == [-1.0]
    # Means that tie in one order alone say nothing of the other's.
    assert leave_out._tau(np.array([[1.0, 1.0]]), np.array([[2.0, 1.0]])).tolist() == [0.0]


def test_two_systems_or_one() -> None:
    assert leave_out._evenly(np.array([0.3])).tolist() == [0.0]
    assert leave_out._evenly(np.array([0.3, 0.1])).tolist() == [1.0, 0.0]
    assert leave_out._evenly(np.array([0.3, 0.1, 0.2])).tolist() == [1.0, 0.0, 0.5]
    assert leave_out.kendall(np.array([[0.4, 0.2]]), np.array([[0.1, 0.3]])).value == 1.0


def test_ranks_begin_at_1_and_equal_means_share_the_better_one() -> None:
    values = np.array([[0.5, 0.5], [0.7, 0.7], [0.5, 0.5 + 1e-13], [0.1, 0.2]])
    assert leave_out.ranks(values) == [2, 1, 2, 4]
    assert leave_out.ranks(np.array([[0.5], [0.5 + 1e-11]])) == [2, 1]


def test_comparisons_become_conclusions_below_the_corrected_level(monkeypatch: pytest.MonkeyPatch) -> None:
    low = np.zeros(6)
    assert leave_out.conclusions(["a", "b"], np.stack([low + 1, low])) == {("a", "b"): "above"}
    assert leave_out.conclusions(["a", "b"], np.stack([low, low + 1])) == {("a", "b"): "below"}
    # One test of six queries has p = 2 / 64, about; Holm multiplies by three.
    p = paired([1.0] * 6, [0.0] * 6).p
    assert p == pytest.approx(2 / 64, rel=0.1)
    assert leave_out.conclusions(["a", "b", "c"], np.stack([low + 1, low, low])) == {
        ("a", "b"): "undecided", ("a", "c"): "undecided", ("b", "c"): "undecided",
    }  # fmt: skip
    monkeypatch.setattr(leave_out, "LEVEL", p)
    assert leave_out.conclusions(["a", "b"], np.stack([low + 1, low])) == {("a", "b"): "undecided"}


def test_conclusions_depend_on_the_seed_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(3).random((2, 30))
    p = [holm([paired(list(values[0]), list(values[1]), seed=seed).p])[0] for seed in (0, 1)]
    assert p[0] != p[1]
    monkeypatch.setattr(leave_out, "LEVEL", sum(p) / 2)
    found = [leave_out.conclusions(["a", "b"], values, seed=seed)["a", "b"] == "undecided" for seed in (0, 1)]
    assert found == [p[0] > p[1], p[1] > p[0]]
    assert leave_out.conclusions(["a", "b"], values) == leave_out.conclusions(["a", "b"], values, seed=0)


def test_what_a_left_out_system_is_owed_is_the_mean_loss_of_the_others() -> None:
    runs = {"one": {"q": ["a", "b"]}, "two": {"q": ["c", "d"]}, "three": {"q": ["c", "e"]}}
    pool = build(runs, {"q": {"a": 1, "b": 1, "c": 1, "d": 1, "e": 0}})
    whole, left, owed = leave_out.adjustments(pool, Cut("P", 2), 2)
    assert whole[:, 0].tolist() == [1.0, 1.0, 0.5]
    assert left[:, 0].tolist() == [0.0, 0.5, 0.5]  # one keeps nothing, two loses d alone
    assert owed[:, 0].tolist() == [0.25, 0.5, 0.75]  # losses 1, 0.5 and 0
    shallow = leave_out.adjustments(pool, Cut("P", 2), 1)
    assert shallow[0][:, 0].tolist() == [0.5, 0.5, 0.5]
    assert leave_out.adjustments(build({"s": {"q": ["a"]}}, {"q": {"a": 1}}), Cut("P", 1), 1).tolist() == [
        [[1.0]], [[0.0]], [[0.0]],
    ]  # fmt: skip


def test_leaving_a_system_out_takes_away_what_it_alone_contributed() -> None:
    runs = {"one": {"q": ["a", "b"]}, "two": {"q": ["a", "c"]}}
    pool = build(runs, {"q": {"a": 0, "b": 1, "c": 1, "z": 1}})
    assert pool.grades(0, pool.pooled(2)) == {"a": 0, "b": 1, "c": 1}  # z was pooled by neither
    assert pool.grades(0, leave_out.without(pool, 2, ["two"])) == {"a": 0, "b": 1}
    assert leave_out.unique(pool, 2, ["two"]) == 1
    assert leave_out.unique(pool, 1, ["two"]) == 0
    values = pool.values(Cut("P", 2), leave_out.without(pool, 2, ["two"]))
    assert values[:, 0].tolist() == [0.5, 0.0]


def test_changed_conclusions_are_named_from_the_systems_side() -> None:
    before = {("a", "b"): "above", ("a", "c"): "undecided", ("b", "c"): "below"}
    after = {("a", "b"): "undecided", ("a", "c"): "undecided", ("b", "c"): "above"}
    assert leave_out.changed(before, after, "b") == ["a: below → undecided", "c: below → above"]
    assert leave_out.changed(before, after, "a") == ["b: above → undecided"]


def test_the_guard_of_tau_is_that_of_queries_that_reverse_or_share_an_order() -> None:
    rng = np.random.default_rng(2)
    before = np.array([[0.2], [0.4], [0.6]]) + rng.normal(0, 0.02, (3, 7))
    after = np.array([[0.3], [0.7], [0.5]]) + rng.normal(0, 0.02, (3, 7))
    ups = np.array([0.0, 0.5, 1.0]), np.array([0.0, 1.0, 0.5])
    unseen = [np.r_[ups[0], 1 - ups[0]], np.r_[1 - ups[1], ups[1]], np.r_[ups[0], ups[0]]]
    rows = np.concatenate([before, after]).T.tolist()
    expected = contrast([rows], plain_tau, unseen=[[tuple(row) for row in unseen]])
    assert expected is not None
    found = leave_out.kendall(before, after)
    assert found == pytest.approx(expected.estimate)
    assert found.value == pytest.approx(1 / 3)
    assert found.low < found.value < found.high


def test_tau_is_resampled_by_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    seeds = []

    def noted(*args: Any, seed: int, **named: Any) -> Contrast | None:
        seeds.append(seed)
        return contrast(*args, seed=seed, **named)

    monkeypatch.setattr(leave_out, "contrast", noted)
    values = np.random.default_rng(5).random((2, 4))
    leave_out.kendall(values, values)
    leave_out.kendall(values, values, seed=7)
    assert seeds == [0, 7]


def test_a_pool_of_two_systems_owes_each_the_loss_of_the_other() -> None:
    pool = build({"one": {"q": ["a"]}, "two": {"q": ["b"]}}, {"q": {"a": 1, "b": 0}})
    assert leave_out.adjustments(pool, Cut("P", 1), 1)[2].tolist() == [[0.0], [1.0]]


def test_a_conclusion_from_the_other_side_is_the_opposite() -> None:
    before = {("a", "b"): "below", ("a", "c"): "undecided"}
    after = {("a", "b"): "undecided", ("a", "c"): "below"}
    assert leave_out.changed(before, after, "b") == ["a: above → undecided"]
    assert leave_out.changed(before, after, "c") == ["a: undecided → above"]
