"""Thresholds, curves and hubs: known answers, brute force, and the levels that they promise."""

from __future__ import annotations

from itertools import pairwise
from math import inf
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from robustrank.measures import hubs
from robustrank.measures.detection import (
    average_precision,
    placements,
    precision,
    precision_recall,
    roc,
    thinned,
    threshold,
)

VALUES = st.lists(st.integers(0, 6).map(float), min_size=1, max_size=30)


def test_a_threshold_is_the_order_statistic_that_the_rate_asks_for() -> None:
    clean = [float(n) for n in range(1, 1001)]
    Random(1).shuffle(clean)
    assert threshold(clean, 0.01) == 991  # the 991st of 1,000: ceil(1,001 x .99)
    assert threshold(clean, 0.05) == 951
    assert threshold(clean[:99], 0.01) == max(clean[:99])
    assert threshold(clean[:98], 0.01) == inf  # too few to tell
    assert threshold([], 0.05) == inf


def test_a_clean_document_without_a_value_counts_as_the_most_suspicious() -> None:
    clean: list[float | None] = [*map(float, range(95)), *[None] * 5]
    assert threshold(clean, 0.05) == inf
    assert threshold([*clean[:95], *map(float, range(95, 100))], 0.05) == 95


@pytest.mark.statistical
@pytest.mark.parametrize("ties", [False, True])
def test_the_rate_of_false_alarms_holds_over_2000_draws_of_clean_documents(ties: bool) -> None:
    rng = np.random.default_rng(5)
    alarms = []
    for _ in range(2000):
        drawn = rng.standard_cauchy(1001)
        values = np.round(drawn) if ties else drawn
        alarms.append(values[-1] > threshold(values[:-1].tolist(), 0.05))
    share, noise = float(np.mean(alarms)), 3 * (0.05 * 0.95 / 2000) ** 0.5
    assert share <= 0.05 + noise
    assert ties or share >= 0.05 - noise


def test_a_constant_detector_has_an_auc_of_one_half_and_detects_nothing() -> None:
    clean = [1.0] * 1000
    assert placements([1.0, 1.0], clean) == [0.5, 0.5]
    assert not threshold(clean, 0.05) < 1.0


def test_a_perfect_detector_has_an_auc_of_1() -> None:
    clean, attacked = [float(n) for n in range(1000)], [1000.0, 2000.0]
    assert placements(attacked, clean) == [1.0, 1.0]
    assert average_precision(attacked, clean, 0.01) == pytest.approx(1)
    assert all(value > threshold(clean, 0.01) for value in attacked)


@given(values=VALUES, clean=VALUES)
def test_the_auc_is_that_of_all_pairs_and_the_area_under_the_curve(values: list[float], clean: list[float]) -> None:
    pairs = [(v > c) + (v == c) / 2 for v in values for c in clean]
    auc = sum(placements(values, clean)) / len(values)
    assert auc == pytest.approx(sum(pairs) / len(pairs))
    curve = roc(values, clean)
    area = sum((b[0] - a[0]) * (a[1] + b[1]) / 2 for a, b in pairwise(curve))
    assert area == pytest.approx(auc)
    assert (curve[0], curve[-1]) == ((0, 0), (1, 1))


@given(values=VALUES, clean=VALUES, base=st.sampled_from([0.01, 0.3]))
def test_average_precision_is_that_of_every_threshold(values: list[float], clean: list[float], base: float) -> None:
    area, before = 0.0, 0.0
    for cut in sorted({*values, *clean}, reverse=True):
        recall = sum(v >= cut for v in values) / len(values)
        alarms = sum(c >= cut for c in clean) / len(clean)
        area += (recall - before) * base * recall / (base * recall + (1 - base) * alarms)
        before = recall
    assert average_precision(values, clean, base) == pytest.approx(area)
    assert precision_recall(values, clean, base)[-1][0] == 1
    assert precision_recall(values, clean, base)[-1][1] == pytest.approx(base)


def test_precision_at_a_base_rate() -> None:
    assert precision(0.5, 0.01, 0.01) == pytest.approx(0.005 / (0.005 + 0.0099))
    assert precision(1.0, 0.01, 0.0001) == pytest.approx(0.0099, abs=1e-4)
    assert precision(0.0, 0.0, 0.5) == 0


def test_a_thinned_curve_keeps_its_ends_and_some_points() -> None:
    curve = [(n / 1000, (n / 1000) ** 0.5) for n in range(1001)]
    few = thinned(curve, 20)
    assert (few[0], few[-1]) == (curve[0], curve[-1])
    assert set(few) <= set(curve)
    assert 10 < len(few) <= 20


@pytest.mark.statistical
def test_exchangeable_retrieval_has_hubs_in_at_most_a_twentieth_of_2000_draws() -> None:
    rng = Random(7)
    wrong = 0
    for seed in range(2000):
        lists = {str(q): rng.sample([str(d) for d in range(200)], 10) for q in range(60)}
        wrong += any(each.hub for each in hubs.check(lists, 10 / 200, seed=seed).nominees)
    assert wrong <= 2000 * 0.05 + 3 * (2000 * 0.05 * 0.95) ** 0.5


def test_a_document_in_all_lists_is_a_hub_though_most_documents_are_in_none() -> None:
    lists = {str(q): ["hub", *(f"{q} {n}" for n in range(9))] for q in range(60)}
    found = hubs.check(lists, 3 / 60)
    assert [(each.document, each.lists) for each in found.nominees if each.hub] == [("hub", 30)]
    assert found.queries == 30


def test_a_plant_that_splits_its_lists_over_many_documents_passes() -> None:
    lists = {str(q): [f"plant {q % 20}", *(f"{q} {n}" for n in range(9))] for q in range(60)}
    assert not any(each.hub for each in hubs.check(lists, 4 / 60).nominees)


def test_hubs_need_two_lists_and_a_rate() -> None:
    with pytest.raises(ValueError, match="no test"):
        hubs.check({"q": ["d"]}, 0.1)
