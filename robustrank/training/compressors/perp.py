"""PERP (Zimmer et al. 2023): after pruning, a few parameters are trained again, and the zeros stay zeros."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from robustrank.core.errors import ConfigError
from robustrank.training.compressors.magnitude import smallest
from robustrank.training.parametrized import Parametrized, freeze, generator, parametrize_maps


@dataclass(frozen=True, kw_only=True)
class Perp:
    """Magnitude pruning, then training of biases, normalisations, the head and a masked update of low rank (MaskLoRA).

    ``M * W + scale * M * (B A)``, with the mask M as a buffer, so that a weight that is 0 by itself is not
    taken for a pruned one.

    Args:
        share: Of every map's weights that are set to 0.
        rank: Of the update; 0 trains biases, normalisations and the head alone.
        scale: Of the update.

    Raises:
        ConfigError: A share outside 0 to 1, or a negative rank.
    """

    share: float = 0.5
    rank: int = 16
    scale: float = 2.0

    def __post_init__(self) -> None:
        """Check the parameters."""
        if not 0.0 <= self.share < 1.0 or self.rank < 0:
            raise ConfigError("perp: share must be at least 0 and below 1, and rank at least 0")

    def attach(self, model: Any, seed: int, /) -> Parametrized:
        """Prune, and open what is trained again."""
        freeze(model, head=True)
        for name, parameter in model.named_parameters():
            if "encoder.layer." in name and (name.endswith("bias") or "LayerNorm" in name):
                parameter.requires_grad_(True)
        parametrize_maps(
            model,
            lambda name, weight: _masked_update(
                weight.shape, smallest(weight, self.share), self.rank, self.scale, generator(seed, name)
            ),
        )
        return Parametrized(model)


def _masked_update(shape: tuple[int, int], mask: Any, rank: int, scale: float, rng: Any) -> Any:
    import torch

    outputs, inputs = shape

    class MaskedUpdate(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("mask", mask)
            if rank:
                self.down = torch.nn.Parameter(torch.randn((rank, inputs), generator=rng) / inputs**0.5)
                self.up = torch.nn.Parameter(torch.zeros(outputs, rank))

        def forward(self, weight: Any) -> Any:
            return self.mask * (weight + scale * (self.up @ self.down) if rank else weight)

    return MaskedUpdate()
