"""The model of relevance: its features by hand, its fit by the equations it solves, its fillings by certain models."""

from __future__ import annotations

from math import inf, log

import numpy as np
import pytest
from scipy.special import expit

from robustrank.core.types import Estimate
from robustrank.measures import relevance_model as rm
from robustrank.measures.arrays import Cut, Floats
from robustrank.measures.pool import Pool, build
from robustrank.stats import intervals

RUNS = {"one": {"q1": ["a", "b"], "q2": ["d"]}, "two": {"q1": ["c", "a"], "q2": ["e", "d"]}}
QRELS = {"q1": {"a": 2, "b": 0, "z": 1}, "q2": {"d": 1}}


def made_up(queries: int = 10, *, top: int = 2, seed: int = 1) -> Pool:
    """Two systems over six documents a query; grades fall with the rank, with noise."""
    rng = np.random.default_rng(seed)
    runs: dict[str, dict[str, list[str]]] = {"one": {}, "two": {}}
    qrels = {}
    for q in range(queries):
        grade = rng.integers(0, top + 1, 6)
        qrels[f"q{q:02}"] = {f"d{i}": int(g) for i, g in enumerate(grade)}
        for run in runs.values():
            run[f"q{q:02}"] = [f"d{i}" for i in np.argsort(-(grade + rng.normal(0, 1, 6)))[: 5 - q % 2]]
    return build(runs, qrels)


def certain(*coefficients: float) -> rm.Model:
    """A model of intercepts alone, one a grade, without uncertainty."""
    top = len(coefficients)
    weights = np.zeros((top, 5))
    weights[:, 0] = coefficients
    return rm.Model(weights, np.zeros((top, 5, 5)), np.zeros(4), np.ones(4))


def test_features_are_ranks_and_what_other_judged_documents_of_the_query_are_worth() -> None:
    pool = build(RUNS, QRELS)  # columns a b c z, and d e
    found = rm.features(pool, pool.judged)
    assert found.shape == (2, 4, 4)
    reciprocal = [[(1 / 61 + 1 / 62) / 2, 1 / 62 / 2, 1 / 61 / 2, 0.0], [(1 / 61 + 1 / 62) / 2, 1 / 61 / 2, 0.0, 0.0]]
    assert found[..., 0] == pytest.approx(np.array(reciprocal))
    # The greatest rank is 2, so what no system retrieved counts as at rank 4.
    assert found[..., 1] == pytest.approx(np.array([[0, log(2), 0, log(4)], [0, 0, log(4), log(4)]]))
    assert found[..., 2].tolist() == [[1.0, 0.5, 0.5, 0.0], [1.0, 0.5, 0.0, 0.0]]
    overall = 4 / 4  # grades 2, 0, 1 and 1
    first = [(3 - g + 2 * overall) / (3 - n + 2) for g, n in ((2, 1), (0, 1), (0, 0), (1, 1))]
    second = [(1 - g + 2 * overall) / (1 - n + 2) for g, n in ((1, 1), (0, 0), (0, 0), (0, 0))]
    assert found[..., 3] == pytest.approx(np.array([first, second]))


def test_features_take_no_grade_that_is_not_among_the_judgments() -> None:
    pool = build(RUNS, QRELS)
    none = np.zeros_like(pool.judged)
    assert rm.features(pool, none)[..., 3].tolist() == [[0.0] * 4] * 2
    some = none.copy()
    some[0, 0] = True  # a, of grade 2
    found = rm.features(pool, some)[..., 3]
    assert found[0] == pytest.approx([(0 + 4) / 2, 6 / 3, 6 / 3, 6 / 3])
    assert found[1] == pytest.approx([4 / 2] * 4)


def test_only_judged_documents_that_some_system_retrieved_are_learnt_from() -> None:
    pool = build(RUNS, QRELS)
    assert rm.usable(pool, pool.judged).tolist() == [[True, True, False, False], [True, False, False, False]]
    assert not rm.usable(pool, np.zeros_like(pool.judged)).any()


@pytest.mark.parametrize(
    "qrels",
    [{}, {"q1": {"z": 1, "y": 0}}, {"q1": {"a": 1, "c": 2}}, {"q1": {"a": 0, "b": 0}}, {"q1": {"a": 0, "b": -1}}],
)
def test_no_model_without_both_relevant_and_other_documents(qrels: dict[str, dict[str, int]]) -> None:
    pool = build(RUNS, qrels, ["q1", "q2"])
    assert rm.fit(pool, pool.judged) is None


