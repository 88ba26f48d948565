"""What is read out of an answer, and what is wrong in it."""

from __future__ import annotations

import pytest

from robustrank.core.answers import Faults, Repair
from robustrank.rankers.llm.interface import Written
from robustrank.rankers.llm.parser import LENIENT, LETTERS, STRICT, filled, read

NOTHING = Faults()
UNPARSED = Faults(unparsed=1)


@pytest.mark.parametrize(
    ("text", "strict", "lenient"),
    [
        ("[2] > [1] > [3]", ((1, 0, 2), NOTHING), ((1, 0, 2), NOTHING)),
        ("2 1 3", ((1, 0, 2), NOTHING), ((1, 0, 2), NOTHING)),
        ("2, 1,\n3", ((1, 0, 2), NOTHING), ((1, 0, 2), NOTHING)),
        ("[2] > [2] > [1]", ((1, 0), Faults(repeated=1, missing=1)), ((1, 0), Faults(repeated=1, missing=1))),
        ("[7] > [1]", ((0,), Faults(out_of_range=1, missing=1)), ((0,), Faults(out_of_range=1, missing=1))),
        ("I cannot rank these.", ((), UNPARSED), ((), UNPARSED)),
        ("Top 3 of 20: [2] > [1]", ((), UNPARSED), ((2, 1, 0), Faults(out_of_range=1))),
        ("² ① 3", ((1, 0, 2), NOTHING), ((1, 0, 2), NOTHING)),
        ("[٢] > [１] > [३]", ((1, 0, 2), NOTHING), ((1, 0, 2), NOTHING)),
        ("[1-3]", ((), UNPARSED), ((0, 2), Faults(missing=1))),
        ('{"ranking":[2,1,3]}', ((), UNPARSED), ((1, 0, 2), NOTHING)),
        ("[3, 1", ((), UNPARSED), ((2, 0), Faults(missing=1))),
        ("", ((), Faults(refused=1)), ((), Faults(refused=1))),
        (" \n", ((), Faults(refused=1)), ((), Faults(refused=1))),
        ("<think>[1] or [2]?</think>[3] > [2] > [1]", ((2, 1, 0), NOTHING), ((2, 1, 0), NOTHING)),
        ("0 1 2 3", ((0, 1, 2), Faults(out_of_range=1)), ((0, 1, 2), Faults(out_of_range=1))),
        (
            f"[2] > [1] > [3{'0' * 5000}]",
            ((1, 0), Faults(out_of_range=1, missing=1)),
            ((1, 0), Faults(out_of_range=1, missing=1)),
        ),
    ],
)  # fmt: skip
def test_answers_of_three_documents(
    text: str, strict: tuple[tuple[int, ...], Faults], lenient: tuple[tuple[int, ...], Faults]
) -> None:
    assert read(Written(text), 3, parser=STRICT) == strict
    assert read(Written(text), 3, parser=LENIENT) == lenient


def test_an_answer_that_ends_at_the_limit_is_cut_even_where_it_names_everything() -> None:
    assert read(Written("[2] >", cut=True), 3) == ((1,), Faults(missing=1, cut=1))
    assert read(Written("[2] > [1]", cut=True), 2) == ((1, 0), Faults(cut=1))
    assert read(Written("<think>perhaps [2] > [1]", cut=True), 2) == ((), Faults(unparsed=1, cut=1))


def test_a_refused_answer_is_refused_whatever_it_says() -> None:
    assert read(Written("[1] > [2]", refused=True), 2) == ((), Faults(refused=1))


@pytest.mark.parametrize(
    ("text", "named"),
    [("I", (8,)), ("A", (0,)), ("AI", (18,)), ("[B] > [A]", (1, 0)), ("B, A", (1, 0))],
)
def test_lenient_letters_are_read_out_of_prose_as_released(text: str, named: tuple[int, ...]) -> None:
    assert read(Written(text), 20, labels=LETTERS).named == named


def test_strict_letters_are_an_order_and_nothing_else() -> None:
    assert read(Written("[B] > [A]"), 2, labels=LETTERS, parser=STRICT) == ((1, 0), NOTHING)
    assert read(Written("AI"), 20, labels=LETTERS, parser=STRICT) == ((), UNPARSED)


def test_an_answer_of_a_hundred_thousand_words_is_read_at_once() -> None:
    assert read(Written("[1] > " * 100_000 + "x"), 2, parser=STRICT) == ((), UNPARSED)


def test_each_repair_fills_as_it_says() -> None:
    partial = read(Written("[3] > [9]"), 4)
    assert filled(partial, 4, Repair.END) == [2, 0, 1, 3]
    assert filled(partial, 4, Repair.INPUT) == [0, 1, 2, 3]
    assert filled(read(Written("[2] > [1]"), 2), 2, Repair.INPUT) == [1, 0]
