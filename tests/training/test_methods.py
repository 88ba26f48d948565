"""Known answers of weights of lists, objectives and samplers; values that mean nothing are refused."""

from __future__ import annotations

from itertools import permutations
from math import exp

import pytest
import torch

from robustrank.core.errors import ConfigError
from robustrank.testing.training_contract import small_batch, small_model
from robustrank.training.batches import Example
from robustrank.training.compressors.grid import Grid
from robustrank.training.compressors.magnitude import Magnitude
from robustrank.training.objectives import plackett_luce
from robustrank.training.objectives.compatibility import flips
from robustrank.training.objectives.ewc import Ewc, fisher
from robustrank.training.objectives.plackett_luce import PlackettLuce
from robustrank.training.optimizers.galore import GaLore
from robustrank.training.parts import Acting
from robustrank.training.samplers.fooling import Fooling, drawn
from robustrank.training.trainer import Outcome
from robustrank.training.weightings.by_loss import ByLoss
from robustrank.training.weightings.easy_first import EasyFirst, ease


def example(seed: int) -> Example:
    batch = small_batch(lists=1, seed=seed)
    rows = [row.numpy().astype("int32") for row in batch.inputs["input_ids"]]
    segments = tuple(row.numpy().astype("int32") for row in batch.inputs["token_type_ids"])
    return Example(tuple(rows), segments, tuple(batch.targets[0].tolist()))


@pytest.mark.parametrize(("kind", "values"), [(Grid, {"bits": 1}), (Magnitude, {"share": 1.0}), (GaLore, {"rank": 0})])
def test_values_that_mean_nothing_are_refused(kind: type, values: dict[str, float]) -> None:
    with pytest.raises(ConfigError):
        kind(**values)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [("linupper", [0.052, 0.090, 0.219, 0.639]), ("extremes", None), ("quadratic", None)],
)
def test_weights_by_loss(shape: str, expected: list[float] | None) -> None:
    losses = torch.tensor([0.2, 0.5, 1.0, 3.0], dtype=torch.float64)
    weighting = ByLoss(shape=shape, temperature=0.4)  # type: ignore[arg-type]
    batch = small_batch()
    weights = weighting.weights(losses, batch)
    h = [-1.0, -0.7857, -0.4286, 1.0]
    shaped = {"linupper": [min(x + 1, 1) for x in h], "extremes": map(abs, h), "quadratic": [1 - x * x for x in h]}
    by_hand = [exp(x / 0.4) for x in shaped[shape]]
    assert weights.tolist() == pytest.approx([4 * x / sum(by_hand) for x in by_hand], rel=1e-3)
    assert torch.allclose(weighting.weights(5 * losses + 2, batch), weights)
    assert weighting.weights(torch.ones(4), batch).tolist() == [1, 1, 1, 1]
    assert ByLoss(after=0.5).weights(losses, batch._replace(share=0.4)).tolist() == [1, 1, 1, 1]
    if expected:
        assert [w / 4 for w in weights.tolist()] == pytest.approx(expected, abs=2e-3)


def test_the_six_rankings_of_three_documents_have_probabilities_that_add_up_to_1() -> None:
    scores = torch.tensor([[0.3, -1.0, 2.0]], dtype=torch.float64)
    orders = torch.tensor(list(permutations(range(3))))[:, None, :]
    logs = plackett_luce.log_probability(scores, torch.ones(1, 3, dtype=torch.bool), orders, 3)
    assert logs.exp().sum().item() == pytest.approx(1.0, abs=1e-12)
    p = torch.softmax(scores[0], dim=0)
    assert logs[0, 0].exp().item() == pytest.approx((p[0] * p[1] / (1 - p[0])).item(), rel=1e-12)


def test_the_mean_of_the_policy_gradient_over_all_pairs_of_samples_is_the_gradient_of_the_expected_measure() -> None:
    scores = torch.tensor([[0.3, -0.4, 0.9]], dtype=torch.float64, requires_grad=True)
    targets, present = torch.tensor([[3.0, 0.0, 1.0]], dtype=torch.float64), torch.ones(1, 3, dtype=torch.bool)
    orders = torch.tensor(list(permutations(range(3))))[:, None, :]
    logs = plackett_luce.log_probability(scores, present, orders, 3)[:, 0]
    utility = plackett_luce.ndcg(targets, orders, 3)[:, 0]
    (exact,) = torch.autograd.grad((logs.exp() * utility).sum(), scores)
    expected = torch.zeros_like(exact)
    for i in range(6):
        for j in range(6):
            noise = torch.zeros(2, 1, 3, dtype=torch.float64)
            for row, which in enumerate((i, j)):  # noise that makes this order the sampled one
                noise[row, 0, orders[which, 0]] = torch.tensor([300.0, 200.0, 100.0], dtype=torch.float64)
            value = plackett_luce.surrogate(scores, targets, noise, 3)
            (gradient,) = torch.autograd.grad(-value, scores)
            expected += (logs[i] + logs[j]).exp().detach() * gradient
    assert torch.allclose(expected, exact, atol=1e-10)


