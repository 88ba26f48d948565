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

BUFFER, HELD = "trained_entries", "held_entries"
"""Masks of what is trained, and what the other entries are held at; both are in checkpoints."""


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

    The penalty and the second choice are the paper's; both are off by default.

    Args:
        share: Of every map's weights.
        head: Whether the classification head is trained too.
        penalty: Of the nuclear norm of the trained entries of one linear map, drawn in every step (5e-4 in its code).
        again: Share of the steps after which entries that have grown beyond the largest that was opened are held at
            what they are, and only the others trained on.

    Raises:
        ConfigError: A share of 0 and below or above 1, a negative penalty, or ``again`` not between 0 and 1.
    """

    share: float = 0.2
    head: bool = True
    penalty: float = 0.0
    again: float | None = None

    def __post_init__(self) -> None:
        """Check the parameters."""
        if not 0.0 < self.share <= 1.0:
            raise ConfigError(f"small_weights: share must be above 0 and at most 1, not {self.share}")
        if self.penalty < 0 or not (self.again is None or 0.0 < self.again < 1.0):
            raise ConfigError("small_weights: penalty must be at least 0, and again above 0 and below 1")

    def attach(self, model: Any, seed: int, /) -> Small:
        """Open the smallest entries."""
        opened = _entries(model, self.head, lambda weight: 1.0 - smallest(weight, self.share))
        if self.penalty > 0:
            return Penalised(model, opened.start, None, self.again, self.penalty)
        return Small(model, opened.start, None, self.again)


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
            for _, module in linear_maps(self.model):
                mask, held = module.get_buffer(BUFFER), module.get_buffer(HELD)
                module.weight.copy_(torch.where(mask > 0, module.weight, held))
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
            del module._buffers[BUFFER], module._buffers[HELD]
            module.weight._backward_hooks = None
        self.model.requires_grad_(True)
        return self.model


@dataclass(frozen=True)
class Small(Entries):
    """A model of whose linear maps the smallest entries are trained.

    Args:
        again: Share of the schedule's steps after which those are chosen that are still small; a stage that ends before
            makes no second choice.
    """

    again: float | None

    def after_step(self, step: int, total: int, /) -> Then:
        """Put back what is not trained; once, hold what has grown, after which the best weights are sought anew."""
        then = super().after_step(step, total)
        if self.again is not None and step == max(1, round(self.again * total)):
            then = Then.BEGIN_ANEW
            for name, module in linear_maps(self.model):
                mask = module.get_buffer(BUFFER)
                limit = (self.start[name].abs() * mask).max()
                mask.mul_(module.weight.detach().abs() <= limit)
                module.get_buffer(HELD).copy_(module.weight.detach())
        return then


@dataclass(frozen=True)
class Penalised(Small):
    """The same with a penalty on the rank of what is trained."""

    penalty: float

    def extra(self, model: Any, batch: Any, scores: Any, /) -> Any:
        """The penalty of one linear map, drawn from the generator that the trainer seeds in every step."""
        import torch

        maps = [module for _, module in linear_maps(self.model)]
        module = maps[int(torch.randint(len(maps), (1,)))]
        return self.penalty * nuclear_norm(module.weight * module.get_buffer(BUFFER))


def nuclear_norm(matrix: Any) -> Any:
    """The sum of the singular values; its gradient is UV'."""
    import torch

    return torch.linalg.matrix_norm(matrix, ord="nuc")


def _entries(
    model: Any, head: bool, made: Callable[[Any], Any],
    half: Callable[[Mapping[str, Any]], Mapping[str, Any]] | None = None,
) -> Entries:  # fmt: skip
    freeze(model, head=head)
    start = {}
    for name, module in linear_maps(model):
        start[name] = module.weight.detach().clone()
        module.register_buffer(BUFFER, made(start[name]))
        module.register_buffer(HELD, start[name].clone())
        module.weight.requires_grad_(True)
        module.weight.register_hook(lambda gradient, module=module: gradient * module.get_buffer(BUFFER))
    return Entries(model, start, half)


def _ones(weight: Any) -> Any:
    import torch

    return torch.ones_like(weight)
