"""Known answers of adapters and merges: random bases, gates, masks of entries, sums, units, signs."""

from __future__ import annotations

import pytest
import torch

from robustrank.core.errors import ConfigError
from robustrank.core.training_types import LowRank, Then, WithLoss
from robustrank.rankers.models.linear_maps import linear_maps
from robustrank.testing.training_contract import small_batch, small_model
from robustrank.training.adapters import nola
from robustrank.training.adapters.compander import squashed
from robustrank.training.adapters.entries import Penalised, SmallWeights, SparseMask, nuclear_norm
from robustrank.training.adapters.sora import Sora, soft_threshold
from robustrank.training.compressors.magnitude import smallest
from robustrank.training.merges.lego import Lego
from robustrank.training.merges.sparse import Dare, Ties
from robustrank.training.merges.sum_of_updates import SumOfUpdates
from robustrank.training.parametrized import generator


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_the_sum_of_updates_is_the_weighted_sum_of_the_matrices() -> None:
    one, two = (LowRank(random(5, r, seed=r), random(r, 4, seed=9 + r), 2.0) for r in (1, 3))
    merged = SumOfUpdates().merged([one, two], [0.5, 0.25])
    assert torch.allclose(merged, 0.5 * 2 * one.up @ one.down + 0.25 * 2 * two.up @ two.down)
    assert torch.equal(SumOfUpdates().merged([one, two], [1.0, 0.0]), 2.0 * (one.up @ one.down) + 0 * merged)


def test_random_bases_span_every_pair_of_factors_and_come_back_from_the_seed() -> None:
    made = [nola.combined((6, 5), 2, 20, 1.0, generator(3, "map")).double() for _ in range(2)]
    assert torch.equal(made[0].ups, made[1].ups)
    assert not torch.equal(made[0].ups, nola.combined((6, 5), 2, 20, 1.0, generator(3, "other")).double().ups)
    up, down = random(6, 2), random(2, 5, seed=1)
    one = made[0]
    one.a.data = torch.linalg.lstsq(one.downs.flatten(1).T, (down - one.first).flatten()[:, None]).solution[:, 0]
    one.b.data = torch.linalg.lstsq(one.ups.flatten(1).T, up.flatten()[:, None]).solution[:, 0]
    assert torch.allclose(one(torch.zeros(6, 5, dtype=torch.float64)), up @ down, atol=1e-10)


def test_the_proximal_step_is_the_closed_form_and_rising() -> None:
    values = torch.linspace(-3, 3, 61, dtype=torch.float64)
    shrunk = soft_threshold(values, 1.0)
    assert torch.allclose(shrunk, torch.where(values.abs() <= 1, 0.0, values - values.sign()))
    assert (shrunk.diff() >= 0).all()
    assert soft_threshold(torch.tensor([1.0, 1.5, 2.0]), 1.0).tolist() == [0.0, 0.5, 1.0]


def test_gates_that_are_shrunk_to_zero_take_their_rank_away() -> None:
    model = small_model()
    before = model.bert.encoder.layer[0].attention.self.query.weight.detach().clone()
    attached = Sora(rank=4, shrink=0.0).attach(model, 1)
    part = model.bert.encoder.layer[0].attention.self.query.parametrizations.weight[0]
    part.up.data = random(16, 4).float()
    part.gate.data = torch.tensor([0.5, -2.0, 0.001, 3.0])
    replaced = type(attached)(model, 0.6)
    replaced.after_step(1, 2)
    assert part.gate.tolist() == pytest.approx([0.0, -1.4, 0.0, 2.4])
    change = replaced.merged().bert.encoder.layer[0].attention.self.query.weight.detach() - before
    assert int((torch.linalg.svdvals(change) > 1e-5).sum()) == 2


