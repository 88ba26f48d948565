"""What plug-ins of training are: changes of a model, optimizers, weights of lists, objectives, samplers, lists, merges.

Tensors, models and batches are those of torch and :mod:`robustrank.training.batches`; this module needs neither.
Randomness comes from the seed and the step alone, so that a run that was cut off goes on to the same result.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from random import Random
from typing import Any, NamedTuple, Protocol, runtime_checkable


class Then(Enum):
    """What the trainer does after a change has acted on a step."""

    GO_ON = "go on"
    FORGET_MOMENTS = "forget moments"
    """The optimizer's moments no longer fit the weights."""
    BEGIN_ANEW = "begin anew"
    """Neither do they, nor count the best weights so far: what is trained has become something else."""


class LowRank(NamedTuple):
    """An update of a matrix: ``scale * up @ down``."""

    up: Any
    """Outputs x rank."""
    down: Any
    """Rank x inputs."""
    scale: float


@runtime_checkable
class Attached(Protocol):
    """A change that is in a model while it is trained."""

    def after_step(self, step: int, total: int, /) -> Then:
        """Act after a step of the optimizer.

        Args:
            step: Steps that were made, this one included.
            total: Steps in all.
        """

    def merged(self) -> Any:
        """The plain model: names and classes of its parts as before, with what was learned in its weights."""


@runtime_checkable
class WithLoss(Attached, Protocol):
    """A change with a part of the loss."""

    def extra(self, model: Any, batch: Any, scores: Any, /) -> Any:
        """A scalar that is added to the loss of a batch; called in training alone.

        Args:
            model: The model that is trained.
            batch: The batch that was read.
            scores: Lists x places.
        """


@runtime_checkable
class WithUpdates(Attached, Protocol):
    """A change whose update of every matrix is of low rank, so that several can be merged."""

    def updates(self) -> Mapping[str, LowRank]:
        """Name of a linear map to its update."""


@runtime_checkable
class ModelChange(Protocol):
    """What is trained in place of, or done to, a model's weights: an adapter, or a compressor."""

    def attach(self, model: Any, seed: int, /) -> Attached:
        """Change a model in place; what is to be trained has ``requires_grad``, the rest has not."""


@runtime_checkable
class WithFigures(Attached, Protocol):
    """A change with figures of its own, beside those of the weights."""

    def figures(self, batches: Sequence[Any], /) -> Mapping[str, float]:
        """Name to figure, for ``variant.json``; read before the first step and after the last.

        Args:
            batches: Some development lists, each alone.
        """


@runtime_checkable
class WithMemory(Attached, Protocol):
    """A change that the same plug-in goes on from in a later stage."""

    def learned(self) -> Any:
        """What it goes on from; read after the stage, before :meth:`merged`."""


@runtime_checkable
class Continual(ModelChange, Protocol):
    """A change that goes on from the stage before that used the same plug-in."""

    def going_on(self, learned: Any, /) -> ModelChange:
        """The change of a later stage.

        Args:
            learned: What the change of the stage before has learned.
        """


@runtime_checkable
class TrainingOptimizer(Protocol):
    """Makes the optimizer of a stage."""

    def build(self, groups: Sequence[Mapping[str, Any]], /) -> Any:
        """A torch optimizer over groups of parameters, whose state is tensors alone.

        Args:
            groups: Each has ``params``, ``lr``, ``weight_decay``, and ``linear``: whether these are matrices of linear
                maps between the embeddings and the head. The trainer sets ``lr`` before every step.
        """


@runtime_checkable
class Weighting(Protocol):
    """Weighs the lists of a batch, by their losses, their difficulty and how far the training is."""

    def weights(self, losses: Any, batch: Any, /) -> Any:
        """Weights of lists; carries no gradient.

        Args:
            losses: Loss of every list.
            batch: The batch; its ``share`` is the share of the steps that are done, from 0 to 1.
        """


@runtime_checkable
class TrainingObjective(Protocol):
    """Adds to the loss of a stage."""

    def start(self, model: Any, examples: Sequence[Any], seed: int, /) -> Callable[[Any, Any, Any], Any]:
        """Prepare for a stage.

        Args:
            model: The model before its first step.
            examples: The training examples of the stage.
            seed: Of all randomness.

        Returns:
            Model, batch and scores (lists x places) to a scalar.
        """


@runtime_checkable
class Sampler(Protocol):
    """Chooses what is learned from, by the student's own scores."""

    def sampled(self, model: Any, batch: Any, /) -> Any:
        """The batch with targets that are NaN for documents that are left out; called without gradients."""


@runtime_checkable
class ListMaker(Protocol):
    """Makes, filters or draws the training lists of a stage from teachers."""

    def lists(self, lists: Sequence[Any], rng: Random, /) -> Sequence[Any]:
        """The lists that are learned from.

        Args:
            lists: Each has a ``query`` and ``texts``.
            rng: All randomness comes from it.
        """


@runtime_checkable
class WithEarlier(Protocol):
    """A list maker that needs the lists of earlier stages."""

    def after(self, earlier: Sequence[Sequence[Any]], /) -> ListMaker:
        """The list maker of a stage.

        Args:
            earlier: The lists of every earlier stage that learned from teachers, without those that it took from stages
                before it; each has a ``query``, ``texts`` and the ``targets`` that its teachers gave.
        """


@runtime_checkable
class AddsTexts(ListMaker, Protocol):
    """A maker of lists whose texts come from elsewhere than the sources of the stage."""

    def check_apart(self, exclude: Sequence[str], /) -> None:
        """Check that its texts are none of the collections that are tested on; called before :meth:`lists`.

        Args:
            exclude: The folders in BEIR layout that the training file excludes.

        Raises:
            DataError: One is; the message names its place, and the document.
        """


@runtime_checkable
class Merge(Protocol):
    """Merges the updates that several adapters learned."""

    def merged(self, updates: Sequence[LowRank], weights: Sequence[float], /) -> Any:
        """The update of one matrix, outputs x inputs, from those of all adapters."""
