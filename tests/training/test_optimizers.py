"""Known answers of optimizers: projections, their rank, and what is outside of them."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch

from robustrank.training.optimizers.fira import Fira
from robustrank.training.optimizers.galore import GaLore, back, project, subspace


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
