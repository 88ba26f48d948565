"""The measures, each once, on arrays of grades; ir-measures is the reference in the tests.

Looking up grades is one pass over the documents; every measure is then a few operations on a matrix of queries by
ranks. trec_eval's definitions: nDCG with linear gains and the ideal list over all judged documents, AP over all
relevant ones.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Runs = Mapping[str, Mapping[str, Sequence[str]]]

_NAME = re.compile(r"(nDCG|RR|AP|P|R|Success|WSS)(?:\(rel=(\d+)\))?(?:@([1-9]\d*))?")
NEED_CUTOFF = ("P", "R", "Success", "WSS")
NO_LEVEL = ("nDCG", "WSS")
"""Measures whose ir-measures name takes no ``rel=``."""


@dataclass(frozen=True)
class Graded:
    """Rankings as grades.

    Args:
        grades: Runs x queries x ranks; -1 where nothing is judged, and beyond the end of a list.
        ideal: Queries x places: all grades of a query, falling, 0 beyond.
        lengths: Runs x queries: documents in the list.
        relevant: Least relevant grade.
    """

    grades: NDArray[np.integer[Any]]
    ideal: NDArray[np.integer[Any]]
    lengths: NDArray[np.integer[Any]]
    relevant: int = 1

    @cached_property
    def hits(self) -> NDArray[np.bool_]:
        """Where a relevant document stands."""
        relevant: NDArray[np.bool_] = self.grades >= self.relevant
        return relevant

    @cached_property
    def hits_so_far(self) -> NDArray[np.int64]:
        """Relevant documents up to each rank."""
        return self.hits.cumsum(axis=-1)

    @cached_property
    def relevant_in_all(self) -> NDArray[np.int64]:
        """Relevant documents of each query."""
        total: NDArray[np.int64] = (self.ideal >= self.relevant).sum(axis=-1)
        return total


@dataclass(frozen=True)
class Cut:
    """A measure, perhaps of the first ``k`` documents only, with what its judgments mean.

    Args:
        family: A name of :data:`FAMILIES`.
        k: The cutoff; of ``WSS`` the recall in percent; ``None`` where the whole list counts.
        relevant: Least grade that counts as relevant in the binary ones.
    """

    family: str
    k: int | None = None
    relevant: int = 1

    def __str__(self) -> str:
        return self.family if self.k is None else f"{self.family}@{self.k}"

    @property
    def cutoff(self) -> int:
        """The cutoff of a measure that has one.

        Raises:
            ValueError: It has none.
        """
        if self.k is None:
            raise ValueError(f"{self} has no cutoff")
        return self.k


def parse(name: str, relevant: int = 1) -> Cut | None:
    """A measure by its ir-measures name; ``None`` where it is not computed here.

    Args:
        name: nDCG, RR, AP, P, R, Success or WSS, without parameters but the cutoff and ``rel=``.
        relevant: Least relevant grade, where the name does not say.
    """
    match = _NAME.fullmatch(name)
    if match is None or (match[3] is None and match[1] in NEED_CUTOFF) or (match[2] and match[1] in NO_LEVEL):
        return None
    return Cut(match[1], int(match[3]) if match[3] else None, int(match[2] or relevant))


def supported(measure: str) -> bool:
    """Whether a measure is computed here."""
    return parse(measure) is not None


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
    for place, grade_of in enumerate(judged):
        get = grade_of.get
        for row, run in enumerate(rankings):
            ids = run[place]
            lengths[row, place] = len(ids)
            if ids:
                grades[row, place, : len(ids)] = [get(doc_id, -1) for doc_id in ids]
    longest = max((len(grade_of) for grade_of in judged), default=0)
    ideal = np.zeros((len(judged), max(1, longest)), dtype=np.int32)
    for place, grade_of in enumerate(judged):
        ideal[place, : len(grade_of)] = sorted((max(0, grade) for grade in grade_of.values()), reverse=True)
    return Graded(grades, ideal, lengths, relevant)


def measured(measure: str | Cut, data: Graded) -> Floats:
    """A measure's values, runs x queries.

    Args:
        measure: A :class:`Cut`, or its name; then the least relevant grade is that of the data.
        data: Rankings as grades; of a :class:`Cut` with the same least relevant grade.

    Raises:
        ValueError: It is not :func:`supported`.
    """
    cut = parse(measure, data.relevant) if isinstance(measure, str) else measure
    if cut is None:
        raise ValueError(f"no measure {measure!r} on arrays")
    if cut.relevant != data.relevant:
        data = replace(data, relevant=cut.relevant)
    return FAMILIES[cut.family](data, cut.k)


def value(measure: Cut, ranking: Sequence[str], grades: Mapping[str, int]) -> float:
    """The measure of one list."""
    return float(measured(measure, graded([[ranking]], [grades], measure.relevant))[0, 0])


@lru_cache(maxsize=64)
def discounts(k: int) -> Floats:
    """nDCG's discounts of the ranks 1 to k."""
    of_ranks: Floats = 1 / np.log2(np.arange(2, k + 2))
    of_ranks.flags.writeable = False
    return of_ranks


