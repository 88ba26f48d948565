"""Per-query measures of 50 runs x 200 queries x 100 documents: on arrays, and by ir-measures run by run.

    python benchmarks/measures.py

Prints seconds (best of three), the ratio, and the largest difference of any value.
"""

from __future__ import annotations

from random import Random
from time import perf_counter

import ir_measures

from robustrank.core.ranking import run_lines
from robustrank.core.types import Qrel
from robustrank.measures import arrays as gains

RUNS, QUERIES, DEPTH, JUDGED = 50, 200, 100, 60
MEASURES = ("nDCG@10", "RR@10", "AP", "P@10", "R@100")


def main() -> None:
    """Time both."""
    rng = Random(1)
    docs = [f"document-{i}" for i in range(1000)]
    qrels = {f"q{q}": {d: rng.choice([0, 0, 1, 2, 3]) for d in rng.sample(docs, JUDGED)} for q in range(QUERIES)}
    runs = {f"r{r}": {q: rng.sample(docs, DEPTH) for q in qrels} for r in range(RUNS)}
    ours = []
    for _ in range(3):
        started = perf_counter()
        found = gains.per_query(MEASURES, runs, qrels)
        ours.append(perf_counter() - started)
    parsed = {ir_measures.parse_measure(name): name for name in MEASURES}
    judged = [Qrel(q, d, grade) for q, grades in qrels.items() for d, grade in grades.items()]
    lines = {name: [line for q, ids in run.items() for line in run_lines(q, ids)] for name, run in runs.items()}
    theirs, furthest = [], 0.0
    for _ in range(3):
        started = perf_counter()
        values = {name: list(ir_measures.iter_calc(list(parsed), judged, run)) for name, run in lines.items()}
        theirs.append(perf_counter() - started)
    for name, metrics in values.items():
        for metric in metrics:
            other = found[name][parsed[metric.measure]][metric.query_id]
            furthest = max(furthest, abs(metric.value - other))
    print(f"arrays {min(ours):.3f} s, ir-measures {min(theirs):.3f} s, {min(theirs) / min(ours):.1f} times as long")
    print(f"largest difference of {RUNS * QUERIES * len(MEASURES)} values: {furthest:.1e}")


if __name__ == "__main__":
    main()
