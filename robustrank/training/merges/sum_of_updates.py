"""The weighted sum of what adapters learned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from robustrank.core.training_types import LowRank


@dataclass(frozen=True, kw_only=True)
class SumOfUpdates:
    """The weighted sum of the updates themselves (``cat`` in peft), not of their factors, which is another matrix."""

    def merged(self, updates: Sequence[LowRank], weights: Sequence[float], /) -> Any:
        """The sum of ``weight * scale * up @ down``."""
        return sum(
            weight * update.scale * (update.up @ update.down) for update, weight in zip(updates, weights, strict=True)
        )
