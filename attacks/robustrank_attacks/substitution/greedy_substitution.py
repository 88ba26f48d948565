"""The classic greedy word substitutions, adapted to ranking: TextFooler, PWWS, BERT-Attack, and beam search.

All of them see scores, order the document's words once, and then try every substitute of a word on the victim. They
were made to change a classifier's label; here the goal is a rank, and the score takes the place of the label's
probability. They are reference points: :mod:`robustrank_attacks.substitution.word_substitution` requests fewer pairs.

* TextFooler (Jin et al., AAAI 2020) orders words by the score without them, and keeps of each the best substitute.
* PWWS (Ren et al., ACL 2019) looks for each word's best substitute first, and orders words by its gain times the
  softmax of the words' saliencies.
* BERT-Attack (Li et al., EMNLP 2020) orders as TextFooler with the word replaced by an unknown one, and takes its
  substitutes from a masked language model.
* Beam search keeps the best few texts and extends each by every edit. That costs as many pairs for each word of the
  limit as there are edits times texts kept; where the budget does not pay for it, a step tries fewer, most promising
  first, so that pairs are left for every word that may be changed.
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
from robustrank_attacks._budget import share
from robustrank_attacks._options import SUBSTITUTES, require_choice, require_positive
from robustrank_attacks.substitution._additive import TRUST, AdditiveModel
from robustrank_attacks.substitution._listed import word_features

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
    substitutes: str = SUBSTITUTES
    beam: int = 4

    def __post_init__(self) -> None:
        require_choice("greedy_substitution", "order", [self.order], ORDERS)
        require_positive("greedy_substitution", "beam", self.beam)

    @property
    def threat(self) -> ThreatModel:
        """Sees scores; substitutes words of the document."""
        edits = AttackSet(operation="substitute", substitutes=self.substitutes)
        return ThreatModel(
            known_as=("AML.T0015", "AML.T0043"), surface=Surface.DOCUMENT, access=Access.SCORES, edits=edits
        )

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
        """The best few texts, each extended by edits, until the limit or until nothing is better."""
        model = AdditiveModel(self._possible, word_features(self._case, self._possible), TRUST)
        singles = [model.edits[edit] for edit in model.promising(len(model.edits))]
        gains = dict.fromkeys(singles, 0.0)  # of single edits, as far as the first step has tried them
        kept: list[tuple[float, dict[int, str]]] = [(self._clean, {})]
        for step in range(self._limit):
            # Equal trials sum the same gains in another order, so the first of them is the best known.
            hoped = {
                tuple(sorted({**edits, position: other}.items())): score + gains[position, other]
                for score, edits in reversed(kept)
                for position, other in singles
                if position not in edits
            }
            trials = (
                [dict(edits) for edits in sorted(hoped, key=lambda edits: -hoped[edits])]
                if step
                else [{position: other} for position, other in singles]
            )
            before, scored = self._score, list[tuple[float, dict[int, str]]]()
            while len(scored) < len(trials) and self._score <= before and not self.done:
                part = trials[len(scored) :][: share(self._oracle.affordable(), step, self._limit)]
                scores = self._try(part)
                if not scores:
                    break
                scored += zip(scores, part, strict=False)
            if self.done or self._score <= before:
                return
            if not step:
                gains |= {next(iter(edits.items())): score - self._clean for score, edits in scored}
            kept = sorted(scored, key=lambda trial: -trial[0])[:width]

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


def textfooler(*, substitutes: str = SUBSTITUTES) -> GreedySubstitution:
    """Words by the score without them, every substitute of each (TextFooler's order, Jin et al. 2020).

    Args:
        substitutes: The set of substitutes; the paper's is ``"counterfitted"``.
    """
    return GreedySubstitution(order="delete", substitutes=substitutes)


def pwws(*, substitutes: str = SUBSTITUTES) -> GreedySubstitution:
    """Words by saliency times the gain of their best substitute (PWWS, Ren et al. 2019).

    Args:
        substitutes: The set of substitutes; the paper's is ``"wordnet"``.
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


def beam_substitution(*, substitutes: str = SUBSTITUTES, beam: int = 4) -> GreedySubstitution:
    """Beam search over word substitutions, as TextAttack's; with few pairs it tries the most promising edits only.

    Args:
        substitutes: The set of substitutes.
        beam: Texts kept from step to step.
    """
    return GreedySubstitution(order="beam", substitutes=substitutes, beam=beam)
