"""What scored texts say of the Bayesian linear model, kept between observations.

The inverse Cholesky factor of the covariance of the texts' scores, one for each level of noise, grows by the rows of
the new texts; a search of hundreds of texts would spend its time on factoring anew otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from robustrank_attacks._linear_model import Floats, signal


class Observed:
    """Texts whose scores were seen.

    Args:
        spread: Prior variance of each weight.
        levels: Variances of the noise of a text of size 1; the noise grows with the size.
    """

    def __init__(self, spread: Floats, levels: Sequence[float]) -> None:
        self._spread = spread
        self._rows = np.zeros((0, len(spread)))
        self._sizes = np.zeros(0)
        self._seen = np.zeros((0, 2))
        self._factors = [_Factor(level, np.zeros((0, 0)), np.zeros((0, 2))) for level in levels]

    def __len__(self) -> int:
        return len(self._sizes)

    def add(self, rows: Floats, sizes: Floats, changes: Floats, expected: Floats) -> None:
        """More texts.

        Args:
            rows: Texts x weights.
            sizes: Of each text.
            changes: The score of each, in any unit.
            expected: What the prior mean predicts of each.
        """
        old, new = len(self), len(self) + len(sizes)
        across, within = (rows * self._spread) @ self._rows[:old].T, signal(rows, self._spread)
        self._rows = _grown(self._rows, (new, len(self._spread)))
        self._rows[old:new] = rows
        self._sizes = np.concatenate([self._sizes, sizes])
        self._seen = np.concatenate([self._seen, np.stack([changes, expected], axis=1)])
        for factor in self._factors:
            factor.add(across, within, sizes, self._seen)

    def likeliest(self, unit: float) -> int:
        """The level of noise under which the scores are likeliest, by its place.

        Args:
            unit: Of the changes of scores: the prior's unit in theirs.
        """
        return max(range(len(self._factors)), key=lambda level: self._factors[level].evidence(unit))

    def noise(self, level: int) -> Floats:
        """Variance of the noise of each text's score."""
        return self._factors[level].noise * self._sizes

    def explained(self, level: int, unit: float) -> Floats:
        """The inverse of the noisy covariance times the scores minus what the prior mean predicts, as one row."""
        factor = self._factors[level]
        return (factor.residual(unit) @ factor.inverse)[None]

    def solve(self, level: int, residuals: Floats) -> Floats:
        """The inverse of the noisy covariance times residuals, one a row."""
        inverse = self._factors[level].inverse
        solved: Floats = (residuals @ inverse.T) @ inverse
        return solved


@dataclass
class _Factor:
    """The inverse Cholesky factor of the covariance at one level of noise, and what it makes of the scores.

    Args:
        noise: Variance of the noise of a text of size 1.
        room: The factor, with room for more texts.
        whitened: Texts x 2: the factor times changes of scores, and times what the prior mean predicts.
    """

    noise: float
    room: Floats
    whitened: Floats

    @property
    def inverse(self) -> Floats:
        texts = len(self.whitened)
        return self.room[:texts, :texts]

    def add(self, across: Floats, within: Floats, sizes: Floats, seen: Floats) -> None:
        old, new = len(self.whitened), len(seen)
        left = across @ self.inverse.T
        own = np.linalg.inv(np.linalg.cholesky(within + np.diag(self.noise * sizes) - left @ left.T))
        rows = np.concatenate([-own @ (left @ self.inverse), own], axis=1)
        self.room = _grown(self.room, (new, new))
        self.room[old:new, :new] = rows
        self.whitened = np.concatenate([self.whitened, rows @ seen])

    def residual(self, unit: float) -> Floats:
        left: Floats = self.whitened[:, 0] / unit - self.whitened[:, 1]
        return left

    def evidence(self, unit: float) -> float:
        """Log marginal likelihood of the scores, up to a constant."""
        logs = np.log(np.diag(self.inverse))
        return float(np.sum(logs) - np.sum(np.square(self.residual(unit))) / 2)


def _grown(array: Floats, shape: tuple[int, int]) -> Floats:
    """An array with room for a shape, at least twice as large as before where it must grow."""
    if all(have >= need for have, need in zip(array.shape, shape, strict=True)):
        return array
    rows, columns = (
        have if have >= need else max(need, 2 * have) for have, need in zip(array.shape, shape, strict=True)
    )
    room = np.zeros((rows, columns))
    room[: len(array), : array.shape[1]] = array
    return room
