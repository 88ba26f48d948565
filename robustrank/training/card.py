"""``variant.json``: what of a model's parent was changed, measured on the weights."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from robustrank.rankers.models.linear_maps import linear_maps

FILE = "variant.json"
RANK_TOLERANCE = 1e-5
"""Singular values below this share of the largest count as 0."""


@dataclass(frozen=True, kw_only=True)
class StageCard:
    """What one stage did.

    Args:
        name: Of the stage.
        parts: Kind of a plug-in to its one-line form.
        trained: Number of parameters that were open to training.
        steps: Steps that were made.
        best_step: The step whose weights were taken.
        pairs: Pairs that were read in training.
        figures: ``"before"`` and ``"after"`` the stage: figures of its changes, on development lists.
        written: Source to what became of the answers of the language model that wrote its queries.
    """

    name: str
    parts: Mapping[str, str] = field(default_factory=dict)
    trained: int = 0
    steps: int = 0
    best_step: int = 0
    pairs: int = 0
    figures: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    written: Mapping[str, Mapping[str, int]] = field(default_factory=dict)


def write(
    folder: Path, figures: Mapping[str, Any], parent: str, parent_weights: str, stages: Sequence[StageCard], seed: int
) -> None:
    """Write ``variant.json`` beside a trained model.

    Args:
        folder: The model's folder.
        figures: Of the change (:func:`measured`), before the weights were rounded to half precision.
        parent: As the training file names it.
        parent_weights: Digest of its weights.
        stages: What each stage did.
        seed: Seed of the training.
    """
    body = {
        "parent": parent,
        "parent_weights": parent_weights,
        "seed": seed,
        "stages": [asdict(stage) for stage in stages],
        **figures,
        "stored_bytes": (folder / "model.safetensors").stat().st_size,
    }
    (folder / FILE).write_text(json.dumps(body, indent=1) + "\n", encoding="utf-8")


def measured(parent: Mapping[str, Any], model: Any) -> dict[str, Any]:
    """Figures of the change.

    Args:
        parent: The parent's weights.
        model: The trained model.

    Returns:
        ``parameters`` of the model; ``changed``, how many of those that the parent has differ from it; ``zeros``, the
        share of zeros among the weights of linear maps; ``ranks``, linear map to the rank of its change.
    """
    import torch

    weights = {name: weight.detach().float() for name, weight in model.state_dict().items()}
    same_shape = {name for name, weight in weights.items() if name in parent and parent[name].shape == weight.shape}
    maps = [f"{name}.weight" for name, _ in linear_maps(model)]
    ranks = {}
    for name in maps:
        if name in same_shape:
            values = torch.linalg.svdvals(weights[name] - parent[name].float())
            ranks[name] = int((values > RANK_TOLERANCE * values[0]).sum()) if values[0] > 0 else 0
    zeros, entries = sum(int((weights[n] == 0).sum()) for n in maps), sum(weights[n].numel() for n in maps)
    return {
        "parameters": sum(each.numel() for each in model.parameters()),
        "changed": sum(int((weights[name] != parent[name].float()).sum()) for name in same_shape),
        "zeros": zeros / entries if entries else 0.0,
        "ranks": ranks,
    }


def weights_digest(weights: Mapping[str, Any]) -> str:
    """The first 24 hex digits of the SHA-256 of weights in half precision, with their names and shapes."""
    state = sha256()
    for name, weight in sorted(weights.items()):
        state.update(f"{name} {tuple(weight.shape)}\n".encode())
        state.update(weight.detach().half().cpu().contiguous().numpy().tobytes())
    return state.hexdigest()[:24]
