"""The part of the training file for learning from judgments: ``[[stage]]`` with ``[[stage.judged]]`` tables."""

from __future__ import annotations

from dataclasses import dataclass, field

from robustrank.core.errors import ConfigError
from robustrank.core.plugin_spec import Plugin
from robustrank.training.coupled import Coupling
from robustrank.training.parts import Parts
from robustrank.training.trainer import Schedule

LOSSES = ("pairwise", "listwise")


@dataclass(frozen=True, kw_only=True)
class FilterSpec:
    """``filter`` of a ``[[stage.judged]]``: negatives that a teacher scores as relevant are left out.

    Args:
        plugin: The teacher: any pointwise ranker plug-in.
        share: A negative must score below this share of the positive's score (TopK-PercPos of NV-Retriever, Moreira et
            al. 2024, with 0.95), which is meant for non-negative scores, such as cosines. For a positive of score
            s < 0 the limit is s - (1 - share) |s|.
        ceiling: A negative must score below this (RocketQA, Qu et al. 2021).
    """

    plugin: Plugin
    share: float | None = None
    ceiling: float | None = None


@dataclass(frozen=True, kw_only=True)
class JudgedSpec:
    """One ``[[stage.judged]]``: queries with judgments, and where their negatives come from.

    Args:
        name: Name in messages, and part of the seed of all draws from it.
        path: A folder in BEIR layout.
        split: The split whose judgments are used.
        queries: Largest number of queries.
        positives: Largest number of relevant documents drawn for each query; each gives one list.
        negatives: Largest number of negatives in each list.
        first_stage: Retriever whose best documents the negatives are drawn from, as in the audit file; without it they
            come from the whole collection.
        ranks: First and last rank that negatives are drawn from.
        filter: Drops likely false negatives.
        evidence: Retrievers whose ranks a selection model reads, as in ``first_stage``.
    """

    name: str
    path: str
    split: str = "train"
    queries: int | None = None
    positives: int = 1
    negatives: int = 7
    first_stage: Plugin | None = None
    ranks: tuple[int, int] = (1, 100)
    filter: FilterSpec | None = None
    evidence: tuple[Plugin, ...] = ()


@dataclass(frozen=True, kw_only=True)
class JudgedStageSpec(Parts):
    """One ``[[stage]]``: a stage of training on judgments; it starts from the weights of the stage before.

    Args:
        name: Name in messages and of its checkpoints.
        judged: Its ``[[stage.judged]]`` tables.
        dev: Number of development queries, of the first table, for early stopping.
        loss: ``"pairwise"`` (logistic) or ``"listwise"`` (softmax).
        selection: Trains a selection model too (CET, :mod:`robustrank.training.coupled`); pairwise loss only.
        schedule: Number of steps, learning rate and checkpoints.
    """

    name: str
    judged: tuple[JudgedSpec, ...]
    dev: int
    loss: str = "pairwise"
    selection: Coupling | None = None
    schedule: Schedule = field(default_factory=Schedule)


def check_judged(stage: JudgedStageSpec, where: str) -> None:
    """Check values and combinations of settings.

    Raises:
        ConfigError: The first fault.
    """
    names = [judged.name for judged in stage.judged]
    if not names or len(set(names)) < len(names):
        raise ConfigError(f"{where}: needs at least one [[stage.judged]], each with a name of its own")
    if stage.dev < 1:
        raise ConfigError(f"{where}: dev must be at least 1: early stopping needs a development set")
    if stage.loss not in LOSSES:
        raise ConfigError(f"{where}: loss must be one of {', '.join(LOSSES)}, not {stage.loss!r}")
    stage.check(where)
    for judged in stage.judged:
        _check_judged(judged, f"{where}: {judged.name!r}", stage.schedule.size)
    if len({len(judged.evidence) for judged in stage.judged}) > 1:
        raise ConfigError(f"{where}: every [[stage.judged]] needs as many evidence retrievers as the others")
    if stage.selection is None:
        return
    others = [name for name in stage.all if name not in ("adapter", "optimizer", "compressor")]
    if others or stage.ranking != 1.0:
        raise ConfigError(
            f"{where}: [stage.selection] trains two models, so {', '.join(others) or 'ranking'} cannot weigh its loss"
        )
    if stage.loss != "pairwise":
        raise ConfigError(f"{where}: [stage.selection] weights pairs; set loss to 'pairwise'")
    if not stage.judged[0].evidence:
        raise ConfigError(
            f"{where}: [stage.selection] needs evidence: retrievers that predict what was selected for judging"
        )
    if stage.selection.temperature <= 0 or stage.selection.max_weight < 1 or stage.selection.hidden < 1:
        raise ConfigError(f"{where}: [stage.selection]: temperature must be above 0, max_weight and hidden at least 1")
    if stage.selection.labelled is not None and not 0 < stage.selection.labelled < 1:
        raise ConfigError(f"{where}: [stage.selection]: labelled is a probability between 0 and 1")


def _check_judged(judged: JudgedSpec, where: str, size: int) -> None:
    if judged.positives < 1 or judged.negatives < 1:
        raise ConfigError(f"{where}: positives and negatives must be at least 1")
    if judged.negatives + 1 > size:
        raise ConfigError(
            f"{where}: {judged.negatives} negatives and a positive do not fit lists of {size}; set size in schedule"
        )
    if not 1 <= judged.ranks[0] <= judged.ranks[1]:
        raise ConfigError(f"{where}: ranks {list(judged.ranks)} are none: the first is 1, and the last not before it")
    if judged.filter is not None and judged.filter.share is None and judged.filter.ceiling is None:
        raise ConfigError(f"{where}: filter needs a `share` of the positive's score, or a `ceiling`")
