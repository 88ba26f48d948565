"""Confidence sequences: they cover at every moment, never loosen, and agree with a plain computation of the capital."""

from __future__ import annotations

from collections.abc import Callable
from math import log

import numpy as np
import pytest
from scipy.stats import binom

from robustrank.stats import anytime

Draw = Callable[[np.random.Generator, tuple[int, int]], np.ndarray]

DISTRIBUTIONS: dict[str, tuple[Draw, float]] = {
    "coin": (lambda rng, shape: (rng.random(shape) < 0.3).astype(float), 0.3),
    "rare": (lambda rng, shape: (rng.random(shape) < 0.03).astype(float), 0.03),
    "spread": (lambda rng, shape: rng.beta(2, 3, shape), 0.4),
    "narrow": (lambda rng, shape: rng.beta(50, 50, shape), 0.5),
    "two ends": (lambda rng, shape: rng.beta(0.2, 0.3, shape), 0.4),
}
SEQUENCES = {"betting": anytime.betting, "empirical Bernstein": anytime.empirical_bernstein}


@pytest.mark.statistical
@pytest.mark.parametrize("distribution", sorted(DISTRIBUTIONS))
@pytest.mark.parametrize("kind", sorted(SEQUENCES))
def test_the_mean_is_inside_at_every_moment_as_often_as_promised(kind: str, distribution: str) -> None:
    draw, truth = DISTRIBUTIONS[distribution]
    values = draw(np.random.default_rng(1), (400, 150))
    low, high = SEQUENCES[kind](values, alpha=0.1, at=range(5, 151, 5))
    ever_outside = ((low > truth) | (high < truth)).any(axis=1).sum()
    assert ever_outside <= binom.ppf(0.999, 400, 0.1)


@pytest.mark.statistical
def test_an_ordinary_interval_looked_at_again_and_again_does_not_keep_its_promise() -> None:
    values = DISTRIBUTIONS["coin"][0](np.random.default_rng(1), (400, 150))
    n = np.arange(1, 151)
    mean = values.cumsum(1) / n
    width = 1.96 * np.sqrt(mean * (1 - mean) / n)
    outside = ((mean - width > 0.3) | (mean + width < 0.3))[:, 19:].any(axis=1)
    assert outside.mean() > 0.15  # it promises 0.05


@pytest.mark.parametrize("kind", sorted(SEQUENCES))
def test_bounds_never_loosen_and_close_in_on_the_mean(kind: str) -> None:
    values = np.random.default_rng(2).beta(3, 5, 2000)
    low, high = SEQUENCES[kind](values, at=[10, 100, 1000, 2000])
    assert (np.diff(low) >= 0).all()
    assert (np.diff(high) <= 0).all()
    assert low[-1] < values.mean() < high[-1]
    assert high[-1] - low[-1] < 0.06


def test_betting_is_the_tighter_of_the_two() -> None:
    values = np.random.default_rng(3).beta(30, 20, 200)
    widths = {kind: float((high - low)[-1]) for kind, (low, high) in ((k, f(values)) for k, f in SEQUENCES.items())}
    assert widths["betting"] < widths["empirical Bernstein"]


def test_a_bound_is_where_the_gamblers_capital_reaches_its_goal() -> None:
    values, alpha = np.random.default_rng(4).beta(4, 2, 40), 0.05
    low, high = anytime.betting(values, alpha=alpha, at=[40])
    for bound, side in ((low[0], 1), (high[0], -1)):
        just_inside, just_outside = bound + side * 1e-6, bound - side * 1e-6
        assert _largest_capital(values, just_inside, side, alpha) < 2 / alpha
        assert _largest_capital(values, just_outside, side, alpha) >= 2 / alpha


def _largest_capital(values: np.ndarray, mean: float, side: int, alpha: float) -> float:
    """The hedged capital as the paper writes it, one value after another."""
    capital = largest = 1.0
    total, squares, guess = 0.5, 0.25, 0.5
    for t, x in enumerate(values, start=1):
        bet = (2 * log(2 / alpha) / (squares / t * t * log(1 + t))) ** 0.5
        bet = min(bet, 0.5 / (mean if side == 1 else 1 - mean))
        capital *= 1 + side * bet * (x - mean)
        largest = max(largest, capital)
        total += x
        guess = total / (t + 1)
        squares += (x - guess) ** 2
    return largest


def test_rows_are_sequences_of_their_own() -> None:
    values = np.random.default_rng(5).random((2, 3, 20))
    low, high = anytime.betting(values, at=[7, 20])
    assert low.shape == high.shape == (2, 3, 2)
    alone = anytime.betting(values[1, 2], at=[20])
    assert (low[1, 2, 1], high[1, 2, 1]) == (alone[0][0], alone[1][0])


