"""Certificates in batches: valid under looking and stopping, cheap where the list is plain, honest where it is not."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from robustrank.certificates import ROUNDING, Floats, Reach, sequential
from robustrank.certificates.sequential import Decided, certify


def sampler(means: Sequence[float], rng: np.random.Generator) -> Callable[[Sequence[int], int, int], list[Floats]]:
    return lambda rows, start, stop: [(rng.random(stop - start) < means[i]).astype(np.float64) for i in rows]


def run(means: Sequence[float], shifts: Sequence[float], ks: Sequence[int], *, seed: int = 0, **more: float) -> Decided:
    options = {"alpha": 0.05, "limit": 1000, **more}
    reaches = {1.0: [Reach(shift) for shift in shifts]}
    draws = sampler(means, np.random.default_rng(seed))
    return certify(draws, reaches, ks, alpha=options["alpha"], limit=int(options["limit"]))


def test_a_plain_list_is_certified_with_few_samples_and_names_its_top() -> None:
    found = run([0.1, 0.95, 0.05, 0.1], [0.0] * 4, [1])
    assert found.margins[1, 1.0] > ROUNDING
    assert found.top[1, 1.0] == (1,)
    assert max(found.samples) <= 80


def test_documents_that_cannot_matter_are_dropped() -> None:
    found = run([0.9, 0.65, 0.0, 0.0, 0.0], [0.0] * 5, [1])
    assert found.margins[1, 1.0] > ROUNDING
    assert max(found.samples[2:]) < found.samples[1] == found.samples[0]


def test_a_hopeless_list_is_given_up_before_the_limit() -> None:
    found = run([0.5, 0.5, 0.5], [0.3] * 3, [1])
    assert found.margins[1, 1.0] <= ROUNDING
    assert max(found.samples) < 1000


def test_a_shift_as_large_as_the_lead_is_never_certified() -> None:
    assert run([0.9, 0.3], [0.0, 0.7], [1]).margins[1, 1.0] <= ROUNDING


def test_a_list_with_nothing_below_the_top_is_left_undecided() -> None:
    found = run([0.9, 0.1], [0.0] * 2, [2])
    assert not found.margins
    assert found.samples == [0, 0]


@pytest.mark.statistical
@pytest.mark.parametrize("ks", [(1,), (1, 2, 3)])
def test_false_claims_stay_within_alpha_although_it_looks_again_and_again(ks: tuple[int, ...]) -> None:
    """Every claim is false: each runner-up, lifted by its shift, comes to stand level with the top."""
    alpha, lists = 0.5, 40
    false = sum(
        any(
            margin > ROUNDING
            for margin in run([0.5] * 4, [0.0] * 4, ks, seed=seed, alpha=alpha, limit=160).margins.values()
        )
        for seed in range(lists)
    )
    assert false <= alpha * lists


def test_a_smaller_radius_is_certified_wherever_a_larger_one_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sequential, "FIRST", 10)
    rng = np.random.default_rng(3)
    for seed in range(6):
        means = rng.random(4)
        reaches = {1.0: [Reach(0.05)] * 4, 2.0: [Reach(0.2)] * 4}
        found = certify(sampler(means.tolist(), np.random.default_rng(seed)), reaches, (1, 2), alpha=0.05, limit=320)
        for k in (1, 2):
            assert found.margins[k, 1.0] > ROUNDING or found.margins[k, 2.0] <= ROUNDING
