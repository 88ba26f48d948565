"""Weight Compander: every weight is a squashing function of what is trained."""

from __future__ import annotations

from dataclasses import dataclass
from math import pi
from typing import Any

from robustrank.core.errors import ConfigError
from robustrank.training.parametrized import Parametrized, parametrize_maps


@dataclass(frozen=True, kw_only=True)
class Compander:
    """``W = a arctan(V / b)``: no weight of a linear map can become large, and small ones are moved off 0 faster.

    V is trained in place of W, beside all other weights; ``|W| < a pi / 2``, and the slope is ``a b / (b^2 + V^2)``.
    At the start ``a = b = room * 2 max|W| / pi`` and ``V = b tan(W / a)``, so that the model is its parent. Weight
    decay acts on V.

    Args:
        room: The bound, as a multiple of the largest weight of a map at the start; near 1, the slope there nears 0.
        learned: Whether a and b of every map are trained too.

    Raises:
        ConfigError: A room of 1 and below.
    """

    room: float = 1.5
    learned: bool = False

    def __post_init__(self) -> None:
        """Check the room."""
        if not self.room > 1.0:
            raise ConfigError(f"compander: room must be above 1, not {self.room}")

    def attach(self, model: Any, seed: int, /) -> Parametrized:
        """Put V in the place of the weights."""
        parametrize_maps(model, lambda name, weight: squashed(weight, self.room, self.learned))
        return Parametrized(model)


def squashed(weight: Any, room: float, learned: bool) -> Any:
    """A parametrization from V to W; given W, as torch does when it is registered, its inverse gives V."""
    import torch

    bound = (room * 2 * weight.abs().max() / pi).clamp(min=torch.finfo(weight.dtype).tiny)

    class Squashed(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            for name in ("a", "b"):
                if learned:
                    self.register_parameter(name, torch.nn.Parameter(bound.clone()))
                else:
                    self.register_buffer(name, bound.clone())

        def forward(self, free: Any) -> Any:
            return self.a * torch.arctan(free / self.b)

        def right_inverse(self, weight: Any) -> Any:
            return self.b * torch.tan(weight / self.a)

    return Squashed()
