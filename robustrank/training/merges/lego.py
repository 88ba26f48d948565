"""LoRA-LEGO (Zhao et al. 2025): units of rank one of several adapters are clustered; the centroids are the result."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from robustrank.core.errors import ConfigError
from robustrank.core.training_types import LowRank


@dataclass(frozen=True, kw_only=True)
class Lego:
    """Each row of A with its column of B is a unit; k-means over the units of all adapters gives ``rank`` of them.

    A unit (c b, a / c) is the same update for every c, so units are balanced first (equal norms, the largest entry of a
    positive). The merged update is scaled to the norm of the weighted sum of the updates, in place of the paper's
    factors.

    Args:
        rank: Units of the result; with as many as all adapters together it is their sum.
        rounds: Of k-means.

    Raises:
        ConfigError: A rank or number of rounds below 1.
    """

    rank: int = 8
    rounds: int = 20

    def __post_init__(self) -> None:
        """Check the parameters."""
        if self.rank < 1 or self.rounds < 1:
            raise ConfigError("lego: rank and rounds must be at least 1")

    def merged(self, updates: Sequence[LowRank], weights: Sequence[float], /) -> Any:
        """The update of the centroids."""
        import torch

        whole = sum(w * each.scale * (each.up @ each.down) for each, w in zip(updates, weights, strict=True))
        units = torch.cat([balanced(each, w) for each, w in zip(updates, weights, strict=True)])
        units = units[units.abs().amax(dim=1) > 0]
        if not len(units):
            return whole
        groups = clustered(units, min(self.rank, len(units)), self.rounds)
        outputs = updates[0].up.shape[0]
        sums = torch.stack([units[groups == g].mean(dim=0) * (groups == g).sum() ** 0.5 for g in groups.unique()])
        made = sums[:, :outputs].T @ sums[:, outputs:]
        norm = made.norm()
        return made * (whole.norm() / norm) if norm > 0 else whole


def balanced(update: LowRank, weight: float) -> Any:
    """Units as rows, [b; a], whose halves have equal norms and whose a has a positive largest entry."""
    import torch

    factor = weight * update.scale
    ups, downs = update.up.T * abs(factor) ** 0.5, update.down * abs(factor) ** 0.5
    if factor < 0:
        ups = -ups
    norms = [each.norm(dim=1, keepdim=True) for each in (ups, downs)]
    root = (norms[0] * norms[1]).sqrt()
    halves = [each * root / norm.clamp(min=1e-30) for each, norm in zip((ups, downs), norms, strict=True)]
    largest = halves[1].gather(1, halves[1].abs().argmax(dim=1, keepdim=True))
    return torch.cat(halves, dim=1) * torch.where(largest < 0, -1.0, 1.0)


def clustered(units: Any, count: int, rounds: int) -> Any:
    """The cluster of every unit; k-means from the units that are farthest from each other."""
    import torch

    centres = [units[units.norm(dim=1).argmax()]]
    while len(centres) < count:
        centres.append(units[torch.cdist(units, torch.stack(centres)).amin(dim=1).argmax()])
    middle = torch.stack(centres)
    groups = torch.cdist(units, middle).argmin(dim=1)
    for _ in range(rounds):
        for number in groups.unique().tolist():
            middle[number] = units[groups == number].mean(dim=0)
        groups = torch.cdist(units, middle).argmin(dim=1)
    return groups
