"""Query-efficient word substitution: one search on all information of a level of access.

The effects of single edits are modelled additively, with uncertainty
(:mod:`robustrank_attacks.substitution._additive`). The ranked list and the query give the prior. The victim's answers
are observations: its score, or with access to ranks only the rank of the document. With access to the weights, one
backward pass gives the first-order gain of every substitute at every position (Ebrahimi et al., HotFlip, ACL 2018);
their mean over the clean text, some draws and every new best text is one more feature, whose weight is learnt from the
answers.

An attacker may also have a surrogate ranker: the effects of single edits on its scores are a feature that needs no
request to the victim (transfer as in PRADA, but corrected by the victim's answers). The victim itself is refused.

On a ranker that is additive in its words the search ends at the best text there is (tested against enumeration).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log
from random import Random
from typing import Literal

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
    WordGradients,
    load_substitutes,
    match_case,
    substitute,
    words,
)
from robustrank_attacks._options import SUBSTITUTES, require_choice, require_positive
from robustrank_attacks.substitution._additive import TRUST, AdditiveModel
from robustrank_attacks.substitution._listed import word_features

ANY = "any"
"""Not a set of substitutes: every word of the ranked list and of the query may stand anywhere."""

REDRAWS = 8
"""Consecutive draws that propose an already scored text, after which the search stops."""

PROBES = 4
"""Gradients before the first text is scored. One gradient is a poor guide over a step as long as a word; the mean over
texts with other words in other places is a better one (SmoothGrad, Smilkov et al., 2017): on 17 targets of TREC DL 2021
the mean rank correlation with true effects, where no word of the query goes, was 0.31 with one and 0.43 with four."""


UNLIMITED = 400
"""Pairs requested where neither the audit nor the attack sets a limit (docs/attacks.md has what they buy)."""

UNLIMITED_ANY = 60
"""The same where any word may stand anywhere: few such searches go on, and each step of one is slow."""

SHARE, LARGEST = 8, 32
"""Texts scored between two updates grow to one in so many of those scored, and to at most so many. On 99 targets of
TREC DL 2021 with robustrank-tiny, 16 texts an update win as many targets in 400 pairs as 4 do, but fewer in 60."""

WARMTH = 0.3
"""Share of the posterior's spread that draws have: with few pairs, promising texts are scored first."""


@dataclass(frozen=True, kw_only=True)
class WordSubstitution:
    """Query-efficient word substitution: every scored text updates the estimates of all its edits at once.

    Args:
        access: What it sees of the victim: ``"weights"``, ``"scores"`` or ``"ranks"``.
        substitutes: The set of substitutes (:func:`robustrank.perturbations.contextual_substitutes.load`), or
            ``"any"``: every word of the ranked list and of the query, at every position.
        surrogate: A ranker of the attacker's own, as a table with ``use``. Not the victim.
        looks: Single edits of a document to try on the surrogate.
        pairs: Most pairs to request, backward passes included. By default what the audit's budget allows, and
            :data:`UNLIMITED` where it sets no limit (:data:`UNLIMITED_ANY` with ``"any"``).
        batch: Texts scored between two updates of the model; more once many were scored, a share of these.
    """

    access: Literal["weights", "scores", "ranks"] = "scores"
    substitutes: str = SUBSTITUTES
    surrogate: Ranker | None = None
    looks: int = 400
    pairs: int | None = None
    batch: int = 4

    def __post_init__(self) -> None:
        require_choice("word_substitution", "access", [self.access], ["weights", "scores", "ranks"])
        if self.pairs is not None:
            require_positive("word_substitution", "pairs", self.pairs)
        require_positive("word_substitution", "batch", self.batch)
        require_positive("word_substitution", "looks", self.looks)

    @property
    def threat(self) -> ThreatModel:
        """Sees what ``access`` says; substitutes words of the document."""
        if self.substitutes == ANY:
            edits = AttackSet(operation="replace")
        else:
            edits = AttackSet(operation="substitute", substitutes=self.substitutes)
        return ThreatModel(
            known_as=("AML.T0015", "AML.T0043"), surface=Surface.DOCUMENT, access=Access(self.access), edits=edits
        )

    def perturb(self, case: Case, oracle: Oracle, rng: Random, /) -> Perturbation:
        """The first text that reaches the goal, else the best one scored."""
        possible = self._possible(case)
        limit = len(possible) if oracle.budget.edits is None else min(oracle.budget.edits, len(possible))
        if limit == 0 or oracle.rank([Perturbation()])[0] <= case.goal_rank:
            return Perturbation()
        return _Search(self, case, oracle, rng, possible, limit).run()

    def _possible(self, case: Case) -> dict[int, Sequence[str]]:
        """Position to substitutes in the case of the word they replace, of the words that have any."""
        target_words = words(case.target.text)
        if self.substitutes == ANY:
            texts = [case.query.text, *(doc.text for doc in case.candidates)]
            vocabulary = sorted({word.text.lower() for text in texts for word in words(text)})
            table: Mapping[int, Sequence[str]] = dict.fromkeys(range(len(target_words)), vocabulary)
        else:
            table = load_substitutes(self.substitutes).within(case.target.text)
        cased = {at: [match_case(other, target_words[at].text) for other in others] for at, others in table.items()}
        changing = {at: [other for other in others if other != target_words[at].text] for at, others in cased.items()}
        return {at: others for at, others in changing.items() if others}


