"""The oracle of topic attacks: lists of several queries, one document, one meter."""

from __future__ import annotations

import pytest

from robustrank.core.errors import BudgetExhausted
from robustrank.core.topic_types import TopicBudget
from robustrank.core.types import Document, Query, RankerCard
from robustrank.perturbations.group_oracle import GroupOracle, ranked, topic_case
from robustrank.perturbations.oracle import MeteredRanker


class Length:
    """Longer documents rank higher, whatever the query."""

    card = RankerCard(name="length", fingerprint="length")

    def score(self, query: Query, docs: list[Document], /) -> list[float]:
        return [float(len(doc.text)) for doc in docs]


def test_the_oracle_counts_lists_and_stops_at_the_budget() -> None:
    ranker = MeteredRanker(Length())  # type: ignore[arg-type]
    docs = [Document("a", "xxx"), Document("b", "xx"), Document("c", "x")]
    lists = [ranked(ranker, Query(str(i), f"q{i}"), docs) for i in range(2)]
    oracle = GroupOracle(ranker, lists, docs[2], TopicBudget(lists=5))
    assert oracle.affordable == 2
    assert oracle.ranks(["xxxx", "xx"]) == [(1, 1), (2, 2)]  # at a tie the higher document id comes first
    assert (oracle.spent, oracle.affordable, oracle.answers) == (4, 0, [(1, 1), (2, 2)])
    with pytest.raises(BudgetExhausted):
        oracle.ranks(["x"])


def test_an_attacker_sees_the_clean_order() -> None:
    ranker = MeteredRanker(Length())  # type: ignore[arg-type]
    docs = [Document("a", "x"), Document("b", "xxx")]
    seen = topic_case("t", [ranked(ranker, Query("1", "q"), docs)], docs[0])
    assert [doc.doc_id for doc in seen.lists[0]] == ["b", "a"]
