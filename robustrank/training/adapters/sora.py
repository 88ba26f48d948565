"""SoRA (Ding et al. 2023): a low-rank update whose gates are driven to exact zeros, so that each map finds its rank."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from robustrank.core.errors import ConfigError
from robustrank.core.training_types import Then
from robustrank.rankers.models.linear_maps import KINDS, linear_maps
from robustrank.training.parametrized import Parametrized, freeze, generator, parametrize_maps


@dataclass(frozen=True, kw_only=True)
class Sora:
    """``W + scale * B diag(g) A``; after every step ``g <- sign(g) max(|g| - shrink, 0)``.

    That is the proximal step of an L1 penalty with a constant step length; the paper multiplies by the learning rate.
    Its released code is not this soft threshold: it sets values between once and twice the threshold to 0.

    Args:
        rank: At the start.
        shrink: Threshold of one step.
        scale: Of the update.
        targets: Linear maps that are changed.
        head: Whether the classification head is trained too.

    Raises:
        ConfigError: A rank below 1, a negative threshold, or an unknown target.
    """

    rank: int = 8
    shrink: float = 3e-4
    scale: float = 2.0
    targets: tuple[str, ...] = KINDS
    head: bool = True

    def __post_init__(self) -> None:
        """Check the parameters."""
        if self.rank < 1 or self.shrink < 0 or set(self.targets) - set(KINDS):
            raise ConfigError(f"sora: rank >= 1, shrink >= 0, and targets some of {', '.join(KINDS)}")

    def attach(self, model: Any, seed: int, /) -> Gated:
        """Freeze the model and add the gated update."""
        freeze(model, head=self.head)
        parametrize_maps(
            model,
            lambda name, weight: gated(weight.shape, self.rank, self.scale, generator(seed, name)),
            tuple(self.targets),
        )
        return Gated(model, self.shrink)


@dataclass(frozen=True)
class Gated(Parametrized):
    """A model with gated updates."""

    shrink: float

    def after_step(self, step: int, total: int, /) -> Then:
        """The proximal step."""
        import torch
        from torch.nn.utils import parametrize

        with torch.no_grad():
            for _, module in linear_maps(self.model):
                for part in module.parametrizations.weight if parametrize.is_parametrized(module, "weight") else ():
                    part.gate.copy_(soft_threshold(part.gate, self.shrink))
        return Then.GO_ON


def soft_threshold(values: Any, threshold: float) -> Any:
    """The proximal operator of ``threshold * |x|``."""
    return values.sign() * (values.abs() - threshold).clamp(min=0)


def gated(shape: tuple[int, int], rank: int, scale: float, rng: Any) -> Any:
    """A parametrization that adds ``scale * B diag(g) A``; B begins at 0."""
    import torch

    outputs, inputs = shape

    class GatedUpdate(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.down = torch.nn.Parameter(torch.randn((rank, inputs), generator=rng) / inputs**0.5)
            self.gate = torch.nn.Parameter(torch.randn(rank, generator=rng))
            self.up = torch.nn.Parameter(torch.zeros(outputs, rank))

        def forward(self, weight: Any) -> Any:
            return weight + scale * (self.up * self.gate) @ self.down

    return GatedUpdate()
