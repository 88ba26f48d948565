"""The classic greedy word substitutions, adapted to ranking: TextFooler, PWWS, BERT-Attack, and beam search.

All of them see scores, order the document's words once, and then try every substitute of a word on the victim. They
were made to change a classifier's label; here the goal is a rank, and the score takes the place of the label's
probability. They are reference points: :mod:`robustrank_attacks.substitution.word_substitution` requests fewer pairs.

* TextFooler (Jin et al., AAAI 2020) orders words by the score without them, and keeps of each the best substitute.
* PWWS (Ren et al., ACL 2019) looks for each word's best substitute first, and orders words by its gain times the
  softmax of the words' saliencies.
* BERT-Attack (Li et al., EMNLP 2020) orders as TextFooler with the word replaced by an unknown one, and takes its
  substitutes from a masked language model.
* Beam search keeps the best few texts and extends each by every edit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import exp
from random import Random
from typing import Literal

from robustrank.plugin import (
    Access,
    AttackSet,
    Case,
    Oracle,
    Perturbation,
    Surface,
    ThreatModel,
    load_substitutes,
    substitute,
    words,
)
from robustrank_attacks._options import require_choice, require_positive

UNKNOWN = "unk"
"""Stands for a word when its saliency is probed; every vocabulary of BERT's reads it as one unimportant word."""

ORDERS = ("delete", "unknown", "pwws", "beam")


@dataclass(frozen=True, kw_only=True)
class GreedySubstitution:
    """Word by word in one order, or by beam search.

    Args:
        order: ``"delete"`` (TextFooler), ``"unknown"`` (BERT-Attack), ``"pwws"`` or ``"beam"``.
        substitutes: The set of substitutes (:func:`robustrank.perturbations.contextual_substitutes.load`).
        beam: Texts a beam search keeps.
    """

    order: Literal["delete", "unknown", "pwws", "beam"] = "delete"
    substitutes: str = "counterfitted|wordnet"
    beam: int = 4

    def __post_init__(self) -> None:
        require_choice("greedy_substitution", "order", [self.order], ORDERS)
        require_positive("greedy_substitution", "beam", self.beam)

    @property
    def threat(self) -> ThreatModel:
        """Sees scores; substitutes words of the document."""
        edits = AttackSet(operation="substitute", substitutes=self.substitutes)
        return ThreatModel(surface=Surface.DOCUMENT, access=Access.SCORES, edits=edits)

    def perturb(self, case: Case, oracle: Oracle, rng: Random, /) -> Perturbation:
        """The first text that reaches the goal, else the best one."""
        possible = load_substitutes(self.substitutes).within(case.target.text)
        limit = len(possible) if oracle.budget.edits is None else min(oracle.budget.edits, len(possible))
        if limit == 0 or oracle.rank([Perturbation()])[0] <= case.goal_rank:
            return Perturbation()
        search = _Search(case, oracle, possible, limit)
        if self.order == "pwws":
            search.pwws()
        elif self.order == "beam":
            search.beam(self.beam)
        else:
            search.word_by_word(self.order)
        return Perturbation(target=substitute(case.target.text, search.best)) if search.best else Perturbation()


