"""Low rank: every linear map is cut to its leading singular directions, once (SVD) or while it is trained (TRP)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from robustrank.core.errors import ConfigError
from robustrank.core.training_types import Then
from robustrank.rankers.models.linear_maps import linear_maps
from robustrank.training.parametrized import Parametrized, parametrize_maps


@dataclass(frozen=True, kw_only=True)
class Svd:
    """Factors of every linear map, of the leading singular directions; they are what is trained.

    A map of m x n weights needs fewer where ``rank < m n / (m + n)``. The result is stored as the product: the same
    function, whose factors a deployment would store.

    Args:
        rank: Singular directions that are kept.

    Raises:
        ConfigError: A rank below 1.
    """

    rank: int = 48

    def __post_init__(self) -> None:
        """Check the rank."""
        if self.rank < 1:
            raise ConfigError("svd: rank must be at least 1")

    def attach(self, model: Any, seed: int, /) -> Parametrized:
        """Replace weights by the product of their factors."""
        parametrize_maps(model, lambda name, weight: _factored(weight, self.rank))
        for _, module in linear_maps(model):
            module.parametrizations.weight.original.requires_grad_(False)
        return Parametrized(model)


@dataclass(frozen=True, kw_only=True)
class TrainedRank:
    """Trained rank pruning (Xu et al. 2020): every step is followed by a truncation, so that the end costs nothing.

    Every map keeps its fewest leading singular directions that hold ``energy`` of the squared singular values, and the
    sum of its singular values is penalised. The paper truncates every few steps; here the weights of every step are
    truncated, those that early stopping measures included.

    Args:
        energy: Share of the squared singular values.
        penalty: Of the nuclear norm.

    Raises:
        ConfigError: An energy of 0 and below or above 1, or a negative penalty.
    """

    energy: float = 0.9
    penalty: float = 3e-4

    def __post_init__(self) -> None:
        """Check the parameters."""
        if not 0.0 < self.energy <= 1.0 or self.penalty < 0:
            raise ConfigError("trained_rank: energy must be above 0 and at most 1, and penalty at least 0")

    def attach(self, model: Any, seed: int, /) -> Truncated:
        """Truncate."""
        attached = Truncated(model, self)
        attached.after_step(0, 0)
        return attached


@dataclass(frozen=True)
class Truncated:
    """A model that is truncated after every step."""

    model: Any
    rules: TrainedRank

    def after_step(self, step: int, total: int, /) -> Then:
        """Truncate."""
        import torch

        with torch.no_grad():
            for _, module in linear_maps(self.model):
                module.weight.copy_(truncated(module.weight, self.rules.energy))
        return Then.GO_ON

    def extra(self, model: Any, batch: Any, scores: Any, /) -> Any:
        """The penalty, whose gradient is U V'."""
        import torch

        return self.rules.penalty * sum(
            torch.linalg.svdvals(module.weight).sum() for _, module in linear_maps(self.model)
        )

    def merged(self) -> Any:
        """The model itself."""
        return self.model


def truncated(weight: Any, energy: float) -> Any:
    """The fewest leading singular directions with this share of the squared singular values."""
    import torch

    left, values, right = torch.linalg.svd(weight, full_matrices=False)
    held = values.square().cumsum(0) / values.square().sum().clamp(min=1e-30)
    count = int((held < energy - 1e-7).sum()) + 1
    return weight.clone() if count >= len(values) else (left[:, :count] * values[:count]) @ right[:count]


def factors(weight: Any, rank: int) -> tuple[Any, Any]:
    """U sqrt(S) and sqrt(S) V' of the leading singular directions: outputs x rank, and rank x inputs."""
    import torch

    left, values, right = torch.linalg.svd(weight, full_matrices=False)
    root = values[:rank].sqrt()
    return (left[:, :rank] * root).contiguous(), (root[:, None] * right[:rank]).contiguous()


def _factored(weight: Any, rank: int) -> Any:
    import torch

    up, down = factors(weight, rank)

    class Product(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.up, self.down = torch.nn.Parameter(up), torch.nn.Parameter(down)

        def forward(self, weight: Any) -> Any:
            return self.up @ self.down

    return Product()
