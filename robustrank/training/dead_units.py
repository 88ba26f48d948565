"""Dead units of the feed-forward parts: the dead neuron rate of AP (activate while pruning), for units with GELU."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil
from typing import Any

SMALL = 0.01
"""A unit is dead where its activation is at most this share of what it reaches in one of a hundred places."""
STATIC, DYNAMIC = "units dead on every input", "units dead, mean over inputs"


def shares(model: Any, batches: Sequence[Any]) -> Mapping[str, float]:
    """Mean over layers of the shares of dead units.

    Args:
        model: A BERT-like cross-encoder.
        batches: What it reads.

    Returns:
        :data:`STATIC`: the share of units that are dead at every token of every input. :data:`DYNAMIC`: the share at a
        token, in the mean over an input's tokens and over inputs. Nothing without inputs or feed-forward parts.
    """
    import torch

    layers = [module for name, module in model.named_modules() if name.endswith(".intermediate")]
    if not layers or not batches:
        return {}
    read: list[list[Any]] = [[] for _ in layers]
    hooks = [
        layer.register_forward_hook(lambda module, given, made, into=into: into.append(made.detach()))
        for layer, into in zip(layers, read, strict=True)
    ]
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            for batch in batches:
                model(**batch.inputs)
    finally:
        model.train(training)
        for hook in hooks:
            hook.remove()
    masks = [mask.bool() for batch in batches for mask in batch.inputs["attention_mask"]]
    found = []
    for made in read:
        rows = [row for batch in made for row in batch]
        found.append(dead([row[mask] for row, mask in zip(rows, masks, strict=True)]))
    static, dynamic = (sum(each) / len(found) for each in zip(*found, strict=True))
    return {STATIC: static, DYNAMIC: dynamic}


def dead(activations: Sequence[Any]) -> tuple[float, float]:
    """The share of units that are dead on every input, and the mean share over inputs.

    Args:
        activations: Of every input, tokens x units.
    """
    import torch

    sizes = torch.cat(list(activations)).abs()
    high = sizes.kthvalue(ceil(0.99 * len(sizes)), dim=0).values
    off = sizes <= SMALL * high
    inputs = off.float().mean(dim=1).split([len(each) for each in activations])
    return off.all(dim=0).float().mean().item(), sum(each.mean().item() for each in inputs) / len(inputs)
