"""Blocks of words found by gradients, against rankers whose best block is known by enumeration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from random import Random
from typing import Any

import pytest

from robustrank.core.errors import PluginError
from robustrank.core.plugin_spec import Plugin
from robustrank.core.types import Access, Budget, Case, Document, Goal, Query, WordGradients
from robustrank.core.words import words
from robustrank.perturbations.oracle import MeteredOracle, MeteredRanker
from robustrank.perturbations.verify import verify
from robustrank.plugins import registry
from robustrank.testing import WordWeights, check_attack, make_case
from robustrank_attacks.insertion import _fluency
from robustrank_attacks.insertion._insertion import BLOCKS, insert_block
from robustrank_attacks.insertion._vocabulary import apart_from, list_words
from robustrank_attacks.insertion.insert_hotflip import InsertHotFlip, insert_collision

TEXT = "Plain words here. Then some more of them! And a third one"
HEADS = ["Foxes and the reddest honey", "sweet honey of bears", "a fox, foxed"]
WEIGHTS = {"honey": 1.5, "sweet": 1.25, "bears": -1.0, "plain": -0.5, "foxed": 0.75}


def listed(ranker: Any, goal_rank: int = 0) -> Case:
    return make_case(ranker, "red fox", [TEXT, *HEADS, "x"], 0, goal_rank=goal_rank)


def attacked(
    plugin: InsertHotFlip, ranker: Any, case: Case, budget: Budget | None = None, seed: int = 0
) -> tuple[str, int]:
    """The new text, which must be legal, and the pairs it cost."""
    budget = budget or Budget()
    oracle = MeteredOracle(MeteredRanker(ranker), case, plugin.threat, budget)
    done = plugin.perturb(case, oracle, Random(seed))
    assert verify(case, done, plugin.threat, budget).violations == ()
    return case.target.text if done.target is None else done.target, oracle.spent


def everything(case: Case) -> list[str]:
    """The vocabulary: the query's words, then the list's."""
    return list(dict.fromkeys(["red", "fox", *list_words(case, 99)]))


def enumerated(ranker: Any, case: Case, possible: Sequence[str], size: int, sign: int = 1) -> float:
    texts = [insert_block(TEXT, block, "start")[0] for block in product(possible, repeat=size)]
    return max(sign * float(score) for score in ranker.score(case.query, [Document("", text) for text in texts]))


@pytest.mark.parametrize("place", BLOCKS)
@pytest.mark.parametrize("avoid", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_one_sweep_reaches_the_best_block_of_a_ranker_that_adds_words(place: Any, avoid: bool, seed: int) -> None:
    ranker = WordWeights(weights=WEIGHTS)
    case = listed(ranker)
    plugin = InsertHotFlip(most=2, sweeps=1, restarts=1, place=place, avoid_query=avoid)
    text, pairs = attacked(plugin, ranker, case, seed=seed)
    possible = everything(case)
    if avoid:
        possible = apart_from("red fox", possible)
        assert not {"red", "fox", "foxes", "foxed"}.intersection(possible)
    (score,) = ranker.score(case.query, [Document("", text)])
    assert score == enumerated(ranker, case, possible, 2)
    assert pairs <= 1 + 1 + 2 * (len(possible) - 1)
    after = [w.text for w in words(text)]
    expected = {"start": 0, "middle": 8, "end": 12}[place]
    assert after[:expected] + after[expected + 2 :] == [w.text for w in words(TEXT)]


def test_only_the_most_promising_words_are_scored() -> None:
    ranker = WordWeights(weights=WEIGHTS)
    case = listed(ranker)
    text, pairs = attacked(InsertHotFlip(most=3, promising=1, sweeps=1, restarts=1), ranker, case)
    assert pairs == 1 + 1 + 3
    (score,) = ranker.score(case.query, [Document("", text)])
    assert score == enumerated(ranker, case, everything(case), 3)


@dataclass(frozen=True)
class Paired(WordWeights):
    """A word counts only after its partner: gradients, which do not know it, mislead."""

    def score(self, query: Query, docs: Sequence[Document], /) -> list[float]:
        texts = [" ".join(w.text.lower() for w in words(doc.text)) for doc in docs]
        return [float("sweet bears" in text) - text.count("honey") / 8 for text in texts]


def test_no_exchange_makes_it_worse_and_nothing_is_handed_in_that_is() -> None:
    ranker = Paired(weights=WEIGHTS)
    case = listed(ranker)
    for seed in range(10):
        text, _ = attacked(InsertHotFlip(most=2, promising=2), ranker, case, seed=seed)
        before, after = ranker.score(case.query, [Document("", TEXT), Document("", text)])
        assert after >= before
        assert (text == TEXT) == (after == before)
    flat = WordWeights(match=0.0)
    assert attacked(InsertHotFlip(), flat, listed(flat))[0] == TEXT


def test_it_stops_at_the_goal() -> None:
    ranker = WordWeights(weights=WEIGHTS)
    case = listed(ranker, goal_rank=4)
    _, pairs = attacked(InsertHotFlip(most=1), ranker, case)
    assert pairs <= 1 + 1 + 8  # a block at random, a backward pass, one batch
    done = case._replace(target=case.candidates[0])
    assert attacked(InsertHotFlip(), ranker, done) == (done.target.text, 0)


def test_it_demotes_with_the_worst_words() -> None:
    ranker = WordWeights(weights=WEIGHTS)
    case = listed(ranker, goal_rank=99)
    plugin = InsertHotFlip(goal="demote", most=2, sweeps=1, restarts=1)
    text, _ = attacked(plugin, ranker, case)
    (score,) = ranker.score(case.query, [Document("", text)])
    assert -score == enumerated(ranker, case, everything(case), 2, -1)
    assert plugin.threat.goal is Goal.DEMOTE


@pytest.mark.parametrize("calls", [0, 1, 2, 3, 10, 40, 200])
def test_it_never_asks_more_than_the_pairs_it_has(calls: int) -> None:
    ranker = Paired(weights=WEIGHTS)
    assert attacked(InsertHotFlip(most=2), ranker, listed(ranker), Budget(calls=calls))[1] <= calls


def test_the_words_of_a_block_share_the_pairs() -> None:
    ranker = WordWeights(weights=WEIGHTS)
    case = listed(ranker)
    # A block at random, a backward pass, and one exchange for each word.
    text, pairs = attacked(InsertHotFlip(most=3, restarts=1), ranker, case, Budget(calls=5))
    assert pairs == 5
    (score,) = ranker.score(case.query, [Document("", text)])
    assert score == enumerated(ranker, case, everything(case), 3)


def test_restarts_share_the_pairs() -> None:
    class Watched(WordWeights):
        """Notes where gradients are asked."""

        def gradients(self, query: Query, document: Document, candidates: Any, /) -> WordGradients:
            seen.append(document.text)
            return super().gradients(query, document, candidates)

    seen: list[str] = []
    ranker = Watched(weights=WEIGHTS)
    case = listed(ranker)
    text, _ = attacked(InsertHotFlip(most=2), ranker, case, Budget(calls=36))
    assert len(seen) == 2  # two restarts of 18 pairs, a sweep each, and not one restart that spends them all
    assert text not in seen


def test_without_a_word_that_may_be_used_it_gives_up() -> None:
    ranker = WordWeights()
    case = make_case(ranker, "red fox", ["The red fox", "foxes of red", "of the fox"], 0, goal_rank=0)
    other = case._replace(query=Query("q", "red foxes of the"))
    assert apart_from(other.query.text, list_words(other, 99)) == []
    assert attacked(insert_collision(), ranker, other) == ("The red fox", 0)
    assert attacked(InsertHotFlip(), ranker, case, Budget(edits=0)) == ("The red fox", 0)


def test_a_collision_has_no_word_that_reads_as_the_query() -> None:
    possible = ["city", "cities", "bus", "buses", "run", "running", "runner", "art", "arts", "quick", "quickly", "of"]
    assert apart_from("Cities of the bus, art; RUNS quick", possible) == ["running", "runner"]
    assert apart_from("running", possible) == [w for w in possible if not w.startswith("run")]
    assert apart_from("the art of cooking", ["these", "then", "artist", "cook", "coop", "of", "a"]) == [
        "these", "then", "coop", "a",
    ]  # fmt: skip
    ranker = WordWeights(weights=WEIGHTS | {"foxes": 9.0, "reddest": 9.0, "sweet": 2.0})
    text, _ = attacked(insert_collision(most=4), ranker, listed(ranker))
    assert [w.text for w in words(text)][:4] == ["sweet"] * 4
    with_query = attacked(InsertHotFlip(most=4), ranker, listed(ranker))[0]
    assert "foxes" in with_query or "reddest" in with_query


def test_fluency_is_a_weight_beside_the_score(monkeypatch: pytest.MonkeyPatch) -> None:
    # A language model that takes `bears` for probable, and everything else not.
    monkeypatch.setattr(_fluency, "language_model", lambda: lambda text: 1.0 if set(text.split()) == {"bears"} else 9.0)
    ranker = WordWeights(weights=WEIGHTS | {"bears": 0.25})
    case = listed(ranker)
    for weight, word in ((0.0, "honey"), (0.1, "honey"), (10.0, "bears")):
        text, _ = attacked(insert_collision(most=1, fluency=weight), ranker, case)
        assert text == f"{word} {TEXT}"
    monkeypatch.setattr(_fluency, "language_model", lambda: None)
    assert attacked(insert_collision(most=1, fluency=10.0), ranker, case)[0] == f"honey {TEXT}"


def test_its_control_is_the_best_of_as_many_random_blocks() -> None:
    ranker = WordWeights(weights=WEIGHTS)
    case = listed(ranker)
    control = InsertHotFlip(sweeps=0, restarts=6, most=2)
    assert (control.threat.control, control.threat.access) == (True, Access.SCORES)
    assert (InsertHotFlip().threat.control, InsertHotFlip().threat.access) == (False, Access.WEIGHTS)
    rng = Random(5)
    possible = everything(case)
    blocks = [tuple(rng.choice(possible) for _ in range(2)) for _ in range(6)]
    texts = [insert_block(TEXT, block, "start")[0] for block in blocks]
    scores = ranker.score(case.query, [Document("", text) for text in texts])
    assert attacked(control, ranker, case, seed=5) == (texts[scores.index(max(scores))], 6)
    assert attacked(control, ranker, case, Budget(calls=4), seed=5)[1] == 4


@pytest.mark.parametrize("plugin", [InsertHotFlip(), insert_collision(most=3, restarts=2), InsertHotFlip(place="end")])
def test_the_contract_holds(plugin: InsertHotFlip) -> None:
    ranker = WordWeights(weights=WEIGHTS)
    check_attack(plugin, ranker, [listed(ranker), listed(ranker, goal_rank=2)])
    check_attack(replace(plugin, sweeps=0), ranker, [listed(ranker)])


def test_unknown_parameters_are_refused() -> None:
    with pytest.raises(PluginError, match="place must be one of start, middle, end, not 'best'"):
        InsertHotFlip(place="best")  # type: ignore[arg-type]
    with pytest.raises(PluginError, match="sweeps and fluency must not be negative"):
        InsertHotFlip(fluency=-1)
    for wrong in ("most", "promising", "restarts"):
        with pytest.raises(PluginError, match=f"{wrong} must be at least 1"):
            registry.build("attack", Plugin(use="insert_collision", params={wrong: 0}))