def test_a_model_needs_one_relevant_and_one_other_document() -> None:
    pool = build(RUNS, {"q1": {"a": 1, "b": 0}})
    assert rm.fit(pool, pool.judged) is not None


def test_the_fit_solves_the_penalised_equations_and_its_covariance_is_clustered_by_query() -> None:
    pool = made_up()
    model = rm.fit(pool, pool.judged)
    assert model is not None
    chosen = rm.usable(pool, pool.judged)
    data, grades = rm.features(pool, pool.judged)[chosen], pool.grade[chosen]
    assert model.shift == pytest.approx(data.mean(axis=0))
    assert model.scale == pytest.approx(data.std(axis=0))
    design = np.c_[np.ones(len(data)), (data - data.mean(axis=0)) / data.std(axis=0)]
    penalty = np.diag([0, *[1e-3 * len(data)] * 4])
    cluster = np.nonzero(chosen)[0]
    for level in (0, 1):
        beta, hit = model.coefficients[level], grades > level
        chance = expit(design @ beta)
        assert design.T @ (chance - hit) + penalty @ beta == pytest.approx(np.zeros(5), abs=2e-3)
        bread = np.linalg.inv(design.T @ np.diag(chance * (1 - chance)) @ design + penalty)
        sums = [(design * (chance - hit)[:, None])[cluster == q].sum(axis=0) for q in range(10)]
        covariance = bread @ sum(np.outer(s, s) for s in sums) @ bread
        assert model.spread[level] @ model.spread[level].T == pytest.approx(covariance, rel=1e-4, abs=1e-6)


def test_a_feature_that_does_not_vary_is_left_as_it_is_and_a_grade_that_no_document_has_is_impossible() -> None:
    qrels = {"q": {"a": 1, "b": 0, "z": 3}}  # nothing of grade 3 was retrieved
    pool = build({"one": {"q": ["a", "b"]}}, qrels)
    model = rm.fit(pool, pool.judged)
    assert model is not None
    assert model.scale[2] == 1.0  # every retrieved document was retrieved by all
    assert model.coefficients.shape == (3, 5)
    assert model.coefficients[1:, 0].tolist() == [-inf, -inf]
    assert not model.coefficients[1:, 1:].any()
    assert not model.spread[1:].any()
    found = model.probabilities(rm.features(pool, pool.judged)[0])
    assert found.shape == (3, 3)
    assert found[0, 0] > 0.5 > found[1, 0]
    assert not found[:, 1:].any()


def test_probabilities_are_logistic_in_scaled_features_and_fall_with_the_grade() -> None:
    coefficients = np.array([[0.5, 1.0, 0.0, 0.0, -1.0], [2.0, 0.0, 0.0, 0.0, 0.0]])
    spread = np.arange(50, dtype=float).reshape(2, 5, 5) / 50
    model = rm.Model(coefficients, spread, np.array([1.0, 0.0, 0.0, 2.0]), np.array([2.0, 1.0, 1.0, 4.0]))
    features = np.array([[3.0, 7.0, 7.0, 6.0], [1.0, 0.0, 0.0, -10.0]])
    assert model.probabilities(features) == pytest.approx(
        np.array([[expit(0.5), expit(0.5)], [expit(3.5), expit(2.0)]])  # 0.5 + 1 - 1; 0.5 + 0 + 3
    )
    deviates = np.random.default_rng(2).normal(size=(3, 5))
    design = np.array([[1, 1, 7, 7, 1], [1, 0, 0, 0, -3]])
    found = model.probabilities(features, deviates)
    for draw in range(3):
        drawn = [coefficients[t] + spread[t] @ deviates[draw] for t in range(2)]
        for d in range(2):
            first, second = (expit(design[d] @ beta) for beta in drawn)
            assert found[draw, d] == pytest.approx([first, min(first, second)])


def test_fillings_of_a_certain_model_are_its_grades() -> None:
    pool = build(RUNS, QRELS)
    filled = {"q1": {**QRELS["q1"], "c": 1}, "q2": {"d": 1, "e": 1}}
    twice = {"q1": {**QRELS["q1"], "c": 2}, "q2": {"d": 1, "e": 2}}
    for name in ("nDCG", "P", "RR"):
        measure = Cut(name, 2)
        for model, qrels in ((certain(-inf, -inf), QRELS), (certain(50, -inf), filled), (certain(50, 50), twice)):
            found = rm.means(pool, measure, pool.judged, model, [0, 1])
            full = build(RUNS, qrels)
            # z was retrieved by none, and counts in the ideal list all the same; so do other grades above 0.
            expected = full.values(measure, full.judged).mean(axis=1)
            assert found.shape == (rm.FILLS, 2)
            assert found == pytest.approx(np.tile(expected, (rm.FILLS, 1))), (name, qrels)


