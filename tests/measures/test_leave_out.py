"""Leaving systems out of a pool: small pools by hand, and properties of pools made at random."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robustrank.core.types import Range
from robustrank.measures import effectiveness, leave_out, relevance_model
from robustrank.measures.arrays import Cut, Floats, value
from robustrank.measures.pool import Mask, Pool, Qrels, Runs, build
from robustrank.measures.unjudged import bounds
from robustrank.protocols.pooling import Question, analyse, unjudged_range
from robustrank.protocols.unjudged import may_change
from robustrank.stats import intervals

NDCG = Cut("nDCG", 3)
MEASURES = (NDCG, Cut("P", 3, 2), Cut("RR", 3), Cut("Success", 2))

documents = st.lists(st.sampled_from("abcdefgh"), unique=True, max_size=6)
queries = st.fixed_dictionaries(dict.fromkeys(("q1", "q2", "q3"), documents))
runs_ = st.fixed_dictionaries(dict.fromkeys(("one", "two", "three"), queries))
grades_ = st.dictionaries(st.sampled_from("abcdefgh"), st.integers(-1, 3), min_size=1)
qrels_ = st.fixed_dictionaries(dict.fromkeys(("q1", "q2", "q3"), grades_))


def random_pool(seed: int, *, systems: int = 4, queries: int = 12) -> tuple[Runs, Qrels]:
    """Systems that see the same relevance through noise; every document judged."""
    rng = np.random.default_rng(seed)
    grades = rng.choice([0, 0, 0, 1, 2], size=(queries, 30))
    runs = {}
    for s in range(systems):
        noisy = grades + rng.normal(0, 1, grades.shape)
        runs[f"s{s}"] = {f"q{q}": [f"d{i}" for i in np.argsort(-noisy[q])[:15]] for q in range(queries)}
    return runs, {f"q{q}": {f"d{i}": int(g) for i, g in enumerate(grades[q])} for q in range(queries)}


@settings(max_examples=60, deadline=None)
@given(runs_, qrels_)
def test_arrays_give_what_one_list_at_a_time_gives(runs: Runs, qrels: Qrels) -> None:
    pool = build(runs, qrels)
    judged = pool.pooled(2)
    for measure in MEASURES:
        values = pool.values(measure, judged)
        for s, system in enumerate(pool.systems):
            for q, query_id in enumerate(pool.queries):
                assert pool.ranking(s, q) == list(runs[system][query_id])
                plain = value(measure, runs[system][query_id], pool.grades(q, judged))
                assert values[s, q] == pytest.approx(plain)
                share = effectiveness.judged_at(runs[system][query_id], pool.grades(q, judged), 3)
                assert pool.judged_at(3, judged)[s, q] == pytest.approx(share)


@settings(max_examples=60, deadline=None)
@given(runs_, qrels_, st.sampled_from(["one", "two", "three"]), st.integers(1, 6))
def test_the_hole_interval_holds_the_value_of_the_whole_pool(
    runs: Runs, qrels: Qrels, left_out: str, depth: int
) -> None:
    pool = build(runs, qrels)
    s, whole = pool.systems.index(left_out), pool.pooled(depth)
    judged = leave_out.without(pool, depth, [left_out])
    for measure in MEASURES:
        reach = unjudged_range(pool, measure, judged, s, elsewhere=whole & ~judged)
        put_back = float(pool.values(measure, whole)[s].mean())
        assert reach.low - 1e-9 <= put_back <= reach.high + 1e-9


def test_a_system_with_nothing_of_its_own_loses_nothing_when_left_out() -> None:
    runs, qrels = random_pool(1)
    runs = {**runs, "twin": runs["s0"]}
    found = {each.name: each for each in analyse(runs, qrels, Question(collection="c", groups={})).left_out}
    for name in ("twin", "s0"):
        assert found[name].unique == 0
        assert found[name].tau.value == 1
        (system,) = found[name].systems
        assert (system.change.value, system.rank) == (0, system.rank_left_out)
        assert not system.conclusions


def test_groups_lose_more_than_their_members_one_by_one() -> None:
    runs, qrels = random_pool(2)
    found = analyse(runs, qrels, Question(collection="c", groups={"both": ["s0", "s1"]})).left_out
    alone = {s.system: s.judged.value for each in found if each.kind == "system" for s in each.systems}
    (group,) = (each for each in found if each.kind == "group")
    assert [s.system for s in group.systems] == ["s0", "s1"]
    assert all(s.judged.value <= alone[s.system] for s in group.systems)
    assert group.unique >= sum(each.unique for each in found if each.name in ("s0", "s1"))


def test_complete_judgments_leave_intervals_without_width_and_judged_1() -> None:
    runs, qrels = random_pool(3)
    found = analyse(runs, qrels, Question(collection="c", groups={}))
    for system in found.systems:
        assert system.judged.value == 1
        assert system.unjudged.low == pytest.approx(system.unjudged.high) == pytest.approx(system.value.value)
        assert system.condensed.value == pytest.approx(system.value.value)
        assert system.fill is not None
        assert system.fill.low == pytest.approx(system.fill.high)
    assert not any(pair.may_change for pair in found.pairs)
    assert all(pair.flip_share in (0.0, None) for pair in found.pairs)


def test_kendall_is_that_of_scipy_and_tells_equal_orders_from_reversed_ones() -> None:
    from scipy.stats import kendalltau

    rng = np.random.default_rng(0)
    before, after = rng.random((6, 20)), rng.random((6, 20))
    after[1] = after[0]
    expected = kendalltau(before.mean(axis=1), after.mean(axis=1)).statistic
    found = leave_out.kendall(before, after)
    assert found.value == pytest.approx(expected)
    assert found.low <= found.value <= found.high
    same, reversed_ = leave_out.kendall(before, before), leave_out.kendall(before, 1 - before)
    assert same.low < same.value == same.high == 1
    assert reversed_.low == reversed_.value == -1 < reversed_.high


@pytest.mark.statistical
def test_the_bootstrap_of_tau_covers_the_tau_of_many_queries() -> None:
    truth = np.linspace(0.3, 0.5, 5)
    covered = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        noise = rng.normal(0, 0.2, (2, 5, 60))
        found = leave_out.kendall(truth[:, None] + noise[0], truth[:, None] + noise[1], seed=seed)
        covered += found.low <= 1 <= found.high
    assert covered >= 34  # with all queries in the world both orders are the true one


def test_adding_back_the_others_loss_is_exact_where_all_lose_the_same() -> None:
    runs, qrels = random_pool(4, systems=5, queries=30)
    pool = build(runs, qrels)
    whole, left, owed = leave_out.adjustments(pool, NDCG, 5)
    loss = (whole - left).mean(axis=1)
    for s in range(5):
        assert owed[s, 0] == pytest.approx(np.delete(loss, s).mean())
    adjusted = np.abs(left + owed - whole).mean(axis=1).mean()
    assert adjusted < np.abs((left - whole).mean(axis=1)).mean() + 0.05


def test_a_difference_flips_only_if_some_filling_reverses_it() -> None:
    assert may_change(0.1, Range(-0.01, 0.2))
    assert not may_change(0.1, Range(0.0, 0.2))
    assert may_change(-0.1, Range(-0.2, 0.05))
    assert may_change(0.0, Range(0.0, 0.1))
    assert not may_change(0.0, Range(0.0, 0.0))


def test_drawn_fillings_stay_within_the_bounds() -> None:
    runs, qrels = random_pool(5)
    pool = build(runs, qrels)
    judged = leave_out.without(pool, 5, ["s0"])
    model = relevance_model.fit(pool, judged)
    assert model is not None
    drawn = relevance_model.means(pool, NDCG, judged, model, [0])[:, 0]
    reach = unjudged_range(pool, NDCG, judged, 0)
    assert reach.low - 1e-9 <= drawn.min() < drawn.max() <= reach.high + 1e-9


def test_filling_recovers_what_was_judged_at_random() -> None:
    runs, qrels = random_pool(6, queries=60)
    pool = build(runs, qrels)
    judged = pool.judged & (np.random.default_rng(1).random(pool.judged.shape) < 0.5)
    model = relevance_model.fit(pool, judged)
    assert model is not None
    drawn = relevance_model.means(pool, NDCG, judged, model, range(len(pool.systems)))
    whole = pool.values(NDCG, pool.judged).mean(axis=1)
    for s in range(len(pool.systems)):
        low, high = intervals.central(drawn[:, s])
        assert low - 0.03 <= whole[s] <= high + 0.03
        assert abs(drawn[:, s].mean() - whole[s]) < abs(pool.values(NDCG, judged)[s].mean() - whole[s])


def test_a_calibrated_model_is_told_from_one_that_knows_nothing() -> None:
    pool = build(*random_pool(7, queries=40))
    found = relevance_model.calibration(pool, pool.judged, 1)
    assert found is not None
    bias, brier, constant, count = found
    assert bias.low <= 0 <= bias.high
    assert brier < constant
    assert count == int(relevance_model.usable(pool, pool.judged).sum())


def test_calibration_predicts_queries_that_the_model_was_not_fitted_on(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = build(*random_pool(7, queries=12))
    fits, fit = [], relevance_model.fit

    class Noted:
        def __init__(self, model: relevance_model.Model, queries: set[int]) -> None:
            self.model, self.fitted, self.predicted = model, queries, 0

        def probabilities(self, features: Floats) -> Floats:
            self.predicted += 1
            return self.model.probabilities(features)

    def noted(of: Pool, judged: Mask) -> Noted:
        model = fit(of, judged)
        assert model is not None
        fits.append(Noted(model, set(np.flatnonzero(judged.any(axis=1)).tolist())))
        return fits[-1]

    monkeypatch.setattr(relevance_model, "fit", noted)
    assert relevance_model.calibration(pool, pool.judged, 1) is not None
    assert len(fits) == relevance_model.FOLDS
    held_out = [set(range(12)) - each.fitted for each in fits]
    assert sorted(q for queries in held_out for q in queries) == list(range(12))  # each query once
    assert [each.predicted for each in fits] == [len(queries) for queries in held_out]


def test_judgments_without_a_document_that_is_not_relevant_teach_nothing() -> None:
    runs: Runs = {"one": {"q": ["a", "b"]}, "two": {"q": ["b", "c"]}}
    found = analyse(runs, {"q": {"a": 1, "b": 1}}, Question(collection="c", groups={}))
    assert found.calibration is None
    assert all(system.fill is None for system in found.systems)


def test_bounds_of_a_mean_are_the_means_of_the_bounds() -> None:
    runs, qrels = random_pool(8, queries=3)
    pool: Pool = build(runs, qrels)
    judged = pool.pooled(1)
    ends = [bounds(NDCG, runs["s0"][q], pool.grades(i, judged), pool.top) for i, q in enumerate(pool.queries)]
    reach = unjudged_range(pool, NDCG, judged, 0)
    assert reach == pytest.approx(tuple(np.mean(ends, axis=0)))


def test_draws_of_every_system_lie_within_its_bounds_and_flips_only_where_they_allow_it() -> None:
    runs, qrels = random_pool(9)
    rng = np.random.default_rng(2)
    partly = {q: {d: g for d, g in grades.items() if rng.random() < 0.7} for q, grades in qrels.items()}
    found = analyse(runs, partly, Question(collection="c", groups={}))
    for system in found.systems:
        assert system.fill is not None
        assert system.unjudged.low - 1e-9 <= system.fill.low <= system.fill.high <= system.unjudged.high + 1e-9
    assert any(pair.may_change for pair in found.pairs)
    assert all(pair.may_change or not pair.flip_share for pair in found.pairs)
