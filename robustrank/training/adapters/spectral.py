"""Sparse spectral training (SST, Zhao et al. 2024): singular values are trained always, singular vectors by turns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from robustrank.core.errors import ConfigError
from robustrank.core.training_types import Then
from robustrank.rankers.models.linear_maps import linear_maps
from robustrank.training.parametrized import Parametrized, freeze, generator, parametrize_maps


@dataclass(frozen=True, kw_only=True)
class Spectral:
    """``W = U diag(s) V'``: all of s is trained in every step, and ``vectors`` pairs of columns of U and V.

    The pairs are drawn anew every ``gap`` steps, without replacement, with weights ``(1/k + s_i / sum(s)) / 2``. Their
    gradients are G v_i and G' u_i, without the factor s_i, so that directions of small singular values learn as fast.
    After every step columns are scaled to length 1 and s to at least 0; after as many draws as all k pairs need, U, s
    and V are decomposed anew. The optimizer's moments are dropped at every draw.

    Args:
        vectors: Pairs of singular vectors that are trained at a time.
        gap: Steps between two draws.
        head: Whether the classification head is trained too.

    Raises:
        ConfigError: No vector, or a gap below 1.
    """

    vectors: int = 12
    gap: int = 20
    head: bool = True

    def __post_init__(self) -> None:
        """Check the parameters."""
        if self.vectors < 1 or self.gap < 1:
            raise ConfigError("spectral: vectors and gap must be at least 1")

    def attach(self, model: Any, seed: int, /) -> SpectralParts:
        """Freeze the model and decompose its linear maps."""
        freeze(model, head=self.head)
        parametrize_maps(model, lambda name, weight: decomposed(weight))
        attached = SpectralParts(model, self, seed)
        attached.draw(0)
        return attached


@dataclass(frozen=True)
class SpectralParts(Parametrized):
    """A model of decomposed maps."""

    rules: Spectral
    seed: int

    def after_step(self, step: int, total: int, /) -> Then:
        """Scale; when it is time, decompose anew, and draw."""
        import torch

        with torch.no_grad():
            for _, part in self._parts():
                part.values.clamp_(min=0)
                part.left.div_(part.left.norm(dim=0, keepdim=True))
                part.right.div_(part.right.norm(dim=1, keepdim=True))
        if step % self.rules.gap:
            return Then.GO_ON
        self.draw(step)
        return Then.FORGET_MOMENTS

    def draw(self, step: int) -> None:
        """Choose the vectors that are trained from this step on, after a new decomposition at the end of a round.

        Args:
            step: Steps that were made.
        """
        import torch

        with torch.no_grad():
            for name, part in self._parts():
                draws = -(-len(part.values) // self.rules.vectors)
                if step and step // self.rules.gap % draws == 0:
                    part.decompose((part.left * part.values) @ part.right)
                part.chosen.copy_(chosen(part.values, self.rules.vectors, generator(self.seed, f"{name}|{step}")))

    def _parts(self) -> list[tuple[str, Any]]:
        return [(name, module.parametrizations.weight[0]) for name, module in linear_maps(self.model)]


def chosen(values: Any, number: int, rng: Any) -> Any:
    """1 for ``number`` singular values drawn without replacement, large ones more often, and 0 for the others."""
    import torch

    weights = (1 / len(values) + values / values.sum().clamp(min=1e-30)) / 2
    kept = torch.zeros_like(values)
    kept[torch.multinomial(weights, min(number, len(values)), generator=rng)] = 1.0
    return kept


def decomposed(weight: Any) -> Any:
    """A parametrization by singular values and vectors."""
    import torch

    class Decomposed(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            left, values, right = torch.linalg.svd(weight, full_matrices=False)
            self.left, self.values, self.right = (
                torch.nn.Parameter(each.contiguous()) for each in (left, values, right)
            )
            self.register_buffer("chosen", torch.ones_like(values))

        def decompose(self, weight: Any) -> None:
            parts = torch.linalg.svd(weight, full_matrices=False)
            for each, new in zip((self.left, self.values, self.right), parts, strict=True):
                each.copy_(new)

        def forward(self, weight: Any) -> Any:
            left, right = self.left.detach(), self.right.detach()
            # The second and third terms are 0; they give U and V their gradients without the singular values.
            vectors = ((self.left - left) * self.chosen) @ right + (left * self.chosen) @ (self.right - right)
            return (left * self.values) @ right + vectors

    return Decomposed()
