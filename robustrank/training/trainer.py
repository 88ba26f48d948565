"""The training loop: seeded, resumable after ``kill -9`` with the same result, with early stopping."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from math import inf
from pathlib import Path
from random import Random
from types import MappingProxyType
from typing import Any, NamedTuple

from robustrank.core.errors import PluginError
from robustrank.core.progress import Progress
from robustrank.core.training_types import Attached, Then, TrainingOptimizer
from robustrank.rankers.models import first_token, fitting
from robustrank.rankers.models.linear_maps import linear_maps
from robustrank.training.batches import Batch, Example, collate, plan

Loss = Callable[[Any, Any], Any]
"""Scores and targets, both lists x places with NaN targets where there is no document, to the loss of every list."""

Reduce = Callable[[Any, Batch], Any]
"""Losses of lists and their batch to a scalar tensor."""


class Outcome(NamedTuple):
    """The loss of a batch, a scalar tensor; figures to be recorded with it; and the scores, lists x places."""

    loss: Any
    figures: Mapping[str, float] = {}
    scores: Any | None = None


Objective = Callable[[Any, Batch], Outcome]
"""Model and batch to the loss; with the model in evaluation mode, to the development loss."""


Fresh = Callable[[int, Sequence[int], int], Example]
"""Index of a training example, some of its places, and a step, to an example of these places as read in that step."""


def scores_of(model: Any, batch: Batch) -> Any:
    """Scores of a batch's pairs, lists x places."""
    return first_token.logits(model, batch.inputs).reshape(batch.targets.shape)


def mean(losses: Any, batch: Batch) -> Any:
    """Every list counts alike."""
    return losses.mean()


def of_scores(loss: Loss, reduce: Reduce = mean) -> Objective:
    """The objective of a loss of scores and targets."""

    def objective(model: Any, batch: Batch) -> Outcome:
        scores = scores_of(model, batch)
        return Outcome(reduce(loss(scores, batch.targets), batch), scores=scores)

    return objective


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """``schedule`` of a stage: number of steps, learning rate and checkpoints.

    Args:
        epochs: Passes over all lists.
        steps: Training ends after this many steps, even where the learning-rate schedule of all epochs is longer.
        lists: Lists per step.
        size: Largest number of documents per list.
        learning_rate: Peak learning rate of AdamW.
        head_factor: Factor on the learning rate of the classification head and a selection model, whose scores must
            first reach the scale of the targets.
        warmup: Share of the steps in which the rate rises linearly; it falls linearly to 0 in the others.
        weight_decay: Weight decay of AdamW.
        clip: Largest gradient norm; larger ones are scaled down to it.
        checkpoint: Steps between checkpoints; each comes with a measurement on the development lists.
        patience: Measurements without a better one before training stops.
    """

    epochs: int = 4
    steps: int | None = None
    lists: int = 8
    size: int = 8
    learning_rate: float = 5e-4
    head_factor: float = 10.0
    warmup: float = 0.05
    weight_decay: float = 0.01
    clip: float = 5.0
    checkpoint: int = 200
    patience: int = 5


@dataclass(kw_only=True)
class Course:
    """The state of a training run, without weights and optimizer moments."""

    step: int = 0
    pairs: int = 0
    """Pairs that were read in training."""
    best: float = inf
    best_step: int = 0
    stale: int = 0
    losses: list[float] = field(default_factory=list)
    """Training losses of the steps since the last measurement."""
    history: list[tuple[int, float, float]] = field(default_factory=list)
    """Step, mean training loss since the last measurement, development loss."""
    noted: dict[str, list[float]] = field(default_factory=dict)
    """Other figures of the steps since the last measurement."""
    figures: list[dict[str, float]] = field(default_factory=list)
    """Their means, one for each row of ``history``."""


def fit(
    model: Any, train: Sequence[Example], dev: Sequence[Example], objective: Objective, schedule: Schedule, *,
    seed: int, folder: Path, progress: Progress, fresh: Fresh | None = None,
    optimizer: TrainingOptimizer | None = None, attached: Sequence[Attached] = (),
    factors: Mapping[str, float] = MappingProxyType({}),
) -> Course:  # fmt: skip
    """Train a model in place; on return it has the weights with the lowest loss on ``dev``.

    Batches and dropout depend on seed and step alone, so an interrupted run resumes from its last checkpoint
    and gives the same result.

    Args:
        model: A transformers model with one label, or a module with one inside.
        train: Training examples.
        dev: Development examples, for choosing the weights and for early stopping.
        objective: The loss, minimised on ``train`` and measured on ``dev``.
        schedule: Number of steps, learning rate and checkpoints.
        seed: Seed of all randomness.
        folder: Folder of the checkpoints.
        progress: Receives every step.
        fresh: Draws an example as read in a step, where it differs between steps.
        optimizer: In place of AdamW.
        attached: Changes in the model that act after every step.
        factors: Name of a parameter to a factor on its learning rate.

    Raises:
        PluginError: There are no training or no development examples, or the loss is not finite.
    """
    if not train or not dev:
        raise PluginError("training needs training and development examples; one of them is missing")
    built = optimizer_of(model, schedule, optimizer, factors)
    run = _Run(model, train, dev, objective, schedule, seed, folder, fresh, built, attached)
    fitting.run(
        run.course, run.end, run.advance, every=schedule.checkpoint, save=run.save, progress=progress,
        go_on=lambda: run.course.stale < schedule.patience,
    )  # fmt: skip
    model.load_state_dict(fitting.read(folder / BEST))
    return run.course


CHECKPOINT, BEST = "checkpoint.safetensors", "best.safetensors"


