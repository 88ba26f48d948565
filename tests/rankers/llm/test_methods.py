"""Every way to ask a model for an order: a perfect model sorts, calls are as many as they should be, faults count."""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, log
from random import Random
from typing import Any

import numpy as np
import pytest

from robustrank.core import usage
from robustrank.core.answers import Answering, Faults, Repair
from robustrank.core.errors import ContractError, InvalidAnswer, PluginError
from robustrank.core.types import Document, Query
from robustrank.rankers.llm import setwise
from robustrank.rankers.llm.backends.scripted import Scripted, ScriptedModel
from robustrank.rankers.llm.first import NEUTRAL, LlmFirst
from robustrank.rankers.llm.icr import LlmIcr, kept_sum
from robustrank.rankers.llm.interface import Ability, Prompt, Written
from robustrank.rankers.llm.pairwise import LlmPairwise
from robustrank.rankers.llm.parser import choose
from robustrank.rankers.llm.pointwise import LlmQueryLikelihood, LlmYesNo
from robustrank.rankers.llm.setwise import LlmSetwise
from robustrank.rankers.llm.windows import LlmWindows
from robustrank.testing import check_ranker

QUERY = Query("q", "which one")


def documents(values: Sequence[int]) -> list[Document]:
    return [Document(str(place), f"worth {value}") for place, value in enumerate(values)]


def worth(query: str, text: str) -> float:
    last = text.rpartition(" ")[2]
    return float(last) / 4 if last.isdecimal() and query != "N/A" else 0.0


def order_of(scores: Sequence[float]) -> list[int]:
    return sorted(range(len(scores)), key=lambda place: -scores[place])


class Fixed(Scripted):
    """A model with given log-probabilities of the letters, whatever it is shown, and more for what is not neutral."""

    def __init__(self, *values: float | None) -> None:
        super().__init__(worth)
        self.values = values

    def options(self, prompts: Sequence[Prompt], choices: Sequence[str], /) -> list[list[float | None]]:
        rows: list[list[float | None]] = []
        for prompt in prompts:
            texts = [segment.text for segment in prompt if segment.document is not None]
            found = [worth("q", text) if text != NEUTRAL else 0.0 for text in texts]
            rows.append([
                None if value is None else value + more for value, more in zip(self.values, found, strict=False)
            ][: len(choices)])  # fmt: skip
        return rows


SORTERS: list[tuple[type, dict[str, Any]]] = [
    (LlmWindows, {}),
    (LlmWindows, {"window": 30, "step": 29}),
    (LlmFirst, {"window": 26, "step": 25}),
    (LlmIcr, {}),
    (LlmIcr, {"best_last": True}),
    (LlmSetwise, {"k": 99}),
    (LlmSetwise, {"k": 99, "by": "generate", "children": 1}),
    (LlmSetwise, {"k": 99, "sort": "bubble"}),
    (LlmPairwise, {}),
    (LlmPairwise, {"sort": "heap", "k": 99}),
    (LlmPairwise, {"sort": "bubble", "k": 99, "by": "generate"}),
    (LlmYesNo, {"yes": ["yes"], "no": ["no"]}),
    (LlmQueryLikelihood, {}),
]


@pytest.mark.parametrize(("kind", "options"), SORTERS, ids=str)
def test_a_perfect_model_sorts_whatever_the_method(kind: type, options: dict[str, Any]) -> None:
    rng = Random(1)
    ranker = kind(lm=Scripted(worth), **options)
    for count in (0, 1, 2, 3, 9, 20):
        values = rng.sample(range(60), count)
        scores = ranker.score(QUERY, documents(values))
        assert len(scores) == count
        assert order_of(scores) == sorted(range(count), key=lambda place: -values[place])
        if isinstance(ranker, Answering) and count:
            answer = ranker.answer(QUERY, documents(values))
            assert list(answer.scores) == scores
            assert (answer.invalid, answer.faults, answer.ties) == (0, Faults(), 0)
            assert ranker.repaired(Repair.ERROR).answer(QUERY, documents(values)) == answer
    check_ranker(ranker, QUERY, documents([2, 5, 3]))


@pytest.mark.parametrize(("kind", "options"), SORTERS, ids=str)
def test_equal_documents_are_two_documents(kind: type, options: dict[str, Any]) -> None:
    scores = kind(lm=Scripted(worth), **options).score(QUERY, documents([1, 2, 2, 1]))
    assert {*order_of(scores)[:2]} == {1, 2}
    assert len(scores) == 4