def placed(rank: NDArray[np.int64], k: int) -> NDArray[np.intp]:
    """The document at each of the ranks 1 to k: [..., k], -1 where there is none.

    Args:
        rank: [..., documents], 1-based.
        k: The last rank that is wanted.
    """
    at = np.full((*rank.shape[:-1], k), -1, dtype=np.intp)
    *where, document = np.nonzero(rank <= k)
    at[(*where, rank[(*where, document)] - 1)] = document
    return at


def scored(measure: Cut, at: NDArray[np.intp], grade: NDArray[np.int64]) -> Floats:
    """[S, Q]: the measure of lists whose documents are given by place.

    Args:
        measure: With a cutoff.
        at: [S, Q, k], the document at each rank (:func:`placed`), or [S, 1, k] for lists that are the same in all Q.
        grade: [Q, D], of every document.
    """
    grades = np.where(at >= 0, np.take_along_axis(grade[None], np.maximum(at, 0), axis=2), -1)
    ideal = -np.sort(-np.maximum(grade, 0), axis=1)
    return measured(measure, Graded(grades, ideal, (at >= 0).sum(axis=2), measure.relevant))


def _ndcg(data: Graded, k: int | None) -> Floats:
    def discounted(grades: NDArray[np.integer[Any]]) -> Floats:
        top = np.maximum(grades[..., :k], 0)
        total: Floats = top @ discounts(top.shape[-1])
        return total

    return _ratio(discounted(data.grades), discounted(data.ideal))


def _rr(data: Graded, k: int | None) -> Floats:
    hits = data.hits[..., :k]
    first: Floats = np.where(hits.any(axis=-1), 1 / (1 + hits.argmax(axis=-1)), 0.0)
    return first


def _ap(data: Graded, k: int | None) -> Floats:
    ranks = np.arange(1, 1 + data.hits[..., :k].shape[-1])
    return _ratio((data.hits[..., :k] * data.hits_so_far[..., :k] / ranks).sum(axis=-1), data.relevant_in_all)


def _precision(data: Graded, k: int | None) -> Floats:
    share: Floats = data.hits[..., :k].sum(axis=-1) / (k or 1)
    return share


def _recall(data: Graded, k: int | None) -> Floats:
    return _ratio(data.hits[..., :k].sum(axis=-1), data.relevant_in_all)


def _success(data: Graded, k: int | None) -> Floats:
    return np.array(data.hits[..., :k].any(axis=-1), dtype=np.float64)


def _wss(data: Graded, percent: int | None) -> Floats:
    """Nothing is saved where the list does not reach the recall."""
    wanted = np.ceil(data.relevant_in_all * (percent or 100) / 100 - 1e-9)[:, None]
    reached = (data.hits_so_far >= wanted) & (wanted > 0)
    read = np.where(reached.any(axis=-1), 1 + reached.argmax(axis=-1), data.lengths)
    saved = _ratio(data.lengths - read, data.lengths)
    gained: Floats = np.where(data.relevant_in_all > 0, saved - (1 - (percent or 100) / 100), 0.0)
    return gained


def _ratio(part: NDArray[Any], whole: NDArray[Any]) -> Floats:
    total = np.broadcast_to(whole, part.shape).astype(np.float64)
    return np.divide(part.astype(np.float64), total, out=np.zeros(part.shape), where=total > 0)


FAMILIES: dict[str, Callable[[Graded, int | None], Floats]] = {
    "nDCG": _ndcg, "RR": _rr, "AP": _ap, "P": _precision, "R": _recall, "Success": _success, "WSS": _wss,
}  # fmt: skip
"""By name: from rankings as grades and a cutoff to runs x queries."""
