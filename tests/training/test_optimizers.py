"""Known answers of optimizers: projections, their rank, and what is outside of them."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch

from robustrank.training.optimizers.fira import Fira
from robustrank.training.optimizers.galore import GaLore, back, project, subspace
from robustrank.training.optimizers.weight_norm import WeightNorm
from robustrank.training.optimizers.weight_norm import gradients as gradients_of


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


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


@pytest.mark.parametrize("shape", [(12, 5), (5, 12)])
def test_fira_of_full_rank_is_galore_and_of_a_gradient_inside_too(shape: tuple[int, int]) -> None:
    low = random(shape[0], 2) @ random(2, shape[1], seed=1)
    for rank, gradients in ((5, [random(*shape, seed=s) for s in range(4)]), (2, [low, 2 * low, -low, low])):
        weights = [torch.nn.Parameter(random(*shape)) for _ in range(2)]
        plugins = (GaLore(rank=rank, gap=2), Fira(rank=rank, gap=2))
        built = [
            plugin.build([{"params": [w], "lr": 0.1, "weight_decay": 0.0, "linear": True}])
            for plugin, w in zip(plugins, weights, strict=True)
        ]
        for gradient in gradients:
            for weight, optimizer in zip(weights, built, strict=True):
                weight.grad = gradient.clone()
                optimizer.step()
        assert torch.allclose(weights[0], weights[1], atol=1e-9)


def test_the_rest_that_fira_adds_grows_by_a_hundredth_at_most() -> None:
    weight = torch.nn.Parameter(random(8, 6))
    optimizer = Fira(rank=2, gap=100).build([{"params": [weight], "lr": 0.1, "weight_decay": 0.0, "linear": True}])
    norms = []
    for step in range(6):
        weight.grad = random(8, 6, seed=step) * (100 if step == 3 else 1)
        optimizer.step()
        norms.append(float(optimizer.state[weight]["rest"]))
    assert all(after <= 1.01 * before * (1 + 1e-9) for before, after in pairwise(norms))


def test_gradients_of_lengths_and_directions_are_those_of_autograd() -> None:
    direction = (3.0 * random(5, 4)).requires_grad_()
    length = random(5, 1, seed=1).requires_grad_()
    gradient = random(5, 4, seed=2)
    (gradient * length * direction / direction.norm(dim=1, keepdim=True)).sum().backward()
    mine = gradients_of(gradient, direction.detach(), length.detach())
    assert direction.grad is not None
    assert length.grad is not None
    assert torch.allclose(mine.length, length.grad, atol=1e-12)
    assert torch.allclose(mine.direction, direction.grad, atol=1e-12)
    assert (mine.direction * direction).sum(dim=1).abs().max() < 1e-12
    released = gradients_of(gradient, direction.detach(), length.detach(), tangent=False)
    assert torch.allclose(released.direction, length.detach() / direction.detach().norm(dim=1, keepdim=True) * gradient)


def normalised(plugin: WeightNorm, weight: torch.nn.Parameter, lr: float = 0.1, decay: float = 0.0) -> torch.optim.Adam:
    built: torch.optim.Adam = plugin.build([{"params": [weight], "lr": lr, "weight_decay": decay, "linear": True}])
    return built


def test_with_the_full_rank_one_step_is_that_of_adam_on_lengths_and_on_directions_in_the_basis() -> None:
    start, gradient = random(6, 4), random(6, 4, seed=1)
    weight = torch.nn.Parameter(start.clone())
    weight.grad = gradient.clone()
    normalised(WeightNorm(rank=4), weight).step()
    length = start.norm(dim=1, keepdim=True)
    both = gradients_of(gradient, start, length)
    basis = subspace(both.direction, 4)
    direction = start - 0.1 * (both.direction @ basis).sign() @ basis.T  # the first step of Adam is the sign
    expected = (length - 0.1 * both.length.sign()) * direction / direction.norm(dim=1, keepdim=True)
    assert torch.allclose(weight, expected, atol=1e-5)


@pytest.mark.parametrize("released", [False, True])
def test_a_learned_length_lasts_and_in_the_released_code_for_one_step(released: bool) -> None:
    weight = torch.nn.Parameter(random(6, 4))
    optimizer = normalised(WeightNorm(rank=4, released=released), weight)
    weight.grad = random(6, 4, seed=1)
    optimizer.step()
    learned = weight.detach().clone()
    optimizer.param_groups[0]["lr"] = 0.0
    optimizer.step()
    assert torch.allclose(weight, learned, atol=1e-12) != released
    lengths, directions = weight.norm(dim=1), optimizer.state[weight]["direction"].norm(dim=1)
    assert torch.allclose(lengths, directions if released else learned.norm(dim=1))


def test_decay_shortens_rows_and_rows_of_zeros_stay_zeros() -> None:
    start = random(6, 4)
    start[2] = 0.0
    weight = torch.nn.Parameter(start.clone())
    weight.grad = torch.zeros(6, 4, dtype=torch.float64)
    normalised(WeightNorm(), weight, decay=0.5).step()
    assert torch.allclose(weight, 0.95 * start)
    weight.grad = random(6, 4, seed=1)
    normalised(WeightNorm(), weight).step()
    assert torch.equal(weight[2], torch.zeros(4, dtype=torch.float64))
    assert torch.isfinite(weight).all()


def test_directions_move_in_a_subspace_of_the_rank() -> None:
    weight = torch.nn.Parameter(random(12, 10))
    optimizer = normalised(WeightNorm(rank=2, gap=3), weight)
    start = weight.detach().clone()
    for step in range(6):
        weight.grad = random(12, 10, seed=step + 1)
        optimizer.step()
    change = torch.linalg.svdvals(optimizer.state[weight]["direction"] - start)
    assert int((change > 1e-9 * change[0]).sum()) == 4
