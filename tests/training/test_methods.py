"""Known answers of training plug-ins: grids, masks, projections, weights of lists, a policy gradient, a merge."""

from __future__ import annotations

from itertools import permutations
from math import exp

import pytest
import torch

from robustrank.core.errors import ConfigError
from robustrank.core.training_types import LowRank
from robustrank.testing.training_contract import small_batch, small_model
from robustrank.training.compressors.grid import Grid, rounded
from robustrank.training.compressors.magnitude import Magnitude, smallest
from robustrank.training.merges.sum_of_updates import SumOfUpdates
from robustrank.training.objectives import plackett_luce
from robustrank.training.objectives.plackett_luce import PlackettLuce
from robustrank.training.optimizers.galore import GaLore, back, project, subspace
from robustrank.training.weightings.by_loss import ByLoss


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_no_weight_moves_by_more_than_half_a_level_and_rounding_twice_changes_nothing(bits: int) -> None:
    weight, levels = random(6, 50), 2 ** (bits - 1) - 1
    on_grid = rounded(weight, levels)
    scale = weight.abs().amax(dim=1, keepdim=True) / levels
    assert ((on_grid - weight).abs() <= scale / 2 + 1e-12).all()
    assert torch.allclose(rounded(on_grid, levels), on_grid, atol=1e-12)
    assert all(len(row.unique()) <= 2 * levels + 1 for row in on_grid)


def test_rows_of_one_size_and_rows_of_zeros_are_exact() -> None:
    weight = torch.tensor([[3.0, -3.0, 3.0], [0.0, 0.0, 0.0]])
    assert torch.equal(rounded(weight, 127), weight)


def test_gradients_pass_the_rounding() -> None:
    model = small_model()
    Grid(bits=2).attach(model, 0)
    model(**small_batch().inputs).logits.sum().backward()
    weight = model.bert.encoder.layer[0].intermediate.dense.parametrizations.weight.original
    assert (weight.grad != 0).any()


@pytest.mark.parametrize("share", [0.0, 0.3, 0.5, 0.99])
def test_exactly_the_smallest_share_is_masked_and_masks_are_nested(share: float) -> None:
    weight = random(7, 9)
    mask = smallest(weight, share)
    assert int((mask == 0).sum()) == int(share * 63)
    kept, gone = weight[mask == 1].abs(), weight[mask == 0].abs()
    assert not len(gone) or gone.max() <= kept.min()
    assert ((smallest(weight, share / 2) == 0) <= (mask == 0)).all()


def test_equal_weights_are_masked_by_place_so_that_the_number_is_exact() -> None:
    assert smallest(torch.ones(2, 4), 0.5).tolist() == [[0, 0, 0, 0], [1, 1, 1, 1]]


@pytest.mark.parametrize(("kind", "values"), [(Grid, {"bits": 1}), (Magnitude, {"share": 1.0}), (GaLore, {"rank": 0})])
def test_values_that_mean_nothing_are_refused(kind: type, values: dict[str, float]) -> None:
    with pytest.raises(ConfigError):
        kind(**values)


@pytest.mark.parametrize("shape", [(12, 5), (5, 12), (6, 6)])
def test_a_gradient_on_its_own_subspace_is_its_best_approximation_of_that_rank(shape: tuple[int, int]) -> None:
    gradient = random(*shape)
    basis = subspace(gradient, 3)
    near = back(project(gradient, basis), basis, shape)
    left, values, right = torch.linalg.svd(gradient, full_matrices=False)
    assert torch.allclose(near, left[:, :3] * values[:3] @ right[:3], atol=1e-12)
    assert torch.allclose(back(project(near, basis), basis, shape), near, atol=1e-12)


def test_the_sum_of_galores_updates_has_at_most_the_rank_of_all_its_subspaces() -> None:
    weight = torch.nn.Parameter(random(12, 10).float())
    start = weight.detach().clone()
    group = {"params": [weight], "lr": 0.1, "weight_decay": 0.0, "linear": True}
    optimizer = GaLore(rank=2, gap=3).build([group])
    for step in range(9):
        weight.grad = random(12, 10, seed=step + 1).float()
        optimizer.step()
    values = torch.linalg.svdvals(weight.detach() - start)
    assert int((values > 1e-5 * values[0]).sum()) == 2 * 3


def test_outside_linear_maps_galore_is_adamw() -> None:
    weights = [torch.nn.Parameter(random(4, 3).float()) for _ in range(2)]
    mine = GaLore().build([{"params": weights[:1], "lr": 0.01, "weight_decay": 0.1, "linear": False}])
    theirs = torch.optim.AdamW(weights[1:], lr=0.01, weight_decay=0.1)
    for step in range(5):
        for weight, optimizer in zip(weights, (mine, theirs), strict=True):
            weight.grad = random(4, 3, seed=step).float()
            optimizer.step()
    assert torch.allclose(weights[0], weights[1], atol=1e-7)


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


def test_the_sum_of_updates_is_the_weighted_sum_of_the_matrices() -> None:
    one, two = (LowRank(random(5, r, seed=r), random(r, 4, seed=9 + r), 2.0) for r in (1, 3))
    merged = SumOfUpdates().merged([one, two], [0.5, 0.25])
    assert torch.allclose(merged, 0.5 * 2 * one.up @ one.down + 0.25 * 2 * two.up @ two.down)
    assert torch.equal(SumOfUpdates().merged([one, two], [1.0, 0.0]), 2.0 * (one.up @ one.down) + 0 * merged)
