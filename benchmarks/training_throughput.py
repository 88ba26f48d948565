"""Steps a second of the trainer and of a bare transformers loop on the same batches.

    python benchmarks/training_throughput.py STUDENT

STUDENT is a small cross-encoder's folder. Both train a copy of it on the same lists, batch by batch in turns, so that
whatever else the machine does hits both. The bare loop is what one would write by hand: the model's own forward pass,
the loss, backward, AdamW; its batches are made beforehand and not timed. Ours is timed whole: making the batch, the
learning rate, clipping, keeping the books. A second table takes the same objective through the trainer with CET.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from random import Random
from statistics import median
from time import perf_counter, process_time
from typing import Any

import numpy as np

from robustrank.training import coupled, losses
from robustrank.training.batches import Example, collate, plan
from robustrank.training.coupled import CoupledObjective, Coupling
from robustrank.training.trainer import Objective, Schedule, _Run, of_scores

STEPS, WARM, FEATURES, SEED = 30, 4, 6, 13
SCHEDULE = Schedule(epochs=1, lists=8, size=8, checkpoint=10_000)


def main() -> None:
    folder = Path(sys.argv[1])
    examples = lists((STEPS + WARM) * SCHEDULE.lists)
    told = {}
    for name, objective in (("pairwise", of_scores(losses.pairwise)), ("CET", CoupledObjective(Coupling()))):
        told[name] = compared(folder, examples, objective)
    sys.stdout.write(json.dumps({"steps": STEPS, "pairs a step": 64} | told, indent=1) + "\n")


def lists(number: int) -> list[Example]:
    """One positive and seven negatives each, of 48 to 128 pieces."""
    rng = np.random.default_rng(SEED)
    found = []
    for _ in range(number):
        ids = tuple(rng.integers(1000, 20000, size=n).astype(np.int32) for n in rng.integers(48, 129, size=8))
        segments = tuple(np.zeros_like(row) for row in ids)
        evidence = tuple(tuple(row) for row in rng.normal(size=(8, FEATURES)).tolist())
        found.append(Example(ids, segments, (1.0,) + (0.0,) * 7, evidence))
    return found


def compared(folder: Path, examples: list[Example], objective: Objective) -> dict[str, Any]:
    ours, bare = model_of(folder), model_of(folder)
    trained = coupled.couple(ours, FEATURES, Coupling()) if isinstance(objective, CoupledObjective) else ours
    batches = plan(examples, size=SCHEDULE.size, lists=SCHEDULE.lists, rng=Random(f"{SEED}|epoch 0"))
    ready = [collate(examples, batch, 0) for batch in batches]
    optimizer = optimizer_of(bare)
    taken: dict[str, list[tuple[float, float]]] = {"ours": [], "bare": []}
    with tempfile.TemporaryDirectory() as scratch:
        run = _Run(trained, examples, examples[:1], objective, SCHEDULE, SEED, Path(scratch))
        for number, batch in enumerate(ready[: STEPS + WARM - 1]):
            turns = {"ours": run.advance, "bare": lambda b=batch: step(bare, optimizer, b)}
            for name in sorted(turns, reverse=bool(number % 2)):
                wall, processor = perf_counter(), process_time()
                turns[name]()
                taken[name].append((perf_counter() - wall, process_time() - processor))
    return table(taken)


def model_of(folder: Path) -> Any:
    from transformers import AutoModelForSequenceClassification

    return AutoModelForSequenceClassification.from_pretrained(folder, num_labels=1).float()


def optimizer_of(model: Any) -> Any:
    import torch

    return torch.optim.AdamW(model.parameters(), lr=1e-5, fused=True)


def step(model: Any, optimizer: Any, batch: Any) -> None:
    model.train()
    scores = model(**batch.inputs).logits.reshape(batch.targets.shape)
    losses.pairwise(scores, batch.targets).backward()
    optimizer.step()
    optimizer.zero_grad()


def table(taken: dict[str, list[tuple[float, float]]]) -> dict[str, Any]:
    """Pairs a second, and ours over bare: the median over steps, with the middle half."""
    told: dict[str, Any] = {}
    for which, name in ((0, "wall"), (1, "processor")):
        seconds = {who: [each[which] for each in times[WARM:]] for who, times in taken.items()}
        ratios = sorted(b / a for a, b in zip(seconds["ours"], seconds["bare"], strict=True))
        told[name] = {
            "pairs a second": {who: round(64 / median(times), 1) for who, times in seconds.items()},
            "ours to bare": round(median(ratios), 3),
            "middle half": [round(ratios[len(ratios) // 4], 3), round(ratios[3 * len(ratios) // 4], 3)],
        }
    return told


if __name__ == "__main__":
    main()
