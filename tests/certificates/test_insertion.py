"""Bounds against an inserted block: against enumeration of all blocks, and what is a block to the harness."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from math import ceil, inf
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robustrank.certificates.insertion import WHOLE, Erasure, Reading, Run, Windows
from robustrank.core.types import AttackSet
from robustrank.core.words import words
from robustrank.perturbations import operations


class Scores(dict[str, float]):
    """A made-up ranker: a text's score is drawn when it is first asked for."""

    def __init__(self, rng: Random) -> None:
        super().__init__()
        self.rng, self.how = rng, rng.randrange(3)

    def __missing__(self, text: str) -> float:
        drawn = (self.rng.random(), float(self.rng.random() < 0.4), float("x" in text))[self.how]
        self[text] = drawn
        return drawn


def of_runs(reading: Reading, text: Sequence[str], scores: Scores, inserted: int) -> dict[Run, float]:
    return {run: scores[reading.text(text, run)] for run in reading.needed(len(text), inserted)}


def score(reading: Reading, text: Sequence[str], scores: Scores) -> float:
    return reading.score(len(text), of_runs(reading, text, scores, 0))


def attacked(text: Sequence[str], most: int, places: range) -> Iterator[list[str]]:
    for count in range(most + 1):
        for block in product("xa", repeat=count):
            for place in places:
                yield [*text[:place], *block, *text[place:]]


def violations(reading: Reading, rng: Random, most: int) -> tuple[int, int]:
    """Attacked texts, and those above the bound."""
    text, scores = rng.choices("abc", k=rng.randint(0, 6)), Scores(rng)
    inserted = rng.randint(0, most)
    bound = reading.bound(len(text), inserted, of_runs(reading, text, scores, inserted))
    places = reading.places(len(text)) if isinstance(reading, Erasure) else range(len(text) + 1)
    every = [score(reading, words, scores) for words in attacked(text, inserted, places)]
    return len(every), sum(each > bound + 1e-12 for each in every)


def erasures(rng: Random) -> Erasure:
    return Erasure(
        words=rng.randint(1, 3), place=rng.choice(["anywhere", "start", "end"]), stride=rng.choice([1, 1, 2, 3])
    )


def windows(rng: Random) -> Windows:
    kind = rng.choice(["quantile", "median", "trimmed"])
    return Windows(width=rng.randint(1, 4), aggregate=kind, share=rng.choice([0.2, 0.34, 0.5, 0.75]))


@pytest.mark.parametrize("drawn", [erasures, windows])
@pytest.mark.parametrize("seed", range(4))
def test_no_inserted_block_passes_the_bound(drawn: type, seed: int) -> None:
    rng, tried, finite = Random(seed), 0, 0
    for _ in range(100):
        reading = drawn(rng)
        cases, above = violations(reading, rng, 3)
        assert not above, reading
        tried += cases
        finite += cases > 1
    assert tried > 1000
    assert finite > 50


def test_a_block_as_long_as_the_runs_cannot_lift_a_text_above_what_it_scored_without_it() -> None:
    """T1: the bound is the ranker's own score; fewer inserted words are bounded by no more."""
    rng = Random(1)
    for _ in range(200):
        text, scores = rng.choices("abc", k=rng.randint(0, 6)), Scores(rng)
        for place in ("anywhere", "start", "end"):
            reading = Erasure(words=3, place=place)
            row = of_runs(reading, text, scores, 3)
            bounds = [reading.bound(len(text), n, row) for n in range(5)]
            assert bounds[3] == row[WHOLE] == scores[" ".join(text)]
            assert bounds == sorted(bounds)
            assert bounds[0] == score(reading, text, scores)
            assert bounds[4] == inf


def test_at_a_stride_the_bound_is_no_more_than_that_over_all_runs_of_the_spare_words() -> None:
    """T1': what a block takes of the text itself is a run of at most s + stride - 1 words less what was inserted."""
    rng = Random(2)
    for _ in range(200):
        text, scores = rng.choices("abc", k=rng.randint(1, 7)), Scores(rng)
        reading = Erasure(words=rng.randint(1, 3), stride=rng.randint(2, 3))
        inserted = rng.randint(1, reading.words)
        spare = reading.words + reading.stride - 2
        runs = [(i, j) for i in range(len(text)) for j in range(i + 1, min(len(text), i + spare) + 1)]
        plain = max(scores[reading.text(text, run)] for run in [WHOLE, *runs])
        assert reading.bound(len(text), inserted, of_runs(reading, text, scores, inserted)) <= plain


def test_the_runs_of_an_erasure_by_hand() -> None:
    assert Erasure(words=2).runs(3) == [(0, 0), (0, 1), (0, 2), (1, 2), (1, 3), (2, 3)]
    assert Erasure(words=2, stride=2).runs(5) == [(0, 0), (0, 3), (2, 5), (4, 5)]
    assert Erasure(words=5, place="start", stride=2).runs(9) == [(0, 0), (0, 2), (0, 4), (0, 5)]
    assert Erasure(words=2, place="end").runs(5) == [(0, 0), (3, 5), (4, 5)]
    assert [Erasure(words=2, place=place).runs(0) for place in ("anywhere", "start", "end")] == [[(0, 0)]] * 3
    assert Erasure(words=12).runs(200)[-1] == (199, 200)
    assert len(Erasure(words=12).runs(200)) == 1 + 12 * 200 - 66
    assert len(Erasure(words=12, place="start").runs(200)) == 13


