"""NOLA (Koohpayegani et al. 2024): low-rank factors that are sums of fixed random matrices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from robustrank.core.errors import ConfigError
from robustrank.rankers.models.linear_maps import KINDS
from robustrank.training.parametrized import Parametrized, freeze, generator, parametrize_maps


@dataclass(frozen=True, kw_only=True)
class Nola:
    """An update B A of low rank whose factors are combinations of random matrices; only the coefficients are learned.

    ``A = A_0 + sum_j a_j A_j`` and ``B = sum_j b_j B_j``, with A_j and B_j uniform in [-1, 1] / sqrt(bases), from the
    seed and the map's name; ``W + scale * B A``. A_0 is not learned: with a = b = 0 and no A_0 there would be no
    gradient.

    Args:
        rank: Of the update.
        bases: Random matrices of each factor: two coefficients a base and matrix are all that is learned.
        scale: Of the update.
        targets: Linear maps that are changed.
        head: Whether the classification head is trained too.

    Raises:
        ConfigError: A rank or number of bases below 1, or an unknown target.
    """

    rank: int = 8
    bases: int = 64
    scale: float = 1.0
    targets: tuple[str, ...] = KINDS
    head: bool = True

    def __post_init__(self) -> None:
        """Check the parameters."""
        if self.rank < 1 or self.bases < 1 or set(self.targets) - set(KINDS):
            raise ConfigError(f"nola: rank and bases must be at least 1, and targets some of {', '.join(KINDS)}")

    def attach(self, model: Any, seed: int, /) -> Parametrized:
        """Freeze the model and add the update."""
        freeze(model, head=self.head)
        parametrize_maps(
            model,
            lambda name, weight: combined(weight.shape, self.rank, self.bases, self.scale, generator(seed, name)),
            tuple(self.targets),
        )
        return Parametrized(model)


def combined(shape: tuple[int, int], rank: int, bases: int, scale: float, rng: Any) -> Any:
    """A parametrization that adds ``scale * B A``; its bases are made anew from the seed and stored nowhere."""
    import torch

    outputs, inputs = shape

    def drawn(*size: int) -> Any:
        return (2 * torch.rand(size, generator=rng) - 1) / bases**0.5

    class Combined(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            first = torch.randn((rank, inputs), generator=rng) / inputs**0.5
            for name, base in (
                ("first", first),
                ("downs", drawn(bases, rank, inputs)),
                ("ups", drawn(bases, outputs, rank)),
            ):
                self.register_buffer(name, base, persistent=False)
            self.a = torch.nn.Parameter(torch.zeros(bases))
            self.b = torch.nn.Parameter(torch.zeros(bases))

        def forward(self, weight: Any) -> Any:
            down = self.first + torch.tensordot(self.a, self.downs, dims=1)
            return weight + scale * (torch.tensordot(self.b, self.ups, dims=1) @ down)

    return Combined()
