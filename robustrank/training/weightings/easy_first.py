"""A curriculum (MacAvaney et al. 2020): easy lists first, all alike in the end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from robustrank.core.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class EasyFirst:
    """The weight of a list is ``w (1 - t) + t``, where t is the share of the curriculum that is done; 1 afterwards.

    ``w = (D(best) - mean of D(others) + 1) / 2``, with D a document's target on a scale from 0 to 1 within its list: a
    list whose best document stands far above the rest is easy. The paper takes D from the first stage's ranks or
    scores, and multiplies the mean loss of a batch by the mean weight in its released code; here every list has its
    own.

    Args:
        end: Share of the steps after which every list counts alike.
        hard: Hard lists first instead (1 - w).
        normalise: Weights of a batch have mean 1, so that the learning rate is not lower at first.

    Raises:
        ConfigError: An end of 0 and below, or above 1.
    """

    end: float = 0.5
    hard: bool = False
    normalise: bool = True

    def __post_init__(self) -> None:
        """Check the end."""
        if not 0.0 < self.end <= 1.0:
            raise ConfigError(f"easy_first: end must be above 0 and at most 1, not {self.end}")

    def weights(self, losses: Any, batch: Any, /) -> Any:
        """Weights of lists."""
        import torch

        if batch.share >= self.end:
            return torch.ones_like(losses)
        done = batch.share / self.end
        easy = ease(batch.targets).to(losses.dtype)
        weights = ((1 - easy) if self.hard else easy) * (1 - done) + done + 1e-8
        return weights / weights.mean() if self.normalise else weights


def ease(targets: Any) -> Any:
    """How far a list's best document stands above the rest, from 0 to 1; 1/2 where all are equal.

    Args:
        targets: Lists x places; NaN where a list has no document at that place.
    """
    import torch

    absent = targets.isnan()
    filled = targets.nan_to_num(nan=-torch.inf)
    highest = filled.amax(dim=1, keepdim=True)
    lowest = targets.nan_to_num(nan=torch.inf).amin(dim=1, keepdim=True)
    scaled = ((targets - lowest) / (highest - lowest).clamp(min=1e-12)).nan_to_num(nan=0.0)
    others = (scaled.sum(dim=1) - scaled.amax(dim=1)) / ((~absent).sum(dim=1) - 1).clamp(min=1)
    return torch.where(
        (highest > lowest).squeeze(1), (scaled.amax(dim=1) - others + 1) / 2, torch.full_like(others, 0.5)
    )
