"""A pool as arrays: the lists of several systems over the same queries, and the judgments of their documents.

To leave a system out of the pool, or to pool less deep, is a mask over the judgments; all lists are then measured at
once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from robustrank.measures.arrays import Cut, Floats, placed, scored

Mask = NDArray[np.bool_]
Runs = Mapping[str, Mapping[str, Sequence[str]]]
"""System to query id to document ids, best first."""
Qrels = Mapping[str, Mapping[str, int]]

FAR = 1 << 30
"""The rank of a document that a system did not find."""


@dataclass(frozen=True)
class Pool:
    """Runs and judgments over the same queries.

    Args:
        systems: Names of S systems.
        queries: Ids of Q queries.
        documents: Per query, the ids behind the columns.
        rank: [S, Q, D], 1-based; :data:`FAR` where a system did not find the document.
        grade: [Q, D], 0 where not judged; negative grades are 0.
        judged: [Q, D].
        top: The greatest grade.
    """

    systems: tuple[str, ...]
    queries: tuple[str, ...]
    documents: tuple[tuple[str, ...], ...]
    rank: NDArray[np.int64]
    grade: NDArray[np.int64]
    judged: Mask
    top: int

    def contributed(self, depth: int) -> Mask:
        """[S, Q, D]: who put what into a pool of this depth, judged or not."""
        return self.rank <= depth

    def pooled(self, depth: int, systems: Sequence[str] | None = None) -> Mask:
        """[Q, D]: the judgments that a pool of these systems (default: all) at this depth would have led to."""
        chosen = range(len(self.systems)) if systems is None else [self.systems.index(s) for s in systems]
        judgments: Mask = self.contributed(depth)[list(chosen)].any(axis=0) & self.judged
        return judgments

    def values(self, measure: Cut, judged: Mask) -> Floats:
        """[S, Q]: the measure of every list, under these judgments alone."""
        return self.score(measure, np.where(judged, self.grade, 0))

    def score(self, measure: Cut, grade: NDArray[np.int64]) -> Floats:
        """[S, Q]: the measure of every list under these grades ([Q, D])."""
        return scored(measure, placed(self.rank, measure.cutoff), grade)

    def judged_at(self, k: int, judged: Mask) -> Floats:
        """[S, Q]: share of each list's top k that these judgments hold, over the documents that are there."""
        top = self.rank <= k
        shares: Floats = (top & judged).sum(axis=2) / np.maximum(top.sum(axis=2), 1)
        return shares

    def ranking(self, system: int, query: int) -> list[str]:
        """A system's list again, as ids."""
        ranks = self.rank[system, query]
        return [self.documents[query][column] for column in np.argsort(ranks, kind="stable") if ranks[column] < FAR]

    def grades(self, query: int, judged: Mask) -> dict[str, int]:
        """Document id to grade, of one query's judgments within a mask."""
        return {
            self.documents[query][column]: int(self.grade[query, column]) for column in np.flatnonzero(judged[query])
        }


def build(runs: Runs, qrels: Qrels, queries: Sequence[str] | None = None) -> Pool:
    """The arrays for some runs and judgments.

    Args:
        runs: A query that a run has no list for is an empty list, and counts as 0.
        qrels: Judgments; those of documents in no run count in the ideal list.
        queries: Which queries, in this order; default all judged ones, by id.
    """
    query_ids = sorted(qrels) if queries is None else list(queries)
    columns: list[dict[str, int]] = []
    for query_id in query_ids:
        listed_ids = [doc_id for run in runs.values() for doc_id in run.get(query_id, ())]
        columns.append({doc_id: i for i, doc_id in enumerate(dict.fromkeys([*listed_ids, *qrels.get(query_id, {})]))})
    width = max(map(len, columns), default=0)
    rank = np.full((len(runs), len(query_ids), width), FAR, dtype=np.int64)
    grade = np.zeros((len(query_ids), width), dtype=np.int64)
    judged = np.zeros((len(query_ids), width), dtype=bool)
    for q, query_id in enumerate(query_ids):
        for s, run in enumerate(runs.values()):
            listed = run.get(query_id, ())
            rank[s, q, [columns[q][doc_id] for doc_id in listed]] = np.arange(1, len(listed) + 1)
        for doc_id, value in qrels.get(query_id, {}).items():
            grade[q, columns[q][doc_id]], judged[q, columns[q][doc_id]] = max(value, 0), True
    top = max((int(value) for grades in qrels.values() for value in grades.values()), default=1)
    documents = tuple(tuple(column) for column in columns)
    return Pool(tuple(runs), tuple(query_ids), documents, rank, grade, judged, max(top, 1))
