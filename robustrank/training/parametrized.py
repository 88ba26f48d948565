"""Changes of linear maps as parametrizations of their weights.

``weight`` of a parametrized map is what the map multiplies by, so that the shortened last layer of
:mod:`robustrank.rankers.models.first_token` reads it, every part gets its gradient, and merging is exact.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

from robustrank.core.training_types import Then
from robustrank.rankers.models.linear_maps import KINDS, linear_maps


@dataclass(frozen=True)
class Parametrized:
    """A model whose linear maps are parametrized; it does nothing after a step.

    Args:
        model: The model.
    """

    model: Any

    def after_step(self, step: int, total: int, /) -> Then:
        """Nothing."""
        return Then.GO_ON

    def merged(self) -> Any:
        """The plain model, with the weights that its maps multiplied by."""
        from torch.nn.utils import parametrize

        for _, module in list(linear_maps(self.model)):
            if parametrize.is_parametrized(module, "weight"):
                parametrize.remove_parametrizations(module, "weight", leave_parametrized=True)
        self.model.requires_grad_(True)
        return self.model


def parametrize_maps(model: Any, made: Callable[[str, Any], Any], kinds: tuple[str, ...] = KINDS) -> None:
    """Parametrize the weights of a model's linear maps, in place.

    Args:
        model: The model.
        made: Name and weight (outputs x inputs) of a map to a module from its weight to the effective one.
        kinds: Of :data:`robustrank.rankers.models.linear_maps.KINDS`.
    """
    from torch.nn.utils import parametrize

    for name, module in list(linear_maps(model, kinds)):
        parametrize.register_parametrization(module, "weight", made(name, module.weight.detach()))


def freeze(model: Any, *, head: bool) -> None:
    """Close a model's weights to training, but for the classification head where that is wanted."""
    model.requires_grad_(False)
    if head:
        model.classifier.requires_grad_(True)


def generator(seed: int, name: str) -> Any:
    """A generator of torch for one linear map, the same in every process."""
    import torch

    return torch.Generator().manual_seed(Random(f"{seed}|{name}").getrandbits(62))
