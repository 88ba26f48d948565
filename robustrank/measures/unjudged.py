"""Exact bounds of a measure over all grades that its unjudged documents may have.

An unjudged document is one in the top k of a list that has no judgment for the query. Every measure counts it as not
relevant; it may have any grade. A filling gives each of them a grade. nDCG's ideal list depends on these grades too, so
nDCG falls when an unjudged document far down is relevant, and "all relevant" need not be its best case.

Method. The gain of a grade is the grade itself (trec_eval's nDCG), so a filling is a chain of sets: the documents of
grade at least 1, at least 2, and so on, each inside the one before. Gain is a sum over these sets, and the ideal
depends on their sizes alone; for given sizes the best sets are the documents of the greatest (least) weights. What
remains is a ratio to be made least over non-increasing sizes: Dinkelbach's method (1967), whose inner step is a small
dynamic programme over the grades. The same holds for the difference of two lists under one filling, where a document's
weight is the difference of its two discounts. Tests compare with all fillings.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from robustrank.measures.arrays import Cut, Floats, discounts, parse, value

RBP_PATIENCE = 0.8
"""Probability of reading on, as in most of the literature."""


def cut(name: str, relevant: int = 1) -> Cut | None:
    """A measure by its ir-measures name; ``None`` where unjudged documents cannot be bounded exactly here."""
    measure = parse(name, relevant)
    return measure if measure and measure.k and measure.family in ("nDCG", "P", "RR", "Success") else None


def bounds(
    measure: Cut,
    ranking: Sequence[str],
    grades: Mapping[str, int],
    top: int,
    *,
    other: Sequence[str] = (),
    elsewhere: int = 0,
) -> tuple[float, float]:
    """Least and greatest value of the measure over all grades 0 to ``top`` of the unjudged documents.

    Args:
        measure: The measure.
        ranking: Document ids, best first.
        grades: Judgments of this query, of documents in the list or not.
        top: The greatest grade there is.
        other: A second list; then the bounds are those of ``ranking``'s value minus its, under one filling of both.
        elsewhere: Documents in neither top k that may be relevant too. They can only make nDCG's ideal better.
            Default: 0, as in every evaluation they count as not relevant.
    """
    k = measure.cutoff
    lists = [list(ranking[: measure.k]), list(other[: measure.k])]
    unjudged = [doc_id for doc_id in dict.fromkeys(lists[0] + lists[1]) if doc_id not in grades]
    if not unjudged and not elsewhere:
        settled = value(measure, lists[0], grades) - (value(measure, lists[1], grades) if other else 0.0)
        return settled, settled
    if measure.family in ("RR", "Success"):
        high = _first_relevant(measure, lists[0], lists[1], grades, top)
        low = _first_relevant(measure, lists[1], lists[0], grades, top) if other else -value(measure, lists[0], grades)
        return -low, high
    weigh = discounts(k) if measure.family == "nDCG" else np.full(k, 1 / k)
    place = [{doc_id: weigh[i] for i, doc_id in enumerate(listed)} for listed in lists]
    weights = np.array([place[0].get(d, 0.0) - place[1].get(d, 0.0) for d in unjudged], dtype=np.float64)
    if measure.family == "P":
        now = value(measure, lists[0], grades) - (value(measure, lists[1], grades) if other else 0.0)
        return now + float(weights[weights < 0].sum()), now + float(weights[weights > 0].sum())
    weights = np.r_[weights, np.zeros(min(elsewhere, k))]
    gain = sum((place[0].get(d, 0.0) - place[1].get(d, 0.0)) * max(g, 0) for d, g in grades.items())
    above = np.array([sum(g >= level for g in grades.values()) for level in range(1, top + 1)], dtype=np.intp)
    ideal = np.r_[0.0, discounts(k).cumsum()]
    sizes = np.minimum(above[:, None] + np.arange(len(weights) + 1), k)
    return _least(weights, gain, ideal[sizes]), -_least(-weights, -gain, ideal[sizes])


def _least(weights: Floats, gain: float, ideal: Floats) -> float:
    """The least ratio over fillings; 0 where nothing is relevant.

    Args:
        weights: Gain of one grade of each unjudged document, of either sign.
        gain: Gain of the judged documents.
        ideal: Ideal gain at each grade level (rows), by the number of unjudged documents of at least that
            grade (columns).
    """
    prefix = np.r_[0.0, np.sort(weights).cumsum()]
    levels = np.arange(len(ideal))
    best = gain / float(ideal[:, 0].sum()) if ideal[:, 0].sum() > 0 else 0.0
    while True:
        filled = _cheapest_chain(prefix - best * ideal)
        denominator = float(ideal[levels, filled].sum())
        ratio = (gain + float(prefix[filled].sum())) / denominator if denominator > 0 else 0.0
        if ratio >= best - 1e-12:
            return best
        best = ratio


def _cheapest_chain(cost: Floats) -> NDArray[np.intp]:
    """One column per row, never further right than in the row above, of least total cost."""
    totals = [cost[0]]
    for row in cost[1:]:
        totals.append(row + np.minimum.accumulate(totals[-1][::-1])[::-1])
    chosen = [int(np.argmin(totals[-1]))]
    for total in totals[-2::-1]:
        chosen.append(chosen[-1] + int(np.argmin(total[chosen[-1] :])))
    return np.array(chosen[::-1], dtype=np.intp)


def _first_relevant(measure: Cut, a: Sequence[str], b: Sequence[str], grades: Mapping[str, int], top: int) -> float:
    """Greatest value of ``a`` minus ``b``: filling more than one unjudged document of ``a`` could only help ``b``."""
    relevant = {doc_id for doc_id, grade in grades.items() if grade >= measure.relevant}

    def worth(listed: Sequence[str], filled: str | None) -> float:
        first = next((rank for rank, d in enumerate(listed, start=1) if d in relevant or d == filled), None)
        return 0.0 if first is None else 1 / first if measure.family == "RR" else 1.0

    fillings = [doc_id for doc_id in a if doc_id not in grades] if top >= measure.relevant else []
    return max(worth(a, filled) - worth(b, filled) for filled in (None, *fillings))


def condensed(ranking: Sequence[str], judged: Container[str]) -> list[str]:
    """The list without its unjudged documents (Sakai 2007). It favours systems that were judged little."""
    return [doc_id for doc_id in ranking if doc_id in judged]


def rbp(
    ranking: Sequence[str], grades: Mapping[str, int], relevant: int = 1, patience: float = RBP_PATIENCE
) -> tuple[float, float]:
    """Rank-biased precision and its residual (Moffat & Zobel 2008): value, and how much the unjudged could add.

    The residual counts what lies beyond the end of the list as unjudged, as the paper does.
    """
    weights = (1 - patience) * patience ** np.arange(len(ranking))
    hit = np.array([grades.get(doc_id, 0) >= relevant for doc_id in ranking], dtype=bool)
    unjudged = np.array([doc_id not in grades for doc_id in ranking], dtype=bool)
    return float(weights[hit].sum()), float(weights[unjudged].sum()) + patience ** len(ranking)