def test_values_have_any_bounds() -> None:
    values = np.random.default_rng(6).random(50)
    low, high = anytime.betting(values)
    twice = anytime.betting(2 * values - 1, bounds=(-1, 1))
    assert twice[0] == pytest.approx(2 * low - 1)
    assert twice[1] == pytest.approx(2 * high - 1)


@pytest.mark.parametrize(("values", "message"), [([], "no values"), ([0.5, 1.2], r"lie in \[0, 1\]")])
def test_values_that_say_nothing_are_refused(values: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        anytime.betting(values)


def test_many_values_are_done_in_pieces() -> None:
    values = np.random.default_rng(7).random(3000)
    low, high = anytime.betting(values, at=range(10, 3001, 10))
    assert len(low) == 300
    assert low[-1] < 0.5 < high[-1]


def test_the_one_sided_bound_is_the_lower_half_of_the_two_sided_one_and_a_horizon_sharpens_it() -> None:
    values = np.random.default_rng(8).random((5, 200))
    lower, _ = anytime.betting(values, alpha=0.1, at=[50, 200])
    np.testing.assert_allclose(anytime.lower_bets(values, alpha=0.05, at=[50, 200]), lower)
    tuned = anytime.lower_bets(values, alpha=0.05, at=[200], horizon=200)
    assert (tuned > lower[:, 1:]).all()


@pytest.mark.statistical
def test_the_one_sided_bound_fails_no_more_often_than_it_may_also_before_its_horizon() -> None:
    values = np.where(np.random.default_rng(9).random((400, 100)) < 0.3, 1.0, 0.0)
    ever = (anytime.lower_bets(values, alpha=0.2, at=[10, 30, 60, 100], horizon=100) > 0.3).any(axis=-1)
    assert ever.sum() <= 400 * 0.2 + 3 * (400 * 0.2 * 0.8) ** 0.5


def test_a_mean_at_any_time_has_the_bounds_of_the_last_moment_and_holds_itself() -> None:
    values = [0.2, 0.9, 0.4, 0.4, 0.7]
    found = anytime.mean(values, bounds=(0, 1))
    low, high = anytime.betting(values, alpha=0.05, at=[5])
    assert found == pytest.approx((0.52, low[0], high[0], 5, 0.95))
    wide = anytime.mean(values, bounds=(-1, 2))
    assert wide.low < found.low < found.value < found.high < wide.high
    surprising = anytime.mean([1.0] * 200 + [0.0] * 400, bounds=(0, 1))
    assert surprising.low <= surprising.value <= surprising.high
    with pytest.raises(ValueError, match=r"^an interval that holds at any time needs finite bounds$"):
        anytime.mean(values, bounds=(0, float("inf")))


def empirical_bernstein_plainly(values: np.ndarray, alpha: float) -> tuple[list[float], list[float]]:
    """Theorem 2 as the paper writes it, one value after another, with the running intersection."""
    lows: list[float] = []
    highs: list[float] = []
    low, high = 0.0, 1.0
    total, squares, guess = 0.5, 0.25, 0.5
    weights = weighted = spread = 0.0
    for t, x in enumerate(values, start=1):
        bet = min((2 * log(2 / alpha) / (squares / t * t * log(1 + t))) ** 0.5, 0.5)
        weights, weighted = weights + bet, weighted + bet * x
        spread += (x - guess) ** 2 * (-log(1 - bet) - bet)
        width = (log(2 / alpha) + spread) / weights
        low, high = max(low, weighted / weights - width), min(high, weighted / weights + width)
        lows, highs = [*lows, low], [*highs, high]
        total += x
        guess = total / (t + 1)
        squares += (x - guess) ** 2
    return lows, highs


@pytest.mark.parametrize("alpha", [0.05, 0.3])
def test_the_closed_form_equals_a_plain_second_computation(alpha: float) -> None:
    values = np.random.default_rng(10).beta(2, 1, (2, 3, 60))
    low, high = anytime.empirical_bernstein(values, alpha=alpha)
    assert low.shape == high.shape == (2, 3, 60)
    for i, j in ((0, 0), (1, 2), (0, 1)):
        lows, highs = empirical_bernstein_plainly(values[i, j], alpha)
        assert low[i, j] == pytest.approx(lows)
        assert high[i, j] == pytest.approx(highs)
    at = anytime.empirical_bernstein(values, alpha=alpha, at=[1, 7, 60])
    assert at[0].tolist() == low[..., [0, 6, 59]].tolist()
    assert at[1].tolist() == high[..., [0, 6, 59]].tolist()


def test_the_closed_form_has_any_bounds_and_stays_within_them() -> None:
    values = np.random.default_rng(11).random(50)
    low, high = anytime.empirical_bernstein(values)
    shifted = anytime.empirical_bernstein(4 * values + 3, bounds=(3, 7))
    assert shifted[0] == pytest.approx(4 * low + 3)
    assert shifted[1] == pytest.approx(4 * high + 3)
    # Values far from what was guessed: an unclipped interval would end outside of the bounds.
    for kind in SEQUENCES.values():
        low, high = kind(np.ones(3))
        assert (low >= 0).all()
        assert (high == 1).all()
        low, high = kind(np.zeros(3))
        assert (low == 0).all()
        assert (high <= 1).all()


def test_a_sequence_that_moves_away_leaves_no_interval_beyond_its_bounds() -> None:
    values = np.r_[np.zeros(400), np.ones(4000)]
    low, high = anytime.empirical_bernstein(values, at=[400, 4400])
    assert 0 <= low[0] <= high[0] < 0.05
    assert high[1] == high[0]
    assert low[1] <= 1


def test_bounds_are_at_level_5_percent_of_shares_after_every_value_unless_it_is_said() -> None:
    values = np.random.default_rng(12).random(20)
    for kind in SEQUENCES.values():
        plain, said = kind(values), kind(values, alpha=0.05, bounds=(0, 1), at=range(1, 21))
        assert (plain[0].tolist(), plain[1].tolist()) == (said[0].tolist(), said[1].tolist())
    lower = anytime.lower_bets(values)
    assert lower.tolist() == anytime.lower_bets(values, alpha=0.05, bounds=(0, 1), at=range(1, 21)).tolist()
    assert lower.tolist() == pytest.approx(anytime.betting(values, alpha=0.1)[0].tolist())


def test_the_one_sided_bound_has_any_bounds() -> None:
    values = np.random.default_rng(13).random(60)
    low = anytime.lower_bets(values, at=[10, 60], horizon=60)
    assert anytime.lower_bets(4 * values + 3, bounds=(3, 7), at=[10, 60], horizon=60) == pytest.approx(4 * low + 3)


def test_a_horizon_is_the_pace_of_the_bets() -> None:
    values, alpha = np.random.default_rng(14).beta(4, 2, 30), 0.1
    (low,) = anytime.lower_bets(values, alpha=alpha, at=[30], horizon=30)
    for bound, reached in ((low + 1e-6, False), (low - 1e-6, True)):
        capital, largest, total, squares = 1.0, 1.0, 0.5, 0.25
        for t, x in enumerate(values, start=1):
            bet = min((2 * log(1 / alpha) / (squares / t * 30)) ** 0.5, 0.5 / bound)
            capital *= 1 + bet * (x - bound)
            largest = max(largest, capital)
            total += x
            squares += (x - total / (t + 1)) ** 2
        assert (largest >= 1 / alpha) == reached


def test_a_bound_at_some_number_of_values_is_that_of_these_values_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(15).random((3, 40))
    low, high = anytime.betting(values)
    for n in (1, 2, 17, 40):
        alone = anytime.betting(values[:, :n], at=[n])
        assert alone[0][:, 0] == pytest.approx(low[:, n - 1], abs=1e-9)
        assert alone[1][:, 0] == pytest.approx(high[:, n - 1], abs=1e-9)
    for cells in (1, 3 * 40, 3 * 40 * 7):
        monkeypatch.setattr(anytime, "CELLS", cells)
        pieces = anytime.betting(values)
        assert pieces[0] == pytest.approx(low, abs=1e-9)
        assert pieces[1] == pytest.approx(high, abs=1e-9)


def test_a_searched_bound_is_exact_to_twelve_digits_on_the_safe_side() -> None:
    values, alpha = np.random.default_rng(16).beta(4, 2, 40), 0.05
    low, _ = anytime.betting(values, alpha=alpha, at=[40])
    assert _largest_capital(values, low[0], 1, alpha) >= 2 / alpha * (1 - 1e-9)
    assert _largest_capital(values, low[0] + 2e-12, 1, alpha) < 2 / alpha


@pytest.mark.parametrize("kind", [anytime.betting, anytime.empirical_bernstein, anytime.lower_bets])
def test_every_bound_refuses_values_outside_of_its_bounds(kind: Callable[..., object]) -> None:
    with pytest.raises(ValueError, match=r"^no values to estimate from$"):
        kind([])
    with pytest.raises(ValueError, match=r"^no values to estimate from$"):
        kind(0.5)
    with pytest.raises(ValueError, match=r"^values must lie in \[0, 1\], not \[-0.1, 0.4\]$"):
        kind([-0.1, 0.4])
    with pytest.raises(ValueError, match=r"^values must lie in \[0, 1\], not \[0.4, 1.1\]$"):
        kind([0.4, 1.1])
    with pytest.raises(ValueError, match="values must lie"):
        kind([0.4, float("nan")])
    assert kind([0.0, 1.0]) is not None
