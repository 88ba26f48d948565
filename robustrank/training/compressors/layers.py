"""Fewer layers: some layers of the encoder are left out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from robustrank.core.errors import ConfigError
from robustrank.training.parametrized import Parametrized


@dataclass(frozen=True, kw_only=True)
class Layers:
    """Keep some layers of the encoder.

    Args:
        keep: Their numbers from 0, rising.

    Raises:
        ConfigError: No layer, or numbers that do not rise.
    """

    keep: tuple[int, ...] = (0,)

    def __post_init__(self) -> None:
        """Check the numbers."""
        if not self.keep or list(self.keep) != sorted(set(self.keep)) or self.keep[0] < 0:
            raise ConfigError(f"layers: keep needs rising numbers from 0, not {list(self.keep)}")

    def attach(self, model: Any, seed: int, /) -> Parametrized:
        """Drop the others.

        Raises:
            ConfigError: The model has no such layer.
        """
        from torch.nn import ModuleList

        encoder = model.base_model.encoder
        if self.keep[-1] >= len(encoder.layer):
            raise ConfigError(f"layers: the model has layers 0 to {len(encoder.layer) - 1}, not {self.keep[-1]}")
        encoder.layer = ModuleList([encoder.layer[number] for number in self.keep])
        model.config.num_hidden_layers = len(self.keep)
        return Parametrized(model)
