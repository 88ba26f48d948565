"""Pruning in cycles: exact numbers, which weights are chosen, what is put back, and trainings that end too early."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from robustrank.core.errors import ConfigError, PluginError
from robustrank.core.training_types import Then
from robustrank.rankers.models.linear_maps import linear_maps
from robustrank.testing.training_contract import small_model
from robustrank.training.compressors.dead_neurons import Cycles, DeadNeurons

TOTAL = 12


def moved(attached: Cycles, seed: int) -> dict[str, torch.Tensor]:
    """Every weight of a linear map after a made-up training, by map."""
    rng = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for _, parameter in attached.model.named_parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=rng))
    return {
        name: module.parametrizations.weight.original.detach().clone() for name, module in linear_maps(attached.model)
    }


def masks(model: Any) -> dict[str, torch.Tensor]:
    return {name: module.parametrizations.weight[0].mask.clone() for name, module in linear_maps(model)}


def flat(tensors: dict[str, torch.Tensor]) -> torch.Tensor:
    return torch.cat([each.flatten() for each in tensors.values()])


def pruned(revive: float, cycles: int = 2) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Weights after training, what they began with, and the mask after the first cycle."""
    model = small_model()
    attached = DeadNeurons(share=0.5, cycles=cycles, revive=revive).attach(model, 1)
    start = {name: attached.start[f"{name}.parametrizations.weight.original"] for name, _ in linear_maps(model)}
    after = moved(attached, 7)
    assert attached.after_step(TOTAL // (cycles + 1), TOTAL) is Then.BEGIN_ANEW
    return flat(after), flat(start), flat(masks(model))


def test_without_reviving_it_is_magnitude_pruning_in_cycles_with_exact_numbers() -> None:
    weights, _, kept = pruned(revive=0.0)
    number = len(weights)
    zeros = int(number * (1 - 0.5**0.5))
    assert int((kept == 0).sum()) == zeros
    assert weights.abs()[kept == 0].max() <= weights.abs()[kept == 1].min()


def test_those_chosen_by_movement_are_negative_moved_least_lead_into_units_and_are_beside_the_smallest() -> None:
    weights, start, kept = pruned(revive=0.2)
    number = len(weights)
    zeros = int(number * (1 - 0.5**0.5))
    chosen = int(0.2 * zeros)
    assert int((kept == 0).sum()) == zeros
    smallest = torch.zeros(number, dtype=torch.bool)
    smallest[weights.abs().argsort()[: zeros - chosen]] = True
    others = (kept == 0) & ~smallest
    assert (kept[smallest] == 0).all()
    assert int(others.sum()) == chosen
    into_units = flat({n: torch.full_like(m.weight, float("intermediate" in n)) for n, m in linear_maps(small_model())})
    assert (weights[others] < 0).all()
    assert (into_units[others] == 1).all()
    left = (into_units == 1) & (weights < 0) & (kept == 1)
    movement = (weights - start).abs()
    assert movement[others].max() <= movement[left].min()


def test_where_too_few_weights_lead_down_into_units_the_smallest_make_up_the_number() -> None:
    model = small_model()
    attached = DeadNeurons(share=0.9, cycles=1, revive=1.0).attach(model, 1)
    moved(attached, 7)
    attached.after_step(TOTAL // 2, TOTAL)
    kept = flat(masks(model))
    assert int((kept == 0).sum()) == int(0.9 * len(kept))


def test_after_a_cycle_all_weights_go_back_and_zeros_stay_until_the_end() -> None:
    model = small_model()
    attached = DeadNeurons(share=0.6, cycles=3).attach(model, 1)
    before: torch.Tensor | None = None
    begun = []
    for step in range(1, TOTAL + 1):
        moved(attached, step)
        if attached.after_step(step, TOTAL) is not Then.BEGIN_ANEW:
            continue
        begun.append(step)
        for name, parameter in model.named_parameters():
            assert torch.equal(parameter, attached.start[name])
        kept = flat(masks(model))
        assert before is None or (kept[before == 0] == 0).all()
        before = kept
    assert begun == [3, 6, 9]
    merged = flat({name: module.weight for name, module in linear_maps(attached.merged())})
    assert before is not None
    assert int((before == 0).sum()) == int(0.6 * len(before))
    assert (merged[before == 0] == 0).all()


def test_a_training_that_ended_before_the_last_cycle_is_an_error_and_no_denser_model() -> None:
    attached = DeadNeurons(cycles=3).attach(small_model(), 1)
    attached.after_step(3, TOTAL)
    with pytest.raises(PluginError, match="ended before its last cycle"):
        attached.merged()


@pytest.mark.parametrize("values", [{"share": 0.0}, {"share": 1.0}, {"cycles": 0}, {"revive": 1.1}])
def test_values_that_mean_nothing_are_refused(values: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="dead_neurons"):
        DeadNeurons(**values)  # type: ignore[arg-type]
