"""The metered oracle of topic attacks, and a victim's lists for the queries of a group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from time import process_time

from robustrank.core.ranking import order, rank_of
from robustrank.core.topic_types import TopicBudget, TopicCase
from robustrank.core.types import Case, Document, Perturbation, Query
from robustrank.perturbations.apply import outcome
from robustrank.perturbations.oracle import Meter, MeteredRanker


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
    """One list, scored by the victim; its documents in the order given."""
    scores = ranker.score(query, docs)
    return RankedList(
        query, {d.doc_id: d for d in docs}, tuple((d.doc_id, s) for d, s in zip(docs, scores, strict=True))
    )


def ranks(ranker: MeteredRanker, lists: Sequence[RankedList], target: Document, text: str) -> tuple[int, ...]:
    """The rank of a document, with another text, in each of some lists; its old copy there is ignored.

    A ranker that is not pointwise scores each whole list.
    """
    changed = Perturbation(target=text)
    cases = [Case(one.query, target, tuple(one.docs.values())) for one in lists]
    return tuple(outcome(ranker, case, changed, one.scored)[0] for case, one in zip(cases, lists, strict=True))


class GroupOracle:
    """Ranks of one target for a group's queries, within a budget (:class:`robustrank.core.topic_types.TopicOracle`)."""

    def __init__(
        self, ranker: MeteredRanker, lists: Sequence[RankedList], target: Document, budget: TopicBudget
    ) -> None:
        self._ranker, self._lists, self._target, self._budget = ranker, tuple(lists), target, budget
        self._meter = Meter(budget.lists, "lists")
        self.answers: list[tuple[int, ...]] = []
        """The ranks of each text, in the order of the requests."""
        self.processor_seconds = 0.0
        """Processor time that the victim took; planning time is the processor time of the attack without it."""

    @property
    def budget(self) -> TopicBudget:
        """The limits of this attack."""
        return self._budget

    @property
    def spent(self) -> int:
        """Ranked lists requested so far, answered from a cache or not."""
        return self._meter.spent

    @property
    def affordable(self) -> int:
        """How many more texts the budget pays for, each in the lists of all queries."""
        return self._meter.affords(len(self._lists)) or 0

    def ranks(self, texts: Sequence[str], /) -> list[tuple[int, ...]]:
        """The target's rank for every query, with each text in turn.

        Raises:
            BudgetExhausted: That would be more lists than the budget has.
        """
        self._meter.charge(len(texts) * len(self._lists))
        began = process_time()
        answers = [ranks(self._ranker, self._lists, self._target, text) for text in texts]
        self.processor_seconds += process_time() - began
        self.answers += answers
        return answers


def topic_case(topic_id: str, lists: Sequence[RankedList], target: Document) -> TopicCase:
    """The case of an attack: the attacked queries and their clean lists, each best first."""
    return TopicCase(
        topic_id,
        tuple(ranked_list.query for ranked_list in lists),
        target,
        tuple(ranked_list.ranked() for ranked_list in lists),
    )
