"""The parts of a stage that are plug-ins: what its file says of them, and how they act on a batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from robustrank.config.tables import key
from robustrank.core.errors import ConfigError, ContractError
from robustrank.core.plugin_spec import Plugin
from robustrank.core.training_types import Attached, Sampler, TrainingOptimizer, Weighting, WithLoss
from robustrank.plugins import registry
from robustrank.training.batches import Batch, Example
from robustrank.training.trainer import Objective, Outcome, Reduce, mean


@dataclass(frozen=True, kw_only=True)
class AdapterSpec:
    """``[stage.adapter]``: what is trained in place of the weights.

    Args:
        factor: On the learning rate of the parameters that it adds.
        keep: Name under which its update is kept, for a ``[[merge]]``; the next stage starts from the weights before
            it. Without a name the update is merged into the weights at the end of the stage.
    """

    plugin: Plugin
    factor: float = 1.0
    keep: str | None = None


@dataclass(frozen=True, kw_only=True)
class CompressSpec:
    """``[stage.compress]``: what makes the model smaller.

    Args:
        when: ``"start"``: before the first step, and kept while the stage trains; ``"end"``: after the last step.
    """

    plugin: Plugin
    when: Literal["start", "end"] = "start"


@dataclass(frozen=True, kw_only=True)
class ObjectiveSpec:
    """One ``[[stage.objective]]``: what is added to the loss, and its weight."""

    plugin: Plugin
    weight: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Parts:
    """Tables that a stage of any kind may have.

    Args:
        adapter: Trained in place of the weights.
        optimizer: In place of AdamW.
        compress: Makes the model smaller.
        curriculum: Weighs lists, easy ones first.
        weights: Weighs lists by their losses; its weights are multiplied by those of the curriculum.
        objectives: Added to the loss.
        ranking: Weight of the stage's own loss beside them.
        sampler: Chooses which documents of a list are learned from.
    """

    adapter: AdapterSpec | None = None
    optimizer: Plugin | None = None
    compress: CompressSpec | None = None
    curriculum: Plugin | None = None
    weights: Plugin | None = None
    objectives: tuple[ObjectiveSpec, ...] = key("objective", default=())
    ranking: float = 1.0
    sampler: Plugin | None = None

    def check(self, where: str) -> None:
        """Check values and combinations.

        Raises:
            ConfigError: The first fault.
        """
        if self.adapter is not None and not self.adapter.factor > 0:
            raise ConfigError(f"{where}: [stage.adapter] needs a factor above 0")
        if self.adapter is not None and self.compress is not None and self.compress.when == "start":
            raise ConfigError(
                f"{where}: an adapter's update would undo the compression that [stage.compress] does at the start; "
                'set when = "end", or make them two stages'
            )
        if not self.ranking and not self.objectives:
            raise ConfigError(f"{where}: ranking = 0 leaves nothing to learn from; add [[stage.objective]]")
        for each in self.objectives:
            if each.weight < 0:
                raise ConfigError(f"{where}: [[stage.objective]] needs a weight of at least 0, not {each.weight}")

    @property
    def all(self) -> Mapping[str, str]:
        """Kind of each plug-in to its one-line form; several objectives are joined."""
        named = {
            "adapter": self.adapter and self.adapter.plugin,
            "optimizer": self.optimizer,
            "compressor": self.compress and self.compress.plugin,
            "curriculum": self.curriculum,
            "weights": self.weights,
            "sampler": self.sampler,
        }
        texts = {kind: str(plugin) for kind, plugin in named.items() if plugin is not None}
        if self.objectives:
            texts["objective"] = ", ".join(str(each.plugin) for each in self.objectives)
        return texts


@dataclass(frozen=True, kw_only=True)
class Acting:
    """The plug-ins of a stage, built.

    Args:
        optimizer: In place of AdamW.
        weightings: Their weights are multiplied.
        objectives: What starts an objective, with its weight.
        ranking: Weight of the stage's own loss.
        sampler: Chooses documents.
        attached: Changes that are in the model.
        factors: Name of a parameter that a change added to the factor of its learning rate.
    """

    optimizer: TrainingOptimizer | None = None
    weightings: Sequence[Weighting] = ()
    objectives: Sequence[tuple[float, Callable[[Any, Batch, Any], Any]]] = ()
    ranking: float = 1.0
    sampler: Sampler | None = None
    attached: Sequence[Attached] = ()
    factors: Mapping[str, float] = field(default_factory=dict)

    def reduce(self) -> Reduce:
        """How losses of lists become one: their weighted mean in training, the plain mean on development lists."""
        if not self.weightings:
            return mean

        def weighted(losses: Any, batch: Batch) -> Any:
            if not batch.learning:
                return losses.mean()
            factor = 1.0
            for weighting in self.weightings:
                weights = weighting.weights(losses.detach(), batch)
                if weights.shape != losses.shape or weights.requires_grad:
                    raise ContractError(
                        f"{type(weighting).__name__}.weights must give one number a list, without a gradient"
                    )
                factor = factor * weights
            return (factor * losses).mean()

        return weighted

    def objective(self, own: Objective) -> Objective:
        """The objective of a stage with these parts; on development lists it is the stage's own.

        Args:
            own: The stage's own.
        """
        extra = [part.extra for part in self.attached if isinstance(part, WithLoss)]
        if not (extra or self.objectives or self.sampler) and self.ranking == 1.0:
            return own

        def whole(model: Any, batch: Batch) -> Outcome:
            if not batch.learning:
                return own(model, batch)
            batch = self._sampled(model, batch)
            outcome = own(model, batch)
            loss, figures = self.ranking * outcome.loss, dict(outcome.figures)
            for number, (weight, part) in enumerate(self.objectives, start=1):
                value = part(model, batch, outcome.scores)
                figures[f"objective {number}"] = value.item()
                loss = loss + weight * value
            for each in extra:
                loss = loss + each(model, batch, outcome.scores)
            return Outcome(loss, figures, outcome.scores)

        return whole

    def _sampled(self, model: Any, batch: Batch) -> Batch:
        if self.sampler is None:
            return batch
        import torch

        with torch.no_grad():
            sampled: Batch = self.sampler.sampled(model, batch)
        kept = ~torch.isnan(sampled.targets)
        if (kept & torch.isnan(batch.targets)).any() or (kept.sum(dim=1) < 2).any():
            raise ContractError(f"{type(self.sampler).__name__}.sampled must leave two documents of every list or more")
        return sampled


def acting(
    parts: Parts, model: Any, examples: Sequence[Example], attached: Sequence[Attached], factors: Mapping[str, float],
    seed: int,
) -> Acting:  # fmt: skip
    """Build the plug-ins of a stage.

    Args:
        parts: What the file says.
        model: The model, with the changes in it.
        examples: The training examples.
        attached: The changes.
        factors: Name of a parameter to the factor of its learning rate.
        seed: Seed of all randomness.
    """
    return Acting(
        optimizer=registry.build("optimizer", parts.optimizer) if parts.optimizer else None,
        weightings=[registry.build("weighting", each) for each in (parts.curriculum, parts.weights) if each],
        objectives=[
            (each.weight, registry.build("objective", each.plugin).start(model, examples, seed))
            for each in parts.objectives
        ],
        ranking=parts.ranking,
        sampler=registry.build("sampler", parts.sampler) if parts.sampler else None,
        attached=attached,
        factors=factors,
    )