def test_what_cannot_be_asked_of_a_back_end_is_refused_when_the_ranker_is_built() -> None:
    needs = {
        LlmFirst: "options", LlmIcr: "attend", LlmSetwise: "options", LlmPairwise: "options", LlmYesNo: "options",
        LlmQueryLikelihood: "loglik",
    }  # fmt: skip
    for kind, ability in needs.items():
        with pytest.raises(PluginError, match=f"needs {ability} of its `lm`; scripted has generate"):
            kind(lm=Scripted(can=[Ability.GENERATE]))
    LlmSetwise(lm=Scripted(can=[Ability.GENERATE]), by="generate")


def test_letters_without_a_probability_follow_in_the_order_shown_and_are_counted() -> None:
    ranker = LlmFirst(lm=Fixed(-1.0, None, -0.5, None))
    answer = ranker.answer(QUERY, documents([0, 0, 0, 0]))
    assert order_of(answer.scores) == [2, 0, 1, 3]
    assert (answer.answers, answer.invalid, answer.faults) == (1, 1, Faults(missing=1))
    assert order_of(ranker.repaired(Repair.INPUT).score(QUERY, documents([0, 0, 0, 0]))) == [0, 1, 2, 3]
    with pytest.raises(InvalidAnswer, match=r"llm_first: places 1 to 4: missing"):
        ranker.repaired(Repair.ERROR).answer(QUERY, documents([0, 0, 0, 0]))
    none = LlmFirst(lm=Fixed(None, None)).answer(QUERY, documents([0, 0]))
    assert none.faults == Faults(unparsed=1)


def test_the_prior_of_the_letters_is_subtracted_exactly() -> None:
    prior = (-1.0, -2.5, -7.0, -0.25)
    docs = documents([1, 2, 4, 3])
    assert order_of(LlmFirst(lm=Fixed(*prior)).score(QUERY, docs)) == [3, 0, 1, 2]
    calibrated = LlmFirst(lm=Fixed(*prior), calibrate=True)
    assert order_of(calibrated.score(QUERY, docs)) == [2, 3, 1, 0]
    assert calibrated.prior(QUERY, 4) == list(prior)
    assert calibrated.card.fingerprint != LlmFirst(lm=Fixed(*prior)).card.fingerprint


def test_calibrated_attention_of_hand_made_numbers() -> None:
    paid = np.array([0.10, 0.02, 0.03, 0.01, 0.02, 0.02])
    free = np.array([0.02, 0.02, 0.02, 0.03, 0.02, 0.02])
    assert kept_sum(paid, free) == pytest.approx(0.07)
    low = np.array([0.01] * 9 + [-0.5])
    assert low.mean() - 2 * low.std(ddof=1) == pytest.approx(-0.364, abs=5e-4)
    assert kept_sum(low, np.zeros(10)) == pytest.approx(0.09)
    assert kept_sum(np.array([0.3]), np.array([0.1])) == pytest.approx(0.2)
    assert kept_sum(np.array([0.3, 0.3]), np.array([0.1, 0.1])) == pytest.approx(0.4)
    assert kept_sum(paid, paid) == 0.0


def test_the_content_free_query_pays_nothing_and_two_endings_are_asked() -> None:
    docs = documents([1, 3, 2])
    assert LlmIcr(lm=Scripted(worth)).score(Query("q", "N/A"), docs) == [0.0, 0.0, 0.0]
    with usage.counting() as used:
        LlmIcr(lm=Scripted(worth)).score(QUERY, docs)
    assert used.passes == 3
    assert not LlmIcr(lm=Scripted(worth)).card.rank_only
    assert LlmIcr(lm=Scripted(worth), window=4, step=2).card.rank_only
    windows = LlmIcr(lm=Scripted(worth), window=4, step=2).score(QUERY, documents([1, 2, 3, 4, 5, 6]))
    assert windows[4:] == [5.0, 6.0]
    assert sorted(windows) == [1, 2, 3, 4, 5, 6]


def test_a_heap_asks_as_often_as_it_should() -> None:
    values = list(range(100))
    counts = []
    for seed in range(40):
        Random(seed).shuffle(values)
        with usage.counting() as used:
            scores = LlmSetwise(lm=Scripted(worth), children=3, k=10).score(QUERY, documents(values))
        counts.append(used.calls)
        assert order_of(scores)[:10] == sorted(range(100), key=lambda place: -values[place])[:10]
        rest = order_of(scores)[10:]
        assert rest == sorted(rest)
    assert 82 in counts
    assert max(counts) - min(counts) < 20


def test_a_model_that_always_names_the_first_passage_leaves_the_heap_as_it_is() -> None:
    first = Scripted(worth, lambda docs, best, prompt: "A")
    answer = LlmSetwise(lm=first, k=5, by="generate").answer(QUERY, documents(range(20)))
    assert (answer.unchanged, answer.orderings, answer.invalid) == (answer.answers, answer.answers, 0)
    assert order_of(answer.scores)[0] == 0
    asked: list[int] = []

    def best(numbers: Sequence[int]) -> int:
        asked.append(len(numbers))
        return 0

    assert setwise.heap(100, 1, 3, best) == [0]
    assert len(asked) == 33  # one for each parent: ceil((100 - 1) / 3)
    assert setwise.bubble(10, 3, 3, best) == [0, 1, 2]


