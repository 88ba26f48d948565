"""Copied sentences, against rankers whose best sentence is known by enumeration."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from robustrank.core.errors import PluginError
from robustrank.core.sentences import sentences
from robustrank.core.types import Access, Budget, Case, Document, Perturbation
from robustrank.core.words import words
from robustrank.perturbations.oracle import MeteredOracle, MeteredRanker
from robustrank.perturbations.verify import verify
from robustrank.testing import WordWeights, check_attack, make_case
from robustrank_attacks.insertion._insertion import offsets, put
from robustrank_attacks.insertion._search import POOL, insertable, price
from robustrank_attacks.insertion.copy_best_sentence import CopyBestSentence

TEXT = "Plain words here. Then some more of them."
HEADS = [
    "The red fox eats honey. A fox sleeps all day – “dreaming”. Nothing else is here.",
    "Red and brown dogs run. The fox is a red, red animal of the forest and the field and the garden.",
    "Foxes hide. Honey is sweet.",
    "A red fox is red fox red fox, which nobody copies because it ranks fourth.",
]
WEIGHTS = {"honey": 3.0, "sleeps": 1.5, "plain": -1.0, "nobody": -30.0, "runs": 0.5}


def listed(ranker: Any, goal_rank: int = 0) -> Case:
    return make_case(ranker, "red fox", [TEXT, *HEADS, "a", "b"], 0, goal_rank=goal_rank)


def copied(plugin: CopyBestSentence, ranker: Any, case: Case, budget: Budget) -> tuple[str, int]:
    """The new text, which must be legal, and the pairs it cost."""
    oracle = MeteredOracle(MeteredRanker(ranker), case, plugin.threat, budget)
    done = plugin.perturb(case, oracle, Random(0))
    assert verify(case, done, plugin.threat, budget).violations == ()
    return case.target.text if done.target is None else done.target, oracle.spent


def pool(case: Case, top: int = 3) -> list[str]:
    heads = [doc.text for doc in case.candidates if doc.doc_id != case.target.doc_id][:top]
    return [insertable(each.text) for text in heads for each in sentences(text)]


@pytest.mark.parametrize("seed", range(5))
def test_with_an_exact_surrogate_the_sentence_is_the_best_of_the_pool_and_nothing_is_asked(seed: int) -> None:
    rng = Random(seed)
    names = sorted({word.text.lower() for text in HEADS for word in words(text)})
    ranker = WordWeights(weights={word: rng.uniform(-1, 1) for word in names} | {"nobody": -30.0}, match=0.0)
    case = listed(ranker)
    text, pairs = copied(CopyBestSentence(surrogate=ranker), ranker, case, Budget())
    best = max(pool(case), key=lambda s: ranker.score(case.query, [Document("", s)])[0])
    assert (text, pairs) == (f"{best} {TEXT}", 0)


def test_without_a_surrogate_it_is_the_sentence_with_most_of_the_query_and_the_shortest_of_these() -> None:
    ranker = WordWeights(weights=WEIGHTS)
    case = listed(ranker)
    assert copied(CopyBestSentence(), ranker, case, Budget()) == (f"The red fox eats honey. {TEXT}", 0)
    end = copied(CopyBestSentence(place="end"), ranker, case, Budget())
    assert end == (f"{TEXT} The red fox eats honey.", 0)
    gap = copied(CopyBestSentence(place="gaps"), ranker, case, Budget())
    assert gap == ("Plain words here. The red fox eats honey. Then some more of them.", 0)


def test_a_document_of_one_sentence_gives_that_one() -> None:
    ranker = WordWeights()
    case = make_case(ranker, "red fox", [TEXT, "red fox red", "red"], 0, goal_rank=1)
    assert copied(CopyBestSentence(top=1), ranker, case, Budget())[0] == f"red fox red. {TEXT}"


@pytest.mark.parametrize("place", ["start", "end", "gaps", "best"])
def test_with_scores_it_is_the_best_of_all_sentences_and_places(place: Any) -> None:
    class Early(WordWeights):
        """Reads eight words."""

        def score(self, query: Any, docs: Any, /) -> list[float]:
            return super().score(query, [d._replace(text=" ".join(d.text.split()[:8])) for d in docs])

    ranker = Early(weights=WEIGHTS)
    case = listed(ranker)
    text, pairs = copied(CopyBestSentence(access="scores", place=place), ranker, case, Budget())
    tried = [put(TEXT, [(at, s)]) for at in offsets(TEXT, place) for s in pool(case)]
    metered = MeteredOracle(MeteredRanker(ranker), case, CopyBestSentence(access="scores").threat, Budget())
    ranks = metered.rank([Perturbation(target=each) for each in [TEXT, *tried]])
    assert metered.rank([Perturbation(target=text)]) == [min(ranks)]
    assert pairs == min(POOL, len(set(tried)))
    assert copied(CopyBestSentence(access="scores", place=place), ranker, case, Budget(calls=3))[1] <= 3


def test_it_asks_no_more_once_the_goal_is_reached() -> None:
    ranker = WordWeights(weights=WEIGHTS)
    case = listed(ranker, goal_rank=4)
    assert copied(CopyBestSentence(access="ranks", place="best"), ranker, case, Budget())[1] == 4  # one batch
    first = case._replace(target=case.candidates[0], goal_rank=1)
    assert copied(CopyBestSentence(), ranker, first, Budget()) == (first.target.text, 0)


@pytest.mark.parametrize(("edits", "text"), [(0, TEXT), (1, TEXT), (2, f"Foxes hide. {TEXT}"), (4, None), (5, None)])
def test_only_whole_sentences_that_the_budget_pays_for_are_copied(edits: int, text: str | None) -> None:
    ranker = WordWeights(weights=WEIGHTS)
    got, _ = copied(CopyBestSentence(), ranker, listed(ranker), Budget(edits=edits))
    assert len(words(got)) <= len(words(TEXT)) + edits
    assert text is None or got == text
    assert edits != 5 or got == f"The red fox eats honey. {TEXT}"


def test_a_sentence_is_copied_without_what_no_insertion_may_bring() -> None:
    assert insertable("A fox – “dreaming”") == "A fox dreaming."
    assert insertable("Is it (so)?") == "Is it (so)?"
    assert price("Is it (so)?") == 3
    assert price('"(a)"!') == 1 + 4


def test_what_it_sees_decides_what_it_copies() -> None:
    assert [CopyBestSentence(access=a).threat.access for a in ("none", "list", "ranks", "scores")] == [
        Access.NONE, Access.RANKS, Access.RANKS, Access.SCORES,
    ]  # fmt: skip
    ranker = WordWeights()
    plugin = CopyBestSentence(access="scores", surrogate=ranker)
    with pytest.raises(PluginError, match="is the victim itself"):
        copied(plugin, ranker, listed(ranker), Budget())
    with pytest.raises(PluginError, match="access must be one of"):
        CopyBestSentence(access="weights")  # type: ignore[arg-type]


@pytest.mark.parametrize("access", ["none", "list", "ranks", "scores"])
@pytest.mark.parametrize("place", ["start", "best"])
def test_the_contract_holds(access: Any, place: Any) -> None:
    ranker = WordWeights(weights=WEIGHTS)
    surrogate = WordWeights(weights={"honey": 2.5}, match=0.9)
    for own in (None, surrogate):
        plugin = CopyBestSentence(access=access, place=place, surrogate=own)
        check_attack(plugin, ranker, [listed(ranker), listed(ranker, goal_rank=3)])
