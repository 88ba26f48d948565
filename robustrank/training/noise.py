"""Certified training: a student that reads random rewordings and learns what its teacher says of the texts themselves.

A smoothed ranker scores rewordings, and one that never saw any scores them badly and far apart. CertDR's remedy is to
train on one perturbed copy of every document with a margin loss on labels; SAFER and RanMASK do the like for
classifiers. Here every step draws anew, and the targets are those of the text as it stands: the nearer the scores of
all rewordings come to that of the text, the less smoothing costs and the less its samples vary.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from robustrank.certificates.smoothing import Smoothing
from robustrank.rankers.models.pairs import PairTokenizer
from robustrank.training.batches import Example, encode
from robustrank.training.groups import Group


@dataclass(frozen=True)
class Rewordings:
    """Reads groups as random rewordings; the draw of a step depends on text, seed and step alone.

    Args:
        distribution: What is drawn from.
        groups: Queries with their texts.
        targets: Of every text of every group.
        tokenizer: Makes word pieces of what is drawn.
        seed: Of the draws.
    """

    distribution: Smoothing
    groups: Sequence[Group]
    targets: Sequence[Sequence[float]]
    tokenizer: PairTokenizer
    seed: int

    def __call__(self, number: int, places: Sequence[int], step: int) -> Example:
        """These places of a group as they are read in this step."""
        query, texts = self.groups[number]
        drawn = [self.distribution.draws(texts[place], self.seed, step, step + 1)[0] for place in places]
        return encode(query, drawn, [self.targets[number][place] for place in places], self.tokenizer)

    def all(self, step: int) -> list[Example]:
        """All groups as they are read in one step."""
        return [self(number, range(len(group.texts)), step) for number, group in enumerate(self.groups)]
