"""Changed and hidden characters: what readers see, whom they hide a document from, and what rankers do not read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robustrank.config import audit_file
from robustrank.core.ranking import order
from robustrank.perturbations.apply import outcome
from robustrank.perturbations.oracle import MeteredOracle, MeteredRanker
from robustrank.perturbations.rendering import look_the_same
from robustrank.perturbations.verify import verify
from robustrank.plugin import (
    Budget,
    Case,
    Document,
    Goal,
    Perturbation,
    PluginError,
    Query,
    Ranker,
    RankerCard,
    analyze,
    words,
)
from robustrank.testing import WordWeights, check_attack, make_case
from robustrank.work.base import Place
from robustrank.work.perform import workbench
from robustrank.work.workbench import Workbench
from robustrank_attacks.characters._families import FAMILIES, HIDDEN, HOMOGLYPHS, IN_WORDS
from robustrank_attacks.characters.characters import Characters

INVISIBLE = [family for family in IN_WORDS if family != "accents"]
DROPPED = ["zero_width", "accents"]
"""Families that BERT's normaliser drops: the token ids are those of the clean text."""

AUDIT = """
name = "characters"
measures = ["nDCG@10"]
[[collection]]
use = "scifact"
queries = 12
depth = 30
[[ranker]]
use = "bm25"
[[ranker]]
name = "tiny"
use = "cross_encoder"
model = "robustrank-tiny"
"""
TEXTS = ["A small cat sat, and the cat slept.", "Dogs and a cat bark at night.", "No animals at all live here."]


@pytest.fixture(scope="module")
def bench() -> Workbench:
    return workbench(audit_file.parse(AUDIT))


def cases(bench: Workbench, ranker: str) -> Iterator[tuple[Ranker, Case]]:
    """The first document of every list."""
    for query_id in bench.lists("scifact").queries:
        place = Place(ranker=ranker, collection="scifact", query_id=query_id)
        docs, query, model = place.docs(bench), place.query(bench), place.victim(bench).ranker.ranker
        by_id = {doc.doc_id: doc for doc in docs}
        scores = model.score(query, docs)
        ranked = tuple(by_id[i] for i in order([(d.doc_id, s) for d, s in zip(docs, scores, strict=True)]))
        yield model, Case(query, ranked[0], ranked, 11)


def attacked(attack: Characters, ranker: Ranker, case: Case, budget: Budget, seed: int = 1) -> str:
    """The text that comes back, legal."""
    oracle = MeteredOracle(MeteredRanker(ranker), case, attack.threat, budget)
    made = attack.perturb(case, oracle, Random(seed))
    assert verify(case, made, attack.threat, budget).violations == ()
    return case.target.text if made.target is None else made.target


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("access", ["none", "ranks", "scores", "weights"])
def test_it_keeps_the_contract(family: str, access: str) -> None:
    goal = "promote" if family in HIDDEN else "demote"
    ranker = WordWeights(weights={"small": -0.5, "bark": 0.3})
    listed = [make_case(ranker, "a cat at night", TEXTS, target, goal_rank=2) for target in (0, 2)]
    for control in (False, True):
        attack = Characters(families=[family], goal=goal, access=access, control=control)  # type: ignore[arg-type]
        check_attack(attack, ranker, listed)
        assert (attack.threat.control, attack.threat.goal) == (control, Goal(goal))


@given(word=st.text("abcdefghiklmnopqrstuvwxyzABCXYZ0123", min_size=1, max_size=9), family=st.sampled_from(INVISIBLE))
def test_what_a_family_makes_of_a_word_looks_the_same_and_costs_what_it_says(word: str, family: str) -> None:
    cost, make = IN_WORDS[family]
    made = make(word)
    if made is not None:
        assert look_the_same(word, made)
        assert made != word
        assert abs(len(made) - len(word)) <= cost


def test_twins_of_letters_are_drawn_alike() -> None:
    assert all(look_the_same(chr(one), chr(other)) for one, other in HOMOGLYPHS.items())


def test_bm25_scores_nothing_when_every_occurrence_of_a_query_term_is_changed_and_something_with_one_less(
    bench: Workbench,
) -> None:
    seen = 0
    for ranker, case in cases(bench, "bm25"):
        query = set(analyze([case.query.text])[0])
        count = sum(not query.isdisjoint(terms) for terms in analyze([w.text for w in words(case.target.text)]))
        attack = Characters(families=["homoglyph"])
        hidden = attacked(attack, ranker, case, Budget(characters=count))
        left = attacked(attack, ranker, case, Budget(characters=count - 1))
        scores = ranker.score(case.query, [case.target._replace(text=text) for text in (hidden, left)])
        assert scores[0] == 0
        assert scores[1] > 0
        seen += 1
    assert seen == 12


