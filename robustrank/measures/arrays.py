"""Measures of many runs at once: the same numbers as ir-measures, computed on arrays of grades.

Looking up grades is one pass over the documents; every measure is then a few operations on a matrix of queries by
ranks. trec_eval's definitions: nDCG with linear gains and the ideal list over all judged documents, AP over all
relevant ones.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Runs = Mapping[str, Mapping[str, Sequence[str]]]

_NAME = re.compile(r"(nDCG|RR|AP|P|R|Success|WSS)(?:@(\d+))?")


@dataclass(frozen=True)
class Graded:
    """Rankings as grades.

    Args:
        grades: Runs x queries x ranks; -1 where nothing is judged, and beyond the end of a list.
        ideal: Queries x places: all grades of a query, falling, 0 beyond.
        lengths: Runs x queries: documents in the list.
        relevant: Least relevant grade.
    """

    grades: NDArray[np.int32]
    ideal: NDArray[np.int32]
    lengths: NDArray[np.int32]
    relevant: int = 1

    @cached_property
    def hits(self) -> NDArray[np.bool_]:
        """Where a relevant document stands."""
        found: NDArray[np.bool_] = self.grades >= self.relevant
        return found

    @cached_property
    def found(self) -> NDArray[np.int64]:
        """Relevant documents up to each rank."""
        return self.hits.cumsum(axis=-1)

    @cached_property
    def known(self) -> NDArray[np.int64]:
        """Relevant documents of each query."""
        total: NDArray[np.int64] = (self.ideal >= self.relevant).sum(axis=-1)
        return total


def supported(measure: str) -> bool:
    """Whether a measure is one of nDCG, RR, AP, P, R, Success and WSS, without parameters but the cutoff."""
    match = _NAME.fullmatch(measure)
    if match is None:
        return False
    return match[2] is not None or match[1] in ("AP", "RR", "nDCG")


def per_query(
    measures: Sequence[str], runs: Runs, qrels: Mapping[str, Mapping[str, int]], relevant: int = 1
) -> dict[str, dict[str, dict[str, float]]]:
    """Run to measure to query to value, for every judged query; a query without a ranking gets 0.

    Args:
        measures: Names that are :func:`supported`. ``WSS@95`` is work saved over sampling at a recall of 95 % (Cohen
            et al. 2006): the share of the list that need not be read, minus the 5 % that a random order saves too.
        runs: Run to query id to document ids, best first.
        qrels: Query id to document id to grade.
        relevant: Least relevant grade.
    """
    queries = list(qrels)
    data = graded([[runs[name].get(q, ()) for q in queries] for name in runs], [qrels[q] for q in queries], relevant)
    values = {measure: measured(measure, data) for measure in measures}
    return {
        name: {m: dict(zip(queries, map(float, values[m][place]), strict=True)) for m in measures}
        for place, name in enumerate(runs)
    }


def graded(
    rankings: Sequence[Sequence[Sequence[str]]], judged: Sequence[Mapping[str, int]], relevant: int = 1
) -> Graded:
    """Look up every grade: rankings by run and query, judgments by query."""
    depth = max((len(ids) for run in rankings for ids in run), default=0)
    grades = np.full((len(rankings), len(judged), max(1, depth)), -1, dtype=np.int32)
    lengths = np.zeros(grades.shape[:2], dtype=np.int32)
    for place, known in enumerate(judged):
        get = known.get
        for row, run in enumerate(rankings):
            ids = run[place]
            lengths[row, place] = len(ids)
            if ids:
                grades[row, place, : len(ids)] = [get(doc_id, -1) for doc_id in ids]
    longest = max((len(known) for known in judged), default=0)
    ideal = np.zeros((len(judged), max(1, longest)), dtype=np.int32)
    for place, known in enumerate(judged):
        ideal[place, : len(known)] = sorted((max(0, grade) for grade in known.values()), reverse=True)
    return Graded(grades, ideal, lengths, relevant)


def measured(measure: str, data: Graded) -> Floats:
    """A measure's values, runs x queries.

    Raises:
        ValueError: It is not :func:`supported`.
    """
    match = _NAME.fullmatch(measure)
    if match is None or not supported(measure):
        raise ValueError(f"no measure {measure!r} on arrays")
    return _MEASURES[match[1]](data, int(match[2]) if match[2] else None)


def _ndcg(data: Graded, k: int | None) -> Floats:
    def discounted(grades: NDArray[np.int32]) -> Floats:
        top = np.maximum(grades[..., :k], 0)
        total: Floats = top @ (1 / np.log2(np.arange(2, 2 + top.shape[-1])))
        return total

    return _ratio(discounted(data.grades), discounted(data.ideal))


def _rr(data: Graded, k: int | None) -> Floats:
    hits = data.hits[..., :k]
    first: Floats = np.where(hits.any(axis=-1), 1 / (1 + hits.argmax(axis=-1)), 0.0)
    return first


def _ap(data: Graded, k: int | None) -> Floats:
    ranks = np.arange(1, 1 + data.hits[..., :k].shape[-1])
    return _ratio((data.hits[..., :k] * data.found[..., :k] / ranks).sum(axis=-1), data.known)


def _precision(data: Graded, k: int | None) -> Floats:
    found: Floats = data.hits[..., :k].sum(axis=-1) / (k or 1)
    return found


def _recall(data: Graded, k: int | None) -> Floats:
    return _ratio(data.hits[..., :k].sum(axis=-1), data.known)


def _success(data: Graded, k: int | None) -> Floats:
    return np.array(data.hits[..., :k].any(axis=-1), dtype=np.float64)


def _wss(data: Graded, percent: int | None) -> Floats:
    """Nothing is saved where the list does not reach the recall."""
    wanted = np.ceil(data.known * (percent or 100) / 100 - 1e-9)[:, None]
    there = (data.found >= wanted) & (wanted > 0)
    read = np.where(there.any(axis=-1), 1 + there.argmax(axis=-1), data.lengths)
    saved = _ratio(data.lengths - read, data.lengths)
    gained: Floats = np.where(data.known > 0, saved - (1 - (percent or 100) / 100), 0.0)
    return gained


def _ratio(part: NDArray[Any], whole: NDArray[Any]) -> Floats:
    total = np.broadcast_to(whole, part.shape).astype(np.float64)
    return np.divide(part.astype(np.float64), total, out=np.zeros(part.shape), where=total > 0)


_MEASURES: dict[str, Callable[[Graded, int | None], Floats]] = {
    "nDCG": _ndcg, "RR": _rr, "AP": _ap, "P": _precision, "R": _recall, "Success": _success, "WSS": _wss,
}  # fmt: skip
