"""CET and the losses from labels: limits, identities, stopped gradients, identifiability, and simulated lists."""

from __future__ import annotations

from math import exp, log
from typing import Any

import numpy as np
import pytest
import torch

from robustrank.training import coupled, losses, simulated
from robustrank.training.coupled import Coupling
from robustrank.training.simulated import World

NAN = float("nan")
METHODS: tuple[simulated.Method, ...] = ("hard", "coupled")
RAW = Coupling(labelled=None, max_weight=float("inf"), normalise=False)
TARGETS = torch.tensor([[1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 1.0, NAN]])


def scores(seed: int) -> Any:
    return torch.randn(2, 4, generator=torch.Generator().manual_seed(seed), dtype=torch.float64, requires_grad=True)


def gradient(loss: Any, of: Any) -> Any:
    return torch.autograd.grad(loss, of, retain_graph=True)[0]


def test_pairwise_loss_is_the_mean_over_a_lists_pairs_and_then_over_lists() -> None:
    values = scores(1)
    one_by_one = [
        sum(log(1 + exp(row[j] - row[best])) for j in others) / len(others)
        for row, best, others in zip(values.tolist(), (0, 2), ((1, 2, 3), (0, 1)), strict=True)
    ]
    assert losses.pairwise(values, TARGETS).mean().item() == pytest.approx(sum(one_by_one) / 2, rel=1e-12)


def test_listwise_loss_is_minus_the_log_share_of_the_labelled_document() -> None:
    values = scores(2)
    e = [[exp(x) for x in row] for row in values.tolist()]
    expected = -(log(e[0][0] / sum(e[0])) + log(e[1][2] / sum(e[1][:3]))) / 2
    assert losses.listwise(values, TARGETS).mean().item() == pytest.approx(expected, rel=1e-12)


def test_an_infinite_temperature_gives_exactly_twice_the_plain_gradient() -> None:
    relevance, selection = scores(3), scores(4)
    coupling = Coupling(temperature=float("inf"), labelled=None, normalise=False)
    both = coupled.loss(relevance, selection, TARGETS, coupling, (relevance, selection)).loss
    for each in (relevance, selection):
        assert torch.equal(gradient(both, each), 2 * gradient(losses.pairwise(each, TARGETS).mean(), each))


def test_a_weight_is_one_over_one_minus_sigmoid() -> None:
    x = torch.tensor([[-30.0, -2.0, 0.0, 5.0]], dtype=torch.float64)
    weights = coupled.inverse_weights(x, TARGETS[:1], Coupling(temperature=2.0, **_raw()))
    assert torch.allclose(weights, 1 / (1 - torch.sigmoid(x / 2)), rtol=1e-12)


def _raw() -> dict[str, Any]:
    return {"labelled": RAW.labelled, "max_weight": RAW.max_weight, "normalise": RAW.normalise}


def test_no_gradient_flows_through_the_weights() -> None:
    relevance, selection = scores(5), scores(6)
    ranking = losses.pairwise(relevance, TARGETS, coupled.inverse_weights(selection, TARGETS, RAW)).mean()
    assert torch.autograd.grad(ranking, selection, allow_unused=True) == (None,)
    analytic, step = gradient(ranking, relevance), 1e-6
    fixed = coupled.inverse_weights(selection, TARGETS, RAW)
    for place in ((0, 0), (0, 3), (1, 1)):
        moved = torch.zeros_like(relevance)
        moved[place] = step
        up, down = (losses.pairwise(relevance.detach() + s * moved, TARGETS, fixed).mean().item() for s in (1, -1))
        assert analytic[place].item() == pytest.approx((up - down) / (2 * step), rel=1e-5, abs=1e-9)