def test_a_sparse_mask_trains_exactly_its_entries_and_those_that_moved_most() -> None:
    model = small_model()
    start = {name: module.weight.detach().clone() for name, module in linear_maps(model)}
    attached = SparseMask(entries=50).attach(model, 1)
    rng = torch.Generator().manual_seed(0)
    moved = {}
    with torch.no_grad():
        for name, module in linear_maps(model):
            moved[name] = torch.randn(module.weight.shape, generator=rng)
            module.weight += moved[name]
        assert attached.after_step(5, 10) is Then.BEGIN_ANEW
        for name, module in linear_maps(model):
            assert torch.equal(module.weight, start[name])
            module.weight += 1.0
        assert attached.after_step(6, 10) is Then.GO_ON
    every = torch.cat([change.abs().flatten() for change in moved.values()])
    limit = every.sort(descending=True).values[49]
    for name, module in linear_maps(model):
        assert torch.equal(module.weight != start[name], moved[name].abs() >= limit)
    updates = attached.updates()
    assert sum(int((u.up @ u.down != 0).sum()) for u in updates.values()) == 50
    assert not [name for name, _ in attached.merged().named_buffers() if "trained" in name]


def test_only_the_smallest_weights_move() -> None:
    model = small_model()
    start = {name: module.weight.detach().clone() for name, module in linear_maps(model)}
    attached = SmallWeights(share=0.25).attach(model, 1)
    model(**small_batch().inputs).logits.sum().backward()
    with torch.no_grad():
        for _, module in linear_maps(model):
            module.weight += 1.0
    attached.after_step(1, 2)
    for name, module in linear_maps(model):
        open_ = smallest(start[name], 0.25) == 0
        assert torch.equal(module.weight != start[name], open_)
        assert ((module.weight.grad != 0) <= open_).all()


def test_the_gradient_of_the_penalty_is_that_of_finite_differences_and_uv_on_the_entries() -> None:
    matrix, mask = random(6, 4).requires_grad_(), (random(6, 4, seed=1) > 0).double()
    assert torch.autograd.gradcheck(lambda x: nuclear_norm(x * mask), matrix)
    (gradient,) = torch.autograd.grad(nuclear_norm(matrix * mask), matrix)
    u, s, v = torch.linalg.svd(matrix.detach() * mask, full_matrices=False)
    assert torch.allclose(gradient, (u @ v) * mask, atol=1e-10)
    assert nuclear_norm(matrix * mask).item() == pytest.approx(s.sum().item())


def test_the_penalty_is_that_of_the_trained_entries_of_one_map_which_the_step_draws() -> None:
    model = small_model()
    attached = SmallWeights(share=0.25, penalty=0.5).attach(model, 1)
    assert isinstance(attached, Penalised)
    opened = {name: module.weight * (smallest(module.weight, 0.25) == 0) for name, module in linear_maps(model)}
    expected = [0.5 * torch.linalg.svdvals(each).sum().item() for each in opened.values()]
    drawn = []
    for step in range(100):
        torch.manual_seed(step)
        drawn.append(attached.extra(model, None, None).item())
    assert {min(range(12), key=lambda n: abs(expected[n] - value)) for value in drawn} == set(range(12))
    assert all(min(abs(each - value) for each in expected) < 1e-4 for value in drawn)
    assert not isinstance(SmallWeights().attach(small_model(), 1), WithLoss)


def test_entries_that_have_grown_are_held_at_what_they_are_and_the_small_ones_trained_on() -> None:
    model = small_model()
    start = {name: module.weight.detach().clone() for name, module in linear_maps(model)}
    attached = SmallWeights(share=0.5, again=0.5).attach(model, 1)
    rng = torch.Generator().manual_seed(0)

    def moved() -> dict[str, torch.Tensor]:
        with torch.no_grad():
            for _, module in linear_maps(model):
                module.weight += 0.1 * torch.randn(module.weight.shape, generator=rng)
        return {name: module.weight.detach().clone() for name, module in linear_maps(model)}

    moved()
    assert attached.after_step(1, 4) is Then.GO_ON
    moved()
    assert attached.after_step(2, 4) is Then.BEGIN_ANEW, "the best weights before the choice are none of it"
    chosen = {name: module.weight.detach().clone() for name, module in linear_maps(model)}
    last = moved()
    attached.after_step(3, 4)
    for name, module in linear_maps(model):
        opened = smallest(start[name], 0.5) == 0
        limit = start[name].abs()[opened].max()
        small = opened & (chosen[name].abs() <= limit)
        grown = opened & ~small
        assert small.any()
        assert grown.any()
        assert torch.equal(module.weight[small], last[name][small])
        assert torch.equal(module.weight[grown], chosen[name][grown])
        assert torch.equal(module.weight[~opened], start[name][~opened])
    assert not [name for name, _ in attached.merged().named_buffers() if "entries" in name]


