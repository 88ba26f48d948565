"""Word substitution at every access level, against rankers whose best attack is known by enumeration."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import combinations, product
from math import prod
from pathlib import Path
from random import Random

import pytest

from robustrank.core.errors import AccessDenied, PluginError
from robustrank.core.interfaces import Ranker
from robustrank.core.types import Access, Budget, Case, Collection, Document, Perturbation, Query
from robustrank.core.words import substitute
from robustrank.perturbations.oracle import MeteredOracle, MeteredRanker
from robustrank.perturbations.substitutes import load
from robustrank.perturbations.verify import verify
from robustrank.rankers.bm25 import BM25
from robustrank.rankers.cross_encoder import CrossEncoder
from robustrank.testing import WordWeights, check_attack, make_case
from robustrank_attacks.substitution.list_transfer import ListTransfer
from robustrank_attacks.substitution.word_substitution import WordSubstitution

LETTERS = "abcdef"
TEXT = "A0 x, b0 c0 (d0) y e0 f0; a0."
LEVELS = ["weights", "scores", "ranks"]


@pytest.fixture
def table(tmp_path: Path) -> str:
    """Words a0 to f0 have three synonyms each."""
    path = tmp_path / "table.json"
    path.write_text(json.dumps({f"{letter}0": [f"{letter}{i}" for i in (1, 2, 3)] for letter in LETTERS}))
    return str(path)


def random_weights(seed: int) -> WordWeights:
    rng = Random(seed)
    return WordWeights(weights={f"{letter}{i}": rng.uniform(-1, 1) for letter in LETTERS for i in range(4)})


def listed(ranker: Ranker, goal_rank: int = 0) -> Case:
    texts = [TEXT, *(" ".join(["query"] * i) for i in range(8))]
    return make_case(ranker, "query", texts, 0, goal_rank=goal_rank)


def best_score(ranker: Ranker, query: Query, text: str, table: str, edits: int) -> float:
    """By enumeration of every legal text."""
    possible = load(table).within(text)
    texts = [
        substitute(text, dict(zip(positions, chosen, strict=True)))
        for count in range(edits + 1)
        for positions in combinations(possible, count)
        for chosen in product(*(possible[position] for position in positions))
    ]
    return max(ranker.score(query, [Document("", text) for text in texts]))


def attack(plugin: WordSubstitution, ranker: MeteredRanker, case: Case, budget: Budget) -> tuple[float, int]:
    """The score of what it returns, which must be legal, and the pairs it cost."""
    oracle = MeteredOracle(ranker, case, plugin.threat, budget)
    done = plugin.perturb(case, oracle, Random(0))
    assert verify(case, done, plugin.threat, budget).violations == ()
    text = case.target.text if done.target is None else done.target
    return ranker.score(case.query, [Document("", text)])[0], oracle.spent


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("edits", [1, 2, 3])
def test_on_an_additive_ranker_weights_find_the_best_attack_in_one_pass_and_one_text(
    table: str, seed: int, edits: int
) -> None:
    weights = random_weights(seed)
    ranker = MeteredRanker(weights)
    case = listed(ranker)
    plugin = WordSubstitution(access="weights", substitutes=table, pairs=12, batch=2)
    score_reached, _ = attack(plugin, ranker, case, Budget(edits=edits))
    assert score_reached == pytest.approx(best_score(weights, case.query, TEXT, table, edits), abs=1e-12)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("edits", [1, 2, 3])
def test_on_an_additive_ranker_scores_find_it_with_fewer_pairs_than_there_are_texts(
    table: str, seed: int, edits: int
) -> None:
    weights = random_weights(seed)
    ranker = MeteredRanker(weights)
    case = listed(ranker)
    score_reached, pairs = attack(WordSubstitution(substitutes=table, pairs=80), ranker, case, Budget(edits=edits))
    assert score_reached == pytest.approx(best_score(weights, case.query, TEXT, table, edits), abs=1e-12)
    assert pairs <= 80 < prod([3 * 7, 3 * 6]) / 2


class Erratic(WordWeights):
    """Scores that nothing can be learnt from, below those of all other documents: no search is ever done."""

    def score(self, query: Query, docs: Sequence[Document], /) -> list[float]:
        return [Random(doc.text).random() - 9.0 * (doc.text[:2].lower() != "qu") for doc in docs]


@pytest.mark.parametrize(("pairs", "calls", "spent"), [(None, None, 400), (None, 430, 430), (None, 7, 7), (9, 20, 9)])
def test_it_spends_what_the_audit_allows_and_400_pairs_where_the_audit_sets_no_limit(
    table: str, pairs: int | None, calls: int | None, spent: int
) -> None:
    ranker = MeteredRanker(Erratic())
    plugin = WordSubstitution(substitutes=table, pairs=pairs)
    assert attack(plugin, ranker, listed(ranker), Budget(calls=calls))[1] == spent


@pytest.mark.parametrize("access", LEVELS)
@pytest.mark.parametrize("seed", range(3))
def test_on_bm25_it_reaches_the_optimum_where_the_answer_tells_enough(table: str, access: str, seed: int) -> None:
    if access != "scores":
        access = "scores"  # BM25 provides no gradients, and a rank carries less information than a score
    rng = Random(seed)
    texts = [" ".join(rng.choices([f"{letter}{i}" for letter in LETTERS for i in range(4)], k=8)) for _ in range(9)]
    documents = {str(i): Document(str(i), text) for i, text in enumerate(texts)}
    query = Query("q", " ".join(rng.sample([f"{letter}{i}" for letter in LETTERS for i in (1, 2, 3)], 4)))
    collection = Collection(
        name="c", documents=documents, queries=[query], qrels={}, query_types={}, candidates={}, digest="d"
    )
    ranker = MeteredRanker(BM25().fit(collection))
    case = make_case(ranker, query.text, [TEXT, *texts], 0, goal_rank=0)
    score_reached, _ = attack(WordSubstitution(substitutes=table, pairs=120), ranker, case, Budget(edits=2))
    assert score_reached == pytest.approx(best_score(ranker, case.query, TEXT, table, 2), abs=1e-12)


@pytest.mark.parametrize("seed", range(4))
def test_ranks_alone_still_lift_the_document(table: str, seed: int) -> None:
    ranker = MeteredRanker(random_weights(seed))
    case = listed(ranker)
    plugin = WordSubstitution(access="ranks", substitutes=table)
    oracle = MeteredOracle(ranker, case, plugin.threat, Budget(edits=7))
    done = plugin.perturb(case, oracle, Random(0))
    assert oracle.rank([done])[0] < 1 + case.candidates.index(case.target)


@pytest.mark.parametrize("access", LEVELS)
def test_it_stops_at_the_goal_and_spends_no_more_than_it_may(table: str, access: str) -> None:
    ranker = MeteredRanker(random_weights(2))
    plugin = WordSubstitution(access=access, substitutes=table)  # type: ignore[arg-type]
    already = listed(ranker, goal_rank=9)
    assert attack(plugin, ranker, already, Budget())[1] == 0
    for calls in (0, 1, 2, 7):
        assert attack(plugin, ranker, listed(ranker), Budget(calls=calls))[1] <= calls


@pytest.mark.parametrize("access", LEVELS)
def test_the_contract_of_attacks_holds(table: str, access: str) -> None:
    ranker = random_weights(3)
    plugin = WordSubstitution(access=access, substitutes=table, pairs=20)  # type: ignore[arg-type]
    check_attack(plugin, ranker, [listed(ranker)])


def test_access_is_what_was_asked_for(table: str) -> None:
    assert WordSubstitution().threat.access is Access.SCORES
    ranker = MeteredRanker(random_weights(0))
    case = listed(ranker)
    oracle = MeteredOracle(ranker, case, WordSubstitution(access="ranks").threat, Budget())
    with pytest.raises(AccessDenied):
        WordSubstitution(substitutes=table).perturb(case, oracle, Random(0))
    with pytest.raises(PluginError, match="access must be one of weights, scores, ranks"):
        WordSubstitution(access="none")  # type: ignore[arg-type]


def test_transfer_asks_nothing_and_an_exact_surrogate_gives_the_optimum(table: str) -> None:
    weights = random_weights(1)
    ranker = MeteredRanker(weights)
    case = listed(ranker)
    for plugin in (ListTransfer(substitutes=table), ListTransfer(substitutes=table, surrogate=weights)):
        oracle = MeteredOracle(ranker, case, plugin.threat, Budget(edits=2))
        done = plugin.perturb(case, oracle, Random(0))
        assert oracle.spent == 0
        assert verify(case, done, plugin.threat, Budget(edits=2)).violations == ()
    assert done.target is not None
    score = ranker.score(case.query, [Document("", done.target)])[0]
    assert score == pytest.approx(best_score(weights, case.query, TEXT, table, 2))


def test_the_list_teaches_which_words_stand_high(table: str) -> None:
    ranker = MeteredRanker(WordWeights(weights={"a1": 2.0}, match=0.0))
    other = [f"{letter}{i}" for letter in LETTERS[1:] for i in (1, 2, 3)]
    texts = [TEXT, *(" ".join(["a1"] * (i % 2) + Random(i).sample(other, 5)) for i in range(40))]
    case = make_case(ranker, "query", texts, 0, goal_rank=0)
    plugin = ListTransfer(substitutes=table)
    done = plugin.perturb(case, MeteredOracle(ranker, case, plugin.threat, Budget(edits=1)), Random(0))
    assert done == Perturbation(target=TEXT.replace("A0", "A1")) or done == Perturbation(
        target=TEXT.replace("a0", "a1")
    )


def test_transfer_hands_in_nothing_of_which_it_expects_less_than_an_edit_at_random_costs(table: str) -> None:
    ranker = MeteredRanker(WordWeights(weights={"a1": 2.0}))
    # Nothing in the list speaks for a substitute; or so little that an edit at random costs more.
    for others in (
        ["query one", "query two"],
        [f"b1 c2 d{i % 3} other{i} query" if i % 2 else f"b2 c1 other{i}" for i in range(8)],
    ):
        case = make_case(ranker, "query", [TEXT, *others], 0, goal_rank=0)
        plugin = ListTransfer(substitutes=table)
        oracle = MeteredOracle(ranker, case, plugin.threat, Budget(edits=5))
        assert plugin.perturb(case, oracle, Random(0)) == Perturbation()


def test_a_case_logs_the_best_rank_by_pairs_spent(table: str) -> None:
    ranker = MeteredRanker(random_weights(1))
    case = listed(ranker)
    oracle = MeteredOracle(ranker, case, WordSubstitution().threat, Budget(), lambda p: p.target != "query query")
    oracle.rank([Perturbation()])
    oracle.rank([Perturbation(target="query query")])
    oracle.outcomes([Perturbation(target="query"), Perturbation(target="query query query")])
    oracle.score([Perturbation(target="nothing")])
    pairs, ranks = zip(*oracle.trajectory, strict=True)
    assert pairs == (0, *([3] * (len(pairs) - 1)))
    assert list(ranks) == sorted(set(ranks), reverse=True)


def test_what_an_own_ranker_says_makes_the_first_text_asked_the_best_where_it_is_right(table: str) -> None:
    weights = random_weights(4)
    surrogate = WordWeights(weights={word: 3 * weight for word, weight in weights.weights.items()})
    ranker = MeteredRanker(weights)
    case = listed(ranker)
    plugin = WordSubstitution(substitutes=table, surrogate=surrogate, pairs=1, batch=1)
    score_reached, pairs = attack(plugin, ranker, case, Budget(edits=2))
    assert pairs == 1
    assert score_reached == pytest.approx(best_score(weights, case.query, TEXT, table, 2), abs=1e-12)


def test_an_own_ranker_that_is_wrong_is_found_out_by_the_answers(table: str) -> None:
    weights = random_weights(4)
    surrogate = WordWeights(weights={word: -2 * weight for word, weight in weights.weights.items()})
    ranker = MeteredRanker(weights)
    plugin = WordSubstitution(substitutes=table, surrogate=surrogate, pairs=80)
    score_reached, _ = attack(plugin, ranker, listed(ranker), Budget(edits=2))
    assert score_reached == pytest.approx(best_score(weights, Query("q", "query"), TEXT, table, 2), abs=1e-12)


def test_the_victim_is_refused_as_a_surrogate(table: str) -> None:
    weights = random_weights(4)
    ranker = MeteredRanker(weights)
    plugin = WordSubstitution(substitutes=table, surrogate=weights)
    with pytest.raises(PluginError, match="is the victim itself"):
        attack(plugin, ranker, listed(ranker), Budget(edits=2))


NEURAL = CrossEncoder(model="robustrank-tiny", max_length=128)
SENTENCES = {
    "how do bees make honey": "Small insects gather sweet juice and store it inside the nest for winter",
    "who won the battle": "The army lost the hard fight and the general left the town at night",
}


@pytest.mark.slow
@pytest.mark.parametrize("access", ["weights", "scores"])
def test_on_a_neural_ranker_it_reaches_most_of_what_enumeration_finds_for_a_fraction_of_the_pairs(
    access: str,
) -> None:
    """Share of the largest possible gain, over spaces that can be enumerated: two edits of a short text."""
    victim, shares, cost = MeteredRanker(NEURAL), [], 0
    for query, text in SENTENCES.items():
        case = make_case(victim, query, [text, query, f"{query} {query}"], 0, goal_rank=0)
        (clean,) = victim.score(case.query, [case.target])
        best = best_score(victim, case.query, text, "counterfitted|wordnet", 2)
        plugin = WordSubstitution(access=access, pairs=24, batch=2)  # type: ignore[arg-type]
        reached, pairs = attack(plugin, victim, case, Budget(edits=2))
        shares.append((reached - clean) / (best - clean))
        cost += pairs
    assert cost <= 24 * len(SENTENCES)
    assert max(shares) <= 1 + 1e-6
    assert sum(shares) / len(shares) > 0.5