def test_weights_are_cut_and_normalised_to_a_mean_of_one() -> None:
    x = torch.tensor([[0.0, 0.0, 9.0, 1.0]])
    cut = coupled.inverse_weights(x, TARGETS[:1], Coupling(labelled=None, max_weight=5.0, normalise=False))
    assert cut.tolist() == [[2.0, 2.0, 5.0, pytest.approx(1 + exp(1))]]
    mean = coupled.inverse_weights(x, TARGETS[:1], Coupling(labelled=None, max_weight=5.0))
    assert mean[0, 1:].mean().item() == pytest.approx(1)


def test_with_a_level_a_constant_added_to_scores_changes_no_weight() -> None:
    x = scores(7)
    one, other = (coupled.inverse_weights(x + shift, TARGETS, Coupling()) for shift in (0.0, 3.0))
    assert torch.allclose(one, other, rtol=1e-9)
    labelled = x.detach()[TARGETS > 0].mean()
    level = coupled.inverse_weights(labelled.expand(2, 4), TARGETS, Coupling(labelled=0.75, normalise=False))
    assert torch.allclose(level, torch.full_like(level, 1 / (1 - 0.75)))


def test_effective_share_is_one_for_equal_weights_and_one_nth_where_one_has_all() -> None:
    equal, one = torch.full((1, 4), 3.0), torch.tensor([[9.0, 0.0, 5.0, 0.0]])
    assert coupled.effective_share(equal, TARGETS[:1]) == pytest.approx(1)
    assert coupled.effective_share(one, TARGETS[:1]) == pytest.approx(1 / 3)


def test_two_equal_models_that_read_the_same_stay_equal_for_ever() -> None:
    """The identifiability trap: with equal inputs nothing makes one model the selection model."""
    torch.manual_seed(1)
    reads, targets = torch.randn(16, 4, 5), torch.tensor([[1.0, 0.0, 0.0, 0.0]]).expand(16, 4)
    nets = [torch.nn.Linear(5, 1) for _ in range(2)]
    nets[1].load_state_dict(nets[0].state_dict())
    optimizer = torch.optim.Adam([*nets[0].parameters(), *nets[1].parameters()], lr=0.05)
    before = nets[0].weight.detach().clone()
    for _ in range(30):
        r, o = (net(reads).squeeze(-1) for net in nets)
        optimizer.zero_grad()
        coupled.loss(r, o, targets, Coupling(), (r, o)).loss.backward()
        optimizer.step()
    assert torch.equal(nets[0].weight, nets[1].weight)
    assert not torch.equal(nets[0].weight, before)


def test_with_the_true_propensities_the_weighted_risk_is_unbiased() -> None:
    """Mean over 2000 draws of relevance and selection equals the loss under full judgments, within three errors."""
    world = simulated.draw(World(queries=10, bias=1.0), 1)
    rng, scored = np.random.default_rng(2), world.relevance_features.sum(axis=2) + world.selection_features.sum(axis=2)
    draws = []
    for _ in range(2000):
        relevant = rng.random(scored.shape) < world.relevance
        labelled = relevant & (rng.random(scored.shape) < world.selection)
        draws.append(simulated.inverse_propensity_risk(scored, labelled, world.selection))
    error = np.std(draws, ddof=1) / np.sqrt(len(draws))
    full = simulated.full_risk(scored, world.relevance)
    assert abs(np.mean(draws) - full) < 3 * error
    plain = simulated.full_risk(scored, world.relevance * world.selection)  # the labels taken at their word
    assert abs(plain - full) > 30 * error


@pytest.mark.slow
def test_learned_propensities_undo_a_biased_selection_and_do_no_harm_where_there_is_none() -> None:
    def gains(bias: float) -> list[float]:
        world, differences = World(bias=bias), []
        for seed in range(5):
            lists = simulated.draw(world, seed)
            by = {
                method: simulated.agreement(simulated.train(world, lists, method, Coupling(), seed), lists.relevance)
                for method in METHODS
            }
            differences.append(by["coupled"] - by["hard"])
        return differences

    assert min(gains(3.0)) > 0
    assert abs(float(np.mean(gains(0.0)))) < 0.05
