"""Maestro (Horvath et al. 2023): factors of every linear map, whose directions order themselves by importance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from robustrank.core.errors import ConfigError
from robustrank.core.training_types import Then
from robustrank.rankers.models.linear_maps import linear_maps
from robustrank.training.compressors.svd import factors
from robustrank.training.losses import margin_mse
from robustrank.training.parametrized import Parametrized, parametrize_maps
from robustrank.training.trainer import scores_of


@dataclass(frozen=True, kw_only=True)
class Maestro:
    """Ordered low rank: the first k directions of every map are trained to do without the others, for every k.

    ``W = U V``, at the start U sqrt(S) and sqrt(S) V' of its singular value decomposition. In every step the batch is
    read twice: in full, and with one map, drawn with its number of directions k, cut to its first k; the margins of
    the second reading are to be those of the first (Margin-MSE in place of the paper's cross entropy). A group lasso
    on all tails, ``penalty * sum_i (||U[:, i:]|| + ||V[i:]||)``, makes the last directions small; those behind the last
    whose ``||u|| ||v||`` is at least ``threshold`` are cut off for good. All directions are stored as their product.

    Args:
        rank: Directions of every map that development lists are read with and the stored model has: trainings that
            differ in it make the same steps. 0: all that were not cut off.
        penalty: Of the group lasso.
        threshold: Importance below which the last directions are cut off.

    Raises:
        ConfigError: A negative parameter.
    """

    rank: int = 0
    penalty: float = 1e-6
    threshold: float = 1e-5

    def __post_init__(self) -> None:
        """Check the parameters."""
        if self.rank < 0 or self.penalty < 0 or self.threshold < 0:
            raise ConfigError("maestro: rank, penalty and threshold must be at least 0")

    def attach(self, model: Any, seed: int, /) -> Ordered:
        """Replace weights by the product of their factors."""
        parametrize_maps(model, lambda name, weight: ordered(weight, self.rank))
        for _, module in linear_maps(model):
            module.parametrizations.weight.original.requires_grad_(False)
        return Ordered(model, self)


@dataclass(frozen=True)
class Ordered(Parametrized):
    """A model with ordered factors."""

    rules: Maestro

    def after_step(self, step: int, total: int, /) -> Then:
        """Cut off directions at the end that have become unimportant."""
        import torch

        with torch.no_grad():
            for part in self._parts():
                important = (part.up.norm(dim=0) * part.down.norm(dim=1) >= self.rules.threshold).nonzero()
                part.width.clamp_(max=int(important.max()) + 1 if len(important) else 0)
        return Then.GO_ON

    def extra(self, model: Any, batch: Any, scores: Any, /) -> Any:
        """The loss of a reading with one map cut to a prefix, and the group lasso."""
        parts = self._parts()
        widths = [int(part.width) for part in parts]
        loss = self.rules.penalty * sum(
            tails(part.up[:, :width].T) + tails(part.down[:width]) for part, width in zip(parts, widths, strict=True)
        )
        if not sum(widths):
            return loss
        number, width = drawn(widths)
        parts[number].limit = width
        try:
            cut = scores_of(model, batch)
        finally:
            parts[number].limit = None
        return loss + margin_mse(cut, scores.detach().masked_fill(batch.targets.isnan(), float("nan"))).mean()

    def merged(self) -> Any:
        """The plain model, with the prefix that development lists were read with."""
        self.model.eval()
        return super().merged()

    def _parts(self) -> list[Any]:
        return [module.parametrizations.weight[0] for _, module in linear_maps(self.model)]


def drawn(widths: Sequence[int]) -> tuple[int, int]:
    """A map and a number of its directions, all pairs with the same probability, from torch's own generator."""
    import torch

    place = int(torch.randint(sum(widths), ()))
    for number, width in enumerate(widths):
        if place < width:
            return number, place + 1
        place -= width
    raise AssertionError("a place is below the sum of all widths")


def tails(rows: Any) -> Any:
    """The sum over i of the norm of all rows from i on; where they are 0, so is its gradient."""
    import torch

    squares = rows.square().sum(dim=1).flip(0).cumsum(0)
    return torch.where(squares > 0, squares, 1.0).sqrt().mul(squares > 0).sum()


def ordered(weight: Any, rank: int) -> Any:
    """A parametrization by ordered factors.

    Args:
        weight: Outputs x inputs.
        rank: Directions that are used in evaluation; 0: all.
    """
    import torch

    up, down = factors(weight, min(weight.shape))

    class OrderedProduct(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.up, self.down = torch.nn.Parameter(up), torch.nn.Parameter(down)
            self.register_buffer("width", torch.tensor(up.shape[1]))
            self.limit: int | None = None

        def forward(self, weight: Any) -> Any:
            width = int(self.width)
            if self.limit is not None:
                width = min(width, self.limit)
            elif rank and not self.training:
                width = min(width, rank)
            return self.up[:, :width] @ self.down[:width]

    return OrderedProduct()
