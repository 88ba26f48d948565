"""Bottleneck adapters (Houlsby et al. 2019) beside the feed-forward part, where they can be merged into it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from robustrank.core.errors import ConfigError
from robustrank.core.training_types import Then
from robustrank.rankers.models.linear_maps import kind_of, linear_maps
from robustrank.training.parametrized import freeze, generator


@dataclass(frozen=True, kw_only=True)
class Bottleneck:
    """``FFN(x) + B act(A x + a)`` in every layer, with few rows of A; B begins at 0, and the activation is the FFN's.

    That is a feed-forward part with ``size`` more units, and is stored as such: any loader of the architecture reads it
    (the parallel adapter of He et al. 2022). The adapter behind the feed-forward part would be another
    architecture, which a folder without code of its own cannot hold.

    Args:
        size: Units of the adapter of every layer.
        head: Whether the classification head is trained too.

    Raises:
        ConfigError: A size below 1.
    """

    size: int = 16
    head: bool = True

    def __post_init__(self) -> None:
        """Check the size."""
        if self.size < 1:
            raise ConfigError(f"bottleneck: size must be at least 1, not {self.size}")

    def attach(self, model: Any, seed: int, /) -> Widened:
        """Freeze the model and add units to its feed-forward parts."""
        import torch
        from torch.nn.utils import parametrize

        freeze(model, head=self.head)
        for name, module in list(linear_maps(model, ("up", "down"))):
            outputs, inputs = module.weight.shape
            if kind_of(name) == "up":
                rows = torch.randn((self.size, inputs), generator=generator(seed, name)) / inputs**0.5
                added = {"weight": (rows, 0), "bias": (torch.zeros(self.size), 0)}
            else:
                added = {"weight": (torch.zeros(outputs, self.size), 1)}
            for tensor, (more, side) in added.items():
                parametrize.register_parametrization(module, tensor, joined(more, side), unsafe=True)
        return Widened(model, self.size)


@dataclass(frozen=True)
class Widened:
    """A model with units that were added to its feed-forward parts."""

    model: Any
    size: int

    def after_step(self, step: int, total: int, /) -> Then:
        """Nothing."""
        return Then.GO_ON

    def merged(self) -> Any:
        """The plain model, with wider feed-forward parts."""
        from torch.nn.utils import parametrize

        for _, module in list(linear_maps(self.model, ("up", "down"))):
            for tensor in list(module.parametrizations):
                parametrize.remove_parametrizations(module, tensor, leave_parametrized=True)
            module.out_features, module.in_features = module.weight.shape
        self.model.config.intermediate_size += self.size
        self.model.requires_grad_(True)
        return self.model


def joined(more: Any, side: int) -> Any:
    """A parametrization that joins trained rows (side 0) or columns (1) to a tensor."""
    import torch

    class Joined(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.more = torch.nn.Parameter(more)

        def forward(self, tensor: Any) -> Any:
            return torch.cat([tensor, self.more], dim=side)

    return Joined()
