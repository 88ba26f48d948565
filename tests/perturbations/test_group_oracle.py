"""The oracle of topic attacks: lists of several queries, one document, one meter."""

from __future__ import annotations

import pytest

from robustrank.core.errors import BudgetExhausted
from robustrank.core.topic_types import TopicBudget
from robustrank.core.types import Document, Query, RankerCard
from robustrank.perturbations import group_oracle
from robustrank.perturbations.group_oracle import GroupOracle, ranked, ranks, topic_case
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
    assert (seen.topic_id, seen.queries, seen.target) == ("t", (Query("1", "q"),), docs[0])
    assert seen.key == "t|a"


class Longest(Length):
    """The longest document of a list gets 1, the others 0."""

    card = RankerCard(name="longest", fingerprint="longest", pointwise=False)

    def score(self, query: Query, docs: list[Document], /) -> list[float]:
        longest = max(len(doc.text) for doc in docs)
        return [float(len(doc.text) == longest) for doc in docs]


def test_a_ranker_that_is_not_pointwise_scores_each_whole_list() -> None:
    ranker = MeteredRanker(Longest())  # type: ignore[arg-type]
    docs = [Document("a", "xxx"), Document("b", "xx")]
    lists = [ranked(ranker, Query("1", "q"), docs), ranked(ranker, Query("2", "r"), [*docs, Document("c", "xxxxx")])]
    assert ranks(ranker, lists, docs[1], "xxxx") == (1, 2)
    assert ranker.pairs == 2 + 3 + 2 + 3
    assert [one.rank("b") for one in lists] == [2, 2]


def test_a_list_knows_the_clean_ranks_of_its_documents() -> None:
    one = ranked(MeteredRanker(Length()), Query("1", "q"), [Document("a", "x"), Document("b", "xxx")])  # type: ignore[arg-type]
    assert (one.rank("a"), one.rank("b")) == (2, 1)


def test_answers_and_processor_time_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    ranker = MeteredRanker(Length())  # type: ignore[arg-type]
    docs = [Document("a", "xxx"), Document("b", "xx")]
    oracle = GroupOracle(ranker, [ranked(ranker, Query("1", "q"), docs)], docs[1], TopicBudget(lists=3))
    assert oracle.processor_seconds == 0.0
    times = iter([10.0, 11.5, 20.0, 22.0])
    monkeypatch.setattr(group_oracle, "process_time", lambda: next(times))
    oracle.ranks(["xxxx"])
    oracle.ranks(["x"])
    assert oracle.answers == [(1,), (2,)]
    assert oracle.processor_seconds == 3.5
    with pytest.raises(BudgetExhausted, match=r"^2 of 3 lists spent, 2 more requested$"):
        oracle.ranks(["x", "y"])
