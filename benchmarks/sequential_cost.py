"""What stopping early costs and saves: ``python benchmarks/sequential_cost.py [REPETITIONS]``.

An attack succeeds with probability p, the gate wants at most 0.25. Told are the queries asked until an interval that
holds at any time decides, in batches of 20 up to 600; the number with which the ordinary interval, at a number settled
beforehand, decides at least half the time; and how often the decision was wrong.
"""

from __future__ import annotations

import json
import sys

import numpy as np

from robustrank.stats import anytime, intervals

LIMIT, BATCH, MOST = 0.25, 20, 600


def cost(p: float, repetitions: int) -> dict[str, float]:
    values = (np.random.default_rng(0).random((repetitions, MOST)) < p).astype(float)
    at = list(range(BATCH, MOST + 1, BATCH))
    low, high = anytime.betting(values, at=at)
    passed, failed = high <= LIMIT, low > LIMIT
    decided = passed | failed
    first = np.where(decided.any(axis=1), decided.argmax(axis=1), len(at) - 1)
    rows = np.arange(repetitions)
    wrong = (passed if p > LIMIT else failed)[rows, first]
    return {
        "p": p,
        "n": repetitions,
        "median_queries": float(np.median(np.array(at)[first])),
        "undecided": int((~decided.any(axis=1)).sum()),
        "wrong": int(wrong.sum()),
        "settled_beforehand": settled(values[:100], at),
    }


def settled(values: np.ndarray, at: list[int]) -> int:
    for n in at:
        found = [intervals.share(list(row[:n] > 0)) for row in values]
        if sum(e.high <= LIMIT or e.low > LIMIT for e in found) * 2 >= len(found):
            return n
    return MOST


def main() -> None:
    repetitions = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    rows = [cost(p, repetitions) for p in (0.05, 0.15, 0.35, 0.5, 0.9)]
    sys.stdout.write("".join(json.dumps(row) + "\n" for row in rows))


if __name__ == "__main__":
    main()
