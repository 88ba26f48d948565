"""Hostile text: what cannot be seen is named, what would run is defused, and nothing is lost or invented."""

from __future__ import annotations

import json
import re
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robustrank.core.escaping import beginning, for_csv, for_terminal, reveal, visible

STRINGS: dict[str, str] = json.loads(
    (Path(__file__).parents[1] / "data" / "hostile_strings.json").read_text(encoding="utf-8")
)

# Every code point, lone surrogates included: json.loads makes them out of "\ud800", so corpora can hold them.
anything = st.text(st.characters(codec=None, categories=None))


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("a\u202eb", "U+202E RIGHT-TO-LEFT OVERRIDE"),
        ("a\u200bb", "U+200B ZERO WIDTH SPACE"),
        ("a\ufeffb", "U+FEFF ZERO WIDTH NO-BREAK SPACE"),
        ("a\u00adb", "U+00AD SOFT HYPHEN"),
        ("a\ufe0fb", "U+FE0F VARIATION SELECTOR-16"),
        ("a\U000e0041b", "U+E0041 TAG LATIN CAPITAL LETTER A"),
        ("a\u3164b", "U+3164 HANGUL FILLER"),
        ("a\x1bb", "U+001B ESCAPE, BEGINS AN ANSI SEQUENCE"),
        ("a\x01b", "U+0001 CONTROL"),
        ("a\rb", "U+000D CARRIAGE RETURN"),
        ("a\ud800b", "U+D800 LONE SURROGATE"),
        ("a\u0378b", "U+0378 UNASSIGNED"),
        ("a\u2028b", "U+2028 LINE SEPARATOR"),
    ],
)
def test_a_character_one_cannot_see_is_labelled_with_its_name(text: str, label: str) -> None:
    assert reveal(text) == [("a", None), (text[1:-1], label), ("b", None)]


@pytest.mark.parametrize(
    "text", ["", "plain", "two\nlines\tand a tab", "DOS\r\nlines", "café e\u0301tude", "हिन्दी ภาษา 漢字 שלום"]
)
def test_ordinary_text_is_left_alone(text: str) -> None:
    assert all(label is None for _, label in reveal(text))
    assert visible(text) == text


def test_repeats_of_one_character_are_one_run() -> None:
    assert reveal("\u200b\u200b\u200c") == [
        ("\u200b\u200b", "U+200B ZERO WIDTH SPACE"),
        ("\u200c", "U+200C ZERO WIDTH NON-JOINER"),
    ]


def test_a_stack_of_four_accents_is_marked_and_three_are_not() -> None:
    assert reveal("z" + "\u0301" * 3) == [("z" + "\u0301" * 3, None)]
    assert reveal("z" + "\u0301" * 4)[1] == ("\u0301" * 4, "U+0301 AND FURTHER COMBINING MARKS")


def test_words_of_mixed_scripts_are_marked_but_stay_readable() -> None:
    assert reveal("my p\u0430ypal") == [("my ", None), ("p\u0430ypal", "MIXED SCRIPTS: LATIN AND CYRILLIC")]
    assert reveal("\u0391mazon") == [("\u0391mazon", "MIXED SCRIPTS: LATIN AND GREEK")]
    assert visible("my p\u0430ypal") == "my p\u0430ypal"


def test_greek_letters_that_look_like_no_latin_letter_are_everyday_spelling_in_science() -> None:
    assert reveal("TNFα NF-κB IL-1β μm") == [("TNFα NF-κB IL-1β μm", None)]


def test_whole_words_of_another_script_are_no_look_alikes() -> None:
    assert reveal("Москва and Αθήνα") == [("Москва and Αθήνα", None)]


def test_the_terminal_gets_one_line_without_control_characters() -> None:
    assert for_terminal("\x1b[31mred\n\u202e") == "⟨U+001B⟩[31mred⟨U+000A⟩⟨U+202E⟩"


@given(anything)
def test_the_runs_join_to_the_text(text: str) -> None:
    assert "".join(run for run, _ in reveal(text)) == text


def harmless(shown: str) -> bool:
    shown.encode("utf-8")
    return not {unicodedata.category(char) for char in shown} & {"Cc", "Cf", "Cs", "Cn", "Zl", "Zp"}


@given(anything)
def test_no_output_for_a_terminal_holds_a_control_format_or_surrogate_character(text: str) -> None:
    assert harmless(for_terminal(text))


@given(anything)
def test_making_visible_twice_changes_nothing_more(text: str) -> None:
    assert visible(visible(text)) == visible(text)


@pytest.mark.parametrize("cell", ["=1+1", "+1+1", "-2+cmd", "@SUM(1)", "\t=1", "\r=1", " =1", "＝1+1", "\n@x"])
def test_a_cell_that_could_be_a_formula_is_quoted(cell: str) -> None:
    assert for_csv(cell) == "'" + cell


@pytest.mark.parametrize("cell", ["", "plain", "-0.5", "+3", "1e-6", "a=b", "   "])
def test_numbers_and_plain_cells_stay_as_they_are(cell: str) -> None:
    assert for_csv(cell) == cell


@pytest.mark.parametrize("name", STRINGS)
def test_every_known_hostile_string_is_safe_for_terminal_and_csv(name: str) -> None:
    assert harmless(for_terminal(STRINGS[name]))
    assert not for_csv(STRINGS[name]).lstrip(" ").startswith(("=", "+", "@", "\t", "\r"))


@pytest.mark.parametrize(
    "text", ["::error::x", "  ::stop-commands::t", "a ::add-mask::b", "##[error]x", "wrapped to ::debug::x"]
)
def test_nothing_printed_can_be_a_command_to_the_runner_of_a_workflow(text: str) -> None:
    """Also in the middle: a narrow table begins lines there."""
    shown = for_terminal(text)
    assert not re.search(r"::[a-z]|##\[", shown)
    assert shown.replace("∷", "::").replace("##⟦", "##[") == text


def test_colons_of_ordinary_text_stay() -> None:
    assert for_terminal("a: b :: c, ::1, 10::") == "a: b :: c, ::1, 10::"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("short text", "short text"), ("two\nlines \t here", "two lines here"), ("", ""),
        ("twenty characters go", "twenty characters go"), ("twenty characters goe", "twenty characters…"),
        ("x" * 90, "x" * 19 + "…"), ("a " + "x" * 90, "a " + "x" * 17 + "…"), (" " * 500 + "far", "…"),
    ],
)  # fmt: skip
def test_a_beginning_is_one_line_of_whole_words_and_says_what_is_left_out(text: str, shown: str) -> None:
    assert beginning(text, 20) == shown
