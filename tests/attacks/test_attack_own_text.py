"""Deletion and reordering of a document's own text, against rankers whose best text is known by enumeration."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, permutations
from random import Random
from typing import Any

import pytest

from robustrank.core.errors import PluginError
from robustrank.core.interfaces import Attack
from robustrank.core.sentences import sentences
from robustrank.core.types import Access, Budget, Case, Collection, Document, Perturbation, Query
from robustrank.core.words import words
from robustrank.perturbations.oracle import MeteredOracle, MeteredRanker
from robustrank.perturbations.verify import verify
from robustrank.rankers.bm25 import BM25
from robustrank.testing import WordWeights, check_attack, make_case
from robustrank_attacks.own_text._pieces import in_order, spans, without
from robustrank_attacks.own_text.delete_words import DeleteWords
from robustrank_attacks.own_text.reorder_sentences import ReorderSentences
from robustrank_attacks.substitution.random_edits import RandomEdits

TEXT = "A0 b0, c0. D0 e0! F0 g0 h0? I0, the end"
FIVE = "One is. Two is. Three is. Four is. Five is"


def attack(plugin: Attack, ranker: Any, case: Case, budget: Budget) -> tuple[str, int]:
    """The new text, which must be legal, and the pairs it cost."""
    oracle = MeteredOracle(MeteredRanker(ranker), case, plugin.threat, budget)
    done = plugin.perturb(case, oracle, Random(0))
    assert verify(case, done, plugin.threat, budget).violations == ()
    return case.target.text if done.target is None else done.target, oracle.spent


def listed(ranker: Any, text: str = TEXT, goal_rank: int = 0) -> Case:
    return make_case(ranker, "query", [text, *(" ".join(["query"] * i) for i in range(8))], 0, goal_rank=goal_rank)


def score(ranker: Any, text: str) -> float:
    value: float = ranker.score(Query("q", "query"), [Document("", text)])[0]
    return value


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("edits", [1, 2, 3])
def test_on_an_additive_ranker_the_best_words_to_leave_out_are_found(seed: int, edits: int) -> None:
    rng = Random(seed)
    ranker = WordWeights(weights={f"{letter}0": rng.uniform(-1, 1) for letter in "abcdefghi"})
    numbers = range(len(words(TEXT)))
    texts = [without(TEXT, "word", c) for n in range(edits + 1) for c in map(set, combinations(numbers, n))]
    text, _ = attack(DeleteWords(unit="word"), ranker, listed(ranker), Budget(edits=edits))
    assert score(ranker, text) == pytest.approx(max(score(ranker, each) for each in texts))


def test_sentences_that_keep_a_document_down_go_and_the_budget_counts_their_words() -> None:
    ranker = WordWeights(weights={"a0": -1.0, "e0": -3.0, "g0": 2.0})
    case = listed(ranker)
    assert attack(DeleteWords(), ranker, case, Budget())[0] == "F0 g0 h0? I0, the end"
    assert attack(DeleteWords(), ranker, case, Budget(edits=2))[0] == "A0 b0, c0. F0 g0 h0? I0, the end"
    assert attack(DeleteWords(), ranker, case, Budget(edits=1)) == (TEXT, 0)
    assert attack(DeleteWords(access="ranks"), ranker, case, Budget())[0] == "F0 g0 h0? I0, the end"
    text, pairs = attack(DeleteWords(), ranker, listed(ranker, goal_rank=8), Budget())
    assert (text, pairs) == ("A0 b0, c0. F0 g0 h0? I0, the end", 4)  # rank 8 after one step of four sentences


def test_something_is_always_left_and_nothing_goes_where_nothing_helps() -> None:
    ranker = WordWeights(weights={"bad": -1.0})
    text, _ = attack(DeleteWords(unit="word"), ranker, listed(ranker, "bad bad bad"), Budget())
    assert text == "bad"
    assert attack(DeleteWords(), ranker, listed(ranker, "bad bad bad."), Budget()) == ("bad bad bad.", 0)
    ranker = WordWeights(weights={f"{letter}0": 1.0 for letter in "abcdefghi"})
    assert attack(DeleteWords(), ranker, listed(ranker), Budget())[0] == TEXT


class Front(WordWeights):
    """Reads the first three words, the first one most."""

    def score(self, query: Query, docs: Sequence[Document], /) -> list[float]:
        read = [[word.text.lower() for word in words(doc.text)] for doc in docs]
        return [sum(self.weights.get(w, 0.0) / (1 + i) for i, w in enumerate(part[:3])) for part in read]


@pytest.mark.parametrize("seed", range(4))
def test_all_orders_of_few_sentences_are_tried(seed: int) -> None:
    rng = Random(seed)
    ranker = Front(weights={f"{letter}0": rng.uniform(0, 1) for letter in "abcdefghi"})
    case = make_case(ranker, "query", [TEXT, "a0 a0 a0", "b0"], 0, goal_rank=0)
    text, pairs = attack(ReorderSentences(), ranker, case, Budget())
    assert score(ranker, text) == max(score(ranker, in_order(TEXT, order)) for order in permutations(range(4)))
    assert pairs == 23
    kept, pairs = attack(ReorderSentences(keep_first=True), ranker, case, Budget())
    assert kept.startswith("A0 b0, c0.")
    assert pairs == 5


def test_in_a_longer_text_the_best_sentence_moves_to_the_front() -> None:
    ranker = Front(weights={"four": 1.0, "five": 0.5})
    case = make_case(ranker, "query", [FIVE, "four four", "x"], 0, goal_rank=0)
    assert attack(ReorderSentences(), ranker, case, Budget())[0] == "Four is. One is. Two is. Three is. Five is"
    assert attack(ReorderSentences(), ranker, case, Budget(edits=1))[0] == FIVE
    assert attack(ReorderSentences(), ranker, case, Budget(edits=2))[0] == "Four is. One is. Two is. Three is. Five is"
    assert attack(ReorderSentences(access="ranks"), ranker, case, Budget(calls=2))[1] <= 2


def test_a_fragment_that_moves_forward_does_not_join_the_next_sentence() -> None:
    ranker = Front(weights={"five": 1.0})
    case = make_case(ranker, "query", [FIVE, "five five five", "x"], 0, goal_rank=0)
    text, _ = attack(ReorderSentences(), ranker, case, Budget())
    assert [each.text for each in sentences(text)][:2] == ["Five is", "One is."]


def test_a_bag_of_words_is_not_moved_by_any_order_and_one_sentence_has_no_other() -> None:
    docs = {str(i): Document(str(i), text) for i, text in enumerate([TEXT, FIVE, "a0 b0 c0 d0. D0", "query"])}
    home = Collection(name="c", documents=docs, queries=(), qrels={}, query_types={}, candidates={}, digest="")
    bm25 = BM25().fit(home)
    case = make_case(bm25, "a0 i0 end query", [doc.text for doc in docs.values()], 0, goal_rank=0)
    orders = [in_order(TEXT, order) for order in permutations(range(4))]
    assert len(set(bm25.score(case.query, [Document("", text) for text in orders]))) == 1
    assert attack(ReorderSentences(), bm25, case, Budget())[0] == TEXT
    ranker = WordWeights()
    assert attack(ReorderSentences(), ranker, listed(ranker, "One sentence only."), Budget()) == (
        "One sentence only.", 0,
    )  # fmt: skip


@pytest.mark.parametrize("edits", [0, 1, 2, 5, None])
@pytest.mark.parametrize("operation", ["delete", "reorder"])
def test_the_controls_make_random_edits_of_the_same_kind(operation: Any, edits: int | None) -> None:
    ranker = WordWeights()
    control = RandomEdits(operation=operation)
    changed = 0
    for seed in range(10):
        oracle = MeteredOracle(MeteredRanker(ranker), listed(ranker), control.threat, Budget(edits=edits))
        done = control.perturb(listed(ranker), oracle, Random(seed))
        finding = verify(listed(ranker), done, control.threat, Budget(edits=edits))
        assert finding.violations == ()
        assert operation == "reorder" or finding.edits == (len(words(TEXT)) // 2 if edits is None else edits)
        changed += done.target != TEXT
    assert (changed == 0) is (edits == 0 or (operation, edits) == ("reorder", 1))
    assert control.threat.control
    assert control.threat.access is Access.NONE


def test_deleting_and_joining_pieces() -> None:
    assert without("a b c", "word", {1}) == "a c"
    assert without("a b c", "word", {0, 2}) == "b "
    assert without("One. Two. Three", "sentence", {0, 1}) == "Three"
    assert without("a-b c", "word", {1}) == "a- c"
    assert [("One. Two"[a:b]) for a, b in spans("One. Two", "sentence")] == ["One.", "Two"]
    assert in_order("  ... One. Two", [1, 0]) == "  ... Two\nOne."


@pytest.mark.parametrize("plugin", [
    DeleteWords(), DeleteWords(unit="word"), DeleteWords(access="ranks", unit="word"), ReorderSentences(),
    ReorderSentences(access="ranks", keep_first=True),
])  # fmt: skip
def test_the_contract_holds(plugin: Attack) -> None:
    ranker = WordWeights(weights={"a0": -1.0, "e0": -0.5, "two": -2.0})
    odd = 'Odd !!!???...,,, ) one. "Two" - three; (four) ... five? Six: a\nb\n\n- c'
    check_attack(plugin, ranker, [listed(ranker), listed(ranker, FIVE), listed(ranker, odd)])


def test_unknown_parameters_are_refused() -> None:
    with pytest.raises(PluginError, match="unit must be one of sentence, word"):
        DeleteWords(unit="letter")  # type: ignore[arg-type]
    with pytest.raises(PluginError, match="access must be one of scores, ranks"):
        ReorderSentences(access="none")  # type: ignore[arg-type]
    assert Perturbation() == Perturbation(target=None)
