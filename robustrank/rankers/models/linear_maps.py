"""The linear maps of a transformer: what adapters change and compressors make smaller."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

KINDS = ("query", "key", "value", "out", "up", "down")
"""What a linear map is for: attention's four, and the two of the feed-forward part."""


def linear_maps(model: Any, kinds: tuple[str, ...] = KINDS) -> Iterator[tuple[str, Any]]:
    """Name and module of the linear maps of a BERT-like encoder's layers; embeddings, pooler and head are none.

    Args:
        model: A transformers model, or a module with one inside.
        kinds: Of :data:`KINDS`.
    """
    import torch

    for name, module in model.named_modules():
        if isinstance(module, torch.nn.Linear) and kind_of(name) in kinds:
            yield name, module


def kind_of(name: str) -> str | None:
    """What a module is for, of :data:`KINDS`; ``None`` where it is outside the layers."""
    _, inside, rest = name.partition("encoder.layer.")
    if not inside:
        return None
    return {
        "attention.self.query": "query",
        "attention.self.key": "key",
        "attention.self.value": "value",
        "attention.output.dense": "out",
        "intermediate.dense": "up",
        "output.dense": "down",
    }.get(rest.partition(".")[2])
