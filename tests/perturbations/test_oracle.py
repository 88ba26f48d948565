"""The oracle: the requests an attack may make, their cost, and the calls that reach the ranker."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pytest

from robustrank.core.errors import AccessDenied, BudgetExhausted, ContractError, PluginFailed
from robustrank.core.types import (
    Access,
    AttackSet,
    Budget,
    Case,
    Document,
    Goal,
    Perturbation,
    Query,
    RankerCard,
    Surface,
    ThreatModel,
    WordGradients,
)
from robustrank.perturbations import oracle as oracles
from robustrank.perturbations.apply import apply, outcome, perturbed_scores
from robustrank.perturbations.oracle import Meter, MeteredOracle, MeteredRanker
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


def test_a_repeated_request_is_charged_again_although_the_cache_answers() -> None:
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
    gradients = oracle.gradients(Perturbation(target="a q"), {0: ["q", "x"]})
    assert list(gradients.importance) == [1.0, 1.0]
    assert gradients.gains == {0: [0.5, -0.5]}


def test_a_ranker_without_gradients_says_so() -> None:
    oracle, _ = make_oracle(MeteredRanker(Counting()))
    with pytest.raises(ContractError, match="counting provides no gradients"):
        oracle.gradients(Perturbation(), {})


def test_scores_of_the_whole_list_after_a_perturbation_touch_only_the_target() -> None:
    ranker = MeteredRanker(WordWeights())
    _, case = make_oracle(ranker)
    clean = [(doc.doc_id, score) for doc, score in zip(case.candidates, [3.0, 2.0, 1.0, 0.0], strict=True)]
    after = perturbed_scores(ranker, case, Perturbation(target="q q q q"), clean)
    assert after == [("0", 3.0), ("1", 2.0), ("2", 4.0), ("3", 0.0)]
    assert apply(Perturbation(query="x", target="y"), case) == (Query("query", "x"), Document("2", "y"))


def test_a_target_with_its_old_text_is_a_request_like_any_other() -> None:
    oracle, case = make_oracle(MeteredRanker(WordWeights()))
    assert oracle.rank([Perturbation(target=case.target.text)]) == [3]
    assert oracle.spent == 1
    assert oracle.rank([Perturbation(query=case.query.text)]) == [3]
    assert oracle.spent == 5


def test_a_query_and_a_target_changed_at_once_cost_the_list() -> None:
    oracle, _ = make_oracle(MeteredRanker(WordWeights()))
    oracle.rank([Perturbation(query="q", target="q q q q")])
    assert oracle.spent == 4


@pytest.mark.parametrize("count", [1, 3])
def test_the_ranker_counts_and_times_a_gradient_as_one_pair(count: int) -> None:
    ranker = MeteredRanker(WordWeights())
    query, document = Query("q", "q"), Document("d", "a b")
    for _ in range(count):
        ranker.gradients(query, document, {})
    assert ranker.pairs == count
    assert ranker.seconds > 0


class Failing(WordWeights):
    """Its gradients and scores are refused."""

    def gradients(self, *_: object) -> WordGradients:
        raise RuntimeError("no")

    def score(self, *_: object) -> list[float]:
        raise RuntimeError("no")


def test_requests_that_fail_are_counted_too() -> None:
    ranker = MeteredRanker(Failing())
    query, document = Query("q", "q"), Document("d", "a b")
    with pytest.raises(PluginFailed, match=r"ranker .*: RuntimeError: no"):
        ranker.gradients(query, document, {})
    with pytest.raises(PluginFailed, match=r"ranker .*: RuntimeError: no"):
        ranker.score(query, [document, document._replace(text="c")])
    assert ranker.pairs == 3
    assert ranker.seconds > 0


def test_a_score_is_computed_once_for_equal_texts_whatever_their_ids() -> None:
    inner = Counting()
    ranker = MeteredRanker(inner)
    query = Query("1", "q")
    assert ranker.score(query, [Document("a", "q q"), Document("b", "q q"), Document("c", "q")]) == [2.0, 2.0, 1.0]
    assert ranker.score(Query("2", "q"), [Document("d", "q q")]) == [2.0]
    assert (inner.batches, ranker.pairs) == ([2], 2)
    assert ranker.score(query._replace(text="x"), [Document("a", "q q")]) == [0.0]
    assert inner.batches == [2, 1]


@pytest.mark.parametrize(("cache", "pointwise"), [(False, True), (True, False), (False, False)])
def test_without_a_cache_every_request_reaches_the_ranker(cache: bool, pointwise: bool) -> None:
    inner = Counting(pointwise=pointwise)
    ranker = MeteredRanker(inner, cache=cache)
    query, docs = Query("1", "q"), [Document("a", "q q"), Document("b", "q q")]
    ranker.remember(query, docs, [7.0, 7.0])
    assert ranker.score(query, docs) == [2.0, 2.0]
    assert ranker.score(query, docs) == [2.0, 2.0]
    assert inner.batches == [2, 2]


def test_scores_of_a_journal_are_not_computed_again() -> None:
    inner = Counting()
    ranker = MeteredRanker(inner)
    query, docs = Query("1", "q"), [Document("a", "q q"), Document("b", "q")]
    ranker.remember(query, docs, [7.0, 8.0])
    assert ranker.score(query, docs) == [7.0, 8.0]
    assert (inner.batches, ranker.pairs, ranker.seconds) == ([], 0, 0.0)
    with pytest.raises(ValueError, match="zip"):
        ranker.remember(query, docs, [1.0])


def test_the_success_curve_has_legal_texts_alone_each_better_than_the_last() -> None:
    ranker = MeteredRanker(WordWeights())
    case = make_case(ranker, "q", TEXTS, 3)
    oracle = MeteredOracle(
        ranker, case, threat(Access.RANKS), Budget(), lambda perturbation: perturbation.target != "q q q q q"
    )
    assert oracle.trajectory == []
    assert oracle.rank(target("x")) == [4]
    assert oracle.rank(target("q q q q q")) == [1]  # breaks the rules: the attack could not end with it
    assert oracle.trajectory == [(1, 4)]
    assert oracle.rank(target("q q", "x")) == [2, 4]
    assert oracle.rank(target("q q")) == [2]
    assert oracle.trajectory == [(1, 4), (4, 2)]
    assert oracle.rank(target("q q q q")) == [1]
    assert oracle.trajectory == [(1, 4), (4, 2), (6, 1)]


def test_every_text_counts_where_nothing_is_said_of_rules() -> None:
    oracle, _ = make_oracle(MeteredRanker(WordWeights()))
    oracle.rank(target("q q q q"))
    assert oracle.trajectory == [(1, 1)]


def test_who_demotes_has_a_curve_of_rising_ranks() -> None:
    ranker = MeteredRanker(WordWeights())
    case = make_case(ranker, "q", TEXTS, 0)
    demote = ThreatModel(
        surface=Surface.DOCUMENT, access=Access.SCORES, edits=AttackSet(operation="insert"), goal=Goal.DEMOTE
    )
    oracle = MeteredOracle(ranker, case, demote, Budget())
    for text in ("q q q", "q", "q q", "q", "none"):
        oracle.outcomes(target(text))
    assert oracle.trajectory == [(1, 1), (2, 3), (5, 4)]


def test_ranks_and_scores_come_together_for_the_price_of_one() -> None:
    oracle, _ = make_oracle(MeteredRanker(WordWeights()), Access.SCORES)
    assert oracle.outcomes([*target("q q q q", "x"), Perturbation()]) == [(1, 4.0), (4, 0.0), (3, 1.0)]
    assert oracle.spent == 2
    blind, _ = make_oracle(MeteredRanker(WordWeights()), Access.RANKS)
    with pytest.raises(AccessDenied, match="needs access 'scores', declared 'ranks'"):
        blind.outcomes([Perturbation()])


def test_an_attack_pays_for_a_gradient_before_it_is_computed() -> None:
    ranker = MeteredRanker(WordWeights())
    oracle, _ = make_oracle(ranker, calls=1)
    oracle.gradients(Perturbation(), {})
    pairs = ranker.pairs
    with pytest.raises(BudgetExhausted, match="1 of 1 pairs spent, 1 more requested"):
        oracle.gradients(Perturbation(), {})
    assert (oracle.spent, ranker.pairs) == (1, pairs)


def test_an_oracle_shows_its_limits() -> None:
    oracle, _ = make_oracle(MeteredRanker(WordWeights()), calls=7)
    assert oracle.budget == Budget(calls=7)


def test_whole_lists_are_scored_again_only_where_more_than_the_target_may_change() -> None:
    listwise = MeteredRanker(Counting(pointwise=False))
    _, case = make_oracle(listwise)
    clean = [(doc.doc_id, 9.0) for doc in case.candidates]
    assert perturbed_scores(listwise, case, Perturbation(), clean) == clean
    assert perturbed_scores(listwise, case, Perturbation(target="q q q q"), clean) == [
        ("0", 3.0), ("1", 2.0), ("2", 4.0), ("3", 0.0)
    ]  # fmt: skip
    pointwise = MeteredRanker(Counting())
    assert perturbed_scores(pointwise, case, Perturbation(query="none"), clean)[-1] == ("3", 1.0)
    assert outcome(pointwise, case, Perturbation(query="none", target="none none"), clean) == (1, 2.0)


def test_a_meter_refuses_what_is_beyond_its_limit_and_nothing_else() -> None:
    meter = Meter(5, "lists")
    meter.charge(2)
    assert (meter.spent, meter.affords(1), meter.affords(2), meter.affords(4)) == (2, 3, 1, 0)
    with pytest.raises(BudgetExhausted, match="2 of 5 lists spent, 4 more requested"):
        meter.charge(4)
    meter.charge(3)
    assert (meter.spent, meter.affords(1)) == (5, 0)
    free = Meter(None, "pairs")
    free.charge(10**9)
    assert (free.spent, free.affords(3)) == (10**9, None)


def test_seconds_inside_the_ranker_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([100.0, 101.5, 200.0, 202.0, 300.0, 304.0, 400.0, 408.0])
    monkeypatch.setattr(oracles, "perf_counter", lambda: next(times))
    ranker = MeteredRanker(WordWeights())
    query, docs = Query("q", "q"), [Document("d", "a b")]
    ranker.score(query, docs)
    ranker.score(query._replace(text="x"), docs)
    assert ranker.seconds == 3.5
    for _ in range(2):
        ranker.gradients(query, docs[0], {})
    assert ranker.seconds == 15.5
