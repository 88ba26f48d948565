"""Contrasts: known answers, coverage, and what cannot be told."""

from __future__ import annotations

import numpy as np
import pytest

from robustrank.core.types import Estimate
from robustrank.stats.ratios import Floats, contrast, detectable, foreseen


def difference(means: Floats) -> Floats:
    return means[:, 0] - means[:, 1]


def test_a_ranker_against_itself_is_exactly_nothing() -> None:
    rows = [[x, x] for x in np.random.default_rng(0).random(20)]
    found = contrast([rows], difference)
    assert found is not None
    assert found.estimate[:3] == (0.0, 0.0, 0.0)
    assert found.p == 1.0


def test_a_ratio_to_nothing_is_not_told() -> None:
    assert contrast([[[0.0, 1.0]] * 5], lambda m: m[:, 1] / m[:, 0]) is None


def test_p_and_interval_agree_about_zero() -> None:
    rng = np.random.default_rng(3)
    for shift in (0.0, 0.1, 0.2, 0.4):
        rows = np.c_[rng.normal(shift, 0.3, 25), np.zeros(25)]
        found = contrast([rows.tolist()], difference)
        assert found is not None
        assert (found.p < 0.05) == (found.estimate.low > 0 or found.estimate.high < 0)


def test_intervals_of_a_ratio_cover_as_often_as_they_say() -> None:
    rng, covered = np.random.default_rng(5), 0
    for trial in range(150):
        home, away = rng.beta(4, 2, 30), rng.beta(2, 2, 30)
        found = contrast([[[x] for x in home], [[x] for x in away]], lambda a, b: b[:, 0] / a[:, 0] - 1, seed=trial)
        assert found is not None
        covered += found.estimate.low <= 0.5 / (4 / 6) - 1 <= found.estimate.high
    assert 0.90 <= covered / 150 <= 0.99


def test_what_n_queries_can_show_is_that_of_the_t_test() -> None:
    from statsmodels.stats.power import TTestPower

    shown = foreseen(50, 0.3)
    assert TTestPower().power(shown / 0.3, 50, 0.05) == pytest.approx(0.8, abs=1e-3)
    # and the same from an interval of the same width
    half = 0.3 / 50**0.5 * 2.0096
    assert detectable(Estimate(0, -half, half, 50)) == pytest.approx(shown, rel=0.01)
