"""Training of some entries of the weights alone: sparse fine-tuning masks (SFT) and the smallest weights (SaRA)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from robustrank.core.errors import ConfigError
from robustrank.core.training_types import LowRank, Then
from robustrank.rankers.models.linear_maps import linear_maps
from robustrank.training.compressors.magnitude import smallest
from robustrank.training.parametrized import freeze

BUFFER = "trained_entries"


@dataclass(frozen=True, kw_only=True)
class SparseMask:
    """Sparse fine-tuning (Ansell et al. 2022): all are trained, then the entries that moved most.

    In the first half of the steps all weights of linear maps are trained. Then all are reset; the ``entries`` whose
    change was largest are trained in the second half, and the others stay as they were. The update of one mask can be
    kept and added to that of another: domain and ranking, or language and ranking (Litschko et al. 2022).

    Args:
        entries: Number of entries, over all linear maps.
        head: Whether the classification head is trained too.

    Raises:
        ConfigError: Fewer than one entry.
    """

    entries: int = 36864
    head: bool = True

    def __post_init__(self) -> None:
        """Check the number."""
        if self.entries < 1:
            raise ConfigError("sparse_mask: entries must be at least 1")

    def attach(self, model: Any, seed: int, /) -> Entries:
        """Open all linear maps."""
        return _entries(model, self.head, _ones, half=self._largest)

    def _largest(self, changes: Mapping[str, Any]) -> Mapping[str, Any]:
        import torch

        every = torch.cat([change.abs().flatten() for change in changes.values()])
        kept = torch.zeros(len(every))
        kept[every.argsort(descending=True, stable=True)[: self.entries]] = 1.0
        parts = kept.split([change.numel() for change in changes.values()])
        return {name: part.reshape(changes[name].shape) for name, part in zip(changes, parts, strict=True)}


@dataclass(frozen=True, kw_only=True)
class SmallWeights:
    """SaRA (Hu et al. 2024): only the weights of smallest absolute value are trained, a share of every linear map.

    The paper's penalty of the nuclear norm is left out.

    Args:
        share: Of every map's weights.
        head: Whether the classification head is trained too.

    Raises:
        ConfigError: A share of 0 and below, or above 1.
    """

    share: float = 0.2
    head: bool = True

    def __post_init__(self) -> None:
        """Check the share."""
        if not 0.0 < self.share <= 1.0:
            raise ConfigError(f"small_weights: share must be above 0 and at most 1, not {self.share}")

    def attach(self, model: Any, seed: int, /) -> Entries:
        """Open the smallest entries."""
        return _entries(model, self.head, lambda weight: 1.0 - smallest(weight, self.share))


@dataclass(frozen=True)
class Entries:
    """A model of whose linear maps some entries are trained; masks are buffers, so that checkpoints hold them."""

    model: Any
    start: Mapping[str, Any]
    half: Callable[[Mapping[str, Any]], Mapping[str, Any]] | None

    def after_step(self, step: int, total: int, /) -> Then:
        """Put back what is not trained; at half of the steps, choose what will be."""
        import torch

        with torch.no_grad():
            if self.half is not None and step == total // 2:
                changes = {name: module.weight - self.start[name] for name, module in linear_maps(self.model)}
                for name, mask in self.half(changes).items():
                    module = self.model.get_submodule(name)
                    module.get_buffer(BUFFER).copy_(mask)
                    module.weight.copy_(self.start[name])
                return Then.BEGIN_ANEW
            for name, module in linear_maps(self.model):
                module.weight.copy_(torch.where(module.get_buffer(BUFFER) > 0, module.weight, self.start[name]))
        return Then.GO_ON

    def updates(self) -> Mapping[str, LowRank]:
        """The change of every map, as a product with the identity."""
        import torch

        return {
            name: LowRank((module.weight - self.start[name]).detach(), torch.eye(module.weight.shape[1]), 1.0)
            for name, module in linear_maps(self.model)
        }

    def merged(self) -> Any:
        """The model, without masks."""
        for _, module in linear_maps(self.model):
            del module._buffers[BUFFER]
            module.weight._backward_hooks = None
        self.model.requires_grad_(True)
        return self.model


def _entries(
    model: Any, head: bool, made: Callable[[Any], Any],
    half: Callable[[Mapping[str, Any]], Mapping[str, Any]] | None = None,
) -> Entries:  # fmt: skip
    freeze(model, head=head)
    start = {}
    for name, module in linear_maps(model):
        start[name] = module.weight.detach().clone()
        module.register_buffer(BUFFER, made(start[name]))
        module.weight.requires_grad_(True)
        module.weight.register_hook(lambda gradient, module=module: gradient * module.get_buffer(BUFFER))
    return Entries(model, start, half)


def _ones(weight: Any) -> Any:
    import torch

    return torch.ones_like(weight)
