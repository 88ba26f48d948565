"""Magnitude pruning: the smallest weights of every linear map are 0, and stay 0 while the others are trained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from robustrank.core.errors import ConfigError
from robustrank.training.parametrized import Parametrized, parametrize_maps


@dataclass(frozen=True, kw_only=True)
class Magnitude:
    """Set the weights of smallest absolute value to 0, a share of every linear map.

    ``torch.nn.utils.prune`` computes the weight in a hook before the map's own forward pass, which the shortened last
    layer does not call; hence a parametrization of ours.

    Args:
        share: Of every map's weights.

    Raises:
        ConfigError: A share below 0, or of 1 and above.
    """

    share: float = 0.5

    def __post_init__(self) -> None:
        """Check the share."""
        if not 0.0 <= self.share < 1.0:
            raise ConfigError(f"magnitude: share must be at least 0 and below 1, not {self.share}")

    def attach(self, model: Any, seed: int, /) -> Parametrized:
        """Mask the smallest weights."""
        parametrize_maps(model, lambda name, weight: masked(smallest(weight, self.share)))
        return Parametrized(model)


def smallest(weight: Any, share: float) -> Any:
    """1 where a weight is kept; exactly ``floor(share * number)`` are not, the first ones among equals."""
    import torch

    kept = torch.ones(weight.numel(), dtype=weight.dtype)
    kept[weight.abs().flatten().argsort(stable=True)[: int(share * weight.numel())]] = 0.0
    return kept.reshape(weight.shape)


def masked(mask: Any) -> Any:
    """A parametrization that multiplies by a mask, which checkpoints hold."""
    import torch

    class Masked(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("mask", mask)

        def forward(self, weight: Any) -> Any:
            return weight * self.mask

    return Masked()