class _Search:
    """State of one search: the best edits so far and the requests made."""

    def __init__(self, case: Case, oracle: Oracle, possible: Mapping[int, Sequence[str]], limit: int) -> None:
        self._case, self._oracle, self._possible, self._limit = case, oracle, possible, limit
        ((_, self._clean),) = oracle.outcomes([Perturbation()])
        self._score = self._clean
        self.best: dict[int, str] = {}
        self.done = False

    def word_by_word(self, order: str) -> None:
        """Every substitute of the words in the order of importance; the best is kept where it helps."""
        for position in self._ordered(self._saliencies(order)):
            if self.done or len(self.best) == self._limit:
                return
            self._try([{**self.best, position: other} for other in self._possible[position]])

    def pwws(self) -> None:
        """The best substitute of every word, in the order of its gain times its saliency."""
        saliency = self._saliencies("unknown")
        total = sum(exp(s) for s in saliency.values())
        gains = {}
        for position in self._possible:
            trials = [{position: other} for other in self._possible[position]]
            scores = self._try(trials, keep=False)
            if scores:
                best = max(range(len(scores)), key=lambda i: scores[i])
                weight = exp(saliency.get(position, 0.0)) / total if total else 1.0
                gains[position] = (weight * (scores[best] - self._clean), self._possible[position][best])
            if self.done:
                return
        for position in sorted(gains, key=lambda at: -gains[at][0]):
            if self.done or len(self.best) == self._limit:
                return
            self._try([{**self.best, position: gains[position][1]}])

    def beam(self, width: int) -> None:
        """The best few texts, each extended by every edit, until the limit or until nothing is better."""
        kept: list[dict[int, str]] = [{}]
        for _ in range(self._limit):
            trials = [
                {**edits, position: other}
                for edits in kept
                for position, others in self._possible.items()
                if position not in edits
                for other in others
            ]
            trials = list({tuple(sorted(edits.items())): edits for edits in trials}.values())
            before = self._score
            scores = self._try(trials)
            if self.done or not scores or self._score <= before:
                return
            ranked = sorted(range(len(scores)), key=lambda i: -scores[i])
            kept = [trials[i] for i in ranked[:width]]

    def _try(self, trials: Sequence[dict[int, str]], *, keep: bool = True) -> list[float]:
        """Scores of as many trials as can be paid; the best is kept where it is better, or ends the search."""
        text = self._case.target.text
        perturbations = [Perturbation(target=substitute(text, edits)) for edits in trials[: self._oracle.affordable()]]
        outcomes = self._oracle.outcomes(perturbations)
        for edits, (rank, score) in zip(trials, outcomes, strict=False):
            reached = rank <= self._case.goal_rank
            if (keep and score > self._score) or (reached and not self.done):
                self._score, self.best = score, dict(edits)
            self.done = self.done or reached
        return [score for _, score in outcomes]

    def _saliencies(self, order: str) -> dict[int, float]:
        """By how much the score rises without a word."""
        text, target_words = self._case.target.text, words(self._case.target.text)
        positions = list(self._possible)[: self._oracle.affordable()]
        if order == "delete":
            probes = [text[: target_words[at].start] + text[target_words[at].end :] for at in positions]
        else:
            probes = [substitute(text, {at: UNKNOWN}) for at in positions]
        scores = self._oracle.score([Perturbation(target=probe) for probe in probes])
        return {at: score - self._clean for at, score in zip(positions, scores, strict=True)}

    @staticmethod
    def _ordered(saliency: Mapping[int, float]) -> list[int]:
        return sorted(saliency, key=lambda at: (-saliency[at], at))


def textfooler(*, substitutes: str = "counterfitted") -> GreedySubstitution:
    """Words by the score without them, every substitute of each (TextFooler's order, Jin et al. 2020).

    Args:
        substitutes: The set of substitutes.
    """
    return GreedySubstitution(order="delete", substitutes=substitutes)


def pwws(*, substitutes: str = "wordnet") -> GreedySubstitution:
    """Words by saliency times the gain of their best substitute (PWWS, Ren et al. 2019).

    Args:
        substitutes: The set of substitutes.
    """
    return GreedySubstitution(order="pwws", substitutes=substitutes)


def bert_attack(*, model: str = "splade-tiny-msmarco", top: int = 24) -> GreedySubstitution:
    """Substitutes of a masked language model in context (BERT-Attack, Li et al. 2020).

    Args:
        model: Of masked language modelling: a bundled name, a local folder or a hub id. The default is a stand-in
            that needs no hub: a sparse encoder trained from such a model, poor at guessing masked words.
        top: Word pieces considered per word, of highest probability.
    """
    return GreedySubstitution(order="unknown", substitutes=f"mlm:{model}@{top}")


def beam_substitution(*, substitutes: str = "counterfitted|wordnet", beam: int = 4) -> GreedySubstitution:
    """Beam search over word substitutions, as TextAttack's.

    Args:
        substitutes: The set of substitutes.
        beam: Texts kept from step to step.
    """
    return GreedySubstitution(order="beam", substitutes=substitutes, beam=beam)
