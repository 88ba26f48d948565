"""Noise-augmented distillation for smoothed rankers: the student reads perturbed texts, targets are of clean texts.

A smoothed ranker averages scores of randomly perturbed texts, so its base ranker must score these well. CertDR trains
on one perturbed copy of every document with a margin loss on labels; SAFER and RanMASK augment classifiers in the same
way. Here the perturbation is drawn anew in every step, and the targets are the teacher's scores of the clean text,
which lowers both the loss of effectiveness by smoothing and the variance of the sampled scores.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from robustrank.certificates.smoothing import Smoothing
from robustrank.rankers.models.pairs import PairTokenizer
from robustrank.training.batches import Example, encode
from robustrank.training.groups import Group


@dataclass(frozen=True)
class PerturbedGroups:
    """Groups with randomly perturbed texts; the draw of a step depends on text, seed and step alone.

    Args:
        distribution: The smoothing distribution of perturbed texts.
        groups: Queries with their texts.
        targets: Target of every text of every group.
        tokenizer: The student's tokenizer.
        seed: Seed of the draws.
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
