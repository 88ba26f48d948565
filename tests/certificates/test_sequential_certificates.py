"""Certificates in batches: valid under looking and stopping, cheap where the list is plain, honest where it is not."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from robustrank.certificates import ROUNDING, Floats, Reach, sequential
from robustrank.certificates.rules import DIFFERENCE
from robustrank.certificates.sequential import Decided, certify
from robustrank.stats.anytime import lower_bets


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


def constant(values: Sequence[float], log: list[tuple[list[int], int, int]]) -> Callable[..., list[Floats]]:
    """Every draw of a document scores the same; what is drawn is noted."""

    def draw(rows: Sequence[int], start: int, stop: int) -> list[Floats]:
        log.append((list(rows), start, stop))
        return [np.full(stop - start, values[i]) for i in rows]

    return draw


def lead(values: Floats, level: float, looks: Sequence[int]) -> float:
    """The best of the lower bounds at the looks."""
    return max(float(lower_bets(values[:n], alpha=level, bounds=(-1, 1), at=[n])[0]) for n in looks)


def test_samples_double_from_twenty_up_to_the_limit() -> None:
    for limit, ends in ((50, [20, 40, 50]), (160, [20, 40, 80, 160]), (12, [12])):
        log: list[tuple[list[int], int, int]] = []
        # A lead of a third for a rise of a quarter: undecided for long, and never hopeless.
        decided = certify(constant([0.7, 0.4], log), {1.0: [Reach(0.25)] * 2}, [1], alpha=1e-4, limit=limit)
        assert log == [([0, 1], start, stop) for start, stop in zip([0, *ends], ends, strict=False)][: len(log)]
        assert decided.samples == [log[-1][2]] * 2
    assert [stop for _, _, stop in log] == [12]


def test_the_margin_is_the_bound_on_the_lead_less_what_the_attack_brings() -> None:
    """Statements are counted over every K in question; of three documents and two K there are six pairs."""
    values, looks = [0.2, 0.9, 0.5], [20, 40]
    log: list[tuple[list[int], int, int]] = []
    reaches = {1.0: [Reach(0.01), Reach(0.5), Reach(0.02)], 2.0: [Reach(0.3), Reach(0.5), Reach(0.4)]}
    decided = certify(constant(values, log), reaches, [2, 1, 2, 3, 7], alpha=0.3, limit=40)
    level = 0.3 / 6
    assert list(decided.margins) == [(1, 1.0), (1, 2.0), (2, 1.0), (2, 2.0)]
    assert decided.top == {(1, 1.0): (1,), (1, 2.0): (1,), (2, 1.0): (1, 2), (2, 2.0): (1, 2)}
    first, second, between = (
        {n: lead(np.full(n, gap), level, looks[: looks.index(n) + 1]) for n in looks} for gap in (0.7, 0.4, 0.3)
    )
    assert decided.samples == [40] * 3
    assert decided.margins[1, 1.0] == pytest.approx(min(first[20] - 0.01, second[20] - 0.02))  # at the first look
    assert decided.margins[2, 1.0] == pytest.approx(min(first[40], between[40]) - 0.01)
    assert decided.margins[1, 2.0] == pytest.approx(min(first[40] - 0.3, second[40] - 0.4))
    assert decided.margins[2, 2.0] == pytest.approx(min(first[40], between[40]) - 0.3)


def test_only_documents_of_undecided_pairs_are_drawn_further() -> None:
    log: list[tuple[list[int], int, int]] = []
    certify(constant([0.9, 0.4, 0.0], log), {1.0: [Reach(0.2)] * 3}, [1], alpha=0.05, limit=80)
    assert log[0] == ([0, 1, 2], 0, 20)
    assert [rows for rows, _, _ in log[1:]] == [[0, 1]] * (len(log) - 1)
    assert len(log) > 1


def test_a_document_that_matters_again_catches_up_with_the_others() -> None:
    """Draws of a document go on where they ended, whatever the others have."""
    log: list[tuple[list[int], int, int]] = []
    state = sequential._List(constant([0.1, 0.2, 0.3], log), 0.05, 100, [np.zeros(0)] * 3)
    state.extend([0, 1, 2], 20)
    state.extend([0, 2], 40)
    state.extend([0, 1, 2], 80)
    assert log == [([0, 1, 2], 0, 20), ([0, 2], 20, 40), ([1], 20, 80), ([0, 2], 40, 80)]
    assert [row.tolist() for row in state.scores] == [[value] * 80 for value in (0.1, 0.2, 0.3)]


def test_a_sampler_that_leaves_out_a_document_is_refused() -> None:
    state = sequential._List(lambda rows, start, stop: [np.zeros(stop - start)], 0.05, 100, [np.zeros(0)] * 2)
    with pytest.raises(ValueError, match="shorter"):
        state.extend([0, 1], 20)


def test_a_look_uses_the_draws_that_both_have_and_never_loosens() -> None:
    rng = np.random.default_rng(1)
    scores = [rng.random(40), rng.random(20) / 2, rng.random(40) / 4]
    state = sequential._List(constant([], []), 0.05, 100, scores, {(0, 2): 0.9, (1, 2): -1.0})
    state.look([(0, 1), (0, 2), (1, 2), (1, 0)])
    assert state.leads[0, 1] == pytest.approx(lead(scores[0][:20] - scores[1], 0.05, [20]))
    assert state.leads[1, 0] == pytest.approx(lead(scores[1] - scores[0][:20], 0.05, [20]))
    assert state.leads[1, 2] == pytest.approx(lead(scores[1] - scores[2][:20], 0.05, [20]))
    assert state.leads[0, 2] == 0.9


@pytest.mark.parametrize("n", [20, 39, 40, 60])
@pytest.mark.parametrize("gap", [-0.2, 0.0, 0.2, 0.5])
def test_hopeless_is_a_lead_that_three_errors_do_not_bring_above_the_rise(n: int, gap: float) -> None:
    rng = np.random.default_rng(n)
    a, b = 0.5 + gap / 2 + 0.2 * rng.random(n), 0.4 - gap / 2 + 0.1 * rng.random(n + 5)
    values = a - b[:n]
    spread = values.std() + 1 / n
    best = float(values.mean() + 3 * spread / np.sqrt(n) - spread * np.sqrt(2 * np.log(1 / 0.05) / 300))
    state = sequential._List(constant([], []), 0.05, 300, [a, b])
    assert state.hopeless(0, 1, best + 1e-9) is (n >= 40)
    assert state.hopeless(0, 1, best - 1e-9) is False


def test_documents_of_equal_means_stand_in_the_order_of_the_list() -> None:
    decided = certify(constant([0.2, 0.6, 0.6, 0.6], []), {1.0: [Reach(0.0)] * 4}, [1, 2], alpha=0.05, limit=40)
    assert decided.top == {(1, 1.0): (1,), (2, 1.0): (1, 2)}


def test_statements_are_one_for_each_pair_at_an_equal_share_of_alpha() -> None:
    (each,) = sequential.statements(5, [2], 0.14)
    assert (each.what, each.number) == (DIFFERENCE, 7)
    assert each.level == pytest.approx(0.02)
    assert sequential.statements(5, [2, 9], 0.14) == sequential.statements(5, [2], 0.14)
