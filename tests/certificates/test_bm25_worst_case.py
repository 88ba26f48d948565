"""The search for the worst case, on a ranker whose scores are plain to see; BM25 itself is in tests/defenses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from random import Random

import pytest

from robustrank.certificates import bm25_worst_case
from robustrank.certificates.bm25_worst_case import CountsTerms, Sums, _extended, _gains, _relaxed, worst_case
from robustrank.core.types import Query


@dataclass
class Counting:
    """Weighted counts, saturated at two of a term, less a tenth of the length; an accent makes two terms of a word."""

    weights: Mapping[str, float]

    def query_terms(self, query: Query) -> list[str]:
        return query.text.split()

    def analyzed(self, text: str) -> list[str]:
        return [term for term in text.replace("\u0301", " ").split() if term != "the"]

    def from_counts(self, query: Query, counts: Mapping[str, int], length: int) -> float:
        assert query.query_id == "q"
        assert all(count >= 0 for count in counts.values())
        return sum(self.weights.get(term, 1.0) * min(count, 2) for term, count in counts.items()) - length / 10


def worst(text: str, table: Mapping[str, Sequence[str]], radius: int, *, query: str = "a b", **weights: float) -> float:
    return worst_case(Counting(weights), Query("q", query), text, lambda word: table.get(word, []), radius)


TABLE = {"x": ["a", "b"], "y": ["a\u0301b", "z"], "long\u0301word": ["z", "the"], "a": ["b"]}


@pytest.mark.parametrize(
    ("radius", "score"),
    [
        (0, 1 - 0.5),  # one a among x, y, long and word
        (1, 3 - 0.6),  # y becomes a and b, which is one term more
        (2, 4 - 0.6),  # and x becomes b: both terms are saturated
        (3, 4 - 0.4),  # and the long word is left out
        (9, 4 - 0.4),
    ],
)
def test_the_worst_case_of_each_radius_by_hand(radius: int, score: float) -> None:
    assert worst("a x y long\u0301word", TABLE, radius) == pytest.approx(score)


def test_a_term_may_be_traded_for_one_that_counts_more() -> None:
    assert worst("a", TABLE, 1) == pytest.approx(1 - 0.1)
    assert worst("a", TABLE, 1, b=5.0) == pytest.approx(5 - 0.1)
    assert worst("a", TABLE, 0, b=5.0) == pytest.approx(1 - 0.1)


def test_a_shorter_document_is_worth_as_much_as_its_length() -> None:
    assert worst("long\u0301word", TABLE, 1) == pytest.approx(0.0)
    assert worst("long\u0301word", TABLE, 0) == pytest.approx(-0.2)


def test_a_text_whose_terms_are_not_those_of_its_words_is_not_bounded() -> None:
    class Pairs(Counting):
        def analyzed(self, text: str) -> list[str]:
            return [text] if " " in text else [text, text]

    assert worst_case(Pairs({}), Query("q", "a"), "a b", lambda word: [], 1) == float("inf")


def test_an_empty_document_or_one_without_substitutes_keeps_its_score() -> None:
    assert worst("", TABLE, 3) == 0.0
    assert worst("z z", TABLE, 3) == pytest.approx(-0.2)


def test_only_changes_that_can_raise_the_score_are_kept_and_each_once() -> None:
    terms = ["a", "b"]
    options = [["a"], ["a"], ["z"], ["b"], ["a", "b"], [], ["z", "z"]]
    assert _gains(["z"], options, terms) == [(0, 0, -1), (0, 1, 0), (1, 0, 0), (1, 1, 1)]
    assert _gains(["a"], [["z"], ["b"], ["a"], ["a", "a"]], terms) == [(-1, 1, 0), (1, 0, 1)]
    assert _gains(["a", "b"], [["z"]], terms) == [(-1, -1, -1)]
    assert _gains(["a"], [], terms) == []


def test_sums_are_reached_by_the_fewest_words() -> None:
    start: dict[Sums, int] = {(0, 0): 0}
    two: dict[Sums, int] = {(0,): 0, (1,): 2}
    first = _extended(start, [(1, 0), (0, -1)], 2)
    assert first == {(0, 0): 0, (1, 0): 1, (0, -1): 1}
    second = _extended(first, [(1, 0), (1, -1)], 2)
    assert second == {(0, 0): 0, (1, 0): 1, (0, -1): 1, (1, -1): 1, (2, 0): 2, (2, -1): 2, (1, -2): 2}
    assert _extended(second, [(5, 5)], 1) == second | {(5, 5): 1}
    assert _extended(two, [(1,)], 3) == {(0,): 0, (1,): 1, (2,): 3}
    assert _extended(start, [(1, 0)], 0) == start


def test_the_relaxation_takes_every_sum_at_its_best_in_as_many_words_as_the_radius() -> None:
    choices = [[(2, 0, 0), (0, 1, -1)], [(1, 1, 1)], [(-1, 3, 0)], [(0, 0, -2)]]
    assert _relaxed(choices, 0, 2) == (0, 0, 0)
    assert _relaxed(choices, 1, 2) == (2, 3, -2)
    assert _relaxed(choices, 2, 2) == (3, 4, -3)
    assert _relaxed(choices, 9, 2) == (3, 5, -3)
    assert _relaxed([], 1, 1) == (0, 0)


def test_as_many_sums_as_are_kept_are_exact_and_one_more_is_relaxed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two words that may each become a or b: six sums."""
    table = {"x": ["a", "b"], "y": ["a", "b"]}
    exact, relaxed = 2 - 0.2, 4 - 0.2  # relaxed: both words are a, and both are b
    for states, score in ((6, exact), (5, relaxed)):
        monkeypatch.setattr(bm25_worst_case, "STATES", states)
        assert worst("x y", table, 2) == pytest.approx(score)
    monkeypatch.setattr(bm25_worst_case, "STATES", 2)
    assert worst("x z y", table, 1) == pytest.approx(2 - 0.3)


def test_it_is_the_largest_score_of_all_attacks_and_relaxed_never_below(monkeypatch: pytest.MonkeyPatch) -> None:
    rng, names = Random(0), ["a", "b", "x", "y", "z", "long\u0301word", "the\u0301a"]
    for _ in range(150):
        table = {name: rng.sample(names, rng.randint(0, 3)) for name in names}
        text, radius = rng.choices(names, k=rng.randint(1, 5)), rng.randint(0, 3)
        ranker = Counting({"a": rng.uniform(0, 3), "b": rng.uniform(0, 3)})
        scores = []
        for places in combinations(range(len(text)), min(radius, len(text))):
            for words in product(*([name, *(table[name] if i in places else [])] for i, name in enumerate(text))):
                terms = ranker.analyzed(" ".join(words))
                counts = {term: terms.count(term) for term in ("a", "b")}
                scores.append(ranker.from_counts(Query("q", "a b"), counts, len(terms)))
        for states, slack in ((100_000, 0.0), (2, float("inf"))):
            monkeypatch.setattr(bm25_worst_case, "STATES", states)
            bound = worst_case(ranker, Query("q", "a b"), " ".join(text), lambda word: table[word], radius)  # noqa: B023
            assert max(scores) - 1e-9 <= bound <= max(scores) + slack + 1e-9


def test_a_ranker_counts_terms_where_it_has_the_three_methods() -> None:
    assert isinstance(Counting({}), CountsTerms)
    assert not isinstance(object(), CountsTerms)
