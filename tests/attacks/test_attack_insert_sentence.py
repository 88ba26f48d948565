"""Sentence insertion of the literature, against rankers and a language model whose best insertion is enumerated."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from math import exp, log
from random import Random
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from robustrank.core.errors import MissingExtra, PluginError
from robustrank.core.sentences import sentences
from robustrank.core.types import Access, Budget, Case, Document
from robustrank.core.words import words
from robustrank.perturbations.oracle import MeteredOracle, MeteredRanker
from robustrank.perturbations.verify import verify
from robustrank.testing import WordWeights, check_attack, make_case
from robustrank_attacks.insertion import _fluency, insert_sentence
from robustrank_attacks.insertion._fluency import coherence
from robustrank_attacks.insertion._insertion import offsets, put
from robustrank_attacks.insertion._sentence_bank import moved, nearest, sentence_bank, unit
from robustrank_attacks.insertion.insert_sentence import InsertSentence

TEXT = "Plain words here. Then some more of them. Last of all a third."
HEADS = [
    "Owls eat honey at night. An owl sleeps all day – “dreaming”. Nothing else is here.",
    "Bears run far. What an animal of the forest and the field and the garden and of many other places does.",
    "Foxes hide. Honey is sweet. Plain words here.",
]
NAMES = sorted({word.text.lower() for text in [TEXT, *HEADS] for word in words(text)})


def probability(context: Sequence[str], word: str) -> float:
    """Of a made-up trigram model; any function of three words will do."""
    digest = sha256(" ".join([*context[-2:], "|", word]).encode()).digest()
    return -0.5 - digest[0] / 25


def perplexity(text: str) -> float:
    tokens = [word.text.lower() for word in words(text)]
    return exp(-sum(probability(tokens[:at], word) for at, word in enumerate(tokens)) / len(tokens))


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> None:
    use_model(monkeypatch, lambda: perplexity)


def use_model(monkeypatch: pytest.MonkeyPatch, loaded: Callable[[], Any]) -> None:
    for module in (_fluency, insert_sentence):
        monkeypatch.setattr(module, "language_model", loaded)


def listed(ranker: Any, query: str = "red fox", goal_rank: int = 0) -> Case:
    return make_case(ranker, query, [TEXT, *HEADS, "a", "b"], 0, goal_rank=goal_rank)


def inserted(plugin: InsertSentence, ranker: Any, case: Case, budget: Budget) -> tuple[str, int]:
    """The new text, which must be legal, and the pairs it cost."""
    oracle = MeteredOracle(MeteredRanker(ranker), case, plugin.threat, budget)
    done = plugin.perturb(case, oracle, Random(0))
    assert verify(case, done, plugin.threat, budget).violations == ()
    return case.target.text if done.target is None else done.target, oracle.spent


@dataclass(frozen=True)
class Letters(WordWeights):
    """An encoder of texts as counts of letters."""

    fingerprint: str = field(default="letters", kw_only=True)

    def encode(self, texts: Sequence[str], /, *, query: bool) -> NDArray[np.float32]:
        rows = [[text.lower().count(letter) for letter in "abcdefghijklmnopqrstuvwxyz"] for text in texts]
        return np.array(rows, dtype=np.float32)


@pytest.mark.parametrize("seed", range(5))
def test_by_relevance_alone_the_sentence_is_the_best_of_the_bank_at_the_first_place(seed: int, model: None) -> None:
    rng = Random(seed)
    surrogate = WordWeights(weights={name: rng.randint(-99, 99) / 64 for name in NAMES})
    ranker = WordWeights()
    case = listed(ranker)
    text, pairs = inserted(InsertSentence(weight=0, surrogate=surrogate), ranker, case, Budget())
    bank = sentence_bank(case, 12)
    best = max(bank, key=lambda sentence: surrogate.score(case.query, [Document("", sentence)])[0])
    assert len(bank) == 7
    assert (text, pairs) == (f"{best} {TEXT}", 0)


def test_the_bank_is_cut_to_the_most_relevant_sentences() -> None:
    surrogate = WordWeights(weights={"honey": 2.0, "sweet": 1.0})
    case = listed(surrogate)
    one = InsertSentence(weight=0, surrogate=surrogate, bank=1, place="start")
    assert inserted(one, WordWeights(), case, Budget())[0] == f"Honey is sweet. {TEXT}"
    # Without a surrogate: inverse document frequencies of shared words.
    case = listed(surrogate, query="where owls sleep")
    assert inserted(InsertSentence(bank=1, place="end"), WordWeights(), case, Budget())[0].startswith(TEXT)


def test_by_coherence_alone_the_choice_is_the_enumerated_one_whatever_the_query(model: None) -> None:
    ranker = WordWeights()
    texts = set()
    for query in ("red fox", "green whale", "zebra of the sea"):
        case = listed(ranker, query)
        texts.add(inserted(InsertSentence(weight=1, place="best"), ranker, case, Budget())[0])
        bank = sentence_bank(case, 12)
    trials = {
        put(TEXT, [(at, s)]): defined(TEXT[:at], s, TEXT[at:]) for at in offsets(TEXT, "best") for s in bank
    }  # fmt: skip
    assert texts == {max(trials, key=lambda text: trials[text])}


def whole(text: str) -> float:
    """Log probability of a text under the made-up model."""
    return -len(words(text)) * log(perplexity(text)) if words(text) else 0.0


def defined(left: str, s: str, right: str) -> float:
    """Coherence by its definition, of whole texts."""
    follows = whole(f"{left} {s}") - whole(left) - whole(s)
    followed = whole(f"{left} {s} {right}") - whole(f"{left} {s}") - whole(f"{left} {right}") + whole(left)
    return (follows + followed) / len(words(s))


@pytest.mark.parametrize("left", ["", "One", "One two three four."])
@pytest.mark.parametrize("inserted_text", ["Yes.", "Yes no.", "A sentence of five words."])
@pytest.mark.parametrize("right", ["", "Last", "Last of all, five words."])
def test_coherence_is_what_it_says_though_it_reads_four_words_only(
    left: str, inserted_text: str, right: str, model: None
) -> None:
    assert coherence(left, inserted_text, right) == pytest.approx(defined(left, inserted_text, right))


def test_without_a_language_model_it_goes_by_relevance_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    use_model(monkeypatch, lambda: None)
    surrogate = WordWeights(weights={"honey": 2.0, "sweet": 1.0})
    case = listed(surrogate)
    texts = {
        inserted(InsertSentence(weight=w, surrogate=surrogate), WordWeights(), case, Budget())[0] for w in (0, 0.5, 0.9)
    }
    assert texts == {f"Honey is sweet. {TEXT}"}
    with pytest.raises(MissingExtra, match="fluency"):
        inserted(InsertSentence(weight=1), WordWeights(), case, Budget())


def test_filters_keep_out_the_query_and_the_document_but_not_the_query_in_another_order() -> None:
    target = "The lake is very deep and cold. It has fish."
    pool = [
        "How deep is a lake?",  # the query
        "People ask how deep is a lake today in the north of Norway.",  # the whole query in it
        "The lake is very deep and blue.",  # more than half is the target's
        "It has fish.",  # the target's
        "Lake a is deep how.",  # the query in another order passes IDEM's filter
        "Nothing of the kind.",
        "A sentence of thirteen words is longer than twelve words can ever be.",
    ]
    case = make_case(WordWeights(), "how deep is a lake?", [target, " ".join(pool)], 0)
    assert sentence_bank(case, 12) == ["Lake a is deep how.", "Nothing of the kind."]
    # The common part is at most half: 8 of 16 characters pass, 9 do not.
    half = make_case(WordWeights(), "abcdefgh", ["x", "Abcdefgh ijklmno.", ], 0)  # fmt: skip
    assert sentence_bank(half, 12) == []
    passes = make_case(WordWeights(), "abcdefgh z", ["x", "Abcdefghijklmnop."], 0)
    assert sentence_bank(passes, 12) == ["Abcdefghijklmnop."]
    fails = make_case(WordWeights(), "abcdefghi z", ["x", "Abcdefghijklmnop."], 0)
    assert sentence_bank(fails, 12) == []


def test_where_no_sentence_passes_the_document_stays() -> None:
    ranker = WordWeights()
    case = make_case(ranker, "red fox", [TEXT, "Plain words here.", "Then some more of them."], 0, goal_rank=0)
    assert not sentence_bank(case, 12)
    for plugin in (InsertSentence(), InsertSentence(anchor=True, encoder=Letters()), InsertSentence(drawn=True)):
        assert inserted(plugin, ranker, case, Budget()) == (TEXT, 0)
    assert inserted(InsertSentence(), ranker, listed(ranker), Budget(edits=0)) == (TEXT, 0)
    assert inserted(InsertSentence(), ranker, listed(ranker, goal_rank=9), Budget()) == (TEXT, 0)


@pytest.mark.parametrize("access", ["ranks", "scores"])
def test_asked_victims_choose_the_best_rank_of_the_pool(access: Any) -> None:
    ranker = WordWeights(weights={"honey": 3.0, "sweet": 1.0, "sleeps": -1.0})
    rivals = [f"{'so ' * 12} {rival}" for rival in ("honey", "honey sweet", "honey honey")]  # too long to insert
    case = make_case(ranker, "red fox", [TEXT, *HEADS, *rivals], 0, goal_rank=0)
    text, pairs = inserted(InsertSentence(access=access), ranker, case, Budget())
    assert "Honey is sweet." in text
    assert pairs == len(sentence_bank(case, 12)) * 4
    assert inserted(InsertSentence(access=access), ranker, case, Budget(calls=3))[1] <= 3
    with pytest.raises(PluginError, match="is the victim itself"):
        inserted(InsertSentence(access="scores", surrogate=ranker), ranker, case, Budget())


def test_moved_by_nothing_a_sentence_is_itself_and_moved_for_ever_it_is_the_anchor() -> None:
    rng = np.random.default_rng(3)
    rows, anchor = unit(rng.normal(size=(40, 24))), rng.normal(size=24)
    assert np.allclose(moved(rows, anchor, 0), rows)
    assert nearest(moved(rows, anchor, 0), rows) == [*range(40)]
    closest = int(np.argmax(rows @ unit(anchor[None])[0]))
    assert nearest(moved(rows, anchor, 20_000), rows) == [closest] * 40
    cosines = [moved(rows, anchor, n) @ unit(anchor[None])[0] for n in (0, 1, 25)]
    assert (cosines[0] < cosines[1]).all()
    assert (cosines[1] < cosines[2]).all()
    assert np.abs(moved(rows, anchor, 1) - rows).max() < 0.0025  # a step is short: .1 of at most .01, at unit length


def test_with_an_anchor_only_sentences_near_the_moved_ones_are_inserted() -> None:
    encoder = Letters()
    ranker = WordWeights()
    case = listed(ranker)
    bank = sentence_bank(case, 12)
    vectors = encoder.encode(bank, query=False)
    heads = [doc.text for doc in case.candidates if doc.doc_id != "0"][:3]
    anchor = encoder.encode(heads, query=False).mean(axis=0)
    (closest,) = nearest(anchor[None], vectors)
    for_ever = InsertSentence(anchor=True, encoder=encoder, iterations=20_000, place="end")
    assert inserted(for_ever, ranker, case, Budget())[0] == f"{TEXT} {bank[closest]}"
    own = [each.text for each in sentences(TEXT)]
    near_own = {bank[at] for at in nearest(encoder.encode(own, query=False), vectors)}
    never = InsertSentence(anchor=True, surrogate=encoder, iterations=0, place="end")
    assert inserted(never, ranker, case, Budget())[0] in {f"{TEXT} {each}" for each in near_own}


def test_its_control_draws_a_sentence_and_a_place() -> None:
    ranker = WordWeights()
    case = listed(ranker)
    plugin = InsertSentence(drawn=True)
    drawn = set()
    for seed in range(200):
        oracle = MeteredOracle(MeteredRanker(ranker), case, plugin.threat, Budget())
        done = plugin.perturb(case, oracle, Random(seed))
        assert oracle.spent == 0
        drawn.add(str(done.target))
    every = {put(TEXT, [(at, s)]) for at in offsets(TEXT, "best") for s in sentence_bank(case, 12)}
    assert drawn == every
    assert plugin.threat.control
    assert not InsertSentence().threat.control


def test_what_it_sees_and_wants() -> None:
    assert [InsertSentence(access=a).threat.access for a in ("none", "list", "ranks", "scores")] == [
        Access.NONE, Access.RANKS, Access.RANKS, Access.SCORES,
    ]  # fmt: skip
    with pytest.raises(PluginError, match="anchor wants an encoder"):
        InsertSentence(anchor=True)
    with pytest.raises(PluginError, match="anchor wants an encoder"):
        InsertSentence(anchor=True, encoder=WordWeights())
    with pytest.raises(PluginError, match="weight must be from 0 to 1"):
        InsertSentence(weight=1.5)
    with pytest.raises(PluginError, match="iterations must not be negative"):
        InsertSentence(iterations=-1)
    with pytest.raises(PluginError, match="longest must be at least 1"):
        InsertSentence(longest=0)


@pytest.mark.parametrize("access", ["none", "list", "ranks", "scores"])
@pytest.mark.parametrize("anchor", [False, True])
def test_the_contract_holds(access: Any, anchor: bool) -> None:
    ranker = WordWeights(weights={"honey": 3.0})
    plugin = InsertSentence(access=access, anchor=anchor, surrogate=Letters(weights={"honey": 2.5}, match=0.9))
    check_attack(plugin, ranker, [listed(ranker), listed(ranker, goal_rank=3)])
