"""The oracle: what an attack may ask, what it pays, and what the ranker behind it is really asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pytest

from robustrank.core.errors import AccessDenied, BudgetExhausted, ContractError
from robustrank.core.types import (
    Access,
    AttackSet,
    Budget,
    Case,
    Document,
    Perturbation,
    Query,
    RankerCard,
    Surface,
    ThreatModel,
)
from robustrank.perturbations.apply import apply, perturbed_scores
from robustrank.perturbations.oracle import MeteredOracle, MeteredRanker
from robustrank.testing import WordWeights, make_case

TEXTS = ["q q q", "q q", "q", "none"]


@dataclass(frozen=True)
class Counting:
    """Word weights, with the ranker's own count of pairs and the batches it saw."""

    pointwise: bool = True
    pairs_per_score: int = 1
    batches: list[int] = field(default_factory=list)

    @property
    def card(self) -> RankerCard:
        return RankerCard(
            name="counting", fingerprint="1", pointwise=self.pointwise, pairs_per_score=self.pairs_per_score
        )

    def score(self, query: Query, docs: Sequence[Document], /) -> list[float]:
        self.batches.append(len(docs))
        return WordWeights().score(query, docs)


def threat(access: Access) -> ThreatModel:
    return ThreatModel(surface=Surface.DOCUMENT, access=access, edits=AttackSet(operation="insert"))


def make_oracle(
    ranker: MeteredRanker, access: Access = Access.WEIGHTS, calls: int | None = None, texts: Sequence[str] = TEXTS
) -> tuple[MeteredOracle, Case]:
    """An oracle for lifting the third text, and its case."""
    case = make_case(ranker, "q", texts, 2)
    return MeteredOracle(ranker, case, threat(access), Budget(calls=calls)), case


def target(*texts: str) -> list[Perturbation]:
    return [Perturbation(target=text) for text in texts]


def test_a_perturbed_document_is_ranked_without_its_old_copy() -> None:
    oracle, _ = make_oracle(MeteredRanker(WordWeights()))
    assert oracle.rank([Perturbation(), *target("q q q q", "q q q", "x", "q x")]) == [3, 1, 1, 4, 3]
    assert oracle.score(target("q q q q", "")) == [4.0, 0.0]


def test_ties_are_settled_by_the_higher_document_id() -> None:
    oracle, case = make_oracle(MeteredRanker(WordWeights()), texts=["q q", "q q", "q", "q q"])
    assert [doc.doc_id for doc in case.candidates] == ["3", "1", "0", "2"]
    assert oracle.rank(target("q q", "q q q", "q")) == [2, 1, 4]


def test_a_target_costs_one_pair_a_query_the_list_and_the_clean_case_nothing() -> None:
    oracle, _ = make_oracle(MeteredRanker(WordWeights()))
    oracle.rank([Perturbation()])
    assert oracle.spent == 0
    oracle.rank(target("a", "b"))
    assert oracle.spent == 2
    oracle.rank([Perturbation(query="x")])
    assert oracle.spent == 6
    oracle.gradients(Perturbation(), {})
    assert oracle.spent == 7


def test_asking_again_costs_again_although_the_ranker_is_not_asked() -> None:
    ranker = MeteredRanker(Counting())
    oracle, _ = make_oracle(ranker)
    before = ranker.pairs
    oracle.rank(target("a", "a"))
    oracle.rank(target("a"))
    assert oracle.spent == 3
    assert ranker.pairs == before + 1


def test_the_meter_agrees_with_the_rankers_own_counter() -> None:
    inner = Counting(pairs_per_score=5)
    ranker = MeteredRanker(inner)
    oracle, _ = make_oracle(ranker)
    oracle.rank(target("a", "b", "q"))
    oracle.score([Perturbation(query="none")])
    assert ranker.pairs == 5 * sum(inner.batches)
    assert ranker.seconds > 0


def test_several_targets_reach_the_ranker_in_one_batch() -> None:
    inner = Counting()
    oracle, _ = make_oracle(MeteredRanker(inner))
    inner.batches.clear()
    oracle.rank(target("a", "b", "c"))
    assert inner.batches == [3]


def test_a_ranker_that_is_not_pointwise_reads_the_whole_list_for_any_change() -> None:
    inner = Counting(pointwise=False)
    oracle, _ = make_oracle(MeteredRanker(inner), calls=9)
    inner.batches.clear()
    assert oracle.affordable() == oracle.affordable(queries=True) == 2
    assert oracle.rank(target("q q q q")) == [1]
    assert inner.batches == [4]
    assert (oracle.spent, oracle.affordable()) == (4, 1)


@pytest.mark.parametrize(("access", "allowed"), [("none", 0), ("ranks", 1), ("scores", 2), ("weights", 3)])
def test_an_attack_gets_what_it_declared_and_no_more(access: str, allowed: int) -> None:
    oracle, _ = make_oracle(MeteredRanker(WordWeights()), Access(access))
    questions: list[Callable[[], object]] = [
        lambda: oracle.rank([Perturbation()]),
        lambda: oracle.score([Perturbation()]),
        lambda: oracle.gradients(Perturbation(), {}),
    ]
    for question in questions[:allowed]:
        question()
    for question in questions[allowed:]:
        with pytest.raises(AccessDenied, match=f"declared '{access}'"):
            question()


def test_a_question_beyond_the_budget_is_refused_whole_and_not_charged() -> None:
    ranker = MeteredRanker(WordWeights())
    oracle, _ = make_oracle(ranker, calls=3)
    oracle.rank(target("a"))
    pairs = ranker.pairs
    assert (oracle.affordable(), oracle.affordable(queries=True)) == (2, 0)
    with pytest.raises(BudgetExhausted, match="1 of 3 pairs spent, 3 more requested"):
        oracle.rank(target("a", "b", "c"))
    with pytest.raises(BudgetExhausted):
        oracle.rank([Perturbation(query="x")])
    assert (oracle.spent, ranker.pairs) == (1, pairs)
    oracle.gradients(Perturbation(), {})
    oracle.rank(target("c"))
    assert oracle.affordable() == 0
    with pytest.raises(BudgetExhausted):
        oracle.gradients(Perturbation(), {})
    assert oracle.rank([Perturbation()]) == [3]


def test_no_limit_is_told_as_none() -> None:
    oracle, _ = make_oracle(MeteredRanker(WordWeights()))
    assert oracle.affordable() is None


def test_gradients_are_taken_at_the_perturbed_target() -> None:
    oracle, _ = make_oracle(MeteredRanker(WordWeights(weights={"a": 0.5})))
    found = oracle.gradients(Perturbation(target="a q"), {0: ["q", "x"]})
    assert list(found.importance) == [1.0, 1.0]
    assert found.gains == {0: [0.5, -0.5]}


def test_a_ranker_without_gradients_says_so() -> None:
    oracle, _ = make_oracle(MeteredRanker(Counting()))
    with pytest.raises(ContractError, match="counting lends no gradients"):
        oracle.gradients(Perturbation(), {})


def test_scores_of_the_whole_list_after_a_perturbation_touch_only_the_target() -> None:
    ranker = MeteredRanker(WordWeights())
    _, case = make_oracle(ranker)
    clean = [(doc.doc_id, score) for doc, score in zip(case.candidates, [3.0, 2.0, 1.0, 0.0], strict=True)]
    after = perturbed_scores(ranker, case, Perturbation(target="q q q q"), clean)
    assert after == [("0", 3.0), ("1", 2.0), ("2", 4.0), ("3", 0.0)]
    assert apply(Perturbation(query="x", target="y"), case) == (Query("query", "x"), Document("2", "y"))
