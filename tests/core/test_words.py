"""Words, and text rebuilt around them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robustrank.core import words as text


def test_words_keep_english_endings_and_accents_but_no_hyphen_or_other_punctuation() -> None:
    tokens = [w.text for w in text.words("Don't (re-rank) the café’s IL-2, e\u0301tude; 1,000_x हिन्दी o'clock 'tis")]
    expected = "Don't re rank the café’s IL 2 e\u0301tude 1 000 x हिन्दी o clock tis"
    assert tokens == expected.split()


def test_chinese_and_hiragana_are_a_word_a_character_and_katakana_is_not() -> None:
    assert [word.text for word in text.words("天気は東京タワー です")] == [
        "天",
        "気",
        "は",
        "東",
        "京",
        "タワー",
        "で",
        "す",
    ]


@pytest.mark.parametrize(
    "joint", ["-", "'", "’", "_", "\u2011", "\u00b7", "\u200b", "\u00ad", "\u02bc", "\u3164", "/", "."]
)
def test_a_query_pasted_with_its_words_joined_is_as_many_words(joint: str) -> None:
    assert [word.text for word in text.words(joint.join(["weather", "forecast", "paris"]))] == [
        "weather",
        "forecast",
        "paris",
    ]


@pytest.mark.parametrize("mark", ["\u0301", "\u0336", "\u20dd", "\u093e", "\u0e31", "\u034f"])
def test_words_joined_by_a_combining_mark_cost_as_many_edits(mark: str) -> None:
    (pasted,) = text.words(mark.join(["weather", "forecast", "paris"]))
    assert text.cost(pasted.text) == 3
    assert text.cost(pasted.text, "cats") == 3


@pytest.mark.parametrize(
    ("phrase", "least"),
    [
        ("ประเทศไทยมีเมืองหลวงชื่ออะไร", 4),  # "what is the name of the capital of Thailand"
        ("រាជធានីនៃប្រទេសកម្ពុជា", 3),
        ("မြန်မာနိုင်ငံ၏မြို့တော်", 3),
        ("インターネットセキュリティ", 2),
    ],
)
def test_a_phrase_of_a_script_without_spaces_costs_several_edits(phrase: str, least: int) -> None:
    assert sum(text.cost(word.text) for word in text.words(phrase)) >= least


def test_what_a_word_costs() -> None:
    assert text.cost("cat") == text.cost("cat", "dog") == 1
    assert text.cost("cat", "cat") == 0
    assert text.cost("x" * 32) == 1
    assert text.cost("x" * 33) == 2
    assert text.cost("x" * 3_000_000) == 93_750
    assert text.cost("x" * 40 + "y", "x" * 41) == 1, "one character of a long word"
    assert text.cost("e\u0301tude") == text.cost("हिन्दी") == 1
    assert text.cost("\ufdfa") == 4, "one character that normalisation makes four words of"


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
    old = [word.text for word in text.words(value)][position : position + 1]
    new = next((word for word in ("word", "語") if old and text.in_place_of(word, old[0])), "word")
    changed = text.substitute(value, {position: new})
    assert text.gaps(changed) == text.gaps(value)
