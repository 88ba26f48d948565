"""Which texts look the same to a reader, and how many characters differ."""

from __future__ import annotations

import unicodedata
from string import ascii_letters, digits

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robustrank.core.types import Access, AttackSet, Budget, Case, Document, Perturbation, Query, Surface, ThreatModel
from robustrank.perturbations import operations
from robustrank.perturbations.rendering import FILLERS, characters_changed, look_the_same, rendered, skeleton, twins
from robustrank.perturbations.verify import verify

LRO, RLO, PDF, LRI, PDI = "\u202d", "\u202e", "\u202c", "\u2066", "\u2069"
TAGS = "".join(chr(0xE0000 + ord(c)) for c in "car")

SAME = {
    "a Cyrillic letter": ("paypal", "p\u0430ypal", 1),
    "full width": ("car", "\uff43ar", 1),
    "a zero-width space": ("virus", "vi\u200brus", 1),
    "a soft hyphen": ("virus", "vi\u00adrus", 1),
    "a Hangul filler": ("virus", "vi\u3164rus", 1),
    "an empty pattern of Braille": ("virus", "vi\u2800rus", 1),
    "a letter and a backspace": ("virus", "vix\brus", 2),
    "a delete and a letter": ("virus", "vi\x7fxrus", 2),
    "tags that spell a word": ("virus", f"virus{TAGS}", 3),
    "a word and as many backspaces": ("a virus", "a car\b\b\bvirus", 6),
    "two letters stored in reverse": ("virus", f"v{RLO}ri{PDF}us", 3),
    "two letters swapped by isolates": ("ab", f"{LRO}{LRI}{RLO}{LRI}b{PDI}{LRI}a{PDI}{PDF}{PDI}{PDF}", 11),
    "brackets under an override, which mirrors them": ("f(x)", f"f{RLO}(x){PDF}", 2),
    "a decomposed accent": ("caf\u00e9", "cafe\u0301", 2),
}


@pytest.mark.parametrize("name", SAME)
def test_texts_that_look_the_same_are_legal_and_cost_their_characters(name: str) -> None:
    before, after, cost = SAME[name]
    assert look_the_same(before, after)
    assert look_the_same(after, before)
    assert operations.RENDER.check(before, after, AttackSet(operation="render")) == (cost, (), {})


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("cafe", "caf\u00e9"), ("cafe", "cafe\u0301"), ("car", "cat"),
        ("a car", "acar"), ("virus", "v\u202eir\u202cus"),
        ("virus", "vx\b\brus"), ("lip", "\u0142ip"), ("f(x)", f"f{RLO})x({PDF}"), ("ab 12", f"{RLO}ba{PDF} 12"),
        ("", "a"), ("a", ""), ("virus", "virus\x01"),
    ],
)  # fmt: skip
def test_what_a_reader_sees_is_not_legal(before: str, after: str) -> None:
    edited = operations.RENDER.check(before, after, AttackSet(operation="render"))
    assert edited.reasons == ("a reader sees another text",)
    assert not look_the_same(after, before)


def test_a_number_after_reversed_letters_moves_and_is_seen_to_move() -> None:
    """UAX 9 joins a number to right-to-left text before it: a word in reverse must not stand before one."""
    assert rendered(f"ab {RLO}dc{PDF} 12 e") == "ab 12 cd e"
    assert not look_the_same("ab cd 12 e", f"ab {RLO}dc{PDF} 12 e")


def test_right_to_left_scripts_keep_their_order_between_two_texts() -> None:
    hebrew = "a \u05d0\u05d1\u05d2 b"
    assert look_the_same(hebrew, hebrew.replace("a", "\u0430"))
    assert not look_the_same(hebrew, "a \u05d2\u05d1\u05d0 b")


def test_lone_surrogates_are_no_error() -> None:
    assert look_the_same(f"a\ud800 {RLO}cb{PDF}", f"a\ud800 {RLO}cb{PDF}\u200b")
    assert not look_the_same("a\ud800", "a")


EDITS = st.lists(
    st.tuples(st.sampled_from(["\u200b", "\u3164", "x\b", "\u0430", f"{RLO}", PDF, "\u00ad", "a"]), st.integers(0, 9)),
    max_size=4,
)


def edited(text: str, edits: list[tuple[str, int]]) -> str:
    for new, at in edits:
        text = text[: at % (len(text) + 1)] + new + text[at % (len(text) + 1) :]
    return text


@given(text=st.text("ab \u0430\b(", max_size=8), one=EDITS, other=EDITS)
def test_two_legal_edits_after_one_another_are_legal_and_cost_at_most_their_sum(
    text: str, one: list[tuple[str, int]], other: list[tuple[str, int]]
) -> None:
    middle = edited(text, one)
    last = edited(middle, other)
    assert look_the_same(text, text)
    assert characters_changed(text, text) == 0
    if look_the_same(text, middle) and look_the_same(middle, last):
        assert look_the_same(text, last)
    assert characters_changed(text, last) <= characters_changed(text, middle) + characters_changed(middle, last)


@given(text=st.text(ascii_letters + digits + " .,()-\n", max_size=20))
def test_plain_text_is_drawn_as_it_is(text: str) -> None:
    assert rendered(text) == text


def test_every_letter_has_a_twin_that_looks_the_same_and_is_another_character() -> None:
    for letter in ascii_letters:
        assert twins(letter), letter
        assert all(other != letter and skeleton(other) == skeleton(letter) for other in twins(letter))
    assert "\u0430" in twins("a")
    stable = [unicodedata.normalize("NFKC", other) == other for other in twins("a")]
    assert stable == sorted(stable, reverse=True)  # those that normalisation leaves alone come first


def test_every_filler_is_drawn_as_nothing() -> None:
    assert all(look_the_same("virus", f"vi{filler}rus") for filler in FILLERS)


def test_a_budget_of_characters_binds_and_one_of_words_does_not() -> None:
    target = Document("d", "a virus")
    case = Case(Query("q", "virus"), target, (target,))
    threat = ThreatModel(surface=Surface.DOCUMENT, access=Access.NONE, edits=AttackSet(operation="render"))
    hidden = Perturbation(target="a v\u200bi\u200brus")
    assert verify(case, hidden, threat, Budget(characters=2, edits=0)).violations == ()
    assert verify(case, hidden, threat, Budget(characters=1)).violations == ("2 characters edited, the budget is 1",)
    words = ThreatModel(surface=Surface.DOCUMENT, access=Access.NONE, edits=AttackSet(operation="insert"))
    added = Perturbation(target="a virus more")
    assert verify(case, added, words, Budget(characters=0)).violations == ()
    assert verify(case, added, words, Budget(edits=0)).violations == ("1 words edited, the budget is 0",)
