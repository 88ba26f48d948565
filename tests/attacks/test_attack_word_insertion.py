"""Optimised insertion of words, against rankers whose best insertion is known by enumeration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations_with_replacement, product
from random import Random
from typing import Any

import pytest

from robustrank.core.errors import AccessDenied, PluginError
from robustrank.core.plugin_spec import Plugin
from robustrank.core.types import Access, Budget, Case, Document, Perturbation, Query, RankerCard, WordGradients
from robustrank.core.words import words
from robustrank.perturbations.oracle import MeteredOracle, MeteredRanker
from robustrank.perturbations.verify import verify
from robustrank.plugins import registry
from robustrank.testing import WordWeights, check_attack, make_case
from robustrank_attacks.insertion._insertion import offsets, put
from robustrank_attacks.insertion._vocabulary import contrast_words, vocabulary
from robustrank_attacks.insertion.word_insertion import WordInsertion
from robustrank_attacks.substitution.random_edits import RandomEdits

LEVELS = ["weights", "scores", "ranks"]
TEXT = "Plain words here. Then some more of them! And a third one"


def insert(plugin: WordInsertion, ranker: Any, case: Case, budget: Budget) -> tuple[str, int]:
    """The new text, which must be legal, and the pairs it cost."""
    oracle = MeteredOracle(MeteredRanker(ranker), case, plugin.threat, budget)
    done = plugin.perturb(case, oracle, Random(0))
    assert verify(case, done, plugin.threat, budget).violations == ()
    return case.target.text if done.target is None else done.target, oracle.spent


def listed(ranker: Any, goal_rank: int = 0, query: str = "red fox") -> Case:
    """The text below documents that teach the words of a list, and above nothing."""
    heads = [f"red fox red fox gold{i % 3} iron{i % 2} red" for i in range(10)]
    return make_case(ranker, query, [TEXT, *heads, *(f"red tail{i}" for i in range(4))], 0, goal_rank=goal_rank)


def score(ranker: Any, case: Case, text: str) -> float:
    value: float = ranker.score(case.query, [Document("", text)])[0]
    return value


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("edits", [1, 2, 3])
@pytest.mark.parametrize("access", ["scores", "weights"])
def test_on_an_additive_ranker_it_finds_the_best_insertion_there_is(access: Any, seed: int, edits: int) -> None:
    rng = Random(seed)
    known = ["red", "fox", "gold0", "gold1", "gold2", "iron0", "iron1"]
    ranker = WordWeights(weights={word: rng.uniform(-1, 1) for word in known}, match=0.0)
    case = listed(ranker)
    possible = vocabulary(case, ["query", "list"], 6)
    texts = [
        put(TEXT, list(zip(places, chosen, strict=True)))
        for count in range(edits + 1)
        for chosen in combinations_with_replacement(possible, count)
        for places in product(offsets(TEXT, "best"), repeat=count)
    ]
    text, _ = insert(WordInsertion(access=access), ranker, case, Budget(edits=edits))
    assert score(ranker, case, text) == pytest.approx(max(score(ranker, case, each) for each in texts))


class Positional(WordWeights):
    """Adds to each word what its place is worth: nothing but where words stand differs from a sum of weights."""

    side = 1

    def score(self, query: Query, docs: Sequence[Document], /) -> list[float]:
        terms = {word.text.lower() for word in words(query.text)}
        read = [[w.text for w in words(doc.text)][:: self.side][:3] for doc in docs]
        return [sum(self._weight(word, terms) for word in part) for part in read]

    def gradients(self, query: Query, document: Document, candidates: Mapping[int, Sequence[str]], /) -> WordGradients:
        exact = super().gradients(query, document, candidates)
        n = len(exact.importance)
        read = set(range(n)[:: self.side][:3])
        return WordGradients(
            importance=[norm * (i in read) for i, norm in enumerate(exact.importance)],
            gains={at: [gain * (at in read) for gain in gains] for at, gains in exact.gains.items()},
        )


class Ends(Positional):
    """Reads the last three words."""

    side = -1


@pytest.mark.parametrize("access", ["scores", "weights"])
@pytest.mark.parametrize(("kind", "start"), [(Positional, True), (Ends, False)])
def test_it_finds_the_place_that_is_read(kind: type[Positional], start: bool, access: Any) -> None:
    ranker = kind(weights={"gold1": 0.5})
    case = listed(ranker)
    text, _ = insert(WordInsertion(access=access), ranker, case, Budget(edits=2))
    assert sum(word in ("red", "fox") for word in text.split()) == 2
    assert text.startswith(TEXT) is not start
    assert text.endswith(TEXT) is start
    # Where it may not go there, it gives up.
    other: Any = "end" if start else "start"
    assert insert(WordInsertion(access=access, place=other), ranker, case, Budget(edits=2))[0] == TEXT


@pytest.mark.parametrize("access", LEVELS)
def test_against_a_ranker_that_no_word_moves_it_gives_up(access: Any) -> None:
    ranker = WordWeights(match=0.0)
    case = listed(ranker)
    text, pairs = insert(WordInsertion(access=access), ranker, case, Budget(edits=3))
    assert text == TEXT
    possible, places = len(vocabulary(case, ["query", "list"], 6)), len(offsets(TEXT, "best"))
    if access == "scores":  # every word once, and one word at every other place
        assert pairs == possible + places - 1


@pytest.mark.parametrize("access", LEVELS)
def test_it_stops_at_the_goal_with_the_fewest_words(access: Any) -> None:
    ranker = WordWeights(weights={"gold1": 2.5})
    case = make_case(ranker, "red fox", [TEXT, "red fox", "red fox gold1", "red", *["x"] * 12], 0, goal_rank=2)
    text, _ = insert(WordInsertion(access=access), ranker, case, Budget())
    assert text in {put(TEXT, [(at, "gold1")]) for at in offsets(TEXT, "best")}
    done = make_case(ranker, "red fox", ["red fox red", "red", "fox"], 0, goal_rank=1)
    assert insert(WordInsertion(access=access), ranker, done, Budget()) == ("red fox red", 0)


def test_with_ranks_it_goes_on_where_one_word_changes_no_rank() -> None:
    ranker = WordWeights()
    case = make_case(ranker, "red fox", [TEXT, "red red red", "fox fox fox", "fox red red red"], 0, goal_rank=1)
    text, _ = insert(WordInsertion(access="ranks"), ranker, case, Budget(edits=5))
    assert sum(word in ("red", "fox") for word in text.split()) == 5


@pytest.mark.parametrize("access", LEVELS)
@pytest.mark.parametrize("calls", [0, 1, 2, 5, 17, 40])
def test_few_pairs_are_shared_by_the_words_it_may_insert(access: Any, calls: int) -> None:
    ranker = WordWeights()
    text, pairs = insert(WordInsertion(access=access), ranker, listed(ranker), Budget(edits=4, calls=calls))
    assert pairs <= calls
    if access != "ranks" and calls >= 17:
        assert len(words(text)) == len(words(TEXT)) + 4


def test_words_of_the_list_are_those_its_head_has_and_its_tail_has_not() -> None:
    ranker = WordWeights()
    heads = [f"red fox red fox the gold common iron{i}" for i in range(10)]
    case = make_case(ranker, "the red fox", [TEXT, *heads, *["red common"] * 9], 0)
    assert contrast_words(case, 3) == ["fox", "gold", "iron0"]
    assert vocabulary(case, ["query"], 9) == ["red", "fox"]
    assert vocabulary(case, ["list"], 2) == ["gold", "iron0"]
    assert vocabulary(case, ["own"], 2) == ["plain", "words"]
    assert vocabulary(case._replace(query=Query("q", "the of")), ["query"], 9) == ["the", "of"]


@pytest.mark.parametrize("place", ["start", "end", "gaps", "best"])
@pytest.mark.parametrize("edits", [0, 1, 4])
def test_its_control_inserts_random_words_at_the_same_places(place: Any, edits: int) -> None:
    ranker = WordWeights()
    case = listed(ranker)
    control = RandomEdits(operation="insert", place=place)
    oracle = MeteredOracle(MeteredRanker(ranker), case, control.threat, Budget(edits=edits))
    done = control.perturb(case, oracle, Random(1))
    finding = verify(case, done, control.threat, Budget(edits=edits))
    assert (finding.edits, finding.violations) == (edits, ())
    assert control.threat.control
    sentences = ["Plain words here.", "Then some more of them!", "And a third one"]
    assert all(sentence in str(done.target) for sentence in sentences)
    if edits:
        assert str(done.target).endswith(TEXT) is (place == "start") or place == "best"
        assert str(done.target).startswith(TEXT) is (place == "end") or place == "best"


class NoGradients:
    """Word weights without gradients."""

    card = RankerCard(name="closed", fingerprint="1")

    def score(self, query: Query, docs: Sequence[Document], /) -> list[float]:
        return WordWeights().score(query, docs)


def test_access_is_what_it_declares() -> None:
    assert [WordInsertion(access=a).threat.access for a in ("ranks", "scores", "weights")] == [*Access][1:]
    ranker = NoGradients()
    case = listed(ranker)
    assert insert(WordInsertion(access="ranks"), ranker, case, Budget(edits=2))[0] != TEXT
    plugin = WordInsertion(access="scores")
    oracle = MeteredOracle(MeteredRanker(ranker), case, WordInsertion(access="ranks").threat, Budget())
    with pytest.raises(AccessDenied):
        plugin.perturb(case, oracle, Random(0))


@pytest.mark.parametrize("access", LEVELS)
@pytest.mark.parametrize("place", ["best", "gaps"])
def test_the_contract_holds(access: Any, place: Any) -> None:
    ranker = WordWeights(weights={"gold1": 0.5, "plain": 0.2})
    plugin = WordInsertion(access=access, place=place, vocabulary=("query", "list", "own"))
    check_attack(plugin, ranker, [listed(ranker), listed(ranker, goal_rank=3)])
    assert plugin.perturb(
        listed(ranker, goal_rank=99), MeteredOracle(MeteredRanker(ranker), listed(ranker), plugin.threat, Budget()),
        Random(0),
    ) == Perturbation()  # fmt: skip


def test_unknown_parameters_are_refused() -> None:
    with pytest.raises(PluginError, match="vocabulary must be one of query, list, own, not 'any'"):
        WordInsertion(vocabulary=("any",))
    with pytest.raises(PluginError, match="place must be one of start, end, gaps, best"):
        WordInsertion(place="interleave")  # type: ignore[arg-type]
    for wrong in ("terms", "most", "batch"):
        with pytest.raises(PluginError, match=f"{wrong} must be at least 1"):
            registry.build("attack", Plugin(use="word_insertion", params={wrong: 0}))