def test_equal_gains_have_no_policy_gradient_and_missing_places_none() -> None:
    scores = torch.tensor([[1.0, 2.0, 0.0], [1.0, 0.0, 5.0]], requires_grad=True)
    targets = torch.tensor([[1.0, 1.0, 1.0], [2.0, 0.0, float("nan")]])
    torch.manual_seed(0)
    PlackettLuce(samples=4).start(None, [], 0)(None, small_batch()._replace(targets=targets), scores).backward()
    assert scores.grad is not None
    assert scores.grad[0].abs().max() == 0
    assert scores.grad[1, 2] == 0
    assert torch.isfinite(scores.grad).all()


def test_ewc_is_a_parabola_around_the_weights_before_and_its_minimum_is_the_compromise() -> None:
    model = small_model()
    examples = [example(seed) for seed in range(6)]
    matters = fisher(model, examples)
    assert all((each >= 0).all() for each in matters.values())
    assert matters["classifier.weight"].max() > 0
    penalty = Ewc(lists=6).start(model, examples, 0)
    assert penalty(model, None, None).item() == 0
    with torch.no_grad():
        model.classifier.weight += 0.5
    expected = 0.5 * 0.25 * matters["classifier.weight"].sum().item()
    assert penalty(model, None, None).item() == pytest.approx(expected, rel=1e-5)


def test_only_pairs_that_were_right_before_count_as_flips() -> None:
    targets = torch.tensor([[2.0, 1.0, 0.0, float("nan")]])
    before = torch.tensor([[3.0, 1.0, 2.0, 9.0]])  # right: (0, 1), (0, 2); wrong: (1, 2)
    scores = torch.tensor([[0.0, 1.0, -1.0, 5.0]], requires_grad=True)
    value = flips(scores, before, targets, 0.0)
    assert value.item() == pytest.approx(1.0 / 2)
    assert flips(before, before, targets, 0.0).item() == 0
    value.backward()
    assert scores.grad is not None
    assert scores.grad.tolist() == [[-0.5, 0.5, 0.0, 0.0]]


def test_negatives_are_the_hardest_when_cold_evenly_drawn_when_hot_and_never_above_the_ceiling() -> None:
    scores = torch.tensor([[0.0, 5.0, 4.0, 3.0, 2.0, 1.0]]).repeat(4000, 1)
    targets = torch.tensor([[9.0, 8.5, 0.0, 1.0, 2.0, 3.0]]).repeat(4000, 1)
    torch.manual_seed(0)
    cold = ~drawn(scores, targets, Fooling(keep=3, temperature=1e-4)).isnan()
    assert cold.float().mean(dim=0).tolist() == [1, 1, 1, 0, 0, 0]
    hot = ~drawn(scores, targets, Fooling(keep=3, temperature=1e6)).isnan()
    assert hot[:, 1:].float().mean(dim=0).tolist() == pytest.approx([0.4] * 5, abs=0.03)
    safe = ~drawn(scores, targets, Fooling(keep=3, temperature=1e-4, ceiling=0.9)).isnan()
    assert safe.float().mean(dim=0).tolist() == [1, 0, 1, 1, 0, 0]
    assert (drawn(scores, targets, Fooling(keep=9)).isnan() == targets.isnan()).all()


def test_a_curriculum_ends_with_equal_weights_and_begins_with_the_easy_lists() -> None:
    targets = torch.tensor([[1.0, 0.0, 0.0], [1.0, 1.0, 0.0], [2.0, 2.0, 2.0], [5.0, 0.0, float("nan")]])
    assert ease(targets).tolist() == pytest.approx([1.0, 0.75, 0.5, 1.0])
    batch, losses = small_batch()._replace(targets=targets), torch.ones(4)
    plain = EasyFirst(normalise=False)
    assert plain.weights(losses, batch._replace(share=0.0)).tolist() == pytest.approx([1, 0.75, 0.5, 1], abs=1e-6)
    assert plain.weights(losses, batch._replace(share=0.25)).tolist() == pytest.approx([1, 0.875, 0.75, 1], abs=1e-6)
    assert plain.weights(losses, batch._replace(share=0.5)).tolist() == [1, 1, 1, 1]
    anti = EasyFirst(normalise=False, hard=True).weights(losses, batch._replace(share=0.0))
    assert anti.tolist() == pytest.approx([0, 0.25, 0.5, 0], abs=1e-6)
    assert EasyFirst().weights(losses, batch._replace(share=0.1)).mean().item() == pytest.approx(1.0)


def test_development_lists_are_measured_without_weights_objectives_and_samplers() -> None:
    class Refuses:
        def sampled(self, model: object, batch: object, /) -> object:
            raise AssertionError("development lists are not sampled")

    parts = Acting(weightings=[ByLoss(temperature=0.1)], objectives=[(1.0, _refused)], ranking=0.5, sampler=Refuses())
    losses = torch.tensor([0.0, 1.0, 5.0])
    held_out, learned = small_batch()._replace(learning=False), small_batch()
    assert parts.reduce()(losses, held_out).item() == 2.0
    assert parts.reduce()(losses, learned).item() > 2.5
    own = parts.objective(lambda model, batch: Outcome(torch.tensor(7.0)))
    assert own(None, held_out).loss.item() == 7.0
    with pytest.raises(AssertionError, match="not sampled"):
        own(None, learned)


def _refused(model: object, batch: object, scores: object) -> torch.Tensor:
    raise AssertionError("development lists have no added objective")
