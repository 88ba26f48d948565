"""BERT cross-encoders classify the first token's state, so the last layer is computed for that token alone.

For a model of two layers that saves half of the work, for one of twelve a twelfth. The logits are those of the
model's own forward pass but for rounding; gradients flow.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def logits(model: Any, inputs: Mapping[str, Any]) -> Any:
    """``model(**inputs).logits``, at less cost where the model is a plain BERT.

    Args:
        model: A transformers model with a sequence-classification head.
        inputs: ``input_ids``, ``attention_mask`` and, where the model has segments, ``token_type_ids``.
    """
    if not _is_plain_bert(model):
        return model(**inputs).logits
    bert = model.bert
    *lower, last = bert.encoder.layer
    hidden = bert.embeddings(input_ids=inputs["input_ids"], token_type_ids=inputs.get("token_type_ids"))
    mask = _mask(inputs["attention_mask"], hidden.dtype)
    for layer in lower:
        output = layer(hidden, mask)
        hidden = output[0] if isinstance(output, tuple) else output
    pooled = bert.pooler(_first(last, hidden, mask))
    return model.classifier(model.dropout(pooled))


def _is_plain_bert(model: Any) -> bool:
    config = model.config
    return (
        type(model).__name__ == "BertForSequenceClassification"
        and getattr(config, "position_embedding_type", "absolute") == "absolute"
        and config._attn_implementation in ("sdpa", "eager")
        and not config.is_decoder
        and all(_is_plain(model.bert.encoder.layer[-1].attention.self, name) for name in ("key", "value"))
    )


def _is_plain(attention: Any, name: str) -> bool:
    """Whether ``weight`` of a part is what it multiplies by: it may be parametrized, but nothing is around it."""
    from torch.nn import Linear
    from torch.nn.utils import parametrize

    part = getattr(attention, name)
    if parametrize.is_parametrized(part, "weight"):
        return parametrize.type_before_parametrizations(part) is Linear
    return type(part) is Linear and "weight" in part._parameters and not part._forward_pre_hooks


def _mask(attention_mask: Any, dtype: Any) -> Any:
    """0 where there is a piece and the lowest number where there is padding; nothing where there is no padding."""
    import torch

    if bool(attention_mask.all()):
        return None
    padding = attention_mask[:, None, None, :] == 0
    return torch.zeros_like(padding, dtype=dtype).masked_fill(padding, torch.finfo(dtype).min)


def _first(layer: Any, hidden: Any, mask: Any) -> Any:
    """A BERT layer's output for the first piece alone, which looks at all of them: pairs x 1 x width.

    Keys and values of the pieces are never computed. With the first piece's query q, a piece h and the weights K and V,
    q (K h) = (q K) h, and the mean of V h is V of the mean of h. The keys' bias adds the same to all and drops out.
    """
    attention = layer.attention.self
    first, heads = hidden[:, :1], attention.num_attention_heads
    query = attention.query(first).unflatten(-1, (heads, -1)).transpose(1, 2)  # pairs x heads x 1 x size
    query_times_keys = (query @ attention.key.weight.unflatten(0, (heads, -1))).squeeze(2)  # pairs x heads x width
    match = query_times_keys @ hidden.transpose(1, 2) * query.shape[-1] ** -0.5  # pairs x heads x pieces
    if mask is not None:
        match = match + mask.squeeze(2)
    weights = attention.dropout(match.softmax(dim=-1))
    values = (weights @ hidden).unsqueeze(2) @ attention.value.weight.unflatten(0, (heads, -1)).transpose(1, 2)
    bias = attention.value.bias.unflatten(0, (heads, -1)) * weights.sum(dim=-1, keepdim=True)
    context = (values.squeeze(2) + bias).flatten(1).unsqueeze(1)
    attended = layer.attention.output(context, first)
    return layer.output(layer.intermediate(attended), attended)
