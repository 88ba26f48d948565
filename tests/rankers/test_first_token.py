"""The last layer for the first token alone gives the model's own logits, and its own gradients."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import BertConfig, BertForSequenceClassification, RobertaConfig, RobertaForSequenceClassification

from robustrank.rankers.models import first_token

SIZES: dict[str, Any] = {
    "vocab_size": 40, "hidden_size": 16, "num_attention_heads": 4, "intermediate_size": 24,
    "max_position_embeddings": 40,
}  # fmt: skip


def inputs(*lengths: int) -> dict[str, torch.Tensor]:
    rng = torch.Generator().manual_seed(1)
    shape = (len(lengths), max(lengths))
    return {
        "input_ids": torch.randint(2, 40, shape, generator=rng),
        "token_type_ids": torch.randint(0, 2, shape, generator=rng),
        "attention_mask": torch.tensor([[int(i < length) for i in range(max(lengths))] for length in lengths]),
    }


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("lengths", [(9, 9), (12, 3, 7)])
def test_logits_are_those_of_the_whole_model(layers: int, lengths: tuple[int, ...], attention: str) -> None:
    torch.manual_seed(layers)
    config = BertConfig(**SIZES, num_hidden_layers=layers, num_labels=2, attn_implementation=attention)
    model = BertForSequenceClassification(config).eval()
    batch = inputs(*lengths)
    assert torch.allclose(first_token.logits(model, batch), model(**batch).logits, atol=1e-6)


def test_gradients_are_those_of_the_whole_model() -> None:
    torch.manual_seed(4)
    model = BertForSequenceClassification(BertConfig(**SIZES, num_hidden_layers=2, num_labels=1)).eval()
    batch, weights = inputs(8, 5), list(model.parameters())
    whole = torch.autograd.grad(model(**batch).logits.sum(), weights, allow_unused=True)
    ours = torch.autograd.grad(first_token.logits(model, batch).sum(), weights, allow_unused=True)
    for expected, gradient in zip(whole, ours, strict=True):
        assert expected is not None
        # The bias of the last layer's keys takes no part, and in the whole model changes nothing.
        assert torch.allclose(torch.zeros_like(expected) if gradient is None else gradient, expected, atol=1e-6)


def test_a_model_of_another_kind_runs_as_it_is() -> None:
    sizes = {**SIZES, "type_vocab_size": 2}
    model = RobertaForSequenceClassification(RobertaConfig(**sizes, num_hidden_layers=1, num_labels=1)).eval()
    batch = inputs(6, 4)
    assert torch.equal(first_token.logits(model, batch), model(**batch).logits)
