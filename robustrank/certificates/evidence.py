"""The evidence for all claims about one list: scores of every document, and bounds computed from them at a level."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple, TypeVar

import numpy as np

from robustrank.certificates.distributions import Floats, ScoreDistribution, half_width, rise
from robustrank.certificates.total_variation import Reach
from robustrank.stats.anytime import lower_bets

T = TypeVar("T")

ConfidenceSequence = Callable[..., tuple[Floats, Floats]]
"""A function of :mod:`robustrank.stats.anytime` from values to lower and upper bounds on their mean."""


class Statement(NamedTuple):
    """One kind of random statement on which the claims about a list depend.

    Args:
        what: The statement.
        level: Largest probability that one such statement fails.
        number: Number of such statements.
    """

    what: str
    level: float
    number: int


class Statements(tuple[Statement, ...]):
    """All statements that a rule makes about one list. Its bounds are computed at these levels."""

    __slots__ = ()

    def level(self, what: str) -> float:
        """The level of one kind of statement; 1 where there is nothing to state.

        Raises:
            KeyError: The rule does not make that kind of statement.
        """
        return {each.what: each.level if each.number else 1.0 for each in self}[what]

    @property
    def spent(self) -> float:
        """Upper bound on the probability that any statement fails (union bound)."""
        return sum(each.level * each.number for each in self)


@dataclass(frozen=True)
class Evidence:
    """Scores and attacks behind all claims about one list; bounds that several claims share are computed once.

    Args:
        distributions: Per document, in clean rank order. Draws of one place of two distributions may depend on each
            other.
        reaches: Radius to one reach per document; all radii of the claims about the list.
        alpha: Allowed probability that any claim about the list is false.
        ks: All K of these claims.
        p: Which quantile the smoothed score is, for rules about quantiles.
    """

    distributions: Sequence[ScoreDistribution]
    reaches: Mapping[float, Sequence[Reach]]
    alpha: float
    ks: Sequence[int]
    p: float = 0.5
    _cache: dict[Hashable, object] = field(default_factory=dict, repr=False, compare=False)

    @cached_property
    def sampled(self) -> int:
        """Number of documents whose distribution is sampled."""
        return sum(not each.exact for each in self.distributions)

    @cached_property
    def pairs(self) -> int:
        """Number of statements about differences of two documents (theorem 6)."""
        return pair_statements(len(self.distributions), self.ks)

    def half_widths(self, level: float) -> list[float]:
        """Per document the half-width of a one-sided band of its distribution, or bound on its mean, at a level."""
        return [0.0 if each.exact else half_width(level, len(each.scores)) for each in self.distributions]

    def ends(self, k: int, radius: float, below: float, above: float) -> tuple[Floats, Floats]:
        """Lower bounds on the top K's means and upper bounds on the attacked runner-ups'.

        Args:
            k: Size of the top.
            radius: Of the attack.
            below: Level of the lower bands.
            above: Level of the upper bands.
        """
        errors, more = self.half_widths(below), self.half_widths(above)
        rest = zip(self.distributions[k:], self.reaches[radius][k:], more[k:], strict=True)
        return (
            np.array([each.lowered_mean(error) for each, error in zip(self.distributions[:k], errors, strict=False)]),
            np.array([each.raised_mean(reach.variation + error) for each, reach, error in rest]),
        )

    def rises(self, radius: float, level: float) -> Floats:
        """How far each document's mean can rise at a radius, by the upper bands at a level."""

        def compute() -> Floats:
            rows = zip(self.distributions, self.reaches[radius], self.half_widths(level), strict=True)
            return np.array([rise(each, reach.variation, error) for each, reach, error in rows])

        return self._once(("rises", radius, level), compute)

    def intervals(self, sequence: ConfidenceSequence, level: float) -> list[tuple[float, float]]:
        """Per document an interval of its mean.

        Args:
            sequence: A confidence sequence of :mod:`robustrank.stats.anytime`.
            level: Of both ends together.
        """

        def compute() -> list[tuple[float, float]]:
            rows = [each.scores for each in self.distributions if not each.exact]
            if not rows:
                return [(each.mean, each.mean) for each in self.distributions]
            low, high = sequence(np.stack(rows), alpha=level, at=[len(rows[0])])
            ends = iter(zip(low[:, 0].tolist(), high[:, 0].tolist(), strict=True))
            return [(each.mean, each.mean) if each.exact else next(ends) for each in self.distributions]

        return self._once(("intervals", sequence, level), compute)

    def gaps(self, k: int, level: float) -> Floats:
        """Top K x runner-ups: lower bounds on the differences of their means, each at a level."""
        every = [(a, b) for a in range(k) for b in range(k, len(self.distributions))]
        fresh = [pair for pair in every if ("gap", *pair, level) not in self._cache]
        sampled = [(a, b) for a, b in fresh if not (self.distributions[a].exact and self.distributions[b].exact)]
        for a, b in set(fresh) - set(sampled):
            self._cache["gap", a, b, level] = self.distributions[a].mean - self.distributions[b].mean
        if sampled:
            values = np.stack(
                [
                    np.subtract(self.distributions[a].draws_or_mean, self.distributions[b].draws_or_mean)
                    for a, b in sampled
                ]
            )
            n = values.shape[-1]
            bounds = lower_bets(values, alpha=level, bounds=(-1, 1), at=[n], horizon=n)[:, 0]
            self._cache.update({("gap", *pair, level): bound for pair, bound in zip(sampled, bounds, strict=True)})
        bounds_of_pairs = np.array([self._cache["gap", a, b, level] for a, b in every], dtype=np.float64)
        return bounds_of_pairs.reshape(k, -1)

    def _once(self, key: Hashable, compute: Callable[[], T]) -> T:
        if key not in self._cache:
            self._cache[key] = compute()
        return self._cache[key]  # type: ignore[return-value]


def pair_statements(documents: int, ks: Sequence[int]) -> int:
    """The number M of theorem 6: statements about differences, one of which fails where a claim about pairs is false.

    Args:
        documents: In the list.
        ks: All K of the claims.
    """
    each = sum(2 * documents - k - 1 for k in set(ks) if k < documents)
    return max(1, min(documents * (documents - 1), each))
