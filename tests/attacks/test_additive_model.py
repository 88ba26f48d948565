"""The additive model of edits against the dense formulas of Gaussian conditioning, whichever way texts arrived."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from robustrank_attacks.substitution._additive import NOISES, OWN, SHARED, AdditiveModel

POSSIBLE = {0: ["a", "b", "c"], 2: ["d"], 5: ["e", "f"], 7: ["g", "h", "i", "j"]}
EDITS = [(position, word) for position, others in POSSIBLE.items() for word in others]
SETS = [[0, 3], [1, 4, 7], [2, 5], [3, 6], [0, 4, 9], [8], [1, 3, 5, 6]]
CHANGES = [0.3, -0.8, 1.1, 0.2, 0.9, -0.1, 0.4]


def model(rounds: Sequence[int]) -> AdditiveModel:
    """A model that was told of all texts, some at a time, with draws in between."""
    features = {"first": np.arange(10.0) - 4, "second": np.array([1.0, 0, 0, 2, 0, 0, 0, 3, 0, 1])}
    built = AdditiveModel(POSSIBLE, features, {"first": 0.5})
    at = 0
    for size in rounds:
        for edits, change in zip(SETS[at : at + size], CHANGES[at : at + size], strict=True):
            built.observe(edits, change)
        built.draw(np.random.default_rng(0), 0.3)
        at += size
    return built


def dense() -> tuple[np.ndarray, np.ndarray]:
    """Posterior mean and covariance of the amounts, in one step from the definition of the model."""
    raw = np.stack([np.arange(10.0) - 4, np.array([1.0, 0, 0, 2, 0, 0, 0, 3, 0, 1])], axis=1)
    columns = np.stack([c / np.sqrt(np.mean(c[c != 0] ** 2)) for c in raw.T], axis=1)
    trust = np.array([0.5, 1.0])
    same = np.array([[a[0] == b[0] for b in EDITS] for a in EDITS])
    prior = columns @ np.diag(trust**2) @ columns.T + SHARED * same + OWN * np.eye(10)
    mean = columns @ trust
    texts = np.zeros((len(SETS), 10))
    for row, edits in zip(texts, SETS, strict=True):
        row[edits] = 1
    sizes = texts.sum(axis=1)
    seen = np.array(CHANGES) / np.sqrt(np.mean(np.square(CHANGES) / sizes))
    covariance, residual = texts @ prior @ texts.T, seen - texts @ mean

    def likelihood(noise: float) -> float:
        noisy = covariance + np.diag(noise * sizes)
        return float(-np.linalg.slogdet(noisy)[1] / 2 - residual @ np.linalg.solve(noisy, residual) / 2)

    noisy = covariance + np.diag(max(NOISES, key=likelihood) * sizes)
    gain = prior @ texts.T @ np.linalg.inv(noisy)
    return mean + gain @ residual, prior - gain @ texts @ prior


@pytest.mark.parametrize("rounds", [[7], [1] * 7, [3, 1, 3]])
def test_posterior_means_are_those_of_gaussian_conditioning(rounds: Sequence[int]) -> None:
    np.testing.assert_allclose(model(rounds).draw(np.random.default_rng(0), 0), dense()[0], atol=1e-9)


def test_draws_have_the_posteriors_mean_and_covariance() -> None:
    built, rng = model([2, 5]), np.random.default_rng(3)
    draws = np.stack([built.draw(rng) for _ in range(20_000)])
    mean, covariance = dense()
    error = np.sqrt(np.diag(covariance) / len(draws))
    assert np.all(np.abs(draws.mean(axis=0) - mean) < 5 * error)
    np.testing.assert_allclose(np.cov(draws.T), covariance, atol=0.04)


def test_a_feature_that_changes_is_as_if_it_had_been_there_from_the_start() -> None:
    late, early = model([7]), AdditiveModel(POSSIBLE, {}, {"first": 0.5})
    late.set_feature("first", np.ones(10))
    early.set_feature("first", np.ones(10))
    early.set_feature("second", np.array([1.0, 0, 0, 2, 0, 0, 0, 3, 0, 1]))
    for edits, change in zip(SETS, CHANGES, strict=True):
        early.observe(edits, change)
    rng = np.random.default_rng(0)
    np.testing.assert_allclose(late.draw(rng, 0), early.draw(rng, 0), atol=1e-9)


def test_the_best_set_takes_the_largest_amount_of_each_position_if_it_is_positive() -> None:
    amounts = np.array([1.0, 3, 2, -1, 0.5, 0.4, 0, 9, 9, 2])
    assert [EDITS[at] for at in model([7]).best(amounts, 9)] == [(0, "b"), (5, "e"), (7, "h")]
    assert model([7]).best(amounts, 2) == [1, 7]
