"""What a ranker's scores are like on a few lists, and how those of two rankers differ that should be one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from random import Random
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import kendalltau

from robustrank.core.interfaces import Ranker
from robustrank.core.ranking import checked_scores, order
from robustrank.core.types import Document, Query
from robustrank.rankers import by_owner

Lists = Sequence[tuple[Query, Sequence[Document]]]
"""Queries with candidates, none of them empty."""


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """What a ranker's scores are like.

    Args:
        lists: How many were asked.
        scores: How many scores they have.
        low: The least score.
        high: The greatest.
        spread: Greatest minus least score of a list, the largest.
        at_ends: Share of documents that share the least or the greatest score of their list after rounding to float32:
            where a sigmoid saturates, these cannot be told apart.
        ties: Share of documents whose score another document of the list has.
        ties_rounded: The same after rounding to float32.
        unchanged: Share of lists that came back in the order asked.
        unchanged_shuffled: The same with the documents shuffled: a ranker that does nothing has 1 here too.
        repeat: Largest difference of a score between two equal calls.
        order: Between a list and the list in reverse.
        batch: Between a list and its documents one by one.
        owner: Largest difference to the library that owns the model folder; ``None`` where there is none.
        pointwise: Whether its card says that a score does not depend on the list.
    """

    lists: int
    scores: int
    low: float
    high: float
    spread: float
    at_ends: float
    ties: float
    ties_rounded: float
    unchanged: float
    unchanged_shuffled: float
    repeat: float
    order: float
    batch: float
    owner: float | None
    pointwise: bool = True

    def lines(self) -> Iterator[str]:
        """For people, one figure a line."""
        yield f"scores            {self.scores} of {self.lists} {_lists(self.lists)}, {self.low:.6g} to {self.high:.6g}"
        yield f"at the ends       {self.at_ends:.0%} of documents share the least or the greatest score of their list"
        yield f"ties              {self.ties:.0%} of documents; {self.ties_rounded:.0%} after rounding to float32"
        again = f"{self.unchanged_shuffled:.0%} where the documents are shuffled"
        yield f"order as asked    {self.unchanged:.0%} of lists; {again}"
        yield f"called again      {self._difference(self.repeat)}"
        yield f"in reverse        {self._difference(self.order)}"
        yield f"one by one        {self._difference(self.batch)}"
        if self.owner is not None:
            yield f"the owner's own   {self._difference(self.owner)}"
        for warning in self.warnings():
            yield f"note: {warning}"

    def warnings(self) -> Iterator[str]:
        """What a user should look at."""
        if self.spread == 0:
            yield "all scores of a list are equal: this ranker ranks nothing"
        elif self.unchanged_shuffled > 0.5:
            yield "it answers in whichever order it is asked: a service that fell back, or a ranker that does nothing"
        if self.at_ends > 0.05:
            yield "many scores are the least or the greatest: audit the score before the activation, where there is one"
        elif self.ties_rounded > max(0.05, self.ties):
            yield "scores are equal after rounding: print or send more digits, or the score before the activation"
        if self.repeat > self._rounding:
            yield "it is not deterministic: two equal calls differ"
        if self.pointwise and max(self.order, self.batch) > max(self._rounding, 2 * self.repeat):
            yield "a score depends on the other documents of the call: say pointwise = false"
        if self.owner is not None and self.owner > self._rounding:
            yield "it does not score as the library does that owns the folder"

    @property
    def _rounding(self) -> float:
        """Differences below it come from the batch a text is in, and from float32 where scores are large."""
        return max(1e-4 * self.spread, 1e-5 * max(abs(self.low), abs(self.high)))

    def _difference(self, value: float) -> str:
        share = f", {value / self.spread:.1g} of the largest spread of a list" if self.spread and value else ""
        return f"scores differ by {value:.2g} at most{share}"


def diagnose(ranker: Ranker, lists: Lists, *, owner: bool = True) -> Diagnosis:
    """Ask a ranker about some lists in several ways.

    Args:
        ranker: Any.
        lists: At least one.
        owner: Also compare with the library that owns the model folder.

    Raises:
        ContractError: Its scores are of a wrong number or not finite.
    """
    scores: list[NDArray[np.floating]] = []
    again, reverse, alone, owners = [], [], [], []
    same = shuffled = 0
    for number, (query, docs) in enumerate(lists):
        scores.append(np.asarray(checked_scores(ranker, query, docs)))
        again.append(checked_scores(ranker, query, docs))
        reverse.append(checked_scores(ranker, query, docs[::-1])[::-1])
        alone.append([checked_scores(ranker, query, [doc])[0] for doc in docs])
        same += _as_asked(list(scores[-1]))
        mixed = list(docs)
        Random(number).shuffle(mixed)
        if mixed == list(docs):
            mixed = [*docs[1:], *docs[:1]]
        shuffled += _as_asked(checked_scores(ranker, query, mixed))
        owners.append(by_owner.scores(ranker, query.text, [doc.text for doc in docs]) if owner else None)
    flat = np.concatenate(scores)
    return Diagnosis(
        lists=len(lists),
        scores=len(flat),
        low=float(flat.min()),
        high=float(flat.max()),
        spread=max(float(np.ptp(row)) for row in scores),
        at_ends=sum(_at_ends(row.astype(np.float32)) for row in scores) / len(flat),
        ties=_ties(scores),
        ties_rounded=_ties([row.astype(np.float32) for row in scores]),
        unchanged=same / len(lists),
        unchanged_shuffled=shuffled / len(lists),
        repeat=_largest(scores, again),
        order=_largest(scores, reverse),
        batch=_largest(scores, alone),
        pointwise=ranker.card.pointwise,
        owner=None if any(row is None for row in owners) else _largest(scores, [row or () for row in owners]),
    )


def no_orders() -> tuple[Sequence[str], Sequence[str]]:
    """Of a list that is ordered alike."""
    return (), ()


@dataclass(frozen=True, kw_only=True)
class Twins:
    """How two rankers differ that should be one.

    Args:
        lists: How many were asked.
        tau: Mean of Kendall's tau (b) of the lists; ``None`` where every list has only equal scores.
        difference: Largest absolute difference of a score.
        scaled: The same after the scores of either ranker were shifted and scaled, list by list, to [0, 1].
        query_id: The first query whose list they order differently; empty where there is none.
        orders: The ids of that list as either ranker orders them.
    """

    lists: int
    tau: float | None
    difference: float
    scaled: float
    query_id: str = ""
    orders: tuple[Sequence[str], Sequence[str]] = field(default_factory=no_orders)

    @property
    def same_order(self) -> bool:
        """Whether all lists have one order."""
        return not self.query_id

    def lines(self, names: Sequence[str]) -> Iterator[str]:
        """For people, one figure a line; ``names`` are the two rankers'."""
        tau = "not defined: all scores of a list are equal" if self.tau is None else f"{self.tau:.4f}"
        yield f"lists               {self.lists}"
        yield f"Kendall's tau       {tau}"
        yield f"scores              differ by {self.difference:.3g} at most, by {self.scaled:.2g} of a list's spread"
        if self.same_order:
            yield "order               the same in every list"
            return
        yield f"first other order   query {self.query_id!r}"
        width = max(map(len, names))
        for name, ids in zip(names, self.orders, strict=True):
            yield f"  {name:<{width}}  {' '.join(ids)}"


