"""Smoothing distributions: random perturbed texts of a text, and the effect of an attack on them.

Each distribution draws with a hash of the seed, the number of the draw and the place of the word, in place of a stream
of random numbers. So the draws of one text are independent of each other, and an attacked text has the draws of the
clean one wherever the attack changes nothing: certificates of the deployed ranker depend on that. Words are those of
:mod:`robustrank.core.words`; a ranker's truncation comes after, and is a part of the ranker.
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
    total_variation,
    total_variation_of_deletions,
    total_variation_of_masks,
    total_variation_with_costs,
)
from robustrank.certificates.synonym_sets import PerturbationSets
from robustrank.core.types import AttackSet
from robustrank.core.words import Word, match_case, words
from robustrank.perturbations.substitutes import load

Hashes = NDArray[np.uint64]

DISTRIBUTIONS = ("substitute", "mask", "delete")
HASHES_AT_ONCE = 1_000_000
"""Hashes held in memory at once."""


class Smoothing(Protocol):
    """A distribution of perturbed texts."""

    @property
    def edits(self) -> AttackSet:
        """The attacks that certificates under it cover."""

    def every(self, text: str, limit: int) -> list[str] | None:
        """All perturbed texts, equally likely; ``None`` where there are more than ``limit`` or they are not."""

    def draws(self, text: str, seed: int, start: int, stop: int) -> list[str]:
        """The draws of these numbers."""

    def reach(self, text: str, radius: float) -> Reach:
        """The effect of attacks of a radius (words, or below 1 a share of the text's words)."""

    def touched(self, text: str, seed: int, samples: int) -> Sequence[Bits] | None:
        """Per word that an attack can change, edits x draws: whether the edit changes the draw."""


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
    _cases: dict[str, list[str]] = field(default_factory=dict, repr=False, compare=False)
    _members: dict[str, Hashes] = field(default_factory=dict, repr=False, compare=False)

    @property
    def edits(self) -> AttackSet:
        """Substitution by the table's direct synonyms."""
        return AttackSet(operation="substitute", substitutes=self.sets.table.name, costs=self.named)

    def every(self, text: str, limit: int) -> list[str] | None:
        """All combinations."""
        parts = words(text)
        choices = self._choices(parts)
        if prod(len(cased) for cased in choices.values()) > limit:
            return None
        return _filled(text, parts, list(choices), product(*choices.values()))

    def draws(self, text: str, seed: int, start: int, stop: int) -> list[str]:
        """Each word becomes the member of its set with the least hash, which is uniform over the set."""
        parts = words(text)
        choices = self._choices(parts)
        keys = [self._keys(parts[place].text) for place in choices]
        drawn = _drawn(keys, list(choices), seed, start, stop).tolist()
        rows = ([cased[i] for cased, i in zip(choices.values(), row, strict=True)] for row in drawn)
        return _filled(text, parts, list(choices), rows)

    def reach(self, text: str, radius: float) -> Reach:
        """The words with the smallest overlaps; with costs by an exact knapsack."""
        parts = [word.text.lower() for word in words(text)]
        overlaps = [self.sets.overlap(word) for word in parts]
        count = allowed(radius, len(parts))
        if not self.costs:
            return Reach(total_variation(overlaps, count), count)
        prices = [self.costs.get(word, 1) for word in parts]
        choices = [[(price, kept)] for price, kept in zip(prices, overlaps, strict=True)]
        affordable = int(np.searchsorted(np.cumsum(sorted(prices)), count, side="right"))
        return Reach(total_variation_with_costs(choices, count), affordable)

    def touched(self, text: str, seed: int, samples: int) -> list[Bits]:
        """Where a synonym's set has another member of least hash."""
        tables: list[Bits] = []
        for place, word in enumerate(words(text)):
            cut = self.sets.overlap(word.text)
            if cut == 1.0:
                continue
            if cut == 0.0:
                tables.append(np.ones((1, samples), dtype=np.bool_))
                continue
            sets = [self._keys(each) for each in (word.text, *self.sets.table.of(word.text))]
            drawn = _drawn(sets, [place] * len(sets), seed, 0, samples)
            own, *others = (keys[column] for keys, column in zip(sets, drawn.T, strict=True))
            tables.append(np.stack([theirs != own for theirs in others]))
        return tables

    def _choices(self, parts: Sequence[Word]) -> dict[int, list[str]]:
        """Place to the cased members of its set, where it has several."""
        sets = ((place, self._cased(word.text)) for place, word in enumerate(parts))
        return {place: cased for place, cased in sets if len(cased) > 1}

    def _cased(self, word: str) -> list[str]:
        """The members of a word's set in its case."""
        if word not in self._cases:
            self._cases[word] = [match_case(member, word) for member in self.sets.of(word)]
        return self._cases[word]

    def _keys(self, word: str) -> Hashes:
        """Keys of the members of a word's set."""
        key = word.lower()
        if key not in self._members:
            self._members[key] = np.array([_key(member) for member in self.sets.of(key)], dtype=np.uint64)
        return self._members[key]


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
        return AttackSet(operation="replace")

    def every(self, text: str, limit: int) -> list[str] | None:
        """The text itself, if all of it is read."""
        parts = [word.text for word in words(text)]
        return [" ".join(parts)] if self._kept(len(parts)) == len(parts) else None

    def draws(self, text: str, seed: int, start: int, stop: int) -> list[str]:
        """The words with the least hashes of their places, in their order."""
        parts = np.array([word.text for word in words(text)], dtype=object)
        return [" ".join(parts[row]) for row in self._masks(len(parts), seed, start, stop)]

    def reach(self, text: str, radius: float) -> Reach:
        """The chance that a rewritten word is read; no factor makes that smaller."""
        length = len(words(text))
        count = min(allowed(radius, length), length)
        return Reach(total_variation_of_masks(length, self._kept(length), count), count)

    def touched(self, text: str, seed: int, samples: int) -> list[Bits]:
        """The words that are read."""
        return list(self._masks(len(words(text)), seed, 0, samples).T[:, None, :])

    def _kept(self, length: int) -> int:
        return ceil(self.keep * length - 1e-9)

    def _masks(self, length: int, seed: int, start: int, stop: int) -> Bits:
        """Draws x words, whether the word is read: a function of the number of words alone."""
        ranks = _of_places(length, seed, start, stop).argsort(axis=1).argsort(axis=1)
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
        return AttackSet(operation="edit")

    def every(self, text: str, limit: int) -> list[str] | None:
        """None: they are not equally likely."""
        return None

    def draws(self, text: str, seed: int, start: int, stop: int) -> list[str]:
        """The words that stay."""
        parts = np.array([word.text for word in words(text)], dtype=object)
        stays = _of_places(len(parts), seed, start, stop) / 2.0**64 < self.keep
        return [" ".join(parts[row]) for row in stays]

    def reach(self, text: str, radius: float) -> Reach:
        """The chance that one of the edited words stays."""
        count = allowed(radius, len(words(text)))
        return Reach(total_variation_of_deletions(self.keep, count), count)

    def touched(self, text: str, seed: int, samples: int) -> None:
        """None: an insertion moves all words after it to places with other hashes."""
        return


def distribution(name: str, *, keep: float, substitutes: str, size: int) -> Smoothing:
    """One of :data:`DISTRIBUTIONS`, from the parameters that describe them all.

    Raises:
        DataError: No such table of substitutes.
        PluginError: ``size`` is below 1.
    """
    if name == "substitute":
        return Substitution(PerturbationSets(load(substitutes), size))
    return Masking(keep) if name == "mask" else Deletion(keep)


def _filled(text: str, parts: Sequence[Word], places: Sequence[int], rows: Iterable[Sequence[str]]) -> list[str]:
    """The text with the words at some places replaced, once per row: it is split once for all of them."""
    ends = [0, *(word.end for word in parts)]
    pieces = [piece for end, word in zip(ends, parts, strict=False) for piece in (text[end : word.start], word.text)]
    pieces.append(text[ends[-1] :])
    texts = []
    for row in rows:
        for place, word in zip(places, row, strict=True):
            pieces[2 * place + 1] = word
        texts.append("".join(pieces))
    return texts


def _drawn(sets: Sequence[Hashes], places: Sequence[int], seed: int, start: int, stop: int) -> NDArray[np.intp]:
    """Draws x sets, which member each draw takes at its place: that of least hash.

    Sets that share members take shared ones together.
    """
    members = np.zeros((stop - start, len(sets)), dtype=np.intp)
    if not sets:
        return members
    sizes = np.array([len(keys) for keys in sets])
    firsts, owners, keys = sizes.cumsum() - sizes, np.repeat(np.arange(len(sets)), sizes), np.concatenate(sets)
    step = max(1, HASHES_AT_ONCE // len(keys))
    for first in range(start, stop, step):
        states = _states(places, seed, first, min(first + step, stop))
        hashes = _mixed(states[:, owners] ^ keys)
        least = np.minimum.reduceat(hashes, firsts, axis=1)
        draws, columns = np.nonzero(hashes == least[:, owners])
        members[first - start + draws, owners[columns]] = columns - firsts[owners[columns]]
    return members


_KEYS: dict[str, int] = {}


def _key(word: str) -> int:
    """64 bits that stand for a word."""
    if word not in _KEYS:
        _KEYS[word] = int.from_bytes(blake2b(word.encode(), digest_size=8).digest())
    return _KEYS[word]


def _of_places(length: int, seed: int, start: int, stop: int) -> Hashes:
    """Draws x places, 64 random-looking bits each, whatever the words are."""
    return _mixed(_states(range(length), seed, start, stop) ^ np.uint64(_key("")))


def _states(places: Sequence[int], seed: int, start: int, stop: int) -> Hashes:
    """Draws x places: what is mixed with a key to the hash of seed, draw, place and key."""
    roots = [int.from_bytes(blake2b(f"{seed} {place}".encode(), digest_size=8).digest()) for place in places]
    return _mixed(np.arange(start, stop, dtype=np.uint64)[:, None] ^ np.array(roots, dtype=np.uint64))


def _mixed(state: Hashes) -> Hashes:
    """SplitMix64's finaliser (Steele, Lea, Flood 2014), after its odd constant has been added."""
    state = state + np.uint64(0x9E3779B97F4A7C15)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))
