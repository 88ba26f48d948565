"""Query injection: where the words go, how many, and the known rank on a term counter."""

from __future__ import annotations

from random import Random

import pytest

from robustrank.core.errors import PluginError
from robustrank.core.types import Budget, Case
from robustrank.perturbations.oracle import MeteredOracle, MeteredRanker
from robustrank.testing import WordWeights, check_attack, make_case
from robustrank_attacks.insertion._insertion import Place
from robustrank_attacks.insertion.query_injection import QueryInjection

RANKER = MeteredRanker(WordWeights())
TEXTS = ["fox fox fox red", "red red fox", "fox", "A dog, a cat; and (one) more."]


def inject(case: Case, attack: QueryInjection, edits: int | None = None) -> tuple[str, int]:
    """The new text and its rank."""
    budget = Budget(edits=edits)
    done = attack.perturb(case, MeteredOracle(RANKER, case, attack.threat, budget), Random(0))
    assert done.target is not None
    (score,) = RANKER.score(case.query, [case.target._replace(text=done.target)])
    others = [doc for doc in case.candidates if doc.doc_id != case.target.doc_id]
    return done.target, 1 + sum(s > score for s in RANKER.score(case.query, others))


@pytest.mark.parametrize(
    ("place", "text"),
    [
        ("start", "red fox A dog, a cat; and (one) more."),
        ("end", "A dog, a cat; and (one) more. red fox"),
        ("interleave", "A dog, red a cat; fox and (one) more."),
    ],
)
def test_the_query_goes_where_it_is_told(place: Place, text: str) -> None:
    case = make_case(RANKER, "red, fox?", TEXTS, 3)
    assert inject(case, QueryInjection(place=place)) == (text, 3)


@pytest.mark.parametrize(("repeats", "rank"), [(1, 3), (2, 1), (3, 1)])
def test_on_a_term_counter_the_rank_follows_from_the_number_of_inserted_words(repeats: int, rank: int) -> None:
    case = make_case(RANKER, "red fox", TEXTS, 3)
    assert inject(case, QueryInjection(repeats=repeats))[1] == rank


@pytest.mark.parametrize(
    ("edits", "text"), [(0, "one"), (1, "red one"), (3, "red fox red one"), (9, "red fox red fox one")]
)
def test_the_budget_cuts_the_inserted_words(edits: int, text: str) -> None:
    case = make_case(RANKER, "red fox", ["one", "two"], 0)
    assert inject(case, QueryInjection(repeats=2), edits)[0] == text


@pytest.mark.parametrize(
    ("edits", "interleaved"),
    [
        (1, "one daily two"),
        (2, "daily one life two"),
        (3, "daily one life people two"),
        (4, "What daily one life people two"),
        (9, "What is the one daily life of people two"),
    ],
)
def test_a_small_budget_buys_content_words_before_function_words(edits: int, interleaved: str) -> None:
    case = make_case(RANKER, "What is the daily life of people?", ["one two", "three"], 0)
    assert inject(case, QueryInjection(place="interleave"), edits)[0] == interleaved
    together = " ".join(word for word in interleaved.split() if word not in ("one", "two"))
    assert inject(case, QueryInjection(place="start"), edits)[0] == f"{together} one two"
    assert inject(case, QueryInjection(place="end"), edits)[0] == f"one two {together}"


@pytest.mark.parametrize("place", ["start", "end", "interleave"])
def test_the_contract_holds(place: Place) -> None:
    cases = [make_case(RANKER, "red, fox?", TEXTS, i) for i in (0, 3)]
    check_attack(QueryInjection(place=place, repeats=3), RANKER, cases)


def test_unknown_parameters_are_refused() -> None:
    with pytest.raises(PluginError, match="place must be one of start, end, interleave, not 'middle'"):
        QueryInjection(place="middle")  # type: ignore[arg-type]
    with pytest.raises(PluginError, match="repeats must be at least 1"):
        QueryInjection(repeats=0)