class Pair(NamedTuple):
    """One list as two rankers score it."""

    query_id: str
    doc_ids: Sequence[str]
    first: Sequence[float]
    second: Sequence[float]


def asked(a: Ranker, b: Ranker, lists: Lists) -> Iterator[Pair]:
    """Lists as two rankers score them.

    Raises:
        ContractError: Scores are of a wrong number or not finite.
    """
    for query, docs in lists:
        ids = [doc.doc_id for doc in docs]
        yield Pair(query.query_id, ids, checked_scores(a, query, docs), checked_scores(b, query, docs))


def twins(pairs: Iterable[Pair]) -> Twins:
    """Compare two rankers that should be one: a folder and its service, fp32 and int8."""
    taus: list[float] = []
    count, difference, scaled = 0, 0.0, 0.0
    query_id, orders = "", no_orders()
    for pair in pairs:
        count += 1
        ours, theirs = np.asarray(pair.first, dtype=float), np.asarray(pair.second, dtype=float)
        if np.ptp(ours) and np.ptp(theirs):
            taus.append(float(kendalltau(ours, theirs).statistic))
        difference = max(difference, float(np.abs(ours - theirs).max()))
        scaled = max(scaled, float(np.abs(_unit(ours) - _unit(theirs)).max()))
        one, other = (order(list(zip(pair.doc_ids, row.tolist(), strict=True))) for row in (ours, theirs))
        if not query_id and one != other:
            query_id, orders = pair.query_id, (one, other)
    return Twins(
        lists=count, tau=float(np.mean(taus)) if taus else None, difference=difference, scaled=scaled,
        query_id=query_id, orders=orders,
    )  # fmt: skip


def _lists(count: int) -> str:
    return "list" if count == 1 else "lists"


def _unit(scores: NDArray[np.floating]) -> NDArray[np.floating]:
    spread = np.ptp(scores)
    return (scores - scores.min()) / spread if spread else np.zeros(len(scores))


def _as_asked(scores: Sequence[float]) -> bool:
    """Whether the first document is the best, and so on; a list of one says nothing."""
    return len(scores) > 1 and all(a > b for a, b in pairwise(scores))


def _at_ends(scores: NDArray[np.floating]) -> int:
    ends = [int((scores == end).sum()) for end in {scores.min(), scores.max()}]
    return sum(count for count in ends if count > 1)


def _ties(scores: Sequence[NDArray[np.floating]]) -> float:
    tied = 0
    for row in scores:
        _, counts = np.unique(row, return_counts=True)
        tied += int(counts[counts > 1].sum())
    return tied / sum(map(len, scores))


def _largest(
    a: Sequence[Sequence[float] | NDArray[np.floating]], b: Sequence[Sequence[float] | NDArray[np.floating]]
) -> float:
    return max(float(np.abs(np.asarray(x) - np.asarray(y)).max()) for x, y in zip(a, b, strict=True))
