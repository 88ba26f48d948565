"""Known answers of compressors: grids, masks, truncations, factors, layers, zeros that stay."""

from __future__ import annotations

import pytest
import torch

from robustrank.core.errors import ConfigError
from robustrank.rankers.models.linear_maps import linear_maps
from robustrank.testing.training_contract import small_batch, small_model
from robustrank.training.compressors.grid import Grid, rounded
from robustrank.training.compressors.layers import Layers
from robustrank.training.compressors.magnitude import smallest
from robustrank.training.compressors.perp import Perp
from robustrank.training.compressors.svd import Svd, TrainedRank, truncated


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


@pytest.mark.parametrize("energy", [0.5, 0.9, 1.0])
def test_truncation_keeps_the_fewest_directions_with_the_energy(energy: float) -> None:
    weight = random(10, 7)
    values = torch.linalg.svdvals(weight)
    kept = torch.linalg.svdvals(truncated(weight, energy))
    count = int((kept > 1e-10).sum())
    share = values.square().cumsum(0) / values.square().sum()
    assert share[count - 1] >= energy - 1e-7
    assert count == 1 or share[count - 2] < energy
    assert ((weight - truncated(weight, energy)) ** 2).sum().item() == pytest.approx(
        values[count:].square().sum().item()
    )


def test_the_penalty_of_the_nuclear_norm_has_the_gradient_u_v() -> None:
    model = small_model()
    attached = TrainedRank(energy=1.0, penalty=1.0).attach(model, 1)
    attached.extra(model, None, None).backward()
    _, module = next(linear_maps(model))
    left, _, right = torch.linalg.svd(module.weight, full_matrices=False)
    assert torch.allclose(module.weight.grad, left @ right, atol=1e-5)


def test_factors_of_full_rank_change_nothing_and_of_a_lower_one_leave_the_tail_out() -> None:
    model = small_model()
    _, module = next(linear_maps(model))
    before = module.weight.detach().clone()
    Svd(rank=16).attach(model, 1)
    assert torch.allclose(module.weight, before, atol=1e-5)
    cut = small_model()
    _, module = next(linear_maps(cut))
    Svd(rank=3).attach(cut, 1)
    error = ((module.weight - before) ** 2).sum().item()
    assert error == pytest.approx(torch.linalg.svdvals(before)[3:].square().sum().item(), rel=1e-4)


def test_layers_that_are_kept_are_the_parents_and_all_of_them_are_the_parent() -> None:
    batch, parent = small_batch(), small_model()
    with torch.no_grad():
        expected = parent(**batch.inputs).logits
        assert torch.equal(Layers(keep=(0, 1)).attach(small_model(), 0).merged()(**batch.inputs).logits, expected)
    second = parent.bert.encoder.layer[1].output.dense.weight
    one = Layers(keep=(1,)).attach(small_model(), 0).merged()
    assert torch.equal(one.bert.encoder.layer[0].output.dense.weight, second)
    assert one.config.num_hidden_layers == 1
    with pytest.raises(ConfigError, match="layers 0 to 1"):
        Layers(keep=(2,)).attach(small_model(), 0)


def test_perp_keeps_its_zeros_whatever_is_learned_and_without_a_rank_trains_no_matrix() -> None:
    model = small_model()
    attached = Perp(share=0.5, rank=2).attach(model, 1)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.requires_grad:
                parameter.copy_(random(*parameter.shape, seed=len(name)))
    merged = attached.merged()
    for _, module in linear_maps(merged):
        assert int((module.weight == 0).sum()) == module.weight.numel() // 2
    few = small_model()
    Perp(share=0.5, rank=0).attach(few, 1)
    assert {p.dim() for n, p in few.named_parameters() if p.requires_grad and "classifier" not in n} == {1}
