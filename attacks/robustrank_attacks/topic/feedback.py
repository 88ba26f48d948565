"""Predicts gains of texts from few answers of the victim: the Bayesian linear model over sets of moves.

Gains of texts that share moves are correlated, so one answer informs about all of them. The prior mean is what the
surrogate expects; the victim may share more or less of it (a slope, with variance 1), and value every move differently.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from robustrank.plugin import TopicCase, TopicOracle
from robustrank_attacks._linear_model import Floats, conditioned, variances
from robustrank_attacks.topic.board import Board, Move
from robustrank_attacks.topic.utility import of_ranks

NOISE = 0.1
"""Share of a text's variance that no move explains."""

CURIOSITY = 0.5
"""Weight of the standard deviation in the acquisition function (upper confidence bound)."""


class Belief:
    """Posterior of the victim's gains of some texts.

    Args:
        pool: The moves of each text.
        expected: The surrogate's gain of each over the clean text, in the units of the answers.
    """

    def __init__(self, pool: Sequence[Sequence[Move]], expected: Floats) -> None:
        columns = {move: i for i, move in enumerate(sorted({move for moves in pool for move in moves}), start=1)}
        self._texts = np.zeros((len(pool), 1 + len(columns)))
        self._texts[:, 0] = expected
        for row, moves in zip(self._texts, pool, strict=True):
            row[[columns[move] for move in moves]] = 1
        longest = max(1, *map(len, pool)) if pool else 1
        scale = float(np.mean(np.square(expected))) or 1.0
        self._prior = np.array([1.0, *np.zeros(len(columns))])
        self._spread = np.array([1.0, *np.full(len(columns), scale / longest)])
        self._noise = NOISE * scale
        self._observed: list[int] = []
        self._answers: list[float] = []

    def observe(self, text: int, gain: float) -> None:
        """The victim's answer to one of the texts."""
        self._observed.append(text)
        self._answers.append(gain)

    def predict(self) -> tuple[Floats, Floats]:
        """Mean and standard deviation of every text's gain."""
        rows, noise = self._texts[self._observed], np.full(len(self._observed), self._noise)
        weights = conditioned(self._prior, self._spread, rows, noise, np.array(self._answers))
        return self._texts @ weights, np.sqrt(variances(self._texts, self._spread, rows, noise))

    def next(self) -> int | None:
        """The text to request next, by the upper confidence bound; ``None`` when all were requested."""
        mean, deviation = self.predict()
        credit = mean + CURIOSITY * deviation
        credit[self._observed] = -np.inf
        best = int(np.argmax(credit)) if len(credit) else 0
        return best if len(self._observed) < len(credit) else None

    def best(self) -> int | None:
        """The requested text with the largest posterior mean gain; ``None`` where none is positive."""
        mean, _ = self.predict()
        best = max(self._observed, key=lambda text: float(mean[text]), default=None)
        return best if best is not None and mean[best] > 0 else None


def guided(board: Board, pool: Sequence[Sequence[Move]], expected: Floats, case: TopicCase, oracle: TopicOracle) -> str:
    """The text of the pool that the victim ranks best for the group, requested one by one, given the answers so far.

    Args:
        board: Where the moves are made.
        pool: Moves of each text, no two the same.
        expected: The surrogate's utility of each, minus that of the clean text.
        case: Clean ranks are read from its lists.
        oracle: Queried while the budget lasts.
    """
    clean_ranks = tuple(next(i for i, d in enumerate(docs, 1) if d.doc_id == case.target.doc_id) for docs in case.lists)
    clean, belief = of_ranks(clean_ranks, case), Belief(pool, expected)
    while oracle.affordable and (chosen := belief.next()) is not None:
        (ranks,) = oracle.ranks([board.render(pool[chosen])])
        belief.observe(chosen, of_ranks(ranks, case) - clean)
    best = belief.best()
    return case.target.text if best is None else board.render(pool[best])
