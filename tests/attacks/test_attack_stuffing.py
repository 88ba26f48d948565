"""Title stuffing, term stuffing and relevance words: what goes where, and the known effect on made-up rankers."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

import pytest

from robustrank.core.errors import PluginError
from robustrank.core.interfaces import Attack
from robustrank.core.types import Budget, Document, Query
from robustrank.core.words import words
from robustrank.perturbations.oracle import MeteredOracle, MeteredRanker
from robustrank.perturbations.verify import verify
from robustrank.testing import WordWeights, check_attack, make_case
from robustrank_attacks.insertion.query_injection import QueryInjection
from robustrank_attacks.insertion.relevance_words import RelevanceWords
from robustrank_attacks.insertion.term_stuffing import TermStuffing
from robustrank_attacks.insertion.title_stuffing import TitleStuffing

TEXT = "A title. Then the text."
RANKER = WordWeights()


def write(plugin: Attack, budget: Budget, query: str = "where is the red fox", text: str = TEXT, seed: int = 0) -> str:
    """The new text, which must be legal."""
    case = make_case(RANKER, query, [text, "red red", "red fox", "blue"], 0)
    done = plugin.perturb(case, MeteredOracle(MeteredRanker(RANKER), case, plugin.threat, budget), Random(seed))
    assert verify(case, done, plugin.threat, budget).violations == ()
    return text if done.target is None else done.target


@pytest.mark.parametrize(
    ("plugin", "edits", "text"),
    [
        (TitleStuffing(), None, "A title. where is the red fox Then the text."),
        (TitleStuffing(where="before"), 3, f"where red fox {TEXT}"),
        (TitleStuffing(most=2), 9, "A title. red fox Then the text."),
        (TermStuffing(count=5), None, f"red fox red fox red {TEXT}"),
        (TermStuffing(place="end"), 3, f"{TEXT} red fox red"),
        (TermStuffing(terms="rarest"), 3, f"fox fox fox {TEXT}"),
        (RelevanceWords(), None, f"relevant relevant relevant relevant relevant {TEXT}"),
        (RelevanceWords(tokens=["true", "relevant"], times=2, place="end"), 3, f"{TEXT} true relevant true"),
    ],
)
def test_what_is_inserted_where(plugin: Attack, edits: int | None, text: str) -> None:
    assert write(plugin, Budget(edits=edits)) == text


def test_to_a_bag_of_words_the_title_is_a_place_like_the_start() -> None:
    query = "red fox of the wood"
    scored = [
        RANKER.score(Query("q", query), [Document("", write(plugin, Budget(), query))])
        for plugin in (TitleStuffing(), TitleStuffing(where="before"), QueryInjection())
    ]
    assert scored[0] == scored[1] == scored[2]


class FirstWords(WordWeights):
    """Reads five words."""

    def score(self, query: Query, docs: Sequence[Document], /) -> list[float]:
        return super().score(query, [doc._replace(text=" ".join(doc.text.split()[:5])) for doc in docs])


def test_behind_what_a_ranker_reads_a_title_gains_nothing() -> None:
    ranker, long = FirstWords(), "A title of more than five words. Then the text."
    for where, text, gains in (("after", TEXT, True), ("after", long, False), ("before", long, True)):
        plugin = TitleStuffing(where=where)  # type: ignore[arg-type]
        clean, new = ranker.score(
            Query("q", "red fox"), [Document("", text), Document("", write(plugin, Budget(), "red fox", text))]
        )
        assert (new > clean) is gains


def test_one_relevance_word_lifts_a_document_to_the_top_where_the_ranker_counts_it_and_nowhere_else() -> None:
    for weights, best in ({"relevant": 9.0}, True), ({}, False):
        ranker = WordWeights(weights=weights)
        stuffed = write(RelevanceWords(times=1), Budget())
        ours, *others = ranker.score(Query("q", "red fox"), [Document("", t) for t in (stuffed, "red red", "red fox")])
        assert (ours > max(others)) is best


def test_a_random_place_may_be_any_and_differs_by_seed() -> None:
    plugin = RelevanceWords(times=1, place="random")
    texts = {write(plugin, Budget(), seed=seed) for seed in range(80)}
    assert len(texts) == len(words(TEXT)) + 1
    assert f"{TEXT} relevant" in texts


@pytest.mark.parametrize("plugin", [
    TitleStuffing(), TitleStuffing(where="before"), TermStuffing(), TermStuffing(terms="rarest", place="interleave"),
    RelevanceWords(), RelevanceWords(tokens=("bar", "baz"), place="random"),
])  # fmt: skip
def test_the_contract_holds(plugin: Any) -> None:
    case = make_case(RANKER, "where is the red fox", [TEXT, "red red", "red fox"], 0)
    check_attack(plugin, RANKER, [case])


def test_unknown_parameters_are_refused() -> None:
    with pytest.raises(PluginError, match="tokens must be single words"):
        RelevanceWords(tokens=["two words"])
    with pytest.raises(PluginError, match="where must be one of before, after"):
        TitleStuffing(where="inside")  # type: ignore[arg-type]
    with pytest.raises(PluginError, match="terms must be one of all, rarest"):
        TermStuffing(terms="first")  # type: ignore[arg-type]
