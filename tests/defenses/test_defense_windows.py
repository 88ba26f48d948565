"""Aggregates over windows: whole lists against every block that an attacker can insert, and what certifies nothing."""

from __future__ import annotations

from itertools import product
from random import Random
from typing import Any

import pytest

from robustrank.core.errors import PluginError
from robustrank.core.ranking import order
from robustrank.core.types import Document, Query, RankerCard
from robustrank.core.words import words
from robustrank.rankers.controls import Identity
from robustrank.testing import check_defense
from robustrank_defenses.certified.windows import WindowAggregation

QUERY = Query("q", "x")


class Count:
    """How many of a text's words are the query's."""

    card = RankerCard(name="count", fingerprint="count")

    def score(self, query: Query, docs: Any, /) -> list[float]:
        return [float(doc.text.split().count(query.text)) for doc in docs]


class Drawn:
    card = RankerCard(name="drawn", fingerprint="drawn")

    def score(self, query: Query, docs: Any, /) -> list[float]:
        return [Random(doc.text).random() for doc in docs]


def inserted(text: str, most: int) -> list[str]:
    clean = [word.text for word in words(text)]
    blocks = [block for n in range(most + 1) for block in product("xb", repeat=n)]
    return [" ".join([*clean[:at], *block, *clean[at:]]) for block in blocks for at in range(len(clean) + 1)]


def certified(defense: WindowAggregation, seed: int) -> int:
    rng, made = Random(seed), 0
    for base in (Count(), Drawn()):
        ranker = defense.wrap(base)
        docs = [
            Document(str(n), " ".join(rng.choices("abcx" if n % 2 else "xxxa", k=rng.randint(1, 9)))) for n in range(4)
        ]
        clean = dict(zip((doc.doc_id for doc in docs), ranker.score(QUERY, docs), strict=True))
        ranking = order(list(clean.items()))
        for claim in ranker.certify(QUERY, docs, [1, 2], [1, 2]):
            if claim.certified:
                below = [doc for doc in docs if doc.doc_id in ranking[claim.k :]]
                tried = [doc._replace(text=t) for doc in below for t in inserted(doc.text, int(claim.radius))]
                assert max(ranker.score(QUERY, tried)) < clean[ranking[claim.k - 1]], (seed, claim)
                made += 1
    return made


@pytest.mark.parametrize(
    "defense",
    [
        WindowAggregation(width=2),
        WindowAggregation(width=1, aggregate="median"),
        WindowAggregation(width=2, aggregate="trimmed", share=0.7),
    ],
)
def test_no_block_lifts_any_document_into_a_certified_top(defense: WindowAggregation) -> None:
    assert sum(certified(defense, seed) for seed in range(80)) >= 5


@pytest.mark.parametrize(
    "defense",
    [
        WindowAggregation(width=2, aggregate="max"),
        WindowAggregation(width=2, aggregate="mean"),
        WindowAggregation(width=2, stride=2),
        WindowAggregation(width=9),
    ],
)
def test_what_a_block_can_decide_certifies_nothing_and_its_card_says_so(defense: WindowAggregation) -> None:
    docs = [Document("a", "x x x x x x x x"), Document("b", "b b b b b b b b")]
    ranker = defense.wrap(Count())
    claims = {claim.radius: claim for claim in ranker.certify(QUERY, docs, [1], [0, 1])}
    assert claims[0].certified
    assert not claims[1].certified
    assert claims[1].upper is None
    assert ("certifies nothing" in ranker.card.note) is (defense.width == 2)


def test_a_score_by_hand() -> None:
    docs = [Document("a", "x, b x"), Document("b", "x"), Document("c", "")]
    assert WindowAggregation(width=1).wrap(Count()).score(QUERY, docs) == [1.0, 1.0, 0.0]
    assert WindowAggregation(width=1, share=0.3).wrap(Count()).score(QUERY, docs) == [0.0, 1.0, 0.0]
    assert WindowAggregation(width=1, aggregate="mean").wrap(Count()).score(QUERY, docs) == [2 / 3, 1.0, 0.0]
    assert WindowAggregation(width=2, aggregate="max").wrap(Count()).score(QUERY, docs) == [1.0, 1.0, 0.0]


def test_it_keeps_the_contract_of_a_defense_that_certifies() -> None:
    docs = [Document("a", "Cats, dogs; x!"), Document("b", ""), Document("c", "x"), Document("d", "漢字 don't x x")]
    for defense in (WindowAggregation(width=2), WindowAggregation(width=2, aggregate="max", stride=2)):
        check_defense(defense, Drawn(), QUERY, docs)


def test_what_it_cannot_wrap_or_be_is_refused() -> None:
    with pytest.raises(PluginError, match=r"windows: .* wrap a pointwise ranker"):
        WindowAggregation().wrap(Identity())
    for name, value, message in (
        ("width", 0, "at least 1"), ("stride", 0, "at least 1"), ("aggregate", "least", "one of quantile"),
        ("share", 1.0, "between 0 and 1"),
    ):  # fmt: skip
        wrong: dict[str, Any] = {name: value}
        with pytest.raises(PluginError, match=f"windows: {name} must be {message}"):
            WindowAggregation(**wrong)
