"""Weights of lists by their losses (Sow et al. 2025, dynamic loss-based reweighting)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from robustrank.core.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class ByLoss:
    """A list's weight follows its loss relative to the batch: ``n * softmax(f(h) / temperature)``.

    h is the loss on a scale from -1 (the lowest of the batch) to 1 (the highest). With a batch of few lists, the lowest
    and the highest are noise: take 32 lists or more.

    Args:
        shape: f: ``"linupper"`` min(h + 1, 1), which gives easy lists less; ``"quadratic"`` 1 - h^2, which gives both
            ends less; ``"extremes"`` abs(h), which gives them more.
        temperature: As it grows, all weights tend to 1.
        after: Share of the steps during which all weights are 1.

    Raises:
        ConfigError: A temperature of 0 or below, or a share outside 0 to 1.
    """

    shape: Literal["linupper", "quadratic", "extremes"] = "linupper"
    temperature: float = 1.0
    after: float = 0.0

    def __post_init__(self) -> None:
        """Check the parameters."""
        if not self.temperature > 0 or not 0.0 <= self.after <= 1.0:
            raise ConfigError("by_loss: temperature must be above 0, and after from 0 to 1")

    def weights(self, losses: Any, batch: Any, /) -> Any:
        """Weights whose mean is 1."""
        import torch

        spread = losses.max() - losses.min()
        if batch.share < self.after or spread <= 0:
            return torch.ones_like(losses)
        h = 2 * (losses - losses.min()) / spread - 1
        shaped = {"linupper": (h + 1).clamp(max=1), "quadratic": 1 - h.square(), "extremes": h.abs()}[self.shape]
        return len(losses) * (shaped / self.temperature).softmax(dim=0)
