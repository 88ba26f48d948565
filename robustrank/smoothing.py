"""Smoothing laws: from a text to random rewordings of it, with what an attack can do to them.

Every law draws with a hash of the seed, the number of the draw and the place of the word, in place of a stream of
random numbers. So the draws of one text are independent of each other, and an attacked text has the very draws of the
clean one wherever the attack cannot reach: certificates of the deployed ranker rest on that. Words are those of
:mod:`robustrank.text`; a ranker's truncation comes after, and is a part of the ranker.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import product
from math import ceil, prod
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from robustrank.certificates import (
    Bits,
    Reach,
    allowed,
    deletion_shift,
    knapsack_shift,
    masking_shift,
    shift,
)
from robustrank.perturbation_sets import PerturbationSets
from robustrank.substitutes import load
from robustrank.text import gaps, match_case, words
from robustrank.types import AttackSet, Operation

Hashes = NDArray[np.uint64]

LAWS = ("substitute", "mask", "delete")


class Smoothing(Protocol):
    """A law of rewordings."""

    @property
    def edits(self) -> AttackSet:
        """The attacks that certificates under it speak of."""

    def every(self, text: str, limit: int) -> list[str] | None:
        """All rewordings, equally likely; ``None`` where there are more than ``limit`` or they are not."""

    def draws(self, text: str, seed: int, start: int, stop: int) -> list[str]:
        """The draws of these numbers."""

    def reach(self, text: str, radius: float) -> Reach:
        """What attacks of a radius (words, or below 1 a share of the text's words) can do."""

    def touched(self, text: str, seed: int, samples: int) -> Sequence[Bits] | None:
        """Per word, things an attack may do to it x draws: whether that changes the draw; not of words without any."""


@dataclass(frozen=True)
class Substitution:
    """Each word is replaced by one of its perturbation set (SAFER, CertDR).

    Args:
        sets: The perturbation sets.
        costs: What changing a word costs, where that is not 1; a radius is then a budget of costs.
        named: The name of the costs, if there are any.
    """

    sets: PerturbationSets
    costs: Mapping[str, int] = field(default_factory=dict)
    named: str | None = None

    @property
    def edits(self) -> AttackSet:
        """Substitution by the table's direct synonyms."""
        return AttackSet(operation=Operation.SUBSTITUTE, substitutes=self.sets.table.name, costs=self.named)

    def every(self, text: str, limit: int) -> list[str] | None:
        """All combinations."""
        choices = self._choices(text)
        if prod(len(cased) for cased in choices.values()) > limit:
            return None
        return _filled(text, list(choices), product(*choices.values()))

    def draws(self, text: str, seed: int, start: int, stop: int) -> list[str]:
        """Each word becomes the member of its set with the least hash, which is uniform over the set."""
        choices, found = self._choices(text), words(text)
        columns = [
            np.array(cased, dtype=object)[_drawn(self.sets.of(found[place].text), place, seed, start, stop)]
            for place, cased in choices.items()
        ]
        rows = zip(*columns, strict=True) if columns else [()] * (stop - start)
        return _filled(text, list(choices), rows)

    def reach(self, text: str, radius: float) -> Reach:
        """The words with the smallest overlaps; with costs by an exact knapsack."""
        found = [word.text.lower() for word in words(text)]
        overlaps = [self.sets.overlap(word) for word in found]
        count = allowed(radius, len(found))
        if not self.costs:
            return Reach(shift(overlaps, count), count)
        prices = [self.costs.get(word, 1) for word in found]
        choices = [[(price, kept)] for price, kept in zip(prices, overlaps, strict=True)]
        affordable = int(np.searchsorted(np.cumsum(sorted(prices)), count, side="right"))
        return Reach(knapsack_shift(choices, count), affordable)

    def touched(self, text: str, seed: int, samples: int) -> list[Bits]:
        """Where a synonym's set has another member of least hash."""
        tables: list[Bits] = []
        for place, word in enumerate(words(text)):
            own, cut = self.sets.of(word.text), self.sets.overlap(word.text)
            if cut == 1.0:
                continue
            if cut == 0.0:
                tables.append(np.ones((1, samples), dtype=np.bool_))
                continue
            drawn = _members(own, _drawn(own, place, seed, 0, samples))
            others = [self.sets.of(other) for other in self.sets.table.of(word.text)]
            rows = [_members(theirs, _drawn(theirs, place, seed, 0, samples)) != drawn for theirs in others]
            tables.append(np.stack(rows))
        return tables

    def _choices(self, text: str) -> dict[int, list[str]]:
        """Place to the cased members of its set, where it has several."""
        sets = {place: (self.sets.of(word.text), word.text) for place, word in enumerate(words(text))}
        return {place: [match_case(w, model) for w in own] for place, (own, model) in sets.items() if len(own) > 1}


@dataclass(frozen=True)
class Masking:
    """A fixed share of the words is read, chosen at random, the rest is left out (Levine and Feizi 2020; RanMASK).

    What is read is joined by single spaces, so attacks may also change whatever stands between words.

    Args:
        keep: The share, rounded up to a whole number of words.
    """

    keep: float

    @property
    def edits(self) -> AttackSet:
        """Any word becomes any other word."""
        return AttackSet(operation=Operation.REPLACE)

    def every(self, text: str, limit: int) -> list[str] | None:
        """The text itself, if all of it is read."""
        found = [word.text for word in words(text)]
        return [" ".join(found)] if self._kept(len(found)) == len(found) else None

    def draws(self, text: str, seed: int, start: int, stop: int) -> list[str]:
        """The words with the least hashes of their places, in their order."""
        found = np.array([word.text for word in words(text)], dtype=object)
        return [" ".join(found[row]) for row in self._masks(len(found), seed, start, stop)]

    def reach(self, text: str, radius: float) -> Reach:
        """The chance that a rewritten word is read; no factor makes that smaller."""
        length = len(words(text))
        count = min(allowed(radius, length), length)
        return Reach(masking_shift(length, self._kept(length), count), count)

    def touched(self, text: str, seed: int, samples: int) -> list[Bits]:
        """The words that are read."""
        return list(self._masks(len(words(text)), seed, 0, samples).T[:, None, :])

    def _kept(self, length: int) -> int:
        return ceil(self.keep * length - 1e-9)

    def _masks(self, length: int, seed: int, start: int, stop: int) -> Bits:
        """Draws x words, whether the word is read: a function of the number of words alone."""
        places = np.stack(
            [_hashes([_key("")], place, seed, start, stop)[:, 0] for place in range(length)]
            or [np.zeros(stop - start, dtype=np.uint64)],
            axis=1,
        )
        ranks = places.argsort(axis=1).argsort(axis=1)[:, :length]
        masks: Bits = ranks < self._kept(length)
        return masks


@dataclass(frozen=True)
class Deletion:
    """Each word stays with probability ``keep`` (RS-Del, CERT-ED); what stays is joined by single spaces.

    Args:
        keep: The probability.
    """

    keep: float

    @property
    def edits(self) -> AttackSet:
        """Words are inserted, deleted or replaced: the edit distance over words."""
        return AttackSet(operation=Operation.EDIT)

    def every(self, text: str, limit: int) -> list[str] | None:
        """None: they are not equally likely."""
        return None

    def draws(self, text: str, seed: int, start: int, stop: int) -> list[str]:
        """The words that stay."""
        found = np.array([word.text for word in words(text)], dtype=object)
        shares = [_hashes([_key("")], place, seed, start, stop)[:, 0] / 2.0**64 for place in range(len(found))]
        stays = np.stack(shares, axis=1) < self.keep if shares else np.zeros((stop - start, 0), dtype=np.bool_)
        return [" ".join(found[row]) for row in stays]

    def reach(self, text: str, radius: float) -> Reach:
        """The chance that one of the edited words stays."""
        count = allowed(radius, len(words(text)))
        return Reach(deletion_shift(self.keep, count), count)

    def touched(self, text: str, seed: int, samples: int) -> None:
        """None: an insertion moves all words after it to places with other hashes."""
        return


def law(name: str, *, keep: float, substitutes: str, size: int) -> Smoothing:
    """One of :data:`LAWS`, from the parameters that describe them all.

    Raises:
        DataError: No such table of substitutes.
        PluginError: ``size`` is below 1.
    """
    if name == "substitute":
        return Substitution(PerturbationSets(load(substitutes), size))
    return Masking(keep) if name == "mask" else Deletion(keep)


def _filled(text: str, places: Sequence[int], rows: Iterable[Sequence[str]]) -> list[str]:
    """The text with the words at some places replaced, once per row: it is split once for all of them."""
    own = [word.text for word in words(text)]
    pieces = [piece for pair in zip(gaps(text), [*own, ""], strict=True) for piece in pair]
    texts = []
    for row in rows:
        for place, word in zip(places, row, strict=True):
            pieces[2 * place + 1] = word
        texts.append("".join(pieces))
    return texts


def _drawn(members: Sequence[str], place: int, seed: int, start: int, stop: int) -> NDArray[np.intp]:
    """Which member each draw takes: the one of least hash. Sets that share members take shared ones together."""
    least: NDArray[np.intp] = _hashes([_key(word) for word in members], place, seed, start, stop).argmin(axis=1)
    return least


def _members(members: Sequence[str], drawn: NDArray[np.intp]) -> Hashes:
    """Keys of the members drawn."""
    return np.array([_key(word) for word in members], dtype=np.uint64)[drawn]


_KEYS: dict[str, int] = {}


def _key(word: str) -> int:
    """64 bits that stand for a word."""
    if word not in _KEYS:
        _KEYS[word] = int.from_bytes(blake2b(word.encode(), digest_size=8).digest())
    return _KEYS[word]


def _hashes(keys: Sequence[int], place: int, seed: int, start: int, stop: int) -> Hashes:
    """Draws x keys, 64 random-looking bits each: a function of seed, draw, place and key."""
    root = int.from_bytes(blake2b(f"{seed} {place}".encode(), digest_size=8).digest())
    draws = _mixed(np.arange(start, stop, dtype=np.uint64) ^ np.uint64(root))
    return _mixed(draws[:, None] ^ np.array(keys, dtype=np.uint64)[None, :])


def _mixed(state: Hashes) -> Hashes:
    """SplitMix64's finaliser (Steele, Lea, Flood 2014), after its odd constant has been added."""
    state = state + np.uint64(0x9E3779B97F4A7C15)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))