@pytest.mark.parametrize("family", DROPPED)
def test_a_model_that_drops_characters_gives_the_clean_score_bit_for_bit(bench: Workbench, family: str) -> None:
    for ranker, case in cases(bench, "tiny"):
        text = attacked(Characters(families=[family]), ranker, case, Budget())
        assert text != case.target.text
        clean, changed = (ranker.score(case.query, [case.target._replace(text=t)]) for t in (case.target.text, text))
        assert clean == changed


def test_homoglyphs_in_all_query_words_push_the_first_document_out_of_the_top_ten_in_most_lists(
    bench: Workbench,
) -> None:
    out = []
    for ranker, case in cases(bench, "tiny"):
        scores = ranker.score(case.query, case.candidates)
        clean = [(doc.doc_id, score) for doc, score in zip(case.candidates, scores, strict=True)]
        text = attacked(Characters(families=["homoglyph"]), ranker, case, Budget(characters=60))
        out.append(outcome(ranker, case, Perturbation(target=text), clean)[0] > 10)
    assert sum(out) > len(out) / 2


def test_a_control_changes_as_many_characters_and_no_word_of_the_query() -> None:
    ranker = WordWeights()
    case = make_case(ranker, "small cats", TEXTS, 0, goal_rank=11)
    text = attacked(Characters(families=["homoglyph"], control=True), ranker, case, Budget(characters=4))
    changed = [(a, b.text) for a, b in zip(words(TEXTS[0]), words(text), strict=True) if a.text != b.text]
    assert len(changed) == 4
    assert not {a.text for a, _ in changed} & {"small", "cat"}
    plain = attacked(Characters(families=["homoglyph"]), ranker, case, Budget(characters=3))
    kept = [word.text for word in words(plain)]
    assert not {"small", "cat"} & set(kept)  # an attack changes these first


@dataclass(frozen=True)
class Reads:
    """Counts how often a document has the query, after it dropped characters."""

    dropped: str = ""

    @property
    def card(self) -> RankerCard:
        return RankerCard(name="reads", fingerprint=self.dropped)

    def score(self, query: Query, docs: Sequence[Document], /) -> list[float]:
        table = dict.fromkeys(map(ord, self.dropped))
        return [float(doc.text.translate(table).count(query.text)) for doc in docs]


def test_each_family_is_tried_and_the_one_that_helps_is_kept() -> None:
    ranker = Reads(dropped="\u200b")
    case = make_case(ranker, "cat", ["cat cat cat dog", "a cat", *["none"] * 12], 0, goal_rank=11)
    attack = Characters(families=["zero_width", "filler", "homoglyph"], access="scores")
    assert attacked(attack, ranker, case, Budget(characters=3)) == " ".join(["c\u3164at"] * 3) + " dog"


def test_edits_that_the_ranker_does_not_read_are_handed_in_so_that_the_audit_sees_them() -> None:
    ranker = Reads(dropped="\u200b")
    case = make_case(ranker, "cat", ["cat cat dog", "a cat", *["none"] * 12], 0, goal_rank=11)
    text = attacked(Characters(families=["zero_width"], access="scores"), ranker, case, Budget(characters=2))
    assert text.count("\u200b") == 2
    assert ranker.score(case.query, [Document("d", text)]) == [2.0]


def test_hidden_words_of_the_query_are_read_by_who_keeps_letters_and_by_nobody_who_looks() -> None:
    ranker = Reads(dropped="\b")
    case = make_case(ranker, "cat", ["dogs bark", "a cat", "none"], 0)
    text = attacked(Characters(families=["hidden_backspace"], goal="promote"), ranker, case, Budget(characters=8))
    assert text == "cat \b\b\b\bdogs bark"
    assert ranker.score(case.query, [Document("d", text)]) == [1.0]
    assert attacked(Characters(families=["hidden_backspace"], goal="promote"), ranker, case, Budget(characters=7)) == (
        "dogs bark"
    )
    tagged = attacked(Characters(families=["hidden_tags"], goal="promote"), ranker, case, Budget(characters=3))
    assert tagged == "\U000e0063\U000e0061\U000e0074dogs bark"


def test_parameters_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(PluginError, match="accents are visible"):
        Characters(families=["accents", "filler"])
    with pytest.raises(PluginError, match="'hidden_tags' promotes"):
        Characters(families=["hidden_tags"])
    with pytest.raises(PluginError, match="'hidden_tags' promotes"):
        Characters(families=["hidden_tags", "filler"], goal="promote")
    with pytest.raises(PluginError, match="families must be one of"):
        Characters(families=["invisible"])
