"""Changes in a model while a stage trains it, and merges of what adapters learned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from robustrank.core.errors import ContractError, PluginError
from robustrank.core.plugin_spec import Plugin
from robustrank.core.training_types import Attached, Continual, LowRank, WithFigures, WithMemory, WithUpdates
from robustrank.plugins import registry
from robustrank.rankers.models.linear_maps import linear_maps
from robustrank.training.batches import Example, collate
from robustrank.training.parts import Parts
from robustrank.training.trainer import HEADS, pad_of

LISTS = 16
"""Development lists that figures of changes are taken on, at most."""


@dataclass(frozen=True)
class Changed:
    """A model with the changes of a stage in it.

    Args:
        model: The model.
        stage: What its file says.
        attached: The changes.
        factors: Name of a parameter that an adapter added to the factor of its learning rate.
        before: The weights before the stage, where the adapter's update is kept apart.
        seed: Seed of all randomness.
        learned: Name of an adapter's plug-in to what its last stage has learned.
    """

    model: Any
    stage: Parts
    attached: Sequence[Attached]
    factors: Mapping[str, float]
    before: Mapping[str, Any]
    seed: int
    learned: dict[str, Any]

    def figures(self, examples: Sequence[Example]) -> dict[str, float]:
        """Figures of the changes, on the first of some examples."""
        first = [collate([each], [(0, tuple(range(len(each.ids))))], pad_of(self.model)) for each in examples[:LISTS]]
        return {n: x for part in self.attached if isinstance(part, WithFigures) for n, x in part.figures(first).items()}

    def end(self) -> tuple[Any, Mapping[str, LowRank]]:
        """The plain model after the stage, and the update of a kept adapter, which is not in it.

        Raises:
            PluginError: The update of a kept adapter is not of low rank, or more than it was trained.
        """
        import torch

        model, updates = self.model, {}
        keep = self.stage.adapter is not None and self.stage.adapter.keep is not None
        for part in reversed(self.attached):
            if isinstance(part, WithMemory) and self.stage.adapter is not None:
                self.learned[self.stage.adapter.plugin.use] = part.learned()
            if keep:
                if not isinstance(part, WithUpdates):
                    raise PluginError(f"[stage.adapter] keep: {type(part).__name__} has no update of low rank to keep")
                updates = dict(part.updates())
            model = part.merged()
        if keep:
            maps = {f"{name}.weight" for name, _ in linear_maps(model)}
            for name, weight in model.state_dict().items():
                if name not in maps and not torch.equal(weight, self.before[name]):
                    raise PluginError(
                        f"[stage.adapter] keep: {name} was trained too and would be lost; set head = false"
                    )
            model.load_state_dict(self.before)
        compress = self.stage.compress
        if compress is not None and compress.when == "end":
            model = registry.build("compressor", compress.plugin).attach(model, self.seed).merged()
        return model, updates


def begin(stage: Parts, model: Any, seed: int, learned: dict[str, Any]) -> Changed:
    """Attach the compressor and the adapter of a stage to a model, in place.

    Args:
        stage: What its file says.
        model: The model.
        seed: Seed of all randomness.
        learned: Name of an adapter's plug-in to what its last stage has learned; the end of the stage adds to it.
    """
    import torch

    attached: list[Attached] = []
    factors: dict[str, float] = {}
    before = {name: weight.clone() for name, weight in model.state_dict().items()} if stage.adapter else {}
    torch.manual_seed(seed)
    if stage.compress is not None and stage.compress.when == "start":
        attached.append(registry.build("compressor", stage.compress.plugin).attach(model, seed))
    if stage.adapter is not None:
        present = {name for name, _ in model.named_parameters()}
        adapter, before_it = registry.build("adapter", stage.adapter.plugin), learned.get(stage.adapter.plugin.use)
        if before_it is not None and isinstance(adapter, Continual):
            adapter = adapter.going_on(before_it)
        attached.append(adapter.attach(model, seed))
        factors = {
            name: stage.adapter.factor
            for name, _ in model.named_parameters()
            if name not in present and not HEADS & set(name.split("."))
        }
    return Changed(model, stage, attached, factors, before, seed, learned)


def merge(model: Any, plugin: Plugin, kept: Sequence[Mapping[str, LowRank]], weights: Sequence[float]) -> None:
    """Add the merged update of some adapters to a model's weights, in place.

    Raises:
        ContractError: The plug-in gave an update of another shape.
    """
    import torch

    merging = registry.build("merge", plugin)
    modules = dict(linear_maps(model))
    for name in sorted({name for updates in kept for name in updates}):
        weight = modules[name].weight
        mine = [updates.get(name) or _none(weight) for updates in kept]
        with torch.no_grad():
            update = merging.merged(mine, weights or [1.0] * len(kept))
        if update.shape != weight.shape or not torch.isfinite(update).all():
            raise ContractError(f"merge {plugin}: the update of {name} is not finite, or not {tuple(weight.shape)}")
        weight.data += update


def _none(weight: Any) -> LowRank:
    return LowRank(weight.new_zeros((weight.shape[0], 1)), weight.new_zeros((1, weight.shape[1])), 1.0)
