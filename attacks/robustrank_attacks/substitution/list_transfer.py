"""Word substitution without feedback: the attack reads the victim's ranked list and requests no pairs.

A surrogate stands in for the victim. By default it is a linear model of words fitted on the ranked list itself, as
pseudo-relevance feedback is in PRADA (Wu et al., ACM TOIS 2023), which is a weak surrogate: most edits that it
prefers to none lower the score, because an edit at random does. Only those are made of which more is expected than an
edit at random costs, which without words of the query in reach may be none. Any other ranker
can be named instead, for example one fine-tuned with ``robustrank train`` on lists the victim returned; it is attacked
through its gradients, and the result is returned without a request to the victim.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

import numpy as np

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
    load_substitutes,
    match_case,
    substitute,
    words,
)
from robustrank_attacks._options import SUBSTITUTES, require_positive
from robustrank_attacks.substitution._additive import TRUST, AdditiveModel
from robustrank_attacks.substitution._listed import word_features

LOSS = 0.2
"""What a substitution at random takes from the score, in units of a typical effect: the mean over 3,048 substitutions
in 47 targets of TREC DL 2021, scored by robustrank-tiny, that neither bring nor take a word of the query."""


@dataclass(frozen=True, kw_only=True)
class ListTransfer:
    """Attack a surrogate and submit the result (transfer attack).

    Args:
        substitutes: The set of substitutes (:func:`robustrank.perturbations.substitutes.load`).
        surrogate: A ranker as a table with ``use``, which must provide gradients; default the linear model of the
            ranked list.
        rounds: Backward passes through the surrogate.
    """

    substitutes: str = SUBSTITUTES
    surrogate: Ranker | None = None
    rounds: int = 4

    def __post_init__(self) -> None:
        require_positive("list_transfer", "rounds", self.rounds)
        if self.surrogate is not None and not lends_gradients(self.surrogate):
            raise PluginError(f"list_transfer: the surrogate {self.surrogate.card.name} provides no gradients")

    @property
    def threat(self) -> ThreatModel:
        """Sees the ranked list; substitutes words of the document."""
        edits = AttackSet(operation="substitute", substitutes=self.substitutes)
        return ThreatModel(
            known_as=("AML.T0015", "AML.T0043"), surface=Surface.DOCUMENT, access=Access.RANKS, edits=edits
        )

    def perturb(self, case: Case, oracle: Oracle, rng: Random, /) -> Perturbation:
        """The text that the surrogate scores highest, unless the target already has the goal rank."""
        text = case.target.text
        target_words = words(text)
        table = load_substitutes(self.substitutes).within(text)
        possible = {at: [match_case(other, target_words[at].text) for other in others] for at, others in table.items()}
        limit = len(possible) if oracle.budget.edits is None else min(oracle.budget.edits, len(possible))
        place = 1 + [doc.doc_id for doc in case.candidates].index(case.target.doc_id)
        if limit == 0 or place <= case.goal_rank:
            return Perturbation()
        model = AdditiveModel(possible, word_features(case, possible), TRUST)
        chosen: list[int] = []
        if self.surrogate is None:
            chosen = model.best(model.draw(np.random.default_rng(0), 0.0) - LOSS, limit)
        elif lends_gradients(self.surrogate):
            chosen = self._through(self.surrogate, self.surrogate, model, case, possible, limit)
        replaced = dict(model.edits[edit] for edit in chosen)
        return Perturbation(target=substitute(text, replaced)) if replaced else Perturbation()

    def _through(
        self,
        white: WhiteBox,
        ranker: Ranker,
        model: AdditiveModel,
        case: Case,
        possible: dict[int, list[str]],
        limit: int,
    ) -> list[int]:
        """The best set of edits by the surrogate's score, each proposed by its gradient at the best before."""
        target_words = words(case.target.text)
        candidates = {at: [*others, target_words[at].text] for at, others in possible.items()}
        best: list[int] = []
        (value,) = ranker.score(case.query, [case.target])
        for _ in range(self.rounds):
            here = substitute(case.target.text, dict(model.edits[edit] for edit in best))
            gains = white.gradients(case.query, case.target._replace(text=here), candidates).gains
            amounts = np.array([gain - gains[at][-1] for at in possible for gain in gains[at][:-1]])
            trials = [model.best(amounts, size) for size in range(1, limit + 1)]
            texts = [substitute(case.target.text, dict(model.edits[edit] for edit in trial)) for trial in trials]
            scores = ranker.score(case.query, [case.target._replace(text=text) for text in texts])
            if max(scores) <= value:
                break
            value = max(scores)
            best = trials[scores.index(value)]
        return best
