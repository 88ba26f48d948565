"""Universal triggers, against rankers whose best trigger is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from math import log
from random import Random
from typing import Any

import pytest

from robustrank.core.errors import PluginError
from robustrank.core.types import Access, Budget, Case, Document, Query
from robustrank.core.words import words
from robustrank.perturbations.oracle import MeteredOracle, MeteredRanker
from robustrank.perturbations.verify import verify
from robustrank.testing import WordWeights, check_attack, make_case
from robustrank_attacks.insertion._insertion import insert_block
from robustrank_attacks.insertion.universal_trigger import UniversalTrigger, find_trigger

QUERIES = ["red fox", "blue whale", "green frog", "old owl"]
WEIGHTS = {"honey": 1.625, "sweet": 1.25, "bears": -1.0}
POSSIBLE = ["bears", "sweet", "honey", "fox", "nothing"]


def pairs(ranker: Any, queries: Sequence[str]) -> list[Case]:
    return [
        make_case(ranker, query, ["A plain text.", *(f"{query.split()[0]} " * n for n in range(1, 5))], 0)
        for query in queries
    ]


def mean_gain(ranker: Any, cases: Sequence[Case], block: Sequence[str]) -> float:
    """The definition: the mean of log(rank before / rank after)."""
    total = 0.0
    for case in cases:
        rivals = ranker.score(case.query, [doc for doc in case.candidates if doc != case.target])
        text = insert_block(case.target.text, block, "start")[0]
        before, after = ranker.score(case.query, [case.target, Document("", text)])
        total += log((1 + sum(s > before for s in rivals)) / (1 + sum(s > after for s in rivals)))
    return total / len(cases)


@pytest.mark.parametrize("seed", range(4))
def test_the_trigger_of_a_ranker_that_adds_words_is_the_best_by_enumeration(seed: int) -> None:
    ranker = WordWeights(weights=WEIGHTS)
    training, selection = pairs(ranker, QUERIES[:2]), pairs(ranker, QUERIES[2:3])
    found = find_trigger(ranker, training, selection, POSSIBLE, Random(seed), size=2, restarts=2)
    best = max(mean_gain(ranker, training, block) for block in product(POSSIBLE, repeat=2))
    assert found.training == pytest.approx(best)
    assert found.training == pytest.approx(mean_gain(ranker, training, found.words))
    assert found.selection == pytest.approx(mean_gain(ranker, selection, found.words))
    held_out = pairs(ranker, QUERIES[3:])
    assert mean_gain(ranker, held_out, found.words) > 0


@dataclass(frozen=True)
class Blind(WordWeights):
    """Ignores the document."""

    def score(self, query: Query, docs: Sequence[Document], /) -> list[float]:
        return [float(len(query.text))] * len(docs)


def test_on_a_ranker_that_ignores_the_document_no_trigger_gains_anything() -> None:
    ranker = Blind(weights=WEIGHTS)
    found = find_trigger(ranker, pairs(ranker, QUERIES[:2]), pairs(ranker, QUERIES[2:3]), POSSIBLE, Random(0))
    assert (found.training, found.selection) == (0.0, 0.0)
    assert mean_gain(ranker, pairs(ranker, QUERIES[3:]), found.words) == 0.0


def test_the_restart_is_chosen_on_pairs_that_the_search_has_not_seen() -> None:
    ranker = WordWeights(weights=WEIGHTS)
    training, selection = pairs(ranker, QUERIES[:2]), pairs(ranker, QUERIES[2:3])
    rng = Random(1)
    drawn = [tuple(rng.choice(POSSIBLE) for _ in range(2)) for _ in range(6)]
    control = find_trigger(ranker, training, selection, POSSIBLE, Random(1), size=2, sweeps=0)
    assert control.words in drawn
    assert control.selection == max(mean_gain(ranker, selection, block) for block in drawn)
    # What is best for the pairs that are searched on is not what is best for the others.
    own, other = pairs(ranker, ["red fox"]), pairs(ranker, ["blue whale"])
    chosen = find_trigger(
        ranker, own, other, ["redder", "red red", "blue blue"], Random(0), size=1, sweeps=0, restarts=9
    )
    assert chosen.words == ("blue blue",)


def test_words_are_proposed_by_their_mean_gradient() -> None:
    ranker = WordWeights(weights=WEIGHTS)
    training = pairs(ranker, QUERIES)
    for seed in range(5):
        found = find_trigger(
            ranker, training, training, POSSIBLE, Random(seed), size=2, promising=1, sweeps=1, restarts=1
        )
        assert found.words == ("honey", "honey")


@pytest.mark.parametrize(("place", "text"), [
    ("start", "red honey One two. Three four. Five"),
    ("middle", "One two. Three four. red honey Five"),
    ("end", "One two. Three four. Five red honey"),
])  # fmt: skip
def test_it_inserts_the_given_words_whatever_the_query(place: Any, text: str) -> None:
    plugin = UniversalTrigger(words=["red", "honey"], place=place)
    ranker = WordWeights()
    for query in QUERIES:
        case = make_case(ranker, query, ["One two. Three four. Five", "x"], 0)
        oracle = MeteredOracle(MeteredRanker(ranker), case, plugin.threat, Budget())
        done = plugin.perturb(case, oracle, Random(0))
        assert (done.target, oracle.spent) == (text, 0)
        assert verify(case, done, plugin.threat, Budget()).violations == ()
    assert plugin.threat.access is Access.NONE
    assert UniversalTrigger(words=["red"], control=True).threat.control


def test_a_budget_of_edits_pays_for_fewer_words() -> None:
    ranker = WordWeights()
    plugin = UniversalTrigger(words=["the", "honey", "red"])
    check_attack(plugin, ranker, [make_case(ranker, "red fox", ["Plain text here.", "x"], 0)])
    case = make_case(ranker, "red fox", ["Plain", "x"], 0)
    for edits, first in ((0, []), (1, ["honey"]), (2, ["honey", "red"]), (3, ["the", "honey", "red"])):
        oracle = MeteredOracle(MeteredRanker(ranker), case, plugin.threat, Budget(edits=edits))
        done = plugin.perturb(case, oracle, Random(0))
        assert [w.text for w in words(done.target or "Plain")] == [*first, "Plain"]


def test_what_cannot_be_searched_is_refused() -> None:
    ranker = WordWeights()
    cases = pairs(ranker, QUERIES[:1])
    with pytest.raises(PluginError, match="wants pairs to search on"):
        find_trigger(ranker, cases, [], POSSIBLE, Random(0))
    with pytest.raises(PluginError, match="size must be at least 1"):
        find_trigger(ranker, cases, cases, POSSIBLE, Random(0), size=0)
    with pytest.raises(PluginError, match="provides no gradients"):
        find_trigger(Closed(), cases, cases, POSSIBLE, Random(0))
    with pytest.raises(PluginError, match="words must be single words"):
        UniversalTrigger(words=["two words"])
    with pytest.raises(PluginError, match="words must be single words"):
        UniversalTrigger(words="red")


class Closed:
    """Scores without gradients."""

    card = WordWeights().card

    def score(self, query: Query, docs: Sequence[Document], /) -> list[float]:
        return WordWeights().score(query, docs)