@given(st.integers(1, 5), st.integers(0, 5), st.integers(1, 30), st.floats(0.05, 0.95), st.integers(0, 99))
def test_a_quantile_over_windows_is_bounded_by_a_clean_order_statistic(
    width: int, inserted: int, extra: int, share: float, seed: int
) -> None:
    """T2: never above the clean score of rank ceil(share (n + s)) + width - 1."""
    rng, reading = Random(seed), Windows(width=width, share=share)
    length = width + extra
    row = {run: rng.random() for run in reading.runs(length)}
    rank = ceil(share * (len(row) + inserted)) + (width - 1 if inserted else 0)
    expected = sorted(row.values())[rank - 1] if rank <= len(row) else inf
    assert reading.bound(length, inserted, row) <= expected


def test_the_bound_of_a_median_by_hand() -> None:
    """T 200, W 50, s 10: 151 windows; the 130th of them, where the parted ones are the lowest."""
    reading, low = Windows(width=50), range(49)
    row = {run: float(i) for i, run in enumerate(reading.runs(200))}
    assert (len(row), reading.score(200, row)) == (151, 75.0)
    assert reading.bound(200, 10, row) == 129.0
    assert list(low)[-1] == 48


@pytest.mark.parametrize(
    "reading",
    [
        Windows(width=2, aggregate="max"),
        Windows(width=2, aggregate="mean"),
        Windows(width=2, stride=2),
        Windows(width=6),
    ],
)
def test_windows_that_an_attacker_decides_have_no_bound(reading: Windows) -> None:
    row = dict.fromkeys(reading.runs(5), 1.0)
    assert reading.bound(5, 1, row) == inf
    assert reading.bound(5, 0, row) == reading.score(5, row) == 1.0


def test_windows_by_hand() -> None:
    assert Windows(width=2).runs(4) == [(0, 2), (1, 3), (2, 4)]
    assert Windows(width=2, stride=2).runs(5) == [(0, 2), (2, 4), (3, 5)]
    assert Windows(width=3).runs(2) == [(0, 2)]
    row: Mapping[Run, float] = {(0, 2): 4.0, (1, 3): 1.0, (2, 4): 2.0}
    made = {kind: Windows(width=2, aggregate=kind, share=0.34).score(4, row) for kind in ("quantile", "trimmed")}
    assert made == {"quantile": 2.0, "trimmed": 1.5}
    made = {kind: Windows(width=2, aggregate=kind).score(4, row) for kind in ("median", "mean", "max")}
    assert made == {"median": 2.0, "mean": 7 / 3, "max": 4.0}


@pytest.mark.parametrize("reading", [Erasure(words=2), Erasure(words=2, stride=3), Windows(width=3), Erasure(words=9)])
def test_of_a_constant_ranker_all_is_one_number(reading: Reading) -> None:
    row = dict.fromkeys(reading.needed(20, 2), 0.7)
    assert reading.score(20, row) == reading.bound(20, 2, row) == pytest.approx(0.7)


NASTY = st.text(
    st.one_of(
        st.sampled_from(
            ["a", "b", "X", " ", "\t", "\n", "-", "'", "’", "s", "t", "_", ".", ",", "\u00a0", "\u2028", "\u3000"]
        ),
        st.sampled_from(
            ["\u0301", "\u200d", "\u200b", "\u00ad", "\u0e33", "\u0e01", "漢", "字", "ひ", "カ", "é", "ß", "ﬁ"]
        ),
        st.characters(codec="utf-8"),
    ),
    max_size=10,
)
INSERTED = AttackSet(operation="insert_block")


@given(NASTY, NASTY, st.integers(0, 10), st.sampled_from(["", " ", ". ", "-"]))
def test_what_the_harness_takes_for_one_block_is_a_run_of_words_whose_erasure_gives_the_clean_words(
    before: str, block: str, at: int, gap: str
) -> None:
    """Whatever the block is glued to, and however the text is split anew: else the harness does not take it for one."""
    after = before[:at] + gap + block + gap + before[at:]
    check_block(before, after)


@given(NASTY, NASTY)
def test_texts_that_have_little_in_common_are_no_exception(before: str, after: str) -> None:
    check_block(before, after)
    check_block(before, after + before)
    check_block(before, before + after)


def check_block(before: str, after: str) -> None:
    old, new = ([word.text for word in words(text)] for text in (before, after))
    for place in ("anywhere", "start", "end"):
        name = "insert_block" if place == "anywhere" else f"insert_block_at_{place}"
        edited = operations.named(name).check(before, after, AttackSet(operation=name))
        if edited.reasons:
            continue
        extra = len(new) - len(old)
        assert extra <= edited.edits, "an inserted word costs at least one edit"
        reading = Erasure(words=max(1, edited.edits), place=place)
        left = {reading.text(new, run) for run in reading.runs(len(new))}
        assert " ".join(old) in left
        assert any([*new[:at], *new[at + extra :]] == old for at in Erasure(words=1, place=place).places(len(old)))
