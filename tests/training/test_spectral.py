"""Known answers of sparse spectral training: gradients, draws, lengths, and decompositions that change nothing."""

from __future__ import annotations

from collections import Counter

import pytest
import torch

from robustrank.core.errors import ConfigError
from robustrank.core.training_types import Then
from robustrank.rankers.models.linear_maps import linear_maps
from robustrank.testing.training_contract import small_batch, small_model
from robustrank.training.adapters.spectral import Spectral, chosen, decomposed


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("shape", [(6, 4), (4, 6)])
def test_singular_values_have_their_gradient_and_chosen_vectors_one_without_the_value(shape: tuple[int, int]) -> None:
    weight, gradient = random(*shape), random(*shape, seed=1)
    part = decomposed(weight)
    part.chosen.copy_(torch.tensor([1.0, 0.0, 1.0, 0.0]))
    assert torch.allclose(part(weight), weight, atol=1e-12)
    (part(weight) * gradient).sum().backward()
    left, right = part.left.detach(), part.right.detach()
    assert torch.allclose(part.values.grad, torch.diag(left.T @ gradient @ right.T), atol=1e-12)
    assert torch.allclose(part.left.grad, part.chosen * (gradient @ right.T), atol=1e-12)
    assert torch.allclose(part.right.grad, part.chosen[:, None] * (left.T @ gradient), atol=1e-12)


def test_a_single_vector_is_drawn_as_often_as_its_weight_and_several_are_all_different() -> None:
    values, rng = torch.tensor([5.0, 3.0, 2.0, 0.0]), torch.Generator().manual_seed(0)
    counts = Counter(int(chosen(values, 1, rng).argmax()) for _ in range(10_000))
    assert [counts[i] / 10_000 for i in range(4)] == pytest.approx([0.375, 0.275, 0.225, 0.125], abs=0.015)
    assert all(int(chosen(values, 3, rng).sum()) == 3 for _ in range(50))
    assert chosen(torch.zeros(4), 9, rng).tolist() == [1, 1, 1, 1]


def test_after_a_step_columns_have_length_1_and_values_are_not_negative() -> None:
    model = small_model()
    attached = Spectral(vectors=4, gap=5).attach(model, 1)
    part = next(linear_maps(model))[1].parametrizations.weight[0]
    with torch.no_grad():
        part.left *= 3.0
        part.right += 0.5
        part.values[2] = -1.0
    assert attached.after_step(1, 10) is Then.GO_ON
    assert torch.allclose(part.left.norm(dim=0), torch.ones(16))
    assert torch.allclose(part.right.norm(dim=1), torch.ones(16))
    assert part.values[2].item() == 0


def test_a_round_ends_with_a_decomposition_that_changes_no_score_and_every_draw_is_another() -> None:
    model, batch = small_model(), small_batch()
    attached = Spectral(vectors=8, gap=2).attach(model, 1)
    part = next(linear_maps(model))[1].parametrizations.weight[0]
    drawn = [part.chosen.clone()]
    with torch.no_grad():
        for _, module in linear_maps(model):
            module.parametrizations.weight[0].left.add_(0.2 * torch.randn(16, generator=torch.Generator()))
    for step in range(1, 5):
        then = attached.after_step(step, 10)
        assert then is (Then.GO_ON if step % 2 else Then.FORGET_MOMENTS)
        if step == 3:
            before = model(**batch.inputs).logits
            skewed = (part.left.T @ part.left - torch.eye(16)).abs().max()
            assert skewed > 1e-3
        if step % 2 == 0:
            drawn.append(part.chosen.clone())
            assert int(part.chosen.sum()) == 8
    assert torch.allclose(part.left.T @ part.left, torch.eye(16), atol=1e-5)
    assert torch.allclose(model(**batch.inputs).logits, before, atol=1e-5)
    assert not torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[1], drawn[2])
    again = small_model()
    Spectral(vectors=8, gap=2).attach(again, 1)
    assert torch.equal(next(linear_maps(again))[1].parametrizations.weight[0].chosen, drawn[0])


@pytest.mark.parametrize("values", [{"vectors": 0}, {"gap": 0}])
def test_values_that_mean_nothing_are_refused(values: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match="spectral"):
        Spectral(**values)  # type: ignore[arg-type]
