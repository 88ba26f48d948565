"""Substitutions and insertions in one text: made as requested, and measured from the two texts alone."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robustrank.core.topic_types import Edits, TopicBudget
from robustrank.core.words import words
from robustrank.perturbations import operations
from robustrank.perturbations.apply import with_edits
from robustrank.perturbations.substitutes import SubstituteTable
from robustrank.topics.edits import within_budget

TABLE = SubstituteTable("ab", "", {"a": ("b",), "b": ("a", "c"), "c": ("b",)})
NAME = "ab"


@pytest.fixture(autouse=True)
def _table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operations, "load", lambda name: TABLE)


def test_edits_are_made_at_the_requested_places() -> None:
    text = "Cats sleep. Dogs bark!"
    changed = with_edits(
        text, Edits(substitutions={0: "lions", 3: "howl"}, insertions=[(0, "why"), (12, "big"), (22, "now")])
    )
    assert changed == "why Lions sleep. big Dogs howl! now"


def test_words_inserted_at_one_place_keep_their_order() -> None:
    assert with_edits("text", Edits(insertions=[(0, "z"), (0, "a")])) == "z a text"
    assert with_edits("a", Edits(insertions=[(1, "x")])) == "a x"


def test_no_edit_is_the_text_itself() -> None:
    assert with_edits("a b", Edits()) == "a b"


@pytest.mark.parametrize(
    ("after", "substitutions", "insertions"),
    [("a c", 0, 0), ("b c", 1, 0), ("x a c", 0, 1), ("b x b", 2, 1), ("c a c", 0, 1), ("b c a c", 0, 2)],
)
def test_the_fewest_substitutions_that_explain_a_text_are_counted(
    after: str, substitutions: int, insertions: int
) -> None:
    finding = within_budget("a c", after, NAME, TopicBudget(substitutions=2, insertions=2))
    assert (finding.kinds["substituted"], finding.kinds["inserted"], finding.violations) == (
        substitutions,
        insertions,
        (),
    )


@pytest.mark.parametrize(
    ("after", "reason"),
    [
        ("c c", "no substitute"),
        ("a", "missing"),
        ("c a", "out of order"),
        ("a! c", "between words"),
        ("x y z a c", "3 words inserted"),
    ],
)
def test_what_is_not_allowed_is_named(after: str, reason: str) -> None:
    finding = within_budget("a c", after, NAME, TopicBudget(substitutions=2, insertions=2))
    assert any(reason in violation for violation in finding.violations)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from("abc"), max_size=4), st.lists(st.sampled_from("abcx"), max_size=6))
def test_counting_agrees_with_trying_every_alignment(old: list[str], new: list[str]) -> None:
    possible = []
    for kept in itertools.combinations(range(len(new)), len(old)):
        pairs = [(a, new[k]) for a, k in zip(old, kept, strict=True)]
        if all(a == b or b in TABLE.of(a) for a, b in pairs):
            possible.append(sum(a != b for a, b in pairs))
    finding = within_budget(" ".join(old), " ".join(new), NAME, TopicBudget(substitutions=9, insertions=9))
    assert bool(finding.violations) == (not possible)
    if possible:
        assert finding.kinds["substituted"] == min(possible)


@settings(max_examples=100, deadline=None)
@given(st.text("ab c.", max_size=12), st.data())
def test_what_is_applied_is_measured_within_its_size(text: str, data: st.DataObject) -> None:
    units = words(text)
    possible = {p: TABLE.of(w.text) for p, w in enumerate(units) if TABLE.of(w.text)}
    positions = data.draw(st.lists(st.sampled_from(sorted(possible)), unique=True)) if possible else []
    chosen = {p: data.draw(st.sampled_from(possible[p])) for p in positions}
    places = [0, *(w.start for w in units), len(text)]
    added = [(data.draw(st.sampled_from(places)), "x") for _ in range(data.draw(st.integers(0, 2)))]
    changed = with_edits(text, Edits(substitutions=chosen, insertions=added))
    measured = within_budget(text, changed, NAME, TopicBudget(substitutions=len(chosen), insertions=len(added)))
    assert measured.violations == ()
    assert measured.kinds["inserted"] == len(added)
