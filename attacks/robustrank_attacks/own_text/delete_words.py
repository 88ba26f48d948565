"""Deletion of one's own text: leave out what keeps the document down, and add nothing.

An editor may cut a page to what a query is about. A step leaves out each remaining sentence (or word) in turn and keeps
the best text; later steps try those that did best in the first one, as far as pairs are limited. On a ranker that adds
up amounts of words, deletion of words finds the best text there is (tested against enumeration).
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Literal

from robustrank.plugin import Access, AttackSet, Case, Oracle, Perturbation, Surface, ThreatModel, gaps, words
from robustrank_attacks._budget import share
from robustrank_attacks._options import require_choice
from robustrank_attacks.own_text._pieces import UNITS, Unit, spans, without

TRIED = 8
"""Units that a step after the first tries: those of which the first step says most."""


@dataclass(frozen=True, kw_only=True)
class DeleteWords:
    """Leave out whole sentences or single words, one after another, until the goal or until none helps.

    Args:
        access: What it sees of the victim: ``"scores"`` or ``"ranks"``.
        unit: ``"sentence"`` or ``"word"``. The budget of edits counts the words of either.
    """

    access: Literal["scores", "ranks"] = "scores"
    unit: Unit = "sentence"

    def __post_init__(self) -> None:
        require_choice("delete_words", "access", [self.access], ["scores", "ranks"])
        require_choice("delete_words", "unit", [self.unit], UNITS)

    @property
    def threat(self) -> ThreatModel:
        """Sees what ``access`` says; deletes words of the document."""
        return ThreatModel(
            known_as=("AML.T0015", "AML.T0043"),
            surface=Surface.DOCUMENT,
            access=Access(self.access),
            edits=AttackSet(operation="delete"),
        )

    def perturb(self, case: Case, oracle: Oracle, rng: Random, /) -> Perturbation:
        """The first text that reaches the goal, else the best one tried; some word is always left."""
        text = case.target.text
        units = spans(text, self.unit)
        sizes = [len(words(text[start:end])) for start, end in units]
        limit = sum(sizes) - 1 if oracle.budget.edits is None else min(oracle.budget.edits, sum(sizes) - 1)
        ((rank, value),) = self._ask(oracle, [Perturbation()])
        left_out: frozenset[int] = frozenset()
        # A word takes at most two marks along.
        marks = [sum(not c.isspace() for gap in gaps(text[start:end]) for c in gap) for start, end in units]
        order = [number for number, size in enumerate(sizes) if marks[number] <= 2 * size]
        for step in range(len(units)):
            room = limit - sum(sizes[number] for number in left_out)
            trials = [number for number in order if number not in left_out and sizes[number] <= room]
            trials = trials[: share(oracle.affordable(), min(step, TRIED - 1), TRIED)][: None if step == 0 else TRIED]
            if not trials or rank <= case.goal_rank:
                break
            texts = [Perturbation(target=without(text, self.unit, left_out | {number})) for number in trials]
            answers = dict(zip(trials, self._ask(oracle, texts), strict=True))
            best = max(trials, key=lambda number: answers[number][1])
            if step == 0:
                order = sorted(trials, key=lambda number: -answers[number][1])
            if answers[best][1] <= value:
                break
            (rank, value), left_out = answers[best], left_out | {best}
        return Perturbation(target=without(text, self.unit, left_out)) if left_out else Perturbation()

    def _ask(self, oracle: Oracle, trials: list[Perturbation]) -> list[tuple[int, float]]:
        """Rank of each trial, and its score, or with access to ranks minus the rank."""
        if self.access == "scores":
            return oracle.outcomes(trials)
        return [(rank, -float(rank)) for rank in oracle.rank(trials)]
