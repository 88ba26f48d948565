"""Pairs a second of a small ranker and of the large one: ``python benchmarks/tiny_ranker.py FOLDER MODEL``.

MODEL is ``robustrank-tiny`` or a folder that ``robustrank train`` made. FOLDER is a collection in BEIR layout with
``runs/bm25.trec.gz``, such as msmarco-dl19. Both rankers score the same lists of 100, in turns, so that what else the
machine does hits both; the first list, which loads them, is left out. The large one runs as many pairs at a time as
there are cores, the small one has what threads torch takes; to compare them on equal terms, give both one core:
``OMP_NUM_THREADS=1 taskset -c 0 python ...``.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from statistics import median
from time import perf_counter, process_time

from robustrank.collections.beir import Beir
from robustrank.core.types import Document, Query
from robustrank.rankers.cross_encoder import CrossEncoder

TEACHER = "ms-marco-MiniLM-L-12-v2"
LISTS, DEPTH, LENGTH = 8, 100, 256

List = tuple[Query, list[Document]]


def main() -> None:
    collection = Beir(path=sys.argv[1], run="bm25").load()
    lists = [
        (query, [collection.documents[doc_id] for doc_id in collection.candidates[query.query_id][:DEPTH]])
        for query in collection.queries[: LISTS + 1]
    ]
    rankers = {name: CrossEncoder(model=name, max_length=LENGTH) for name in (sys.argv[2], TEACHER)}
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in rankers}
    for turn, asked in enumerate(lists):
        for name, ranker in rankers.items():
            seconds = time(ranker, asked)
            if turn:
                taken[name].append(seconds)
    sys.stdout.write(json.dumps(table(taken), indent=1) + "\n")


def time(ranker: CrossEncoder, asked: List) -> tuple[float, float]:
    """Wall and processor seconds of one list."""
    wall, processor = perf_counter(), process_time()
    ranker.score(*asked)
    return perf_counter() - wall, process_time() - processor


def table(taken: dict[str, list[tuple[float, float]]]) -> dict[str, object]:
    """Pairs a second over all lists, and the ratio of the two rankers: the median over lists, with its extremes."""

    def ratios(which: int) -> Sequence[float]:
        return [teacher[which] / student[which] for student, teacher in zip(*taken.values(), strict=True)]

    wall, processor = ratios(0), ratios(1)
    return {
        "lists": LISTS,
        "pairs_a_list": DEPTH,
        "max_length": LENGTH,
        "pairs_a_second": {
            name: round(DEPTH * len(times) / sum(seconds for seconds, _ in times), 1) for name, times in taken.items()
        },
        "ratio_of_wall_time": {"median": round(median(wall), 1), "least": round(min(wall), 1)},
        "ratio_of_processor_time": {"median": round(median(processor), 1), "least": round(min(processor), 1)},
    }


if __name__ == "__main__":
    main()
