"""Prepares a stage of training on judgments: lists, encoding, objective."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

from robustrank.core.progress import Progress
from robustrank.rankers.models.pairs import PairTokenizer
from robustrank.storage.hashing import digest
from robustrank.training import coupled, judged, losses
from robustrank.training.batches import Example, encode
from robustrank.training.coupled import CoupledObjective
from robustrank.training.judged import Judged
from robustrank.training.judged_spec import JudgedStageSpec
from robustrank.training.trainer import Fresh, Objective, Reduce, of_scores

LOSSES = {"pairwise": losses.pairwise, "listwise": losses.listwise}


class Ready(NamedTuple):
    """The trainer's inputs for one stage."""

    model: Any
    train: list[Example]
    dev: list[Example]
    objective: Callable[[Reduce], Objective]
    """How losses of lists become one, to the stage's own objective."""
    content: str
    """Digest of the training and development data."""
    fresh: Fresh | None = None
    """Draws the example as read in a step, where it differs between steps."""
    lists: Sequence[Any] = ()
    """Training lists with the targets of their teachers, which later stages may learn from again."""


def ready(
    stage: JudgedStageSpec, model: Any, tokenizer: PairTokenizer, forbidden: set[str], seed: int,
    teacher: Callable[[Any], Any], progress: Progress,
) -> Ready:  # fmt: skip
    """Draw and encode the lists; add a selection model to the ranker where the stage requests one."""
    train, dev = judged.build(stage, forbidden, seed, lambda rule: teacher(rule.plugin))
    progress.start(f"{stage.name}: lists", len(train) + len(dev))
    spread = _spread(train)
    train_examples, dev_examples = (list(_encoded(part, spread, tokenizer, progress)) for part in (train, dev))
    if stage.selection is None:
        own = partial(of_scores, LOSSES[stage.loss])
        return Ready(model, train_examples, dev_examples, own, digest(train, dev))
    both = coupled.couple(model, len(spread), stage.selection)
    objective = CoupledObjective(stage.selection)
    return Ready(both, train_examples, dev_examples, lambda reduce: objective, digest(train, dev))


Spread = list[tuple[float, float]]


def _spread(lists: Sequence[Judged]) -> Spread:
    """Mean and standard deviation of each feature of the evidence."""
    import numpy as np

    rows = np.array([row for each in lists for row in each.evidence], dtype=np.float64)
    if not len(rows):
        return []
    deviations = np.maximum(rows.std(axis=0), 1e-6)
    return list(zip(rows.mean(axis=0).tolist(), deviations.tolist(), strict=True))


def _encoded(
    lists: Sequence[Judged], spread: Spread, tokenizer: PairTokenizer, progress: Progress
) -> Iterator[Example]:
    for each in lists:
        example = encode(each.query, each.texts, [1.0] + [0.0] * (len(each.texts) - 1), tokenizer)
        scaled = (
            tuple((value - mean) / deviation for value, (mean, deviation) in zip(row, spread, strict=True))
            for row in each.evidence
        )
        yield example._replace(evidence=tuple(scaled), standings=each.standings)
        progress.advance()
