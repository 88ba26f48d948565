"""Query typos: the kinds of error, what is protected, and the search for the worst one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

import pytest

from robustrank.core.errors import PluginError
from robustrank.core.types import Access, Budget, Case, Document, Perturbation, Query, RankerCard
from robustrank.core.words import words
from robustrank.perturbations.oracle import MeteredOracle, MeteredRanker
from robustrank.perturbations.verify import verify
from robustrank.testing import WordWeights, check_attack, make_case
from robustrank_attacks.queries.query_typos import KINDS, QueryTypos, keyboard_neighbours, misspellings

RANKER = MeteredRanker(WordWeights())
QUERY = "What is the Risk of diabetes, IL-2 and CRISPR?"


def misspell(attack: QueryTypos, case: Case, budget: Budget, seed: int = 0) -> Perturbation:
    done = attack.perturb(case, MeteredOracle(RANKER, case, attack.threat, budget), Random(seed))
    assert verify(case, done, attack.threat, budget).violations == ()
    return done


def test_each_kind_of_error_is_what_it_says() -> None:
    assert misspellings("abc", "delete") == ("ab", "ac", "bc")
    assert misspellings("abc", "swap") == ("acb", "bac")
    assert misspellings("aab", "swap") == ("aba",)
    assert len(misspellings("abc", "insert")) == 4 * 26 - 3
    assert len(misspellings("abc", "replace")) == 3 * 25
    assert misspellings("ab", "keyboard") == ("ag", "ah", "an", "av", "qb", "sb", "wb", "zb")
    assert misspellings("AB", "keyboard") == ("AG", "AH", "AN", "AV", "QB", "SB", "WB", "ZB")


def test_an_error_never_breaks_a_word_in_two_or_loses_it() -> None:
    assert misspellings("ray's", "delete") == ("ay's", "ra's", "rays", "ry's")
    for kind in KINDS:
        for typo in misspellings("he'll", kind):
            assert [word.text for word in words(typo)] == [typo]
            assert typo != "he'll"


def test_an_error_never_joins_a_word_to_the_one_before() -> None:
    assert "ll" not in misspellings("all", "delete"), "o'all would become o'll, which is one word"


def test_new_letters_are_of_the_words_own_script() -> None:
    assert all(set(typo) <= set("тест") for typo in misspellings("тест", "replace"))


def test_keys_are_neighbours_both_ways() -> None:
    assert set(keyboard_neighbours("g")) == set("ftyhbv")
    letters = "abcdefghijklmnopqrstuvwxyz"
    assert all(a in keyboard_neighbours(b) for a in letters for b in keyboard_neighbours(a))
    assert keyboard_neighbours("7") == keyboard_neighbours("é") == ""


@pytest.mark.parametrize("seed", range(20))
def test_function_words_and_short_words_are_left_alone(seed: int) -> None:
    case = make_case(RANKER, QUERY, ["a", "b"], 0)
    done = misspell(QueryTypos(words=9), case, Budget(), seed)
    before, after = ([word.text for word in words(text)] for text in (QUERY, str(done.query)))
    changed = [a for a, b in zip(before, after, strict=True) if a != b]
    assert changed == ["Risk", "diabetes", "CRISPR"]


def test_a_query_without_a_word_to_misspell_stays_as_it_is() -> None:
    case = make_case(RANKER, "what is a cat", ["a", "b"], 0)
    assert misspell(QueryTypos(), case, Budget()) == Perturbation()


def test_every_kind_occurs() -> None:
    case = make_case(RANKER, "diabetes", ["a", "b"], 0)
    lengths = {len(str(misspell(QueryTypos(), case, Budget(), seed).query)) for seed in range(30)}
    assert lengths == {7, 8, 9}
    only = {str(misspell(QueryTypos(kinds=["delete"]), case, Budget(), seed).query) for seed in range(30)}
    assert only <= set(misspellings("diabetes", "delete"))


@dataclass(frozen=True)
class Brittle:
    """Scores the target by how early the query's first change from ``abcdefgh`` is."""

    card = RankerCard(name="brittle", fingerprint="1")

    def score(self, query: Query, docs: Sequence[Document], /) -> list[float]:
        clean = next((i for i, (a, b) in enumerate(zip(query.text, "abcdefgh", strict=False)) if a != b), 8)
        return [float(clean) if doc.text == "target" else float(doc.text) for doc in docs]


def test_the_worst_typo_is_the_one_that_demotes_most_at_a_list_each() -> None:
    ranker = MeteredRanker(Brittle())
    case = make_case(ranker, "abcdefgh", ["target", *(str(i - 0.5) for i in range(1, 9))], 0, goal_rank=9)
    worst = QueryTypos(search="worst", variants=6)
    random = QueryTypos()
    for seed in range(5):
        oracle = MeteredOracle(ranker, case, worst.threat, Budget())
        rank = oracle.rank([worst.perturb(case, oracle, Random(seed))])[0]
        rng = Random(seed)
        drawn = [random.perturb(case, oracle, rng) for _ in range(6)]
        assert rank == max(oracle.rank(drawn))
        spent = MeteredOracle(ranker, case, worst.threat, Budget(calls=20))
        worst.perturb(case, spent, Random(seed))
        assert spent.spent in (9, 18)


def test_the_search_stops_when_the_attacker_is_content() -> None:
    ranker = MeteredRanker(Brittle())
    case = make_case(ranker, "abcdefgh", ["target", *(str(i - 0.5) for i in range(1, 9))], 0, goal_rank=1)
    oracle = MeteredOracle(ranker, case, QueryTypos(search="worst").threat, Budget())
    assert QueryTypos(search="worst").perturb(case, oracle, Random(0)) == Perturbation()
    assert oracle.spent == 0


def test_the_search_decides_the_access() -> None:
    assert QueryTypos().threat.access is Access.NONE
    assert QueryTypos(search="worst").threat.access is Access.RANKS


@pytest.mark.parametrize("search", ["random", "worst"])
def test_the_contract_holds(search: str) -> None:
    cases = [make_case(RANKER, QUERY, ["risk of diabetes", "b"], i, goal_rank=2) for i in (0, 1)]
    check_attack(QueryTypos(search=search, words=3), RANKER, cases)  # type: ignore[arg-type]


def test_unknown_parameters_are_refused() -> None:
    with pytest.raises(PluginError, match=r"kinds must be one of .*, not 'ocr'"):
        QueryTypos(kinds=["ocr"])
    with pytest.raises(PluginError, match="kinds must be at least 1"):
        QueryTypos(kinds=[])
