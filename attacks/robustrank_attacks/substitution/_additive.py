"""A Bayesian additive model of the effect of single edits on a score, and draws from its posterior.

Every edit (a substitute at a position) is taken to add its own amount to the score, whatever else is edited. The
amounts are unknown; each has a Gaussian prior made of features that need no request, of an effect shared by all edits
at the same position (losing the old word), and of one of its own. One scored text observes the sum over its edits, so a
text with ten edits informs about ten amounts at once, where a word-by-word search informs about one. The next texts are
drawn from the posterior (Thompson sampling with sets as arms), so every scored text is also a candidate for the result.

Deviations from additivity are treated as noise that grows with the number of edits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from robustrank_attacks._linear_model import Floats, conditioned, evidence, signal

SHARED, OWN = 0.25, 0.65
"""Prior variances of the effect of a position and of an edit, in units of a typical edit's variance: what the features
leave unexplained of single edits of targets of TREC DL 2021, rounded."""

NOISES = (0.001, 0.03, 0.1, 0.3, 1.0)
"""Variances of the noise an edit adds, in the same units; the scores select one (empirical Bayes)."""

TRUST = {"surrogate": 0.2, "gained": 0.6, "lost": 2.0, "list": 0.1, "first order": 0.35}
"""Expected weights of the features: least squares over single edits of targets of TREC DL 2021, rounded.

The unit is the typical effect of an edit that leaves the words of the query alone. Those that take one away are four
times as large and hardly follow the gradient; in one regression with the others they hide that it tells something."""


class _Prior(NamedTuple):
    """Means and variances of the weights: of features, positions and edits."""

    mean: Floats
    spread: Floats


class _Evidence(NamedTuple):
    """Texts x weights, their changes in units of a typical edit, and the covariance and noise of these."""

    rows: Floats
    seen: Floats
    covariance: Floats
    noise: Floats


class AdditiveModel:
    """Amounts of the edits of one document.

    Args:
        possible: Position to its substitutes.
        features: Name to one number per edit, in the order of ``possible``; higher should mean a higher score.
        trust: Name to a feature's expected weight, where it is not 1; its spread is as large.
    """

    def __init__(
        self,
        possible: Mapping[int, Sequence[str]],
        features: Mapping[str, Floats],
        trust: Mapping[str, float] | None = None,
    ) -> None:
        self.edits = [(position, word) for position, others in possible.items() for word in others]
        places = np.array([position for position, _ in self.edits])
        _, self._starts, self._group = np.unique(places, return_index=True, return_inverse=True)
        self._features = {name: _unit(values) for name, values in features.items()}
        self._trust = trust or {}
        self._sets: list[NDArray[np.intp]] = []
        self._changes: list[float] = []

    def set_feature(self, name: str, values: Floats) -> None:
        """Set or replace a feature."""
        self._features[name] = _unit(values)
        self._forget("_columns", "_prior", "_evidence")

    def promising(self, count: int) -> list[int]:
        """The best edits by the prior, best first, every position's best before its second."""
        hoped = self._columns @ self._weights()
        place = np.empty(len(hoped))
        for start, end in zip(self._starts, [*self._starts[1:], len(hoped)], strict=True):
            place[start + np.argsort(-hoped[start:end], kind="stable")] = np.arange(end - start)
        return [int(edit) for edit in np.lexsort((-hoped, place))[:count]]

    def observe(self, edits: Sequence[int], change: float) -> None:
        """The score of the text with these edits (their numbers), minus that of the clean text."""
        self._sets.append(np.array(edits, dtype=np.intp))
        self._changes.append(change)
        self._forget("_evidence")

    def draw(self, rng: np.random.Generator, warmth: float = 1.0) -> Floats:
        """Amounts of all edits, drawn from the posterior; at warmth 0, their means."""
        prior, columns = self._prior, self._columns
        n_features, groups = columns.shape[1], len(self._starts)
        weights = prior.mean + warmth * np.sqrt(prior.spread) * rng.standard_normal(len(prior.mean))
        if self._sets:
            at = self._evidence
            seen = at.seen + warmth * np.sqrt(at.noise) * rng.standard_normal(len(at.seen))
            weights = conditioned(weights, prior.spread, at.rows, at.noise, seen, at.covariance)
        amounts: Floats = columns @ weights[:n_features] + weights[n_features : n_features + groups][self._group]
        amounts += weights[n_features + groups :]
        return amounts

    @cached_property
    def _columns(self) -> Floats:
        """Edits x features."""
        return np.stack(list(self._features.values()), axis=1)

    @cached_property
    def _prior(self) -> _Prior:
        trust, edits, groups = self._weights(), len(self.edits), len(self._starts)
        spread = np.concatenate([np.square(trust), np.full(groups, SHARED), np.full(edits, OWN)])
        return _Prior(np.concatenate([trust, np.zeros(groups + edits)]), spread)

    @cached_property
    def _evidence(self) -> _Evidence:
        """What draws have in common until the next score or feature."""
        prior, columns = self._prior, self._columns
        n_features, groups = columns.shape[1], len(self._starts)
        rows = np.zeros((len(self._sets), len(prior.mean)))
        for row, chosen in zip(rows, self._sets, strict=True):
            row[:n_features] = columns[chosen].sum(axis=0)
            row[n_features + self._group[chosen]] = 1
            row[n_features + groups + chosen] = 1
        sizes = np.array([len(chosen) for chosen in self._sets])
        seen = np.array(self._changes) / self._typical(sizes)
        covariance, residual = signal(rows, prior.spread), seen - rows @ prior.mean
        noise = sizes * max(NOISES, key=lambda each: evidence(covariance, each * sizes, residual))
        return _Evidence(rows, seen, covariance, noise)

    def _forget(self, *pieces: str) -> None:
        for piece in pieces:
            self.__dict__.pop(piece, None)

    def best(self, amounts: Floats, limit: int) -> list[int]:
        """The set of at most so many edits with the largest sum: at most one a position, only positive amounts."""
        tops = [
            start + int(np.argmax(amounts[start:end]))
            for start, end in zip(self._starts, [*self._starts[1:], len(amounts)], strict=True)
        ]
        ranked = sorted((edit for edit in tops if amounts[edit] > 0), key=lambda edit: -amounts[edit])
        return sorted(int(edit) for edit in ranked[:limit])

    def _weights(self) -> Floats:
        return np.array([self._trust.get(name, 1.0) for name in self._features])

    def _typical(self, sizes: NDArray[np.intp]) -> float:
        """The root mean square of an edit's amount, were the edits of a text independent."""
        return float(np.sqrt(np.mean(np.square(self._changes) / sizes))) or 1.0


def _unit(values: Floats) -> Floats:
    """Scaled to a root mean square of 1 over the values that are not 0."""
    nonzero = values[values != 0]
    return values / np.sqrt(np.mean(np.square(nonzero))) if len(nonzero) else values
