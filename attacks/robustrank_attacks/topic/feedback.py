"""Predicts gains of texts from few answers of the victim: a Gaussian process over sets of moves.

Gains of texts that share moves are correlated, so one answer informs about all of them. The prior mean is what the
surrogate expects; the victim may share more or less of it (a slope), and value every single move differently.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from robustrank.plugin import TopicCase, TopicOracle
from robustrank_attacks.topic.board import Board, Move
from robustrank_attacks.topic.utility import of_ranks

Floats = NDArray[np.float64]

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
        columns = {move: i for i, move in enumerate(sorted({move for moves in pool for move in moves}))}
        made = np.zeros((len(pool), len(columns)))
        for row, moves in zip(made, pool, strict=True):
            row[[columns[move] for move in moves]] = 1
        longest = max(1.0, float(made.sum(axis=1).max(initial=1)))
        scale = float(np.mean(np.square(expected))) or 1.0
        self._expected = expected
        self._covariance = np.outer(expected, expected) + scale * made @ made.T / longest
        self._noise = NOISE * scale
        self._observed: list[int] = []
        self._answers: list[float] = []

    def observe(self, text: int, gain: float) -> None:
        """The victim's answer to one of the texts."""
        self._observed.append(text)
        self._answers.append(gain)

    def predict(self) -> tuple[Floats, Floats]:
        """Mean and standard deviation of every text's gain."""
        variance = np.diag(self._covariance)
        if not self._observed:
            return self._expected, np.sqrt(variance)
        across = self._covariance[:, self._observed]
        observed_covariance = across[self._observed] + self._noise * np.eye(len(self._observed))
        weights = np.linalg.solve(observed_covariance, across.T)
        mean = self._expected + weights.T @ (np.array(self._answers) - self._expected[self._observed])
        return mean, np.sqrt(np.maximum(variance - np.sum(across.T * weights, axis=0), 0.0))

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
