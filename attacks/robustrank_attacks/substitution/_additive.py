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

from robustrank_attacks._linear_model import Floats
from robustrank_attacks.substitution._observed import Observed

SHARED, OWN = 0.25, 0.65
"""Prior variances of the effect of a position and of an edit, in units of a typical edit's variance: what the features
leave unexplained of single edits of targets of TREC DL 2021, rounded."""

NOISES = (0.001, 0.03, 0.1, 0.3, 1.0)
"""Variances of the noise an edit adds, in the same units; the scores select one (empirical Bayes)."""

AT_ONCE = 8
"""Draws made together: a round of Thompson sampling takes about as many."""

TRUST = {"surrogate": 0.2, "gained": 0.6, "lost": 2.0, "list": 0.1, "first order": 0.35}
"""Expected weights of the features: least squares over single edits of targets of TREC DL 2021, rounded.

The unit is the typical effect of an edit that leaves the words of the query alone. Those that take one away are four
times as large and hardly follow the gradient; in one regression with the others they hide that it tells something."""


class _Prior(NamedTuple):
    """Means and variances of the weights: of features, positions and edits."""

    mean: Floats
    spread: Floats


class _Evidence(NamedTuple):
    """The unit of scores, a typical edit's effect, and the level of noise that the scores selected."""

    unit: float
    level: int


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
        self._within = np.arange(len(places)) - self._starts[self._group]
        self._width = int(self._within.max(initial=0)) + 1
        self._features = {name: _unit(values) for name, values in features.items()}
        self._trust = trust or {}
        self._sizes = np.zeros(0, dtype=np.intp)
        self._chosen = np.zeros(0, dtype=np.intp)
        """The edits of all scored texts, one text after another."""
        self._changes: list[float] = []
        self._strays: list[Floats] = []
        """Deviations that were drawn and not used yet."""

    def set_feature(self, name: str, values: Floats) -> None:
        """Set or replace a feature."""
        self._features[name] = _unit(values)
        self._forget("_columns", "_prior", "_observed")

    def promising(self, count: int) -> list[int]:
        """The best edits by the prior, best first, every position's best before its second."""
        hoped = self._columns @ self._weights()
        place = np.empty(len(hoped))
        for start, end in zip(self._starts, [*self._starts[1:], len(hoped)], strict=True):
            place[start + np.argsort(-hoped[start:end], kind="stable")] = np.arange(end - start)
        return [int(edit) for edit in np.lexsort((-hoped, place))[:count]]

    def observe(self, edits: Sequence[int], change: float) -> None:
        """The score of the text with these edits (their numbers), minus that of the clean text."""
        self._chosen = np.append(self._chosen, np.array(edits, dtype=np.intp))
        self._sizes = np.append(self._sizes, len(edits))
        self._changes.append(change)
        self._forget()

    @property
    def observed(self) -> int:
        """Number of texts observed."""
        return len(self._changes)

    def draw(self, rng: np.random.Generator, warmth: float = 1.0) -> Floats:
        """Amounts of all edits, drawn from the posterior; at warmth 0, their means."""
        if warmth == 0:
            return self._means
        if not self._strays:
            self._strays = list(self._deviations(rng))
        return self._means + warmth * self._strays.pop()

    @cached_property
    def _means(self) -> Floats:
        """The posterior means of all amounts."""
        mean, spread = self._prior
        if not self._changes:
            return self._amounts(mean)
        unit, level = self._evidence
        return self._amounts(mean + spread * self._spread_over(self._observed.explained(level, unit))[0])

    def _deviations(self, rng: np.random.Generator) -> Floats:
        """Draws from the posterior minus its mean, one a row.

        A draw of the prior's deviation, corrected by what the scores would be under it, a draw of the noise added
        (Matheron's rule; Journel and Huijbregts 1978).
        """
        spread = self._prior.spread
        shifts = np.sqrt(spread) * rng.standard_normal((AT_ONCE, len(spread)))
        if self._changes:
            level = self._evidence.level
            noise = np.sqrt(self._observed.noise(level)) * rng.standard_normal((AT_ONCE, len(self._sizes)))
            shifts += spread * self._spread_over(self._observed.solve(level, noise - self._sums(shifts)))
        return self._amounts(shifts)

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
    def _observed(self) -> Observed:
        """The scored texts; features that change make other texts of them."""
        return Observed(self._prior.spread, NOISES)

    @cached_property
    def _evidence(self) -> _Evidence:
        """What draws have in common until the next score or feature."""
        held = len(self._observed)
        if held < len(self._sizes):
            rows, sizes = self._rows(held), self._sizes[held:].astype(np.float64)
            self._observed.add(rows, sizes, np.array(self._changes[held:]), rows @ self._prior.mean)
        unit = self._typical(self._sizes)
        return _Evidence(unit, self._observed.likeliest(unit))

    def _rows(self, since: int) -> Floats:
        """Scored texts x weights, from one of them on."""
        columns, groups = self._columns, len(self._starts)
        n_features = columns.shape[1]
        rows = np.zeros((len(self._sizes) - since, n_features + groups + len(self.edits)))
        first = int(self._sizes[:since].sum())
        sets = np.split(self._chosen[first:], np.cumsum(self._sizes[since:])[:-1])
        for row, chosen in zip(rows, sets, strict=True):
            row[:n_features] = columns[chosen].sum(axis=0)
            row[n_features + self._group[chosen]] = 1
            row[n_features + groups + chosen] = 1
        return rows

    def _amounts(self, weights: Floats) -> Floats:
        """What each edit adds, given the weights (in the last axis)."""
        columns, groups = self._columns, len(self._starts)
        own = columns.shape[1] + groups
        places = weights[..., columns.shape[1] : own]
        amounts: Floats = weights[..., : columns.shape[1]] @ columns.T + places[..., self._group] + weights[..., own:]
        return amounts

    def _sums(self, weights: Floats) -> Floats:
        """What the edits of each scored text add, for weights in rows."""
        starts = np.cumsum(self._sizes) - self._sizes
        sums: Floats = np.add.reduceat(self._amounts(weights)[:, self._chosen], starts, axis=1)
        return sums

    def _spread_over(self, values: Floats) -> Floats:
        """For values of the scored texts in rows: each times the text's row of weights, summed over the texts."""
        spread = []
        for row in values:
            own = np.bincount(self._chosen, np.repeat(row, self._sizes), minlength=len(self.edits))
            places = np.bincount(self._group, own, minlength=len(self._starts))
            spread.append(np.concatenate([own @ self._columns, places, own]))
        return np.stack(spread)

    def _forget(self, *pieces: str) -> None:
        self._strays = []
        for piece in ("_means", "_evidence", *pieces):
            self.__dict__.pop(piece, None)

    def best(self, amounts: Floats, limit: int) -> list[int]:
        """The set of at most so many edits with the largest sum: at most one a position, only positive amounts."""
        table = np.full((len(self._starts), self._width), -np.inf)
        table[self._group, self._within] = amounts
        tops = self._starts + np.argmax(table, axis=1)
        ranked = tops[np.argsort(-amounts[tops], kind="stable")]
        return sorted(ranked[amounts[ranked] > 0][:limit].tolist())

    def _weights(self) -> Floats:
        return np.array([self._trust.get(name, 1.0) for name in self._features])

    def _typical(self, sizes: NDArray[np.intp]) -> float:
        """The root mean square of an edit's amount, were the edits of a text independent."""
        return float(np.sqrt(np.mean(np.square(self._changes) / sizes))) or 1.0


def _unit(values: Floats) -> Floats:
    """Scaled to a root mean square of 1 over the values that are not 0."""
    nonzero = values[values != 0]
    return values / np.sqrt(np.mean(np.square(nonzero))) if len(nonzero) else values
