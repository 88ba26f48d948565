"""The victim's side of a topic attack: its lists for the queries of a group, and a metered view of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from time import process_time

from robustrank.core.errors import BudgetExhausted
from robustrank.core.ranking import order, rank_of
from robustrank.core.types import Document, Query
from robustrank.perturbations.oracle import MeteredRanker
from robustrank.topics.types import TopicBudget, TopicCase


@dataclass(frozen=True)
class RankedList:
    """One query's candidates with their clean scores."""

    query: Query
    docs: Mapping[str, Document]
    scored: tuple[tuple[str, float], ...]

    def ranked(self) -> tuple[Document, ...]:
        """The documents, best first."""
        return tuple(self.docs[doc_id] for doc_id in order(self.scored))

    def rank(self, doc_id: str) -> int:
        """The clean rank of one of its documents."""
        return rank_of(doc_id, dict(self.scored)[doc_id], self.scored)


def ranked(ranker: MeteredRanker, query: Query, docs: Sequence[Document]) -> RankedList:
    """Ask the victim for one list."""
    scores = ranker.score(query, docs)
    return RankedList(
        query, {d.doc_id: d for d in docs}, tuple((d.doc_id, s) for d, s in zip(docs, scores, strict=True))
    )


def ranks(ranker: MeteredRanker, lists: Sequence[RankedList], target: Document, text: str) -> tuple[int, ...]:
    """The rank of a document, with another text, in each of some lists; its old copy there is ignored.

    A ranker that is not pointwise is asked for the whole list.
    """
    found = []
    for one in lists:
        changed = target._replace(text=text)
        if ranker.card.pointwise:
            (score,) = ranker.score(one.query, [changed])
            found.append(rank_of(target.doc_id, score, one.scored))
        else:
            docs = [changed if d.doc_id == target.doc_id else d for d in one.docs.values()]
            scored = [(d.doc_id, s) for d, s in zip(docs, ranker.score(one.query, docs), strict=True)]
            found.append(rank_of(target.doc_id, dict(scored)[target.doc_id], scored))
    return tuple(found)


class GroupOracle:
    """One attack's view of one case (:class:`robustrank.topics.types.TopicOracle`)."""

    def __init__(
        self, ranker: MeteredRanker, lists: Sequence[RankedList], target: Document, budget: TopicBudget
    ) -> None:
        self._ranker, self._lists, self._target, self._budget = ranker, tuple(lists), target, budget
        self._spent = 0
        self.answers: list[tuple[int, ...]] = []
        """What it said of each text it was asked about."""
        self.processor_seconds = 0.0
        """What it took to answer: planning is what an attack takes beyond that."""

    @property
    def budget(self) -> TopicBudget:
        """The limits of this attack."""
        return self._budget

    @property
    def spent(self) -> int:
        """Ranked lists asked so far, answered from a cache or not."""
        return self._spent

    @property
    def affordable(self) -> int:
        """How many more texts the budget pays for, each in the lists of all queries."""
        return max(0, self._budget.lists - self._spent) // len(self._lists)

    def ranks(self, texts: Sequence[str], /) -> list[tuple[int, ...]]:
        """The target's rank for every query, with each text in turn.

        Raises:
            BudgetExhausted: That would be more lists than the budget has.
        """
        cost = len(texts) * len(self._lists)
        if self._spent + cost > self._budget.lists:
            raise BudgetExhausted(f"{self._spent} of {self._budget.lists} lists spent, {cost} more asked")
        self._spent += cost
        began = process_time()
        found = [ranks(self._ranker, self._lists, self._target, text) for text in texts]
        self.processor_seconds += process_time() - began
        self.answers += found
        return found


def case(topic_id: str, lists: Sequence[RankedList], target: Document) -> TopicCase:
    """What an attacker is shown: queries and clean lists."""
    return TopicCase(topic_id, tuple(one.query for one in lists), target, tuple(one.ranked() for one in lists))