@pytest.mark.parametrize("kind", [LlmSetwise, LlmPairwise])
def test_an_answer_that_names_none_leaves_the_first_in_front_and_counts(kind: type) -> None:
    ranker = kind(lm=Scripted(worth, lambda docs, best, prompt: "Both are good."), by="generate")
    answer = ranker.answer(QUERY, documents([1, 2, 3]))
    assert answer.invalid == answer.answers == answer.faults.unparsed > 0
    assert answer.ties == answer.comparisons
    with pytest.raises(InvalidAnswer, match=r"answered 'Both are good\.'"):
        ranker.repaired(Repair.ERROR).answer(QUERY, documents([1, 2, 3]))


def test_all_pairs_give_wins_and_a_model_that_names_the_first_gives_ties() -> None:
    docs = documents([3, 1, 4, 2, 5])
    with usage.counting() as used:
        answer = LlmPairwise(lm=Scripted(worth)).answer(QUERY, docs)
    assert list(answer.scores) == [2.0, 0.0, 3.0, 1.0, 4.0]
    assert used.calls == answer.answers == 5 * 4
    assert (answer.comparisons, answer.ties) == (10, 0)
    assert (answer.unchanged, answer.orderings) == (10, 20)
    biased = LlmPairwise(lm=Scripted(worth, position_bias=100.0)).answer(QUERY, docs)
    assert list(biased.scores) == [2.0] * 5
    assert (biased.comparisons, biased.ties, biased.unchanged) == (10, 10, 20)


def test_a_model_that_cannot_tell_two_passages_apart_makes_a_tie() -> None:
    answer = LlmPairwise(lm=Scripted(worth)).answer(QUERY, documents([1, 1]))
    assert (list(answer.scores), answer.ties, answer.invalid, answer.orderings) == ([0.5, 0.5], 1, 0, 0)


@pytest.mark.parametrize(
    ("text", "strict", "lenient"),
    [
        ("A", 0, 0), (" b.", None, None), ("B.", 1, 1), ("Passage B", 1, 1), ("[C]", 2, 2), ("", None, None),
        ("B is best", None, 1), ("The best is passage C.", None, 2), ("neither", None, None), ("D", None, None),
        ("<think>A or B?</think> B", 1, 1), ("Passage A and Passage B", None, 0),
    ],
)  # fmt: skip
def test_the_letter_of_an_answer(text: str, strict: int | None, lenient: int | None) -> None:
    assert choose(Written(text), 3)[0] == strict
    assert choose(Written(text), 3, parser="lenient")[0] == lenient
    assert bool(choose(Written(text), 3)[1]) == (strict is None)
    assert choose(Written("A", refused=True), 3) == (None, Faults(refused=1))


def test_yes_against_no_is_the_log_of_their_ratio() -> None:
    class Two(Scripted):
        def options(self, prompts: Sequence[Prompt], choices: Sequence[str], /) -> list[list[float | None]]:
            known = {"yes": log(0.2), "Yes": log(0.1), "no": log(0.05), " no": None}
            return [[known.get(choice) for choice in choices] for _ in prompts]

    assert LlmYesNo(lm=Two()).score(QUERY, documents([1, 2])) == pytest.approx([log(0.3 / 0.05)] * 2)
    odds = LlmYesNo(lm=Scripted(worth)).score(QUERY, documents([8]))[0]
    assert 1 / (1 + exp(-odds)) == pytest.approx(1 / (1 + exp(-2.0)))
    with pytest.raises(ContractError, match="tells no probability of 'no'"):
        LlmYesNo(lm=Two(), no=["nein"]).score(QUERY, documents([1]))
    with pytest.raises(PluginError, match="yes must be at least 1"):
        LlmYesNo(lm=Two(), yes=[])


def test_point_wise_rankers_say_so() -> None:
    for ranker in (LlmYesNo(lm=Scripted(worth)), LlmQueryLikelihood(lm=Scripted(worth))):
        assert ranker.card.pointwise
        assert not ranker.card.rank_only
    assert LlmQueryLikelihood(lm=Scripted(worth)).score(Query("q", ""), documents([1])) == [0.0]


def test_scripted_faults_show_in_every_generating_method() -> None:
    for kind in (LlmWindows, LlmSetwise, LlmPairwise):
        more: dict[str, Any] = {} if kind is LlmWindows else {"by": "generate"}
        answer = kind(lm=ScriptedModel(fault="unparsed", faulty=1.0), **more).answer(QUERY, documents([1, 2, 3]))
        assert answer.faults.unparsed == answer.answers
