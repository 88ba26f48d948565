"""Words, and text rebuilt around them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robustrank.core import words as text


def test_words_keep_inner_apostrophes_hyphens_and_accents_but_no_punctuation() -> None:
    tokens = [w.text for w in text.words("Don't (re-rank) the café’s IL-2, e\u0301tude; 1,000_x हिन्दी")]
    assert tokens == ["Don't", "re-rank", "the", "café’s", "IL-2", "e\u0301tude", "1", "000_x", "हिन्दी"]


@pytest.mark.parametrize(
    ("script", "phrase"),
    {
        "Arabic": "العَرَبِيَّةُ لُغَةٌ",
        "Bengali": "বাংলা ভাষা",
        "Burmese": "မြန်မာ ဘာသာ",
        "Devanagari": "हिन्दी भाषा",
        "Hebrew": "שָׁלוֹם עוֹלָם",
        "Khmer": "ភាសា ខ្មែរ",
        "Tamil": "தமிழ் மொழி",
        "Telugu": "తెలుగు భాష",
        "Thai": "ที่นี่ ดี",
        "Tibetan": "བོད ཡིག",
        "Vietnamese, decomposed": "tie\u0302\u0301ng vie\u0323\u0302t",
    }.items(),
)
def test_combining_marks_belong_to_their_word_in_every_script(script: str, phrase: str) -> None:
    assert [word.text for word in text.words(phrase)] == phrase.split(" ")


def test_a_combining_mark_alone_is_no_word() -> None:
    assert text.words("\u0301 \u0b95\u0bcd") == [text.Word("\u0b95\u0bcd", 2, 4)]


@given(st.text(st.characters(max_codepoint=127)))
def test_ascii_texts_have_the_same_words_as_any_text(value: str) -> None:
    beyond = text.words(f"{value} é")
    assert beyond[:-1] == text.words(value)
    assert beyond[-1].text == "é"


@given(st.text())
def test_words_and_gaps_rebuild_any_text(value: str) -> None:
    words, gaps = text.words(value), text.gaps(value)
    assert len(gaps) == len(words) + 1
    assert "".join(g + w.text for g, w in zip(gaps, words, strict=False)) + gaps[-1] == value


def test_a_substitute_takes_the_case_of_the_word_it_replaces_and_touches_nothing_else() -> None:
    assert text.substitute("Big cats,  BIG dogs.", {0: "large", 2: "large"}) == "Large cats,  LARGE dogs."
    assert text.substitute("a b", {}) == "a b"


@given(st.text(), st.integers(0, 5))
def test_substituting_words_never_changes_the_gaps(value: str, position: int) -> None:
    changed = text.substitute(value, {position: "word"})
    assert text.gaps(changed) == text.gaps(value)
