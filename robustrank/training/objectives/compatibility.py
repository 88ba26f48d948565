"""Compatibility of releases: what the parent ordered rightly is not to be ordered wrongly (negative flips)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from robustrank.core.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Compatibility:
    """The mean, over pairs that the parent orders as the targets do, of ``max(0, margin - (s_i - s_j))``.

    After the idea of orthogonal compatible aligned representations (Ricci et al. 2024), which is about embeddings in an
    index: a cross-encoder has none, and what its users keep from release to release is the order.

    Args:
        margin: By which a pair must stay apart.

    Raises:
        ConfigError: A negative margin.
    """

    margin: float = 0.0

    def __post_init__(self) -> None:
        """Check the margin."""
        if self.margin < 0:
            raise ConfigError("compatibility: margin must be at least 0")

    def start(self, model: Any, examples: Sequence[Any], seed: int, /) -> Callable[[Any, Any, Any], Any]:
        """Keep a copy of the model."""
        import torch

        from robustrank.training.trainer import scores_of

        parent = deepcopy(model).eval().requires_grad_(False)

        def objective(model: Any, batch: Any, scores: Any) -> Any:
            with torch.no_grad():
                before = scores_of(parent, batch)
            return flips(scores, before, batch.targets, self.margin)

        return objective


def flips(scores: Any, before: Any, targets: Any, margin: float) -> Any:
    """The hinge over pairs that were right before; 0 where there is none.

    Args:
        scores: Lists x places.
        before: The parent's.
        targets: NaN where a list has no document at that place.
        margin: By which a pair must stay apart.
    """
    right = (targets[:, :, None] > targets[:, None, :]) & (before[:, :, None] > before[:, None, :])
    gaps = (scores[:, :, None] - scores[:, None, :])[right]
    return (margin - gaps).clamp(min=0).sum() / max(1, len(gaps))
