"""Weights on a grid of few levels, row by row: int8, int4."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from robustrank.core.errors import ConfigError
from robustrank.training.parametrized import Parametrized, parametrize_maps


@dataclass(frozen=True, kw_only=True)
class Grid:
    """Round the weights of every row to a grid: ``scale * clip(round(w / scale), -levels, levels)``.

    The scale of a row is its largest absolute value over ``2 ** (bits - 1) - 1``, so no weight moves by more than half
    of it. Activations stay as they are: it is the function of a model whose weights are stored in few bits. While a
    stage trains, gradients pass the rounding as if it were not there (straight-through, Bengio et al. 2013).

    Args:
        bits: Of a weight, from 2 to 8.
        embeddings: Whether the word embeddings are rounded too: most of a small model's weights.

    Raises:
        ConfigError: A number of bits below 2 or above 8.
    """

    bits: int = 8
    embeddings: bool = True

    def __post_init__(self) -> None:
        """Check the number of bits."""
        if not 2 <= self.bits <= 8:
            raise ConfigError(f"grid: bits must be from 2 to 8, not {self.bits}")

    def attach(self, model: Any, seed: int, /) -> Parametrized:
        """Round every linear map, and the word embeddings once."""
        import torch

        levels = 2 ** (self.bits - 1) - 1
        if self.embeddings:
            table = model.get_input_embeddings().weight
            with torch.no_grad():
                table.copy_(rounded(table, levels))
            table.requires_grad_(False)
        parametrize_maps(model, lambda name, weight: _straight_through(levels))
        return Parametrized(model)


def rounded(weight: Any, levels: int) -> Any:
    """Weights on the grid of their rows; a row of zeros stays as it is."""
    import torch

    scale = weight.abs().amax(dim=1, keepdim=True) / levels
    safe = torch.where(scale > 0, scale, torch.ones_like(scale))
    return (weight / safe).round().clamp(-levels, levels) * scale


def _straight_through(levels: int) -> Any:
    import torch

    class OnGrid(torch.nn.Module):
        def forward(self, weight: Any) -> Any:
            return weight + (rounded(weight, levels) - weight).detach()

    return OnGrid()
