"""What a student reads in place of the texts, drawn anew in every step, with the targets of the unedited texts.

A smoothed ranker averages scores of randomly perturbed texts, so its base ranker must score these well. CertDR trains
on one perturbed copy of every document with a margin loss on labels; SAFER and RanMASK augment classifiers in the same
way. Here the perturbation is drawn anew in every step, and the targets are the teacher's scores of the clean text,
which lowers both the loss of effectiveness by smoothing and the variance of the sampled scores. Edits of other kinds
(:class:`robustrank.core.interfaces.TrainingEdit`) teach invariance to them in the same way.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

from robustrank.certificates.smoothing import Smoothing
from robustrank.core.errors import ContractError
from robustrank.core.interfaces import TrainingEdit
from robustrank.rankers.models.pairs import PairTokenizer
from robustrank.training.batches import Example, encode
from robustrank.training.groups import Group

Reading = Callable[[str, Sequence[str], int, Random], tuple[str, Sequence[str]]]
"""Query, texts, step and a generator of this list and step, to the query and the texts that are read."""


def smoothed(distribution: Smoothing, seed: int) -> Reading:
    """Texts drawn from a smoothing distribution; a draw depends on text, seed and step alone."""
    return lambda query, texts, step, rng: (
        query,
        [distribution.draws(text, seed, step, step + 1)[0] for text in texts],
    )


def edited(edits: Sequence[TrainingEdit]) -> Reading:
    """Query and texts after edits, one after the other."""

    def reading(query: str, texts: Sequence[str], step: int, rng: Random) -> tuple[str, Sequence[str]]:
        for edit in edits:
            query, read = edit.edited(query, texts, rng)
            if len(read) != len(texts):
                raise ContractError(f"{type(edit).__name__}.edited returned {len(read)} texts for {len(texts)}")
            texts = read
        return query, texts

    return reading


@dataclass(frozen=True)
class EditedGroups:
    """Groups as they are read in a step.

    Args:
        readings: Applied one after the other.
        groups: Queries with their texts.
        targets: Target of every text of every group.
        tokenizer: The student's tokenizer.
        seed: Seed of the draws.
        paired: Examples are those of the unedited texts, with the edited ones as their ``twin``.
    """

    readings: Sequence[Reading]
    groups: Sequence[Group]
    targets: Sequence[Sequence[float]]
    tokenizer: PairTokenizer
    seed: int
    paired: bool = False

    def __call__(self, number: int, places: Sequence[int], step: int) -> Example:
        """These places of a group as they are read in this step."""
        clean, texts, _ = self.groups[number]
        query: str = clean
        chosen: Sequence[str] = [texts[place] for place in places]
        targets = [self.targets[number][place] for place in places]
        rng = Random(f"{self.seed}|{step}|{number}|{places}")
        for reading in self.readings:
            query, chosen = reading(query, chosen, step, rng)
        read = encode(query, chosen, targets, self.tokenizer)
        if not self.paired:
            return read
        return encode(clean, [texts[place] for place in places], targets, self.tokenizer)._replace(twin=read)

    def all(self, step: int) -> list[Example]:
        """All groups as they are read in one step."""
        return [self(number, range(len(group.texts)), step) for number, group in enumerate(self.groups)]