def test_only_the_top_of_the_systems_in_question_is_filled() -> None:
    pool = build(RUNS, QRELS)
    measure, model = Cut("nDCG", 1), certain(50, -inf)
    full = build(RUNS, {"q1": QRELS["q1"], "q2": QRELS["q2"]})
    # c and e stand first in the other list alone.
    assert rm.means(pool, measure, pool.judged, model, [0])[0] == pytest.approx(
        full.values(measure, full.judged)[0].mean()
    )
    judged = pool.judged.copy()
    judged[0, 0] = False  # a is filled with grade 1 in place of its 2
    found = rm.means(pool, measure, judged, model, [0])[0]
    assert found == pytest.approx((1.0 + 1.0) / 2)


def test_grades_are_drawn_with_their_probabilities_and_by_seed() -> None:
    pool = build({"one": {"q": ["a"]}, "two": {"q": ["b"]}}, {"q": {"z": 1}})
    model = certain(log(0.3 / 0.7), log(0.1 / 0.9))
    found = rm.means(pool, Cut("P", 1), pool.judged, model, [0, 1])
    assert found.mean(axis=0) == pytest.approx([0.3, 0.3], abs=0.05)
    assert (found[:, 0] != found[:, 1]).any()
    strict = rm.means(pool, Cut("P", 1, 2), pool.judged, model, [0, 1])
    assert strict.mean() == pytest.approx(0.1, abs=0.03)
    assert (rm.means(pool, Cut("P", 1), pool.judged, model, [0, 1]) == found).all()
    assert (rm.means(pool, Cut("P", 1), pool.judged, model, [0, 1], seed=0) == found).all()
    assert (rm.means(pool, Cut("P", 1), pool.judged, model, [0, 1], seed=1) != found).any()


def test_coefficients_are_drawn_anew_for_every_filling() -> None:
    pool = build({"one": {"q": ["a", "b", "c", "d"]}}, {"q": {"z": 1}})
    sure = rm.means(pool, Cut("P", 4), pool.judged, certain(0.0), [0])[:, 0]
    spread = np.zeros((1, 5, 5))
    spread[0, 0, 0] = 20.0  # all four or none, by the one intercept
    unsure = rm.Model(np.zeros((1, 5)), spread, np.zeros(4), np.ones(4))
    found = rm.means(pool, Cut("P", 4), pool.judged, unsure, [0])[:, 0]
    assert found.mean() == pytest.approx(0.5, abs=0.06)
    assert sure.std() == pytest.approx(0.25, abs=0.02)
    assert found.std() > 0.45


def plainly(pool: Pool, level: int) -> tuple[Estimate, float, float, int]:
    """Calibration, one fold and one document after another."""
    chosen, data = rm.usable(pool, pool.judged), rm.features(pool, pool.judged)
    errors, clusters, constants = [], [], []
    for fold in range(5):
        rest = pool.judged.copy()
        rest[fold::5] = False
        model = rm.fit(pool, rest)
        assert model is not None
        share = np.mean([pool.grade[q, d] > level for q, d in zip(*np.nonzero(chosen & rest), strict=True)])
        for q in range(fold, len(pool.queries), 5):
            for d in np.flatnonzero(chosen[q]):
                observed = float(pool.grade[q, d] > level)
                one: Floats = model.probabilities(data[q, [d]])
                errors.append(float(one[0, level]) - observed)
                constants.append(share - observed)
                clusters.append(pool.queries[q])
    bias = intervals.mean(errors, clusters=clusters, bounds=(-1, 1))
    return bias, float(np.mean(np.square(errors))), float(np.mean(np.square(constants))), len(errors)


@pytest.mark.parametrize(("relevant", "level"), [(1, 0), (2, 1), (5, 1)])
def test_calibration_equals_a_plain_second_computation(relevant: int, level: int) -> None:
    pool = made_up(12)
    found = rm.calibration(pool, pool.judged, relevant)
    assert found is not None
    bias, brier, constant, count = plainly(pool, level)
    assert found[0] == pytest.approx(bias)
    assert found[1:] == pytest.approx((brier, constant, count))


def test_no_calibration_where_a_fold_leaves_nothing_to_learn_from() -> None:
    pool = build({"s": {f"q{i}": ["a", "b"] for i in range(6)}}, {"q0": {"a": 1, "b": 0}, "q3": {"a": 1}}, None)
    assert rm.calibration(pool, pool.judged, 1) is None
