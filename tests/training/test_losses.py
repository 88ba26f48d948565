"""The losses of distillation: known answers, and what must not change them."""

from __future__ import annotations

from itertools import combinations

import pytest
import torch

from robustrank.training.losses import margin_mse, score_mse

NAN = float("nan")


def test_margin_mse_of_two_documents_is_the_squared_error_of_their_margin() -> None:
    scores, targets = torch.tensor([[3.0, 1.0]]), torch.tensor([[5.0, -2.0]])
    assert margin_mse(scores, targets).item() == pytest.approx(((3 - 1) - (5 + 2)) ** 2)


def test_margin_mse_of_every_list_is_the_mean_over_all_its_pairs() -> None:
    rng = torch.Generator().manual_seed(7)
    scores, targets = torch.randn(2, 5, 6, generator=rng, dtype=torch.float64)
    pairs = list(combinations(range(6), 2))
    one_by_one = [
        sum(((s[i] - s[j]) - (t[i] - t[j])) ** 2 for i, j in pairs) / len(pairs)
        for s, t in zip(scores, targets, strict=True)
    ]
    losses = margin_mse(scores, targets)
    assert losses.tolist() == pytest.approx([float(each) for each in one_by_one], rel=1e-12)


def test_a_constant_added_to_either_models_scores_changes_nothing_to_the_bit() -> None:
    # Multiples of 1/8 and lists of four: every number on the way is exact, so equality can be required.
    scores = torch.tensor([[1.5, -2.25, 0.125, 4.0], [0.5, 0.25, -8.0, 3.0]], requires_grad=True)
    targets = torch.tensor([[9.0, -11.0, 2.5, 0.0], [1.0, 2.0, -3.0, 4.5]])
    plain = margin_mse(scores, targets).mean()
    (gradient,) = torch.autograd.grad(plain, scores)
    for to_scores, to_targets in ((16.0, 0.0), (0.0, -64.0), (torch.tensor([[8.0], [-4.0]]), 32.0)):
        shifted = margin_mse(scores + to_scores, targets + to_targets).mean()
        assert shifted.item() == plain.item()
        assert torch.equal(torch.autograd.grad(shifted, scores)[0], gradient)


def test_places_without_a_document_count_for_nothing() -> None:
    short = margin_mse(torch.tensor([[1.0, 4.0]]), torch.tensor([[0.0, 1.0]]))
    padded = margin_mse(torch.tensor([[1.0, 4.0, 99.0]]), torch.tensor([[0.0, 1.0, NAN]]))
    assert padded.item() == short.item()
    scores = torch.tensor([[1.0, 4.0, 99.0]], requires_grad=True)
    (
        margin_mse(scores, torch.tensor([[0.0, 1.0, NAN]])) + score_mse(scores, torch.tensor([[0.0, 1.0, NAN]]))
    ).backward()
    assert scores.grad is not None
    assert scores.grad[0, 2] == 0
    assert torch.isfinite(scores.grad).all()


def test_score_mse_is_the_mean_over_documents() -> None:
    losses = score_mse(torch.tensor([[1.0, 4.0], [0.0, 7.0]]), torch.tensor([[0.0, 1.0], [2.0, NAN]]))
    assert losses.mean().item() == pytest.approx((1 + 9 + 4) / 3)
