"""Triggers by beam search on a surrogate, against rankers whose best trigger is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from math import exp, log
from random import Random
from typing import Any

import pytest

from robustrank.core.errors import PluginError
from robustrank.core.plugin_spec import Plugin
from robustrank.core.types import Access, Budget, Case, Document, Query
from robustrank.core.words import words
from robustrank.perturbations.oracle import MeteredOracle, MeteredRanker
from robustrank.perturbations.verify import verify
from robustrank.plugins import registry
from robustrank.testing import WordWeights, check_attack, make_case
from robustrank_attacks.insertion import _fluency
from robustrank_attacks.insertion.insert_trigger import InsertTrigger, _Search

TEXT = "Plain words here. Then some more of them."
HEADS = [f"red fox red fox and gold{i} of honey" for i in range(8)] + ["the sweet honey of red fox"]
TAILS = ["red", "fox", *[f"one more page {i}" for i in range(40)]]
OWN = WordWeights(weights={"honey": 1.5, "sweet": 1.25, "gold1": -2.0, "and": 0.5, "foxes": 9.0})
VICTIM = WordWeights(weights={"honey": 0.5})
BARE: dict[str, Any] = {"fluency": 0.0, "joint": 0.0, "repetition": 1.0}


def listed(goal_rank: int = 0, victim: Any = VICTIM) -> Case:
    return make_case(victim, "red fox", [TEXT, *HEADS, *TAILS], 0, goal_rank=goal_rank)


def attacked(plugin: InsertTrigger, case: Case, victim: Any = VICTIM, budget: Budget | None = None) -> tuple[str, int]:
    """The new text, which must be legal, and the pairs it cost."""
    budget = budget or Budget()
    oracle = MeteredOracle(MeteredRanker(victim), case, plugin.threat, budget)
    done = plugin.perturb(case, oracle, Random(0))
    assert verify(case, done, plugin.threat, budget).violations == ()
    return case.target.text if done.target is None else done.target, oracle.spent


@pytest.mark.parametrize("beam", [1, 5])
@pytest.mark.parametrize("most", [1, 2, 6])
def test_by_the_surrogate_alone_the_trigger_is_its_best_word_again_and_again(beam: int, most: int) -> None:
    text, pairs = attacked(InsertTrigger(surrogate=OWN, beam=beam, most=most, **BARE), listed())
    assert (text, pairs) == (" ".join(["honey"] * most) + f" {TEXT}", 0)


def test_repeated_words_are_penalised() -> None:
    plugin = InsertTrigger(surrogate=OWN, most=3, fluency=0, joint=0, repetition=1e6)
    trigger = attacked(plugin, listed())[0].split()[:3]
    assert sorted(trigger) == ["and", "honey", "sweet"]


def test_no_word_of_the_query_is_used() -> None:
    heads = [f"{head} foxes" for head in HEADS]
    case = make_case(VICTIM, "red fox", [TEXT, *heads, *TAILS], 0, goal_rank=0)
    text, _ = attacked(InsertTrigger(surrogate=OWN, **BARE), case)
    assert not {"red", "fox", "foxes"}.intersection(w.text.lower() for w in words(text))


@dataclass(frozen=True)
class AfterTheTrigger(WordWeights):
    """Does not read the first six words."""

    def score(self, query: Query, docs: Sequence[Document], /) -> list[float]:
        rest = [Document("", " ".join(w.text for w in words(doc.text)[6:])) for doc in docs]
        return super().score(query, rest)


def test_on_a_ranker_that_does_not_read_the_trigger_nothing_is_gained() -> None:
    # To the surrogate, too, the document begins behind the trigger: then its own first words are read again.
    body = f"{'x ' * 6}{TEXT}"
    blind = AfterTheTrigger(weights=OWN.weights)
    case = make_case(blind, "red fox", [body, *HEADS], 0, goal_rank=0)
    text, _ = attacked(InsertTrigger(surrogate=replace(blind, match=0.5), **BARE), case, blind)
    assert text == body
    # A surrogate that does read it hands one in, and the victim's score stays what it is.
    text, _ = attacked(InsertTrigger(surrogate=OWN, **BARE), case, blind)
    assert text == " ".join(["honey"] * 6) + f" {body}"
    before, after = blind.score(case.query, [Document("", body), Document("", text)])
    assert before == after


def test_with_beams_as_many_as_triggers_it_is_the_best_by_enumeration(monkeypatch: pytest.MonkeyPatch) -> None:
    def perplexity(text: str) -> float:
        tokens = text.lower().split()
        return 1.5 + sum((len(word) * (at + 3)) % 7 for at, word in enumerate(tokens)) / len(tokens)

    monkeypatch.setattr(_fluency, "language_model", lambda: perplexity)
    case = make_case(VICTIM, "red fox", [TEXT, "sweet honey gold1", "red honey zoo", *["one page"] * 9], 0, goal_rank=0)
    plugin = InsertTrigger(surrogate=OWN, most=2, beam=99, fluency=2.0, joint=0.0, repetition=1.0)
    text, _ = attacked(plugin, case)
    scores = OWN.score(case.query, case.candidates)
    heads = OWN.score(case.query, [doc for doc in case.candidates if doc.doc_id != "0"][:3])
    spread = (sum((s - sum(scores) / len(scores)) ** 2 for s in scores) / len(scores)) ** 0.5

    def value(block: Sequence[str]) -> float:
        (score,) = OWN.score(case.query, [Document("", " ".join([*block, TEXT]))])
        margin = (score - sum(heads) / 3) / spread
        return -log(1 + exp(-margin)) + 2.0 * -log(perplexity(" ".join(block)))

    possible = _Search(plugin, case)._words()
    assert {"sweet", "honey", "gold1", "of"} <= set(possible)
    best = max(product(possible, repeat=2), key=value)
    assert text == f"{' '.join(best)} {TEXT}"


def test_where_no_trigger_is_a_gain_the_document_stays() -> None:
    flat = WordWeights(weights={"page": -1.0, "more": 2.0, "red": 0.5}, match=0.0)
    assert attacked(InsertTrigger(surrogate=flat, terms=1, fluency=0, joint=0), listed()) == (TEXT, 0)
    assert attacked(InsertTrigger(surrogate=OWN), listed(goal_rank=99)) == (TEXT, 0)
    assert attacked(InsertTrigger(surrogate=OWN), listed(), budget=Budget(edits=0)) == (TEXT, 0)
    only = make_case(VICTIM, "red fox", [TEXT], 0, goal_rank=0)
    assert attacked(InsertTrigger(surrogate=OWN), only) == (TEXT, 0)


def test_the_victim_as_its_own_surrogate_is_refused() -> None:
    with pytest.raises(PluginError, match="it is the victim"):
        attacked(InsertTrigger(surrogate=VICTIM), listed())
    # A short list may be ordered alike by accident; scores tell.
    short = make_case(VICTIM, "red fox", [TEXT, *HEADS], 0, goal_rank=0)
    attacked(InsertTrigger(surrogate=VICTIM), short)
    with pytest.raises(PluginError, match="is the victim itself"):
        attacked(InsertTrigger(surrogate=VICTIM, access="scores", **BARE), short)


@pytest.mark.parametrize("access", ["ranks", "scores"])
def test_asked_victims_choose_among_the_triggers_of_the_last_beam(access: Any) -> None:
    # The victim likes what the surrogate likes less: of the last beams, the one with most of it ranks best.
    victim = WordWeights(weights={"sweet": 2.25})
    case = make_case(victim, "red fox", [TEXT, *HEADS, *TAILS], 0, goal_rank=0)
    own = replace(OWN, weights={"honey": 1.5, "sweet": 1.25})
    unseen, none = attacked(InsertTrigger(surrogate=own, most=2, **BARE), case, victim)
    text, pairs = attacked(InsertTrigger(surrogate=own, access=access, most=2, **BARE), case, victim)
    assert (unseen, none) == (f"honey honey {TEXT}", 0)
    assert text == f"sweet sweet {TEXT}"
    assert pairs == 5
    assert attacked(InsertTrigger(surrogate=own, access=access), case, victim, Budget(calls=2))[1] <= 2


def test_what_it_sees_and_refuses() -> None:
    levels: list[Any] = ["list", "ranks", "scores"]
    assert [InsertTrigger(surrogate=OWN, access=a).threat.access for a in levels] == [
        Access.RANKS, Access.RANKS, Access.SCORES,
    ]  # fmt: skip
    with pytest.raises(PluginError, match="access must be one of list, ranks, scores"):
        InsertTrigger(surrogate=OWN, access="none")  # type: ignore[arg-type]
    with pytest.raises(PluginError, match="repetition at least 1"):
        InsertTrigger(surrogate=OWN, repetition=0.5)
    with pytest.raises(PluginError, match="beam must be at least 1"):
        InsertTrigger(surrogate=OWN, beam=0)
    with pytest.raises(PluginError, match="surrogate"):
        registry.build("attack", Plugin(use="insert_trigger"))


@pytest.mark.parametrize("access", ["list", "ranks", "scores"])
def test_the_contract_holds(access: Any) -> None:
    check_attack(InsertTrigger(surrogate=OWN, access=access), VICTIM, [listed(), listed(goal_rank=3)])