def hotflip(*, pairs: int | None = None, batch: int = 3) -> WordSubstitution:
    """Any word of the list for any word of the document, by gradients: a reference point for synonym attacks.

    The upper bound for word substitution (Ebrahimi et al., HotFlip, ACL 2018): it shows what a ranker could be made to
    do, not what a reader would fail to notice.

    Args:
        pairs: Most pairs to request, backward passes included. By default what the audit's budget allows, and
            :data:`UNLIMITED_ANY` where it sets no limit.
        batch: Texts to score between two backward passes.
    """
    return WordSubstitution(access="weights", substitutes=ANY, pairs=pairs, batch=batch)


class _Search:
    """One case under attack."""

    def __init__(
        self,
        attack: WordSubstitution,
        case: Case,
        oracle: Oracle,
        rng: Random,
        possible: dict[int, Sequence[str]],
        limit: int,
    ) -> None:
        self._attack, self._case, self._oracle, self._limit = attack, case, oracle, limit
        self._rng = np.random.default_rng(rng.getrandbits(64))
        self._possible = possible
        target_words = words(case.target.text)
        self._original = {at: target_words[at].text for at in possible}
        features = word_features(case, self._possible)
        self._keeps = features["lost"] == 0  # the first order does not predict the loss of a query word
        self._model = AdditiveModel(self._possible, features, TRUST)
        self._linear: dict[tuple[int, ...], NDArray[np.float64]] = {}
        self._scored: set[tuple[int, ...]] = {()}
        self._before = 0.0
        self._best: tuple[float, tuple[int, ...]] = (0.0, ())

    def run(self) -> Perturbation:
        """Request scores until the goal is reached, the pairs are spent or no new text is proposed."""
        self._before = self._ask([Perturbation()])[0][1]
        if self._attack.surrogate is not None:
            self._consult(self._attack.surrogate)
        while True:
            if self._attack.access == "weights" and self._affordable() > 1:
                self._linearise()
            proposed = self._propose(min(self._batch(), self._affordable()))
            if not proposed:
                return self._written(self._best[1])
            for edits, (rank, value) in zip(proposed, self._ask([self._written(e) for e in proposed]), strict=True):
                self._model.observe(edits, value - self._before)
                self._best = max(self._best, (value - self._before, edits))
                if rank <= self._case.goal_rank:
                    return self._written(edits)

    def _ask(self, trials: list[Perturbation]) -> list[tuple[int, float]]:
        """Rank and value of each trial: the score, or with access to ranks only ``-log(rank)``."""
        if self._attack.access == "ranks":
            return [(rank, -log(rank)) for rank in self._oracle.rank(trials)]
        return self._oracle.outcomes(trials)

    def _batch(self) -> int:
        """Texts to score before the next update."""
        return max(self._attack.batch, min(LARGEST, self._model.observed // SHARE))

    def _affordable(self) -> int:
        """Number of texts that may still be scored."""
        most, allowed = self._attack.pairs, self._oracle.affordable()
        if most is None and allowed is not None:
            return allowed
        unlimited = UNLIMITED_ANY if self._attack.substitutes == ANY else UNLIMITED
        left = (unlimited if most is None else most) - self._oracle.spent
        return max(0, left if allowed is None else min(left, allowed))

    def _propose(self, count: int) -> list[tuple[int, ...]]:
        """New sets of edits: the best by the posterior mean, then draws."""
        proposed: list[tuple[int, ...]] = []
        warmth, stale = 0.0, 0
        while len(proposed) < count and stale < REDRAWS:
            edits = tuple(self._model.best(self._model.draw(self._rng, warmth), self._limit))
            stale = stale + 1 if edits in self._scored else 0
            warmth = WARMTH * 2**stale
            if stale:
                continue
            self._scored.add(edits)
            proposed.append(edits)
        return proposed

    def _linearise(self) -> None:
        """First-order amounts of all edits, the mean over texts: the clean one and some draws, then every new best."""
        at = [self._best[1]]
        if not self._linear:
            more = min(PROBES, self._affordable() - 1) - 1
            at += [tuple(self._model.best(self._model.draw(self._rng), self._limit)) for _ in range(more)]
        for edits in at:
            if edits not in self._linear:
                gradients = self._oracle.gradients(self._written(edits), self._gradient_candidates)
                self._linear[edits] = self._amounts(gradients)
        self._model.set_feature("first order", np.mean(list(self._linear.values()), axis=0) * self._keeps)

    def _consult(self, surrogate: Ranker) -> None:
        """Set the feature of effects of single edits on the score of the surrogate.

        Raises:
            PluginError: It gives the clean text the victim's own score, so it is the victim.
        """
        query, target, edits = self._case.query, self._case.target, self._model.edits
        looked = sorted(self._model.promising(self._attack.looks))
        texts = [target.text, *(substitute(target.text, dict([edits[edit]])) for edit in looked)]
        clean, *scores = surrogate.score(query, [target._replace(text=text) for text in texts])
        if self._attack.access != "ranks" and clean == self._before:
            raise PluginError(f"word_substitution: the surrogate {surrogate.card.name} is the victim itself")
        effects = np.full(len(edits), np.mean(scores) - clean)
        effects[looked] = np.array(scores) - clean
        self._model.set_feature("surrogate", effects)

    @property
    def _gradient_candidates(self) -> dict[int, list[str]]:
        """The substitutes and the word itself, whose gain is subtracted at a text that has another there."""
        return {at: [*others, self._original[at]] for at, others in self._possible.items()}

    def _amounts(self, gradients: WordGradients) -> NDArray[np.float64]:
        gains = gradients.gains
        return np.array([gain - gains[at][-1] for at in self._possible for gain in gains[at][:-1]])

    def _written(self, edits: tuple[int, ...]) -> Perturbation:
        chosen = dict(self._model.edits[edit] for edit in edits)
        return Perturbation(target=substitute(self._case.target.text, chosen)) if chosen else Perturbation()
