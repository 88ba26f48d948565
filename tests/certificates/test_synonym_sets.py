"""Perturbation sets: what smoothing draws, and how far an attack can move it."""

from __future__ import annotations

from itertools import pairwise, product

import pytest

from robustrank.certificates.synonym_sets import PerturbationSets, keeps_place
from robustrank.core.errors import PluginError
from robustrank.core.words import match_case, substitute, words
from robustrank.perturbations.substitutes import SubstituteTable, load


def table(*pairs: tuple[str, str]) -> SubstituteTable:
    known = sorted({word for pair in pairs for word in pair})
    near = {w: tuple(sorted({*(b for a, b in pairs if a == w), *(a for a, b in pairs if b == w)})) for w in known}
    return SubstituteTable("made", "0" * 64, near)


NAMES = ("ant", "bee", "cat", "dog", "elk", "fox", "gnu")
CHAIN = table(*pairwise(NAMES))


def test_a_small_component_is_one_set_that_no_synonym_leaves() -> None:
    sets = PerturbationSets(CHAIN, size=7)
    assert sets.of("ant") == sets.of("dog") == NAMES
    assert [sets.overlap(name) for name in NAMES] == [1.0] * 7


def test_in_a_larger_component_the_nearest_words_are_taken() -> None:
    sets = PerturbationSets(CHAIN, size=3)
    assert sets.of("dog") == ("cat", "dog", "elk")
    assert sets.of("ant") == ("ant", "bee", "cat")
    assert sets.overlap("dog") == pytest.approx(2 / 3)
    assert sets.overlap("ant") == 1.0


def test_the_overlap_is_the_least_over_all_substitutes() -> None:
    sets = PerturbationSets(CHAIN, size=2)
    assert sets.of("bee") == ("ant", "bee")
    assert sets.of("ant") == ("ant", "bee")
    assert sets.of("cat") == ("bee", "cat")
    assert sets.overlap("ant") == 1.0
    assert sets.overlap("bee") == 0.5


def test_words_are_matched_in_any_case_and_unknown_ones_stay() -> None:
    sets = PerturbationSets(CHAIN, size=3)
    assert sets.of("DOG") == sets.of("dog")
    assert sets.overlap("DOG") == sets.overlap("dog")
    assert sets.of("Zürich") == ("zürich",)
    assert sets.overlap("Zürich") == 1.0


def test_size_one_smooths_nothing_and_promises_nothing() -> None:
    sets = PerturbationSets(CHAIN, size=1)
    assert sets.of("dog") == ("dog",)
    assert sets.overlap("dog") == 0.0
    with pytest.raises(PluginError, match="at least 1"):
        PerturbationSets(CHAIN, size=0)


@pytest.mark.parametrize("odd", ["a", "9", "3d", "two words", "ß", "Upper", "straße"])
def test_a_substitute_that_does_not_keep_case_and_place_has_no_overlap(odd: str) -> None:
    assert not keeps_place(odd)
    assert PerturbationSets(table(("plain", odd)), size=10).overlap("plain") == 0.0


@pytest.mark.parametrize("name", ["counterfitted", "wordnet"])
def test_every_word_of_the_bundled_tables_keeps_case_and_place(name: str) -> None:
    assert [word for word in load(name).neighbours if not keeps_place(word)] == []


@pytest.mark.parametrize("word", ["good", "Good", "GOOD", "gOOd", "G"])
def test_an_attack_changes_the_draws_only_by_their_set(word: str) -> None:
    """The same word drawn before and after the attack gives the same text: what the overlap counts on."""
    text = f"A {word}, very {word}-_end."
    place = [w.text for w in words(text)].index(word)
    for attack, drawn in product(("fine", "étude", "don't"), ("great", "nice")):
        attacked = substitute(text, {place: attack})
        assert len(words(attacked)) == len(words(text))
        assert words(attacked)[place].text == match_case(attack, word)
        assert substitute(attacked, {place: drawn}) == substitute(text, {place: drawn})
