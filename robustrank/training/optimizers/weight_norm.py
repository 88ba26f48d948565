"""GradNormLoRP (Huang et al. 2025): lengths and directions of rows apart, and the directions in GaLore's subspace."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from robustrank.core.errors import ConfigError
from robustrank.training.optimizers.galore import adam, back, project, subspace


@dataclass(frozen=True, kw_only=True)
class WeightNorm:
    """Every row of a linear map is a length times a direction, ``W = g V / ||V||``: Adam on g, GaLore on V.

    ``grad g = sum(G V / ||V||)`` over a row, and ``grad V = (g / ||V||) G - (g grad g / ||V||^2) V``. Weight decay acts
    on g, since W does not depend on the length of V. Rows of zeros stay zeros. Biases, normalisations, embeddings and
    the head have plain AdamW.

    Args:
        rank: Dimensions of the subspace of V's gradient.
        gap: Steps between two decompositions.
        scale: Of V's update.
        released: Do what the authors' released code does instead of what the paper says: the second term of grad V is
            left out, and g is replaced by ``||V||`` before every step, so that a learned length lasts for one step.

    Raises:
        ConfigError: A rank or gap below 1.
    """

    rank: int = 8
    gap: int = 200
    scale: float = 1.0
    released: bool = False

    def __post_init__(self) -> None:
        """Check the parameters."""
        if self.rank < 1 or self.gap < 1:
            raise ConfigError("weight_norm: rank and gap must be at least 1")

    def build(self, groups: Sequence[Mapping[str, Any]], /) -> Any:
        """The optimizer; its state is tensors alone."""
        import torch

        rules = self

        class NormalisedAdam(torch.optim.Optimizer):
            def step(self, closure: Any = None) -> None:
                with torch.no_grad():
                    for group in self.param_groups:
                        for weight in group["params"]:
                            if weight.grad is None:
                                continue
                            if group["linear"]:
                                rules._update(self.state[weight], weight, group["lr"], group["weight_decay"])
                            else:
                                update = adam(self.state[weight], weight.grad)
                                weight.mul_(1 - group["lr"] * group["weight_decay"]).sub_(group["lr"] * update)

        return NormalisedAdam([dict(group) for group in groups], {"lr": 0.0, "weight_decay": 0.0})

    def _update(self, state: dict[str, Any], weight: Any, rate: float, decay: float) -> None:
        """A step of one linear map."""
        if "direction" not in state:
            state["direction"], state["length"] = weight.clone(), weight.norm(dim=1, keepdim=True)
        direction, length = state["direction"], state["length"]
        if self.released:
            length.copy_(direction.norm(dim=1, keepdim=True))
        of = gradients(weight.grad, direction, length, tangent=not self.released)
        if "basis" not in state or int(state["direction.step"]) % self.gap == 0:
            state["basis"] = subspace(of.direction, self.rank)
        inside = _adam(state, "direction", project(of.direction, state["basis"]))
        direction.sub_(rate * self.scale * back(inside, state["basis"], weight.shape))
        length.mul_(1 - rate * decay).sub_(rate * _adam(state, "length", of.length))
        weight.copy_(length * direction / _norm(direction))


class Gradients(NamedTuple):
    """Gradients of the lengths (outputs x 1) and of the unscaled directions (outputs x inputs)."""

    length: Any
    direction: Any


def gradients(gradient: Any, direction: Any, length: Any, *, tangent: bool = True) -> Gradients:
    """The gradients of g and V in ``W = g V / ||V||``.

    Args:
        gradient: Of W.
        direction: V.
        length: g, outputs x 1.
        tangent: With the term that makes the gradient of every row of V orthogonal to the row.
    """
    norm = _norm(direction)
    of_length = (gradient * direction / norm).sum(dim=1, keepdim=True)
    of_direction = length / norm * gradient
    return Gradients(of_length, of_direction - length * of_length / norm**2 * direction if tangent else of_direction)


def _norm(rows: Any) -> Any:
    """Norms of rows; 1 for rows of zeros, which have no direction."""
    norm = rows.norm(dim=1, keepdim=True)
    return norm.where(norm > 0, norm.new_ones(()))


def _adam(state: dict[str, Any], name: str, gradient: Any) -> Any:
    """Adam's direction, with its moments under names of their own."""
    mine = {key.removeprefix(f"{name}."): value for key, value in state.items() if key.startswith(f"{name}.")}
    update = adam(mine, gradient)
    state.update({f"{name}.{key}": value for key, value in mine.items()})
    return update
