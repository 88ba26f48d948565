"""Known answers of ordered low rank: singular directions are stationary; prefixes, tails, the second reading."""

from __future__ import annotations

from collections import Counter

import pytest
import torch

from robustrank.rankers.models.linear_maps import linear_maps
from robustrank.testing.training_contract import small_batch, small_model
from robustrank.training.compressors.maestro import Maestro, drawn, ordered, tails
from robustrank.training.losses import margin_mse
from robustrank.training.trainer import scores_of


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def error_of_all_prefixes(part: torch.nn.Module, weight: torch.Tensor) -> torch.Tensor:
    """The expected squared error of all prefixes on inputs of unit covariance."""
    losses = []
    for width in range(1, min(weight.shape) + 1):
        part.limit = width
        losses.append((weight - part(weight)).square().sum())
    part.limit = None
    return torch.stack(losses).sum()


def best_of_rank(weight: torch.Tensor, rank: int) -> torch.Tensor:
    left, values, right = torch.linalg.svd(weight, full_matrices=False)
    return left[:, :rank] * values[:rank] @ right[:rank]


def test_the_singular_value_decomposition_is_stationary_for_the_loss_of_all_prefixes() -> None:
    weight = random(7, 5)
    part = ordered(weight, 0)
    error_of_all_prefixes(part, weight).backward()
    for factor in (part.up, part.down):
        assert factor.grad.abs().max() < 1e-12


@pytest.mark.parametrize("shape", [(5, 3), (3, 4)])
def test_prefixes_learned_from_a_random_start_are_the_best_approximations_of_their_rank(
    shape: tuple[int, int],
) -> None:
    weight = random(*shape)
    part = ordered(weight, 0)
    with torch.no_grad():
        part.up.copy_(random(*part.up.shape, seed=1))
        part.down.copy_(random(*part.down.shape, seed=2))
    optimizer = torch.optim.LBFGS(
        part.parameters(), max_iter=3000, tolerance_grad=1e-10, tolerance_change=1e-14, line_search_fn="strong_wolfe"
    )

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = error_of_all_prefixes(part, weight)
        loss.backward()
        return loss

    optimizer.step(closure)
    for width in range(1, min(shape) + 1):
        part.limit = width
        assert torch.allclose(part(weight), best_of_rank(weight, width), atol=1e-5)


def test_full_width_is_the_dense_map_and_a_rank_acts_in_evaluation_and_in_the_stored_model_alone() -> None:
    parent = dict(linear_maps(small_model()))
    for rank in (0, 3):
        model = small_model()
        attached = Maestro(rank=rank).attach(model, 1)
        model.train()
        for name, module in linear_maps(model):
            assert torch.allclose(module.weight, parent[name].weight, atol=1e-5)
        for name, module in linear_maps(attached.merged()):
            expected = best_of_rank(parent[name].weight.detach(), rank or 16)
            assert torch.allclose(module.weight, expected, atol=1e-5)


def test_the_penalty_is_the_sum_of_the_norms_of_all_tails_and_has_a_gradient_where_they_are_zero() -> None:
    rows = torch.tensor([[3.0, 4.0], [0.0, 12.0], [0.0, 0.0]], requires_grad=True)
    value = tails(rows)
    assert value.item() == pytest.approx(13.0 + 12.0)
    value.backward()
    assert rows.grad is not None
    assert torch.allclose(rows.grad, torch.tensor([[3 / 13, 4 / 13], [0.0, 12 / 13 + 1], [0.0, 0.0]]))


def test_unimportant_directions_at_the_end_are_cut_off_for_good_and_others_are_not() -> None:
    model = small_model()
    attached = Maestro(threshold=1e-3).attach(model, 1)
    _, module = next(linear_maps(model))
    part = module.parametrizations.weight[0]
    with torch.no_grad():
        part.up[:, 12:] *= 1e-4
        part.up[:, 5] = 0.0
    attached.after_step(1, 2)
    assert int(part.width) == 12
    with torch.no_grad():
        part.up[:, 12:] *= 1e6
    attached.after_step(2, 2)
    assert int(part.width) == 12
    assert int(torch.linalg.matrix_rank(attached.merged().get_submodule(next(linear_maps(model))[0]).weight)) == 11


def test_a_strong_penalty_leaves_nothing_but_the_biases() -> None:
    model = small_model(layers=1)
    attached = Maestro(penalty=10.0, threshold=0.05).attach(model, 1)
    parts = [module.parametrizations.weight[0] for _, module in linear_maps(model)]
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=3e-3)
    batch = small_batch(lists=1, places=2)
    for step in range(300):
        optimizer.zero_grad()
        attached.extra(model, batch, scores_of(model, batch)).backward()
        optimizer.step()
        attached.after_step(step, 300)
    assert [int(part.width) for part in parts] == [0] * 6
    assert torch.isfinite(attached.extra(model, batch, scores_of(model, batch)))
    assert all((module.weight == 0).all() for _, module in linear_maps(attached.merged()))


def test_every_map_and_width_is_drawn_alike() -> None:
    torch.manual_seed(0)
    counts = Counter(drawn([1, 0, 3]) for _ in range(8000))
    assert set(counts) == {(0, 1), (2, 1), (2, 2), (2, 3)}
    assert all(abs(count / 8000 - 0.25) < 0.025 for count in counts.values())


def test_the_second_reading_cuts_one_map_and_learns_the_margins_of_the_first() -> None:
    model, batch = small_model(), small_batch()
    attached = Maestro(penalty=0.0).attach(model, 1)
    batch.targets[0, 3] = float("nan")
    scores = scores_of(model, batch)
    torch.manual_seed(4)
    loss = attached.extra(model, batch, scores)
    torch.manual_seed(4)
    number, width = drawn([16] * 12)
    assert width < 16
    weights = {name: module.weight.detach() for name, module in linear_maps(model)}
    name = list(weights)[number]
    by_hand = small_model()
    dict(linear_maps(by_hand))[name].weight.data = best_of_rank(weights[name], width)
    targets = torch.where(batch.targets.isnan(), torch.nan, scores.detach())
    expected = margin_mse(scores_of(by_hand, batch), targets).mean()
    assert expected > 1e-6
    assert loss.item() == pytest.approx(expected.item(), rel=1e-2)
    assert torch.allclose(scores_of(model, batch), scores)
    loss.backward()
    moved = [bool((m.parametrizations.weight[0].up.grad != 0).any()) for _, m in linear_maps(model)]
    assert all(moved)
