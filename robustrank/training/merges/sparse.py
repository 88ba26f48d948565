"""Merges of updates after most of their entries were dropped: TIES (Yadav et al. 2023) and DARE (Yu et al. 2024)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from robustrank.core.errors import ConfigError
from robustrank.core.training_types import LowRank


@dataclass(frozen=True, kw_only=True)
class Ties:
    """Trim every update to its largest entries, elect a sign for each place, and average what agrees with it.

    It is done on the updates themselves; peft's ``ties`` does it on their factors, which is another matrix.

    Args:
        density: Share of entries that are kept.

    Raises:
        ConfigError: A density of 0 and below, or above 1.
    """

    density: float = 0.2

    def __post_init__(self) -> None:
        """Check the density."""
        _check("ties", self.density)

    def merged(self, updates: Sequence[LowRank], weights: Sequence[float], /) -> Any:
        """The mean of the weighted entries that agree, times the number of updates."""
        import torch

        trimmed = torch.stack([_largest(w * _matrix(u), self.density) for u, w in zip(updates, weights, strict=True)])
        sign = trimmed.sum(dim=0).sign()
        agrees = (trimmed.sign() == sign) & (trimmed != 0)
        return (trimmed * agrees).sum(dim=0) * len(updates) / agrees.sum(dim=0).clamp(min=1)


@dataclass(frozen=True, kw_only=True)
class Dare:
    """Drop entries of every update at random, scale the rest by 1 / density, and add.

    Args:
        density: Probability that an entry is kept; with 1 it is the sum.
        seed: Of the draws.

    Raises:
        ConfigError: A density of 0 and below, or above 1.
    """

    density: float = 0.5
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the density."""
        _check("dare", self.density)

    def merged(self, updates: Sequence[LowRank], weights: Sequence[float], /) -> Any:
        """The sum of what is left."""
        import torch

        rng = torch.Generator().manual_seed(self.seed)
        matrices = [w * _matrix(each) for each, w in zip(updates, weights, strict=True)]
        return sum(m * (torch.rand(m.shape, generator=rng) < self.density) / self.density for m in matrices)


def _matrix(update: LowRank) -> Any:
    return update.scale * (update.up @ update.down)


def _largest(matrix: Any, density: float) -> Any:
    """A matrix with its largest entries alone."""
    import torch

    kept = torch.zeros(matrix.numel(), dtype=matrix.dtype)
    kept[matrix.abs().flatten().argsort(descending=True, stable=True)[: round(density * matrix.numel())]] = 1.0
    return matrix * kept.reshape(matrix.shape)


def _check(name: str, density: float) -> None:
    if not 0.0 < density <= 1.0:
        raise ConfigError(f"{name}: density must be above 0 and at most 1, not {density}")
