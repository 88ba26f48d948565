"""Sentences in another order: what a ranker makes of where in a document the same things are said.

All orders of a text of at most :data:`ALL` sentences are tried; in a longer one each sentence is moved to the front in
turn, and the best move is kept as long as one helps. A ranker of bags of words gives every order the same score.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations
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
    moved_words,
    sentences,
)
from robustrank_attacks._options import require_choice
from robustrank_attacks.own_text._pieces import in_order

ALL = 4
"""Most sentences of which every order is tried, with 23 pairs."""

BATCH = 4


@dataclass(frozen=True, kw_only=True)
class ReorderSentences:
    """Change the order of the document's sentences.

    Args:
        access: What it sees of the victim: ``"scores"`` or ``"ranks"``.
        keep_first: Leave the first sentence, which may be a title, where it is.
    """

    access: Literal["scores", "ranks"] = "scores"
    keep_first: bool = False

    def __post_init__(self) -> None:
        require_choice("reorder_sentences", "access", [self.access], ["scores", "ranks"])

    @property
    def threat(self) -> ThreatModel:
        """Sees what ``access`` says; changes the order of sentences."""
        return ThreatModel(
            known_as=("AML.T0015", "AML.T0043"),
            surface=Surface.DOCUMENT,
            access=Access(self.access),
            edits=AttackSet(operation="reorder"),
        )

    def perturb(self, case: Case, oracle: Oracle, rng: Random, /) -> Perturbation:
        """The first order that reaches the goal, else the best one tried; none if no order is better."""
        count, fixed = len(sentences(case.target.text)), int(self.keep_first)
        order = tuple(range(count))
        ((rank, value),) = self._ask(case, oracle, [order])
        while rank > case.goal_rank:
            head, rest = order[:fixed], order[fixed:]
            if count <= ALL:
                trials = [(*head, *others) for others in permutations(rest)][1:]
            else:
                trials = [(*head, first, *(number for number in rest if number != first)) for first in rest[1:]]
            best = max(self._tried(case, oracle, trials), key=lambda each: each[1], default=None)
            if best is None or best[1] <= value:
                break
            rank, value, order = best[0], best[1], tuple(best[2])
            if count <= ALL:
                break
        changed = order != tuple(range(count))
        return Perturbation(target=in_order(case.target.text, order)) if changed else Perturbation()

    def _tried(
        self, case: Case, oracle: Oracle, orders: Sequence[Sequence[int]]
    ) -> list[tuple[int, float, Sequence[int]]]:
        """Rank, value and order of what the budgets of edits and of pairs pay for, a batch at a time until the goal."""
        texts = [sentence.text for sentence in sentences(case.target.text)]
        limit = oracle.budget.edits
        legal = [o for o in orders if limit is None or moved_words(texts, [texts[number] for number in o]) <= limit]
        tried: list[tuple[int, float, Sequence[int]]] = []
        while legal[len(tried) :] and not any(rank <= case.goal_rank for rank, _, _ in tried):
            batch = legal[len(tried) :][:BATCH][: oracle.affordable()]
            if not batch:
                break
            answers = self._ask(case, oracle, batch)
            tried += [(rank, value, order) for (rank, value), order in zip(answers, batch, strict=True)]
        reached = [each for each in tried if each[0] <= case.goal_rank]
        return reached[:1] or tried

    def _ask(self, case: Case, oracle: Oracle, orders: Sequence[Sequence[int]]) -> list[tuple[int, float]]:
        """Rank of each order, and its score, or with access to ranks minus the rank."""
        texts = [in_order(case.target.text, order) for order in orders]
        trials = [Perturbation(target=None if text == case.target.text else text) for text in texts]
        if self.access == "scores":
            return oracle.outcomes(trials)
        return [(rank, -float(rank)) for rank in oracle.rank(trials)]
