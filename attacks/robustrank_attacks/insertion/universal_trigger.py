"""Universal triggers: the same few words into any document, for any query.

The words are found beforehand on queries and documents of another collection, through a ranker that lends gradients
(after Wallace et al., EMNLP 2019; for rankers Wang et al., ECIR 2022): the mean over pairs of the logarithm of the rank
before over the rank after is what is maximised, with gradients averaged over a few of the pairs. Which restart is kept
is decided on pairs that the search has not seen, so what it says of itself is measured on a third set, by the audit.
``benchmarks/universal_trigger.py`` finds one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log
from random import Random
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from robustrank.plugin import (
    Access,
    AttackSet,
    Case,
    Oracle,
    Perturbation,
    PluginError,
    Ranker,
    Surface,
    ThreatModel,
    WhiteBox,
    lends_gradients,
    rank_of,
)
from robustrank_attacks._options import require_choice, require_positive, require_words
from robustrank_attacks.insertion._insertion import BLOCKS, Block, affordable, insert_block


@dataclass(frozen=True, kw_only=True)
class UniversalTrigger:
    """Insert given words in one block, whatever query and document are.

    Args:
        words: The words, in order, found on another collection.
        place: ``"start"``, ``"middle"`` (between sentences) or ``"end"``.
        control: Whether the words were not optimised, so that it is a control.
    """

    words: Sequence[str]
    place: Block = "start"
    control: bool = False

    def __post_init__(self) -> None:
        require_words("universal_trigger", "words", self.words)
        require_choice("universal_trigger", "place", [self.place], BLOCKS)

    @property
    def threat(self) -> ThreatModel:
        """Sees nothing of the ranker; inserts words into the document."""
        edits = AttackSet(operation="insert")
        return ThreatModel(
            known_as=("AML.T0015", "AML.T0043"),
            surface=Surface.DOCUMENT,
            access=Access.NONE,
            edits=edits,
            control=self.control,
        )

    def perturb(self, case: Case, oracle: Oracle, rng: Random, /) -> Perturbation:
        """The document with the words inserted, as far as the budget of edits goes."""
        added = affordable(self.words, oracle.budget.edits)
        return Perturbation(target=insert_block(case.target.text, added, self.place)[0]) if added else Perturbation()


class Trigger(NamedTuple):
    """Words and their mean gain of the logarithm of the rank: where they were searched, and where they were chosen."""

    words: tuple[str, ...]
    training: float
    selection: float


def find_trigger(
    ranker: Ranker,
    training: Sequence[Case],
    selection: Sequence[Case],
    possible: Sequence[str],
    rng: Random,
    *,
    size: int = 3,
    place: Block = "start",
    promising: int = 40,
    sweeps: int = 10,
    restarts: int = 6,
    averaged: int = 16,
) -> Trigger:
    """Words that raise the ranks of documents on average, by HotFlip from random words.

    Args:
        ranker: The attacker's own, or one it has the weights of.
        training: Queries with their candidates and a document each, on which words are searched.
        selection: Others, which decide between restarts.
        possible: The words that may be used.
        rng: Draws the first words, and the pairs of each backward pass.
        size: Words of the trigger.
        place: Where it goes.
        promising: Words scored for each position of a sweep, the best by mean first-order gain of the score.
        sweeps: Most passes over the positions; with 0 it is the best of as many random triggers as restarts, the
            control.
        restarts: Random words to start from.
        averaged: Pairs whose gradients are averaged.

    Raises:
        PluginError: There are no pairs or no words, or the ranker lends no gradients.
    """
    for option, count in (("size", size), ("promising", promising), ("restarts", restarts), ("averaged", averaged)):
        require_positive("find_trigger", option, count)
    if not training or not selection or not possible:
        raise PluginError("find_trigger: wants pairs to search on, pairs to choose on, and words")
    if not lends_gradients(ranker):
        raise PluginError(f"find_trigger: {ranker.card.name} provides no gradients")
    search, chosen_on = _Pairs(ranker, training, place), _Pairs(ranker, selection, place)
    triggers = []
    for _ in range(restarts):
        current = tuple(rng.choice(possible) for _ in range(size))
        (value,) = search.gains([current])
        for _ in range(sweeps):
            before = value
            drawn = rng.sample(range(len(training)), min(averaged, len(training)))
            gradient = search.gradient(ranker, current, possible, drawn)
            for at in range(size):
                order = np.argsort(-gradient[at], kind="stable")
                words = [possible[i] for i in order if possible[i] != current[at]][:promising]
                blocks = [(*current[:at], word, *current[at + 1 :]) for word in words]
                for block, gain in zip(blocks, search.gains(blocks), strict=True):
                    if gain > value:
                        current, value = block, gain
            if value <= before:
                break
        triggers.append(Trigger(current, value[0], chosen_on.gains([current])[0][0]))
    return max(triggers, key=lambda trigger: trigger.selection)


class _Pairs:
    """Queries with a document each, and a ranker's scores of their lists."""

    def __init__(self, ranker: Ranker, cases: Sequence[Case], place: Block) -> None:
        self._ranker, self._cases, self._place = ranker, cases, place
        self._clean = []
        for case in cases:
            scores = ranker.score(case.query, case.candidates)
            self._clean.append([(doc.doc_id, score) for doc, score in zip(case.candidates, scores, strict=True)])

    def gains(self, blocks: Sequence[tuple[str, ...]]) -> list[tuple[float, float]]:
        """Of each block the mean gain of the logarithm of the rank, and of the score, which decides between equals."""
        total = np.zeros((len(blocks), 2))
        for case, clean in zip(self._cases, self._clean, strict=True):
            target = case.target
            texts = [insert_block(target.text, block, self._place)[0] for block in blocks]
            scores = self._ranker.score(case.query, [target._replace(text=text) for text in texts]) if texts else []
            before = dict(clean)[target.doc_id]
            rank = rank_of(target.doc_id, before, clean)
            total += [(log(rank / rank_of(target.doc_id, score, clean)), score - before) for score in scores]
        return [(float(ranks), float(scores)) for ranks, scores in total / len(self._cases)]

    def gradient(
        self, white: WhiteBox, block: tuple[str, ...], possible: Sequence[str], numbers: Sequence[int]
    ) -> NDArray[np.float64]:
        """Positions x words: the first-order gain of the score, averaged over some pairs."""
        total = np.zeros((len(block), len(possible)))
        for number in numbers:
            case = self._cases[number]
            text, first = insert_block(case.target.text, block, self._place)
            places = {first + at: possible for at in range(len(block))}
            gains = white.gradients(case.query, case.target._replace(text=text), places).gains
            total += np.array([gains[first + at] for at in range(len(block))])
        return total / len(numbers)
