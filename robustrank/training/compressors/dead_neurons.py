"""AP (activate while pruning): some of every pruning's weights are those that may keep units from being active."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from robustrank.core.errors import ConfigError, PluginError
from robustrank.core.training_types import Then
from robustrank.rankers.models.linear_maps import kind_of, linear_maps
from robustrank.training import dead_units
from robustrank.training.compressors.magnitude import masked
from robustrank.training.parametrized import Parametrized, parametrize_maps


@dataclass(frozen=True, kw_only=True)
class DeadNeurons:
    """Prune in cycles, by magnitude and so that units of the feed-forward part become active more often.

    The steps are divided into ``cycles + 1`` parts. After each but the last some of the remaining weights are set to 0
    for good, and the others go back to their values at the start of the stage. Of the weights that a cycle sets to 0
    all but a share of ``revive`` are the smallest of all linear maps; the rest are, among the negative weights
    into units of the feed-forward part, those that moved least in the cycle. With ``revive = 0`` it is iterative
    magnitude pruning.

    ``variant.json`` has the shares of dead units before and after the stage, on some development lists.

    The method is of nets with ReLU, whose units are dead where they give 0, and whose inputs are not negative. Here
    units have GELU and their inputs have both signs, so that a negative weight need not keep a unit down.

    Args:
        share: Of all weights of linear maps that are 0 in the end; every cycle leaves the same share of what was left.
        cycles: Number of prunings.
        revive: Share of the weights of a cycle that are chosen by their movement.

    Raises:
        ConfigError: A share of 0 and below, or of 1 and above; no cycle; or another revive than from 0 to 1.
    """

    share: float = 0.5
    cycles: int = 3
    revive: float = 0.1

    def __post_init__(self) -> None:
        """Check the parameters."""
        if not 0.0 < self.share < 1.0 or self.cycles < 1 or not 0.0 <= self.revive <= 1.0:
            raise ConfigError("dead_neurons: share must be above 0 and below 1, cycles >= 1, and revive from 0 to 1")

    def attach(self, model: Any, seed: int, /) -> Cycles:
        """Mask no weight yet."""
        import torch

        parametrize_maps(model, lambda name, weight: masked(torch.ones_like(weight)))
        return Cycles(model, self, {name: each.detach().clone() for name, each in model.named_parameters()})


@dataclass(frozen=True)
class Cycles(Parametrized):
    """A model that is pruned in cycles; masks are buffers, so that checkpoints hold them."""

    rules: DeadNeurons
    start: Mapping[str, Any]

    def after_step(self, step: int, total: int, /) -> Then:
        """At the end of a cycle, prune, and put back what is left."""
        import torch

        ends = [max(1, total * number // (self.rules.cycles + 1)) for number in range(1, self.rules.cycles + 1)]
        if step not in ends:
            return Then.GO_ON
        with torch.no_grad():
            self._prune(self._zeros(ends.index(step) + 1))
            for name, each in self.model.named_parameters():
                each.copy_(self.start[name])
        return Then.BEGIN_ANEW

    def figures(self, batches: Sequence[Any], /) -> Mapping[str, float]:
        """Shares of dead units."""
        return dead_units.shares(self.model, batches)

    def merged(self) -> Any:
        """The plain model.

        Raises:
            PluginError: The training ended before the last pruning.
        """
        import torch

        masks = [module.parametrizations.weight[0].mask for _, module in linear_maps(self.model)]
        zeros, wanted = int(sum(torch.sum(mask == 0) for mask in masks)), self._zeros(self.rules.cycles)
        if zeros < wanted:
            raise PluginError(
                f"dead_neurons: the training ended before its last cycle, with {zeros} of {wanted} weights at 0; raise "
                'patience or steps in the schedule, or train longer (it needs when = "start", and a stage that learns)'
            )
        return super().merged()

    def _zeros(self, cycles: int) -> int:
        """Number of zeros after some cycles."""
        number = sum(module.weight.numel() for _, module in linear_maps(self.model))
        return int(round(number * (1 - (1 - self.rules.share) ** (cycles / self.rules.cycles)), 6))

    def _prune(self, zeros: int) -> None:
        """Set masks so that there are so many zeros."""
        import torch

        maps = [(name, module.parametrizations.weight) for name, module in linear_maps(self.model)]
        kept = torch.cat([parts[0].mask.flatten() for _, parts in maps])
        weights = torch.cat([parts.original.flatten() for _, parts in maps])
        starts = torch.cat([self.start[f"{name}.parametrizations.weight.original"].flatten() for name, _ in maps])
        into_units = torch.cat([torch.full((parts.original.numel(),), kind_of(name) == "up") for name, parts in maps])
        number = max(0, zeros - int((kept == 0).sum()))
        by_movement = int(self.rules.revive * number)
        _set_to_zero(kept, weights.abs(), number - by_movement)
        closing = into_units & (weights < 0) & (kept > 0)
        moved = (weights - starts).abs().masked_fill(~closing, torch.inf)
        _set_to_zero(kept, moved, min(by_movement, int(closing.sum())))
        _set_to_zero(kept, weights.abs(), max(0, zeros - int((kept == 0).sum())))  # where there are too few of those
        for (_, parts), mask in zip(maps, kept.split([parts.original.numel() for _, parts in maps]), strict=True):
            parts[0].mask.copy_(mask.reshape(parts.original.shape))


def _set_to_zero(kept: Any, scores: Any, number: int) -> None:
    """Set the entries with the lowest scores, among those that are kept, to 0; the first ones among equals."""
    import torch

    kept[scores.masked_fill(kept == 0, torch.inf).argsort(stable=True)[:number]] = 0.0
