"""Fira (Chen et al. 2024): GaLore, and what is outside its subspace scaled as Adam scaled what is inside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from robustrank.training.optimizers.galore import GaLore, back, project, projected_adam


@dataclass(frozen=True, kw_only=True)
class Fira(GaLore):
    """GaLore that also uses the rest of the gradient, G - P R: each column times what Adam made of its part inside.

    The norm of what is added may grow by 1 % a step (``limit``); after a step without any rest there is no limit, for
    growth from nothing would take thousands of steps.

    Args:
        rank: Dimensions of the subspace.
        gap: Steps between two decompositions.
        scale: Of the part inside.
        limit: Largest growth of the rest's norm from step to step.

    Raises:
        ConfigError: A rank or gap below 1.
    """

    limit: float = 1.01

    def build(self, groups: Sequence[Mapping[str, Any]], /) -> Any:
        """The optimizer; its state is tensors alone."""
        return projected_adam(groups, self.rank, self.gap, self.scale, rest=self._rest)

    def _rest(self, state: dict[str, Any], gradient: Any, inside: Any, update: Any) -> Any:
        """What is added to the update of a matrix.

        Args:
            state: Of the matrix; holds the norm of what was added in the step before.
            gradient: Its whole gradient.
            inside: The gradient in the subspace.
            update: Adam's direction there.
        """
        tall = gradient.shape[0] >= gradient.shape[1]
        factor = update.norm(dim=1 if tall else 0) / (inside.norm(dim=1 if tall else 0) + 1e-8)
        outside = gradient - back(project(gradient, state["basis"]), state["basis"], gradient.shape)
        rest = outside * (factor[:, None] if tall else factor[None, :])
        norm = rest.norm()
        before = state.get("rest")
        if before is not None and before > 0 and norm > self.limit * before:
            rest = rest * (self.limit * before / norm)
            norm = rest.norm()
        state["rest"] = norm.clone()
        return rest
