"""Templated sentences: the form, the words that fit, and the twin, which is the same but for the query."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from robustrank.core.errors import PluginError
from robustrank.core.sentences import sentences
from robustrank.core.types import Access, Budget, Case
from robustrank.core.words import words
from robustrank.perturbations.oracle import MeteredOracle, MeteredRanker
from robustrank.perturbations.substitutes import function_words
from robustrank.perturbations.verify import verify
from robustrank.testing import WordWeights, check_attack, make_case
from robustrank_attacks.insertion.template_sentence import TEMPLATES, TemplateSentence, other_queries, twin_of

TEXT = "Plain words here. Then some more."
RANKER = WordWeights(weights={"guide": 0.5, "plain": -1.0, "half": 0.25})


def listed(query: str = "where does the red fox live?", goal_rank: int = 1) -> Case:
    return make_case(RANKER, query, [TEXT, "the red fox", "red fox red fox live half", "fox"], 0, goal_rank=goal_rank)


def write(plugin: TemplateSentence, case: Case, budget: Budget, seed: int = 0) -> tuple[str, int]:
    """The new text, which must be legal, and the pairs it cost."""
    oracle = MeteredOracle(MeteredRanker(RANKER), case, plugin.threat, budget)
    done = plugin.perturb(case, oracle, Random(seed))
    assert verify(case, done, plugin.threat, budget).violations == ()
    return case.target.text if done.target is None else done.target, oracle.spent


@pytest.mark.parametrize("template", list(TEMPLATES))
@pytest.mark.parametrize("edits", [None, 4, 7, 9, 12])
@pytest.mark.parametrize("place", ["start", "end"])
def test_the_twin_is_the_same_sentence_with_as_many_words_of_another_query(
    template: str, edits: int | None, place: Any
) -> None:
    case = listed()
    mine, _ = write(TemplateSentence(template=template, place=place), case, Budget(edits=edits))
    twin, _ = write(TemplateSentence(template=template, place=place, twin=True), case, Budget(edits=edits))
    assert len(words(mine)) == len(words(twin))
    form = [word.text for word in words(TEMPLATES[template].format(q=""))]
    added = [{word.text.lower() for word in words(text)} - {w.lower() for w in form} for text in (mine, twin)]
    content = {"red", "fox", "live"}
    assert not added[1] & content
    if edits is None:
        assert TEMPLATES[template].format(q="where does the red fox live") in mine
        assert content <= added[0]
        if not TEMPLATES[template].endswith(":"):  # those lead on to the text
            assert len(sentences(mine)) == len(sentences(TEXT)) + 1
    assert TemplateSentence(twin=True).threat.control
    assert not TemplateSentence().threat.control


@pytest.mark.parametrize(
    ("edits", "text"),
    [
        (3, TEXT),
        (4, f"This page explains red. {TEXT}"),
        (6, f"This page explains red fox live. {TEXT}"),
        (7, f"This page explains where red fox live. {TEXT}"),
        (9, f"This page explains where does the red fox live. {TEXT}"),
    ],
)
def test_a_small_budget_buys_content_words_and_none_buys_nothing(edits: int, text: str) -> None:
    assert write(TemplateSentence(template="explains"), listed(), Budget(edits=edits)) == (text, 0)


def test_of_an_empty_query_only_the_form_is_left_and_the_twin_is_the_same() -> None:
    case = listed("")
    assert write(TemplateSentence(), case, Budget()) == write(TemplateSentence(twin=True), case, Budget())


def test_what_is_due_to_the_form_alone_shows_in_the_twin() -> None:
    ranker = MeteredRanker(RANKER)
    case = listed()
    texts = [write(TemplateSentence(template="guide", twin=twin), case, Budget())[0] for twin in (True, False)]
    clean, twin, mine = ranker.score(case.query, [case.target._replace(text=text) for text in (TEXT, *texts)])
    shared = sum(word.text.lower() in ("where", "does", "the") for word in words(texts[0]))
    assert twin - clean == pytest.approx(0.5 + shared)  # "guide", and function words that both queries have
    assert mine - clean == pytest.approx(0.5 + 6)


def test_the_victim_chooses_among_all_templates_and_places() -> None:
    case = make_case(RANKER, "does red fox live", [TEXT, "red fox fox half"], 0)  # 3.25; templates score 3, one 3.5
    text, pairs = write(TemplateSentence(template="best", access="scores", place="best"), case, Budget())
    assert "Complete guide to does red fox live." in text
    assert pairs <= 50
    assert write(TemplateSentence(template="best", access="ranks"), listed(goal_rank=2), Budget())[1] == 4
    assert TemplateSentence(access="ranks").threat.access is Access.RANKS


def test_a_twin_has_no_content_word_of_the_query_however_long_it_is() -> None:
    query = [word for other in other_queries() for word in other]
    twin = twin_of([*query[:40], "fox"], Random(0))
    assert len(twin) == 41
    assert not {word.lower() for word in twin} & ({word.lower() for word in query[:40]} - function_words())
    assert len(twin_of(["fox"] * 500, Random(1))) == 500
    assert twin_of(["red", "fox"], Random(1)) == twin_of(["red", "fox"], Random(1))
    assert len({tuple(twin_of(["red", "fox"], Random(seed))) for seed in range(20)}) > 5


@pytest.mark.parametrize("plugin", [
    TemplateSentence(), TemplateSentence(twin=True, place="gaps"), TemplateSentence(place="end", template="question"),
    TemplateSentence(template="best", access="scores", place="best"), TemplateSentence(template="best", access="ranks"),
])  # fmt: skip
def test_the_contract_holds(plugin: TemplateSentence) -> None:
    check_attack(plugin, RANKER, [listed(), listed(goal_rank=3)])


def test_unknown_parameters_are_refused() -> None:
    with pytest.raises(PluginError, match="template must be one of answer, asked"):
        TemplateSentence(template="best")
    with pytest.raises(PluginError, match="access must be one of none, ranks, scores"):
        TemplateSentence(access="weights")  # type: ignore[arg-type]
    assert len(TEMPLATES) == 12
