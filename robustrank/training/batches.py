"""Lists of token ids with their targets, and their division into batches, reproducible by seed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from robustrank.rankers.models.pairs import PairTokenizer
from robustrank.training.standing import Standing

WINDOW = 64
"""Batches whose lists are sorted by length together: saves most padding, and keeps the order nearly random."""


class Example(NamedTuple):
    """One query's pairs as token ids and segments (int32 arrays), with the target of each."""

    ids: tuple[Any, ...]
    segments: tuple[Any, ...]
    targets: tuple[float, ...]
    """The teacher's scores; or 1 for the labelled document and 0 for its negatives."""
    evidence: tuple[tuple[float, ...], ...] = ()
    """For each pair, the features that a selection model reads; empty where there is none."""
    twin: Example | None = None
    """The same pairs after edits, where the objective reads both."""
    standings: tuple[Standing, ...] = ()
    """For each pair, how its document stands in the first stage; empty without one."""


class Batch(NamedTuple):
    """Padded inputs of ``lists * places`` pairs, and targets, lists x places, NaN where there is no document."""

    inputs: dict[str, Any]
    targets: Any
    evidence: Any | None = None
    """Lists x places x features."""
    twin: dict[str, Any] | None = None
    """Inputs of the edited pairs, in the same places."""
    share: float = 1.0
    """Share of the training's steps that were made before this batch."""
    learning: bool = False
    """Whether it is learned from; development lists are not."""
    standings: Any | None = None
    """Lists x places x measures (:class:`robustrank.training.standing.Standing`), where all lists have them."""


def encode(query: str, texts: Sequence[str], targets: Sequence[float], tokenizer: PairTokenizer) -> Example:
    """A query's pairs as the student reads them."""
    import numpy as np

    pairs = tokenizer.encode(query, texts)
    ids = tuple(np.array(pair.ids, dtype=np.int32) for pair in pairs)
    return Example(ids, tuple(np.array(pair.segments, dtype=np.int32) for pair in pairs), tuple(targets))


def tokenizer_of(folder: Path, max_length: int) -> PairTokenizer:
    """The tokenizer of a model's folder."""
    return PairTokenizer.from_file(folder / "tokenizer.json", max_length)


def plan(examples: Sequence[Example], *, size: int, lists: int, rng: Random) -> list[list[tuple[int, tuple[int, ...]]]]:
    """An epoch: batches of (example, places) lists, each list at most ``size`` places of one example.

    Long groups are divided into several lists at random; a single remaining place joins the list before it.
    """
    all_lists: list[tuple[int, tuple[int, ...]]] = []
    for number, example in enumerate(examples):
        places = list(range(len(example.ids)))
        rng.shuffle(places)
        cuts = [tuple(places[start : start + size]) for start in range(0, len(places), size)]
        if len(cuts) > 1 and len(cuts[-1]) == 1:
            cuts[-2:] = [cuts[-2] + cuts[-1]]
        all_lists += [(number, cut) for cut in cuts]
    rng.shuffle(all_lists)
    batches = []
    for start in range(0, len(all_lists), WINDOW * lists):
        window = sorted(all_lists[start : start + WINDOW * lists], key=lambda item: _longest(examples, item))
        batches += [window[i : i + lists] for i in range(0, len(window), lists)]
    rng.shuffle(batches)
    return batches


def collate(examples: Sequence[Example], batch: Sequence[tuple[int, tuple[int, ...]]], pad: int) -> Batch:
    """The tensors of one batch; a place without a document holds a copy of the list's first pair, and no target."""
    import torch

    size = max(len(places) for _, places in batch)
    rows = [(examples[n], places[p] if p < len(places) else places[0]) for n, places in batch for p in range(size)]
    twins = [(example.twin, place) for example, place in rows if example.twin is not None]
    targets = torch.full((len(batch), size), torch.nan)
    for row, (number, places) in enumerate(batch):
        targets[row, : len(places)] = torch.tensor([examples[number].targets[place] for place in places])
    evidence = [example.evidence[place] for example, place in rows if example.evidence]
    standings = [example.standings[place] for example, place in rows if example.standings]
    return Batch(
        _inputs(rows, pad), targets, torch.tensor(evidence).reshape(*targets.shape, -1) if evidence else None,
        _inputs(twins, pad) if twins else None,
        standings=torch.tensor(standings).reshape(*targets.shape, -1) if len(standings) == len(rows) else None,
    )  # fmt: skip


def _inputs(rows: Sequence[tuple[Example, int]], pad: int) -> dict[str, Any]:
    """Padded ids, segments and mask of some pairs."""
    import torch

    longest = max(len(example.ids[place]) for example, place in rows)
    ids = torch.full((len(rows), longest), pad)
    segments = torch.zeros((len(rows), longest), dtype=torch.long)
    mask = torch.zeros((len(rows), longest), dtype=torch.long)
    for row, (example, place) in enumerate(rows):
        length = len(example.ids[place])
        ids[row, :length] = torch.from_numpy(example.ids[place])
        segments[row, :length] = torch.from_numpy(example.segments[place])
        mask[row, :length] = 1
    return {"input_ids": ids, "token_type_ids": segments, "attention_mask": mask}


def _longest(examples: Sequence[Example], item: tuple[int, tuple[int, ...]]) -> int:
    number, places = item
    return max(len(examples[number].ids[place]) for place in places)
