"""Sentences: where they end, and that nothing of a text is lost between them."""

from __future__ import annotations

from itertools import combinations, pairwise, permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robustrank.core.sentences import moved_words, sentences
from robustrank.core.words import words


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("One. Two! Three? Four", ["One.", "Two!", "Three?", "Four"]),
        ('He said "No." Then left.', ['He said "No."', "Then left."]),
        ("Dr. Who met J. Smith vs. Mr. X. The end.", ["Dr. Who met J. Smith vs. Mr. X. The end."]),
        ("The cost is 3.50 a day. It rose.", ["The cost is 3.50 a day.", "It rose."]),
        ("A title\nThe text goes on\n\nin lines.", ["A title", "The text goes on", "in lines."]),
        ("Ends here. ... -- And goes on.", ["Ends here. ...", "-- And goes on."]),
        ("glued.Together stays one", ["glued.Together stays one"]),
        (" \n ", []),
        ("...", []),
    ],
)
def test_where_sentences_end(text: str, parts: list[str]) -> None:
    assert [sentence.text for sentence in sentences(text)] == parts


@given(st.text(alphabet="ab .!?\n\"')", max_size=40))
def test_every_word_is_in_one_sentence_and_offsets_are_those_of_the_text(text: str) -> None:
    found = sentences(text)
    assert all(text[each.start : each.end] == each.text == each.text.strip() for each in found)
    assert all(a.end <= b.start for a, b in pairwise(found))
    assert [w.text for each in found for w in words(each.text)] == [w.text for w in words(text)]


def test_moved_words_are_those_outside_the_heaviest_part_that_keeps_its_order() -> None:
    before = ["a a a", "b", "c c", "b", "d d"]
    size = {sentence: len(sentence.split()) for sentence in before}
    for after in set(permutations(before)):
        kept = [
            sum(size[before[i]] for i in chosen)
            for count in range(len(before) + 1)
            for chosen in combinations(range(len(before)), count)
            if any([after[j] for j in other] == [before[i] for i in chosen] for other in combinations(range(5), count))
        ]
        assert moved_words(before, after) == sum(size[sentence] for sentence in before) - max(kept)
