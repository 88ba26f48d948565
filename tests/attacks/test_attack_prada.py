"""PRADA against rankers whose best attack is known by enumeration."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import combinations, product
from pathlib import Path
from random import Random

import pytest

from robustrank.core.errors import AccessDenied, PluginError
from robustrank.core.types import Access, Budget, Case, Document, Query, RankerCard, WordGradients
from robustrank.core.words import substitute
from robustrank.perturbations.oracle import MeteredOracle, MeteredRanker
from robustrank.perturbations.substitutes import load
from robustrank.perturbations.verify import verify
from robustrank.testing import WordWeights, check_attack, make_case
from robustrank_attacks.substitution.prada import Prada

LETTERS = "abcdef"
TEXT = "A0 x, b0 c0 (d0) y e0 f0; a0."


@pytest.fixture
def table(tmp_path: Path) -> str:
    """Words a0 to f0 have three synonyms each: a1, a2, a3 and so on."""
    path = tmp_path / "table.json"
    path.write_text(json.dumps({f"{letter}0": [f"{letter}{i}" for i in (1, 2, 3)] for letter in LETTERS}))
    return str(path)


def random_weights(seed: int) -> WordWeights:
    rng = Random(seed)
    return WordWeights(weights={f"{letter}{i}": rng.uniform(-1, 1) for letter in LETTERS for i in range(4)})


def listed(ranker: MeteredRanker) -> Case:
    """The text among documents that score 0 to 7."""
    return make_case(ranker, "query", [TEXT, *(" ".join(["query"] * i) for i in range(8))], 0, goal_rank=0)


def best_score(ranker: WordWeights, table: str, edits: int) -> float:
    """By enumeration of every legal text with at most so many changed words."""
    possible = load(table).within(TEXT)
    texts = [
        substitute(TEXT, dict(zip(positions, chosen, strict=True)))
        for count in range(edits + 1)
        for positions in combinations(possible, count)
        for chosen in product(*(possible[position] for position in positions))
    ]
    return max(ranker.score(Query("", "query"), [Document("", text) for text in texts]))


def attack(prada: Prada, ranker: MeteredRanker, case: Case, budget: Budget) -> tuple[str, float, int]:
    """The new text, its score, and the pairs it cost; it must be legal."""
    oracle = MeteredOracle(ranker, case, prada.threat, budget)
    done = prada.perturb(case, oracle, Random(0))
    assert verify(case, done, prada.threat, budget).violations == ()
    text = case.target.text if done.target is None else done.target
    return text, ranker.score(case.query, [Document("", text)])[0], oracle.spent


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("edits", [1, 2, 3])
def test_on_an_additive_ranker_score_feedback_finds_the_best_attack_there_is(table: str, seed: int, edits: int) -> None:
    weights = random_weights(seed)
    ranker = MeteredRanker(weights)
    prada = Prada(substitutes=table, feedback="score")
    _, score, _ = attack(prada, ranker, listed(ranker), Budget(edits=edits))
    assert score == pytest.approx(best_score(weights, table, edits), abs=1e-12)


@pytest.mark.parametrize("seed", range(6))
def test_leaving_out_finds_it_too_where_every_word_may_change(table: str, seed: int) -> None:
    weights = random_weights(seed)
    ranker = MeteredRanker(weights)
    prada = Prada(substitutes=table, importance="leave_one_out", feedback="score")
    positions = len(load(table).within(TEXT))
    best_everywhere = sum(max(weights.weights[f"{letter}{i}"] for i in range(4)) for letter in [*LETTERS, "a"])
    _, score, _ = attack(prada, ranker, listed(ranker), Budget(edits=positions))
    assert score == pytest.approx(best_everywhere, abs=1e-12)
    for edits in (1, 2):
        _, score, _ = attack(prada, ranker, listed(ranker), Budget(edits=edits))
        assert score <= best_score(weights, table, edits) + 1e-12


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("importance", ["gradient", "leave_one_out"])
def test_more_edits_never_give_a_worse_rank(table: str, seed: int, importance: str) -> None:
    ranker = MeteredRanker(random_weights(seed))
    case = listed(ranker)
    prada = Prada(substitutes=table, importance=importance)  # type: ignore[arg-type]
    ranks = []
    for edits in range(8):
        oracle = MeteredOracle(ranker, case, prada.threat, Budget(edits=edits))
        ranks.append(oracle.rank([prada.perturb(case, oracle, Random(seed))])[0])
    assert ranks == sorted(ranks, reverse=True)
    assert ranks[0] == 1 + case.candidates.index(case.target)


def test_without_edits_or_calls_the_text_stays_and_nothing_is_asked(table: str) -> None:
    ranker = MeteredRanker(random_weights(0))
    for budget in (Budget(edits=0), Budget(calls=0)):
        assert attack(Prada(substitutes=table), ranker, listed(ranker), budget)[::2] == (TEXT, 0)


@pytest.mark.parametrize(("goal", "by_score", "by_rank"), [(4, 0, 0), (3, 1, 1), (2, 2, 2), (1, 4, 2)])
def test_it_stops_at_the_goal_and_rank_feedback_where_one_more_word_changes_no_rank(
    table: str, goal: int, by_score: int, by_rank: int
) -> None:
    ranker = MeteredRanker(WordWeights(weights={f"{letter}1": 1.0 for letter in LETTERS}))
    case = make_case(ranker, "query", [TEXT, "query query query", "query", "other"], 0, goal_rank=goal)
    for prada, changed in (
        (Prada(substitutes=table, feedback="score"), by_score),
        (Prada(substitutes=table, feedback="rank"), by_rank),
    ):
        text, _, _ = attack(prada, ranker, case, Budget())
        assert sum(new != old for new, old in zip(text.split(), TEXT.split(), strict=True)) == changed


def test_by_default_it_goes_on_where_no_single_word_changes_the_rank(table: str) -> None:
    ranker = MeteredRanker(WordWeights(weights={f"{letter}1": 0.4 for letter in LETTERS}))
    case = make_case(ranker, "query", [TEXT, "query query", "query"], 0, goal_rank=1)
    text, score, _ = attack(Prada(substitutes=table), ranker, case, Budget())
    assert score > 2  # above the document with two words of the query, by words that gain 0.4 each
    text, _, _ = attack(Prada(substitutes=table, feedback="rank"), ranker, case, Budget())
    assert text == TEXT


def test_a_replacement_that_does_not_help_is_undone(table: str) -> None:
    ranker = MeteredRanker(WordWeights(weights={"a1": 1.0, "b1": -1.0, "b2": -1.0, "b3": -1.0}))
    text, _, _ = attack(Prada(substitutes=table, feedback="score"), ranker, listed(ranker), Budget())
    assert text == TEXT.replace("A0", "A1").replace("a0", "a1")


def test_the_price_is_one_pass_and_one_pair_a_trial(table: str) -> None:
    ranker = MeteredRanker(WordWeights(weights={"a1": -1.0}))  # nothing helps, so every word is tried once
    case = listed(ranker)
    positions = len(load(table).within(TEXT))
    assert attack(Prada(substitutes=table, candidates=2), ranker, case, Budget())[2] == 1 + 2 * positions
    assert attack(Prada(substitutes=table, words=3, candidates=2), ranker, case, Budget())[2] == 1 + 2 * 3
    loo = Prada(substitutes=table, importance="leave_one_out", candidates=2)
    assert attack(loo, ranker, case, Budget())[2] == positions + 2 * positions
    assert attack(loo, ranker, case, Budget(calls=9))[2] == 9


def test_trials_of_a_word_are_one_batch(table: str) -> None:
    batches: list[int] = []

    class Watched(WordWeights):
        def score(self, query: Query, docs: Sequence[Document], /) -> list[float]:
            batches.append(len(docs))
            return super().score(query, docs)

    ranker = MeteredRanker(Watched(weights={"a1": -1.0}))
    case = listed(ranker)
    batches.clear()
    attack(Prada(substitutes=table, words=2), ranker, case, Budget())
    assert batches[-2:] == [3, 3]


class Truncating(WordWeights):
    """Reads the first four words only."""

    def gradients(self, query: Query, document: Document, candidates: Mapping[int, Sequence[str]], /) -> WordGradients:
        gradients = super().gradients(query, document, candidates)
        return WordGradients(
            importance=[norm * (at < 4) for at, norm in enumerate(gradients.importance)],
            gains={at: [gain * (at < 4) for gain in gains] for at, gains in gradients.gains.items()},
        )


def test_words_that_the_ranker_does_not_read_are_not_tried(table: str) -> None:
    ranker = MeteredRanker(Truncating(weights={"a1": -1.0}))
    positions = [position for position in load(table).within(TEXT) if position < 4]
    assert attack(Prada(substitutes=table, candidates=1), ranker, listed(ranker), Budget())[2] == 1 + len(positions)


def test_the_importance_decides_the_access(table: str) -> None:
    assert Prada().threat.access is Access.WEIGHTS
    assert Prada(importance="leave_one_out").threat.access is Access.SCORES
    assert Prada(substitutes=table).threat.edits.substitutes == table
    ranker = MeteredRanker(random_weights(0))
    case = listed(ranker)
    oracle = MeteredOracle(ranker, case, Prada(importance="leave_one_out").threat, Budget())
    with pytest.raises(AccessDenied):
        Prada(substitutes=table).perturb(case, oracle, Random(0))


class NoGradients:
    """Word weights that keep their gradients to themselves."""

    card = RankerCard(name="closed", fingerprint="1")

    def score(self, query: Query, docs: Sequence[Document], /) -> list[float]:
        return random_weights(1).score(query, docs)


def test_leaving_out_needs_no_gradients(table: str) -> None:
    ranker = MeteredRanker(NoGradients())
    prada = Prada(substitutes=table, importance="leave_one_out", feedback="score")
    text, _, _ = attack(prada, ranker, listed(ranker), Budget(edits=3))
    assert text != TEXT


@pytest.mark.parametrize("importance", ["gradient", "leave_one_out"])
@pytest.mark.parametrize("feedback", ["rank", "score"])
def test_the_contract_holds(table: str, importance: str, feedback: str) -> None:
    ranker = random_weights(3)
    prada = Prada(substitutes=table, importance=importance, feedback=feedback)  # type: ignore[arg-type]
    check_attack(prada, ranker, [listed(MeteredRanker(ranker))])


def test_unknown_parameters_are_refused() -> None:
    with pytest.raises(PluginError, match="importance must be one of gradient, leave_one_out"):
        Prada(importance="attention")  # type: ignore[arg-type]
    with pytest.raises(PluginError, match="words must be at least 1"):
        Prada(words=0)
