"""Tables of substitutes: symmetric, clean, combinable, and refused with a reason when they are broken."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from robustrank.core.errors import DataError
from robustrank.core.words import words
from robustrank.perturbations.substitutes import function_words, load


def write(folder: Path, content: object, name: str = "table.json") -> str:
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return str(path)


@pytest.mark.parametrize(
    "name",
    ["counterfitted", "counterfitted-mutual", "glove", "wordnet", "counterfitted|wordnet", "counterfitted&wordnet"],
)
def test_tables_are_symmetric_sorted_and_never_offer_the_word_itself(name: str) -> None:
    table = load(name).neighbours
    assert len(table) > 1000
    for word, others in table.items():
        assert others
        assert list(others) == sorted(set(others))
        assert word not in others
        assert all(word in table[other] for other in others)


@pytest.mark.parametrize("name", ["counterfitted", "counterfitted-mutual", "glove", "wordnet"])
def test_every_bundled_entry_is_one_lower_case_word_and_no_function_word(name: str) -> None:
    for word in load(name).neighbours:
        assert [unit.text for unit in words(word)] == [word] == [word.lower()]
        assert word not in function_words()


@pytest.mark.parametrize("word", ["the", "be", "two", "seventeen", "third", "january", "2", "du", "không"])
def test_function_words_numbers_names_and_foreign_words_have_no_substitutes(word: str) -> None:
    assert load("counterfitted|wordnet|glove").of(word) == ()


@pytest.mark.parametrize(("word", "opposite"), [("hot", "cold"), ("increase", "decrease"), ("able", "unable")])
def test_opposites_are_no_substitutes(word: str, opposite: str) -> None:
    assert opposite not in load("counterfitted|wordnet|glove").of(word)


@pytest.mark.parametrize(("word", "opposite"), [("rises", "falling"), ("wet", "arid"), ("better", "worse")])
def test_neighbours_of_glove_are_no_forms_or_likes_of_an_opposite(word: str, opposite: str) -> None:
    table = load("glove")
    assert table.of(word)
    assert opposite not in table.of(word)


def test_a_word_is_looked_up_in_any_case() -> None:
    table = load("wordnet")
    assert table.of("Automobile") == table.of("automobile") == table.of("AUTOMOBILE")
    assert "car" in table.of("automobile")
    assert table.of("zxqv") == ()


def test_within_lists_the_positions_that_have_substitutes(tmp_path: Path) -> None:
    table = load(write(tmp_path, {"big": ["large"]}))
    assert table.within("The big, LARGE bug.") == {1: ("large",), 2: ("big",)}


def test_unions_and_intersections_are_those_of_pairs_and_and_binds_tighter(tmp_path: Path) -> None:
    a = write(tmp_path, {"big": ["large", "huge"]}, "a.json")
    b = write(tmp_path, {"big": ["large", "vast"]}, "b.json")
    c = write(tmp_path, {"cat": ["puss"]}, "c.json")
    assert load(f"{a}|{b}").of("big") == ("huge", "large", "vast")
    assert load(f"{a}&{b}").neighbours == {"big": ("large",), "large": ("big",)}
    assert load(f"{c} | {a} & {b}").neighbours == {**load(f"{a}&{b}").neighbours, **load(c).neighbours}


def test_the_digest_is_of_the_content_not_of_the_name_or_order(tmp_path: Path) -> None:
    one = load(write(tmp_path, {"big": ["large", "vast"]}, "one.json"))
    same = load(write(tmp_path, {"vast": ["big"], "large": ["big"]}, "same.json"))
    other = load(write(tmp_path, {"big": ["large"]}, "other.json"))
    assert one.digest == same.digest != other.digest
    assert load("counterfitted|wordnet").digest == load("wordnet|counterfitted").digest


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("not json", "no table of substitutes can be read"),
        (["big", "large"], "is a JSON object"),
        ({"big": "large"}, "is a JSON object"),
        ({"big": ["very large"]}, "'very large' is not one lower-case word"),
        ({"Big": ["large"]}, "'Big' is not one lower-case word"),
        ({"": ["large"]}, "'' is not one lower-case word"),
    ],
)
def test_a_broken_table_is_refused_with_file_and_reason(tmp_path: Path, content: object, reason: str) -> None:
    path = write(tmp_path, content)
    with pytest.raises(DataError, match=r"table\.json") as caught:
        load(path)
    assert reason in str(caught.value)


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(DataError, match=r"wordnett.*have counterfitted, counterfitted-mutual, glove, wordnet"):
        load("counterfitted|wordnett")