@pytest.mark.parametrize("values", [{"share": 0.0}, {"penalty": -1.0}, {"again": 0.0}, {"again": 1.0}])
def test_values_of_small_weights_that_mean_nothing_are_refused(values: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="small_weights"):
        SmallWeights(**values)  # type: ignore[arg-type]


def test_as_many_units_as_there_are_give_the_sum_and_their_order_means_nothing() -> None:
    one, two = (LowRank(random(6, r, seed=r), random(r, 5, seed=9 + r), 1.0) for r in (2, 3))
    whole = SumOfUpdates().merged([one, two], [1.0, 1.0])
    assert torch.allclose(Lego(rank=5).merged([one, two], [1.0, 1.0]), whole, atol=1e-9)
    mixed = LowRank(one.up[:, [1, 0]], one.down[[1, 0]], 1.0)
    few = Lego(rank=2).merged([one, two], [1.0, 1.0])
    assert torch.allclose(Lego(rank=2).merged([mixed, two], [1.0, 1.0]), few, atol=1e-9)
    scaled = LowRank(one.up * 10, one.down / 10, 1.0)
    assert torch.allclose(Lego(rank=2).merged([scaled, two], [1.0, 1.0]), few, atol=1e-9)
    turned = LowRank(-one.up, -one.down, 1.0)
    assert torch.allclose(Lego(rank=2).merged([turned, two], [1.0, 1.0]), few, atol=1e-9)
    assert int((torch.linalg.svdvals(few) > 1e-9).sum()) == 2
    assert torch.allclose(Lego(rank=2).merged([one, one], [0.5, 0.5]), one.up @ one.down, atol=1e-9)


def test_ties_leaves_out_what_disagrees_and_dare_is_right_on_average() -> None:
    eye = torch.eye(3)
    one = LowRank(torch.tensor([[4.0, -1.0, 0.0]]), eye, 1.0)
    two = LowRank(torch.tensor([[-1.0, -3.0, 2.0]]), eye, 1.0)
    assert Ties(density=1.0).merged([one, two], [1.0, 1.0]).tolist() == [[8.0, -4.0, 4.0]]
    assert Ties(density=1 / 3).merged([one, two], [1.0, 1.0]).tolist() == [[8.0, -6.0, 0.0]]
    assert torch.equal(Dare(density=1.0).merged([one, two], [1.0, 1.0]), SumOfUpdates().merged([one, two], [1.0, 1.0]))
    draws = torch.stack([Dare(density=0.3, seed=s).merged([one], [1.0]) for s in range(3000)])
    assert draws.mean(dim=0).tolist()[0] == pytest.approx([4.0, -1.0, 0.0], abs=0.4)


@pytest.mark.parametrize("learned", [False, True])
def test_a_squashed_weight_is_the_parents_at_the_start_and_stays_below_its_bound(learned: bool) -> None:
    weight = random(6, 5)
    part = squashed(weight, 1.5, learned)
    free = part.right_inverse(weight)
    assert torch.allclose(part(free), weight, atol=1e-12)
    bound = 1.5 * weight.abs().max()
    assert part(1e9 * free).abs().max() <= bound
    assert part(1e9 * free).abs().max() > 0.999 * bound
    assert len(list(part.parameters())) == (2 if learned else 0)


def test_the_slope_of_a_squashed_weight_is_the_closed_form_and_a_wide_bound_is_the_identity() -> None:
    weight, free = random(6, 5), random(6, 5, seed=1).requires_grad_()
    part = squashed(weight, 1.5, True)
    with torch.no_grad():
        part.b.mul_(0.3)
    part(free).sum().backward()
    assert free.grad is not None
    assert torch.allclose(free.grad, part.a * part.b / (part.b**2 + free**2))
    assert torch.autograd.gradcheck(part, (free,))
    assert torch.allclose(squashed(weight, 1e6, False)(free), free, atol=1e-9)


def test_a_map_of_zeros_can_be_squashed() -> None:
    part = squashed(torch.zeros(2, 3), 1.5, False)
    assert torch.equal(part(part.right_inverse(torch.zeros(2, 3))), torch.zeros(2, 3))