class _Run:
    """A training between two steps."""

    def __init__(
        self, model: Any, train: Sequence[Example], dev: Sequence[Example], objective: Objective, schedule: Schedule,
        seed: int, folder: Path, fresh: Fresh | None, optimizer: Any, attached: Sequence[Attached],
    ) -> None:  # fmt: skip
        self._model, self._train, self._dev = model, train, dev
        self._objective, self._schedule, self._seed, self._folder = objective, schedule, seed, folder
        self._fresh, self._optimizer, self._attached = fresh, optimizer, attached
        self._pad = pad_of(model)
        self._epoch: tuple[int, list[Any]] = (0, self._plan(0))
        self._per_epoch = len(self._epoch[1])
        self.total = schedule.epochs * self._per_epoch
        self.end = min(self.total, schedule.steps or self.total)
        self.course = Course()
        self._checkpoint = fitting.Checkpoint(folder / CHECKPOINT)
        if self._checkpoint.exists:
            course = self._checkpoint.restore(model, self._optimizer)
            self.course = Course(**{**course, "history": [tuple(row) for row in course["history"]]})

    def advance(self) -> None:
        """One step."""
        import torch

        step, schedule = self.course.step, self._schedule
        for group in self._optimizer.param_groups:
            group["lr"] = group["top"] * _rate(step, self.total, schedule.warmup)
        torch.manual_seed(self._seed * 1_000_003 + step)
        self._model.train()
        batch = collate(*self._read(self._batch(step), step), self._pad)
        self.course.pairs += int((~batch.targets.isnan()).sum())
        loss, figures, _ = self._objective(self._model, batch._replace(share=step / self.total, learning=True))
        fitting.descend(self._model, self._optimizer, loss, step=step, clip=schedule.clip)
        for part in self._attached:
            then = part.after_step(step + 1, self.total)
            if then is not Then.GO_ON:
                self._optimizer.state.clear()
            if then is Then.BEGIN_ANEW:
                self.course.best, self.course.stale = inf, 0
        self.course.losses.append(loss.item())
        for name, figure in figures.items():
            self.course.noted.setdefault(name, []).append(figure)

    def save(self) -> None:
        """A measurement and a checkpoint."""
        self._measure()
        self._checkpoint.save(self._model, self._optimizer, asdict(self.course))

    def _plan(self, epoch: int) -> list[Any]:
        schedule, rng = self._schedule, Random(f"{self._seed}|epoch {epoch}")
        return plan(self._train, size=schedule.size, lists=schedule.lists, rng=rng)

    def _batch(self, step: int) -> Any:
        epoch, place = divmod(step, self._per_epoch)
        if self._epoch[0] != epoch:
            self._epoch = (epoch, self._plan(epoch))
        return self._epoch[1][place]

    def _read(self, lists: Any, step: int) -> tuple[Sequence[Example], Any]:
        """Examples and lists of a batch as they are read in this step."""
        if self._fresh is None:
            return self._train, lists
        read = [self._fresh(number, places, step) for number, places in lists]
        return read, [(number, tuple(range(len(example.ids)))) for number, example in enumerate(read)]

    def _measure(self) -> None:
        """Mean loss over the development lists; the weights of the lowest one so far are saved."""
        import torch

        self._model.eval()
        with torch.no_grad():
            values = [
                self._objective(
                    self._model, collate(self._dev, [(number, tuple(range(len(example.ids))))], self._pad)
                ).loss.item()
                for number, example in enumerate(self._dev)
            ]
        course, value = self.course, sum(values) / len(values)
        course.history.append((course.step, sum(course.losses) / len(course.losses), value))
        course.losses.clear()
        course.figures.append({name: sum(each) / len(each) for name, each in course.noted.items()})
        course.noted.clear()
        course.stale += 1
        if value < course.best:
            course.best, course.best_step, course.stale = value, course.step, 0
            fitting.write(self._folder / BEST, self._model.state_dict())


def _rate(step: int, total: int, warmup: float) -> float:
    """Factor on the learning rate, between 0 and 1: linear warm-up, then linear decay."""
    rising = max(1, round(total * warmup))
    return (step + 1) / rising if step < rising else (total - step) / max(1, total - rising)


def pad_of(model: Any) -> int:
    """The id of the padding piece."""
    configs = (module.config for module in model.modules() if hasattr(module, "config"))
    return next((config.pad_token_id or 0 for config in configs), 0)


HEADS = frozenset({"classifier", "selection"})
"""Names of modules whose learning rate is that of the head."""


def optimizer_of(model: Any, schedule: Schedule, plugin: TrainingOptimizer | None, factors: Mapping[str, float]) -> Any:
    """AdamW, or that of a plug-in, without decay of biases and normalisations, for unfrozen parameters."""
    import torch

    weights = ("weight", "parametrizations.weight.original")
    linear = {f"{name}.{weight}" for name, _ in linear_maps(model) for weight in weights}
    groups: dict[tuple[float, float, bool], list[Any]] = {}
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        decay = schedule.weight_decay if parameter.dim() > 1 else 0.0
        factor = factors.get(name, schedule.head_factor if HEADS & set(name.split(".")) else 1.0)
        groups.setdefault((decay, factor, name in linear), []).append(parameter)
    if not groups:
        raise PluginError("training: nothing of the model is open to training; freeze less")
    tables = [
        {
            "params": parameters, "weight_decay": decay, "linear": matrices, "lr": factor * schedule.learning_rate,
            "top": factor * schedule.learning_rate,
        }
        for (decay, factor, matrices), parameters in groups.items()
    ]  # fmt: skip
    return torch.optim.AdamW(tables, lr=schedule.learning_rate, fused=True) if plugin is None else plugin.build(tables)
