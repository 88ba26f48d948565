"""Bounds on a score after words were inserted in one block, for rankers that erase runs of words or read windows.

Both rankers read a text as the sequence of its words. Scores are of any ranker, in any range. Theorems 10 and 11 of
docs/certificates.md; no number here rests on samples.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, floor, inf
from typing import Protocol

import numpy as np

from robustrank.certificates.distributions import Floats

Run = tuple[int, int]
"""Words from the first number up to, but not including, the second."""

WHOLE: Run = (0, 0)
"""No word at all: erasing it leaves the whole text."""

PLACES = ("anywhere", "start", "end")
"""Where a block may be inserted, and where words are erased."""

AGGREGATES = ("quantile", "median", "trimmed", "mean", "max")
"""How scores of windows become one."""


class Reading(Protocol):
    """How a ranker reads a text that is a sequence of words: several parts of it, whose scores become one."""

    def runs(self, length: int) -> Sequence[Run]:
        """The parts of a text of so many words, as runs of them."""

    def text(self, words: Sequence[str], run: Run) -> str:
        """What is read for a run; one blank between two words."""

    def needed(self, length: int, inserted: int) -> Sequence[Run]:
        """The runs of a clean text whose scores its own score and its bound depend on."""

    def score(self, length: int, scores: Mapping[Run, float]) -> float:
        """The score of a text of so many words, from those of its runs."""

    def bound(self, length: int, inserted: int, scores: Mapping[Run, float]) -> float:
        """The highest score of the text after at most so many words were inserted in one block; infinite where nothing
        bounds it.

        Args:
            length: Words of the clean text.
            inserted: Words that an attacker may insert.
            scores: Of the clean text's runs, as far as :meth:`needed`.
        """


@dataclass(frozen=True, kw_only=True)
class Erasure:
    """Which runs of words are left out of a text, one after another. They depend on the number of its words alone.

    Args:
        words: The longest block that every place is erased with.
        place: ``"anywhere"``, or at the ``"start"`` or ``"end"`` of the text only.
        stride: Anywhere, 1 is every run of at most ``words`` words; more is blocks of ``words + stride - 1`` words that
            begin at every ``stride``-th word. At the start or end, the lengths are 0 and the multiples of ``stride`` up
            to ``words``, and ``words``.
    """

    words: int
    place: str = "anywhere"
    stride: int = 1

    def runs(self, length: int) -> list[Run]:
        """The runs of a text of so many words, :data:`WHOLE` among them."""
        if self.place == "anywhere":
            if self.stride == 1:
                made = {(at, at + n) for n in range(1, self.words + 1) for at in range(length - n + 1)}
            else:
                block = self.words + self.stride - 1
                made = {(at, min(length, at + block)) for at in range(0, length, self.stride)}
        else:
            sizes = {min(length, n) for n in (*range(self.stride, self.words + 1, self.stride), self.words)}
            made = {(0, n) if self.place == "start" else (length - n, length) for n in sizes if n}
        return sorted({WHOLE, *made})

    def places(self, length: int) -> range:
        """Numbers of words of the text in front of which an attacker may insert the block."""
        first, last = (length if self.place == "end" else 0), (0 if self.place == "start" else length)
        return range(first, last + 1)

    def text(self, words: Sequence[str], run: Run) -> str:
        """The words outside the run."""
        return " ".join([*words[: run[0]], *words[run[1] :]])

    def needed(self, length: int, inserted: int) -> list[Run]:
        """Its runs, and what the runs of the attacked text take of it."""
        most = min(inserted, self.words + self.stride - 1)
        left = {(at, end) for n in range(1, most + 1) for at, end in self._left(length, n) if at < end}
        return sorted({*self.runs(length), *left})

    def score(self, length: int, scores: Mapping[Run, float]) -> float:
        """The least."""
        return min(scores[run] for run in self.runs(length))

    def bound(self, length: int, inserted: int, scores: Mapping[Run, float]) -> float:
        """Over all places of the block: the least score of what runs that hold all of it leave."""
        highest = self.score(length, scores)
        for n in range(1, inserted + 1):
            if n >= self.words + self.stride:
                return inf  # no run is as long
            least = [inf] * (length + 1)
            for at, end in self._left(length, n):
                score = scores[(at, end) if at < end else WHOLE]
                for place in range(at, end + 1):
                    least[place] = min(least[place], score)
            highest = max(highest, *(least[place] for place in self.places(length)))
        return highest

    def _left(self, length: int, inserted: int) -> list[Run]:
        """What runs that hold so many inserted words take of the clean text; they stand at its ends or inside."""
        return [(at, end - inserted) for at, end in self.runs(length + inserted) if end - at >= inserted]


@dataclass(frozen=True, kw_only=True)
class Windows:
    """How a text is cut into windows, and their scores become one.

    Args:
        width: Words of a window; a text of fewer is one window.
        stride: Words from the beginning of one to that of the next; the last window is always read.
        aggregate: ``"quantile"``, ``"median"`` (the quantile 0.5), ``"trimmed"`` (the mean without the highest),
            ``"mean"`` or ``"max"``.
        share: Which quantile, or the share of the highest scores that the trimmed mean leaves out.
    """

    width: int
    stride: int = 1
    aggregate: str = "quantile"
    share: float = 0.5

    def runs(self, length: int) -> list[Run]:
        """The windows of a text of so many words, in order."""
        last = max(0, length - self.width)
        return [(at, min(length, at + self.width)) for at in sorted({*range(0, last + 1, self.stride), last})]

    def text(self, words: Sequence[str], run: Run) -> str:
        """The words of the run."""
        return " ".join(words[run[0] : run[1]])

    def needed(self, length: int, inserted: int) -> list[Run]:
        """Its runs."""
        return self.runs(length)

    def score(self, length: int, scores: Mapping[Run, float]) -> float:
        """The aggregate."""
        return float(self._of_sorted(np.sort(self._row(length, scores))))

    def bound(self, length: int, inserted: int, scores: Mapping[Run, float]) -> float:
        """Over all places of the block. Nothing bounds short texts, windows at a stride, the mean and the highest."""
        clean = self.score(length, scores)
        if inserted < 1:
            return clean
        if self.stride > 1 or length < self.width:
            return inf
        row = self._row(length, scores)
        return max(clean, *(self._after(n, row) for n in range(1, inserted + 1)))

    def _row(self, length: int, scores: Mapping[Run, float]) -> Floats:
        return np.array([scores[run] for run in self.runs(length)])

    def _after(self, inserted: int, scores: Floats) -> float:
        """The windows that the block does not part keep their scores; the others, and the new ones, may score anything.

        A block in front of word p parts window i where i < p < i + width.
        """
        count = len(scores)
        places, first = np.arange(count + self.width)[:, None], np.arange(count)[None, :]
        parted = (first < places) & (places < first + self.width)
        kept = np.where(parted, inf, scores[None, :])
        new = np.full((len(places), inserted), inf)
        return float(self._of_sorted(np.sort(np.hstack([kept, new]), axis=1)).max())

    def _of_sorted(self, rising: Floats) -> Floats:
        """The aggregate over the last axis, whose numbers rise."""
        count = rising.shape[-1]
        if self.aggregate in ("trimmed", "mean"):
            dropped = floor(self.share * count) if self.aggregate == "trimmed" else 0
            mean: Floats = rising[..., : count - dropped].mean(axis=-1)
            return mean
        share = {"median": 0.5, "max": 1.0}.get(self.aggregate, self.share)
        ranked: Floats = rising[..., max(1, ceil(share * count)) - 1]
        return ranked
