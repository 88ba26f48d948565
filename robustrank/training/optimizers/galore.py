"""GaLore (Zhao et al. 2024): Adam in the leading singular subspace of each matrix' gradient."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from robustrank.core.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class GaLore:
    """Adam whose moments live in a subspace of few dimensions; the weights themselves are updated in full.

    Every ``gap`` steps G = U S V' is decomposed anew and P = the first ``rank`` columns of V (of U where the matrix has
    fewer rows than columns); R = G P; ``W -= lr * scale * adam(R) P'``. The sum of updates has any rank. Moments are
    kept when P changes, as in the authors' code. Biases, normalisations, embeddings and the head have plain AdamW.

    Args:
        rank: Dimensions of the subspace.
        gap: Steps between two decompositions.
        scale: Of the update.

    Raises:
        ConfigError: A rank or gap below 1.
    """

    rank: int = 8
    gap: int = 200
    scale: float = 1.0

    def __post_init__(self) -> None:
        """Check the parameters."""
        if self.rank < 1 or self.gap < 1:
            raise ConfigError("galore: rank and gap must be at least 1")

    def build(self, groups: Sequence[Mapping[str, Any]], /) -> Any:
        """The optimizer; its state holds the projection as a tensor, so that a resumed run goes on in it."""
        return projected_adam(groups, self.rank, self.gap, self.scale)


def subspace(gradient: Any, rank: int) -> Any:
    """An orthonormal basis of the leading singular subspace on the shorter side of a gradient: size x rank."""
    import torch

    left, _, right = torch.linalg.svd(gradient, full_matrices=False)
    return right[:rank].T.contiguous() if gradient.shape[0] >= gradient.shape[1] else left[:, :rank].contiguous()


def project(gradient: Any, basis: Any) -> Any:
    """The gradient in the coordinates of a basis."""
    return gradient @ basis if gradient.shape[0] >= gradient.shape[1] else basis.T @ gradient


def back(update: Any, basis: Any, shape: Sequence[int]) -> Any:
    """An update in the coordinates of a basis as one of the matrix."""
    return update @ basis.T if shape[0] >= shape[1] else basis @ update


def projected_adam(
    groups: Sequence[Mapping[str, Any]], rank: int, gap: int, scale: float, *,
    rest: Callable[[dict[str, Any], Any, Any, Any], Any] | None = None,
) -> Any:  # fmt: skip
    """A torch optimizer: AdamW, in a subspace for groups of linear maps.

    Args:
        groups: Of parameters.
        rank: Dimensions of the subspace.
        gap: Steps between two decompositions.
        scale: Of the update there.
        rest: State, gradient, gradient and update in the subspace, to what is added to the update.
    """
    import torch

    class ProjectedAdam(torch.optim.Optimizer):
        def step(self, closure: Any = None) -> None:
            with torch.no_grad():
                for group in self.param_groups:
                    for weight in group["params"]:
                        if weight.grad is not None:
                            self._update(weight, group)

        def _update(self, weight: Any, group: Mapping[str, Any]) -> None:
            state, gradient = self.state[weight], weight.grad
            whole = gradient
            if group["linear"]:
                if not state or int(state["step"]) % gap == 0:
                    state["basis"] = subspace(gradient, rank)
                gradient = project(gradient, state["basis"])
            update = adam(state, gradient)
            if group["linear"]:
                added = 0.0 if rest is None else rest(state, whole, gradient, update)
                update = scale * back(update, state["basis"], weight.shape) + added
            weight.mul_(1 - group["lr"] * group["weight_decay"]).sub_(group["lr"] * update)

    return ProjectedAdam([dict(group) for group in groups], {"lr": 0.0, "weight_decay": 0.0})


def adam(state: dict[str, Any], gradient: Any, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8) -> Any:
    """The direction of Adam (Kingma and Ba 2015), whose moments in ``state`` are brought up to date, or begun."""
    import torch

    if "step" not in state:
        state["step"] = torch.zeros(())
        state["first"], state["second"] = torch.zeros_like(gradient), torch.zeros_like(gradient)
    state["step"] += 1
    first, second, step = state["first"], state["second"], float(state["step"])
    first.lerp_(gradient, 1 - betas[0])
    second.mul_(betas[1]).addcmul_(gradient, gradient, value=1 - betas[1])
    return (first / (1 - betas[0] ** step)) / ((second / (1 - betas[1] ** step)).sqrt() + eps)
