"""The rules: ways to test one list, from draws of every document's score to bounds. Proofs: docs/certificates.md."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np

from robustrank.certificates.distributions import (
    Floats,
    ScoreLaw,
    deviation,
    lowered_mean,
    quantile,
    quantile_bounds,
    raised_mean,
    rise,
    shared_mean,
    shared_quantile,
)
from robustrank.certificates.total_variation import Reach
from robustrank.core.errors import ContractError, PluginError
from robustrank.stats.anytime import betting, empirical_bernstein, lower_bets

ROUNDING = 1e-5
"""Bounds closer than this count as equal, so that no claim rests on the float noise of sums and batches."""


class Bounds(NamedTuple):
    """A lower bound on the top K's smoothed scores and an upper bound on the attacked runner-ups'.

    Of a rule on pairs: a lower bound on the difference of a top document and an attacked runner-up, and 0.
    """

    lower: float
    upper: float

    @property
    def certified(self) -> bool:
        """Whether the two are apart."""
        return self.lower > self.upper + ROUNDING


@dataclass(frozen=True)
class Evidence:
    """All that the claims about one list rest on; what several of them need is computed once.

    Args:
        laws: Per document, in clean rank order. Draws of one place of two laws may depend on each other.
        reaches: Radius to one reach per document; all the radii ever asked of this list.
        alpha: Allowed probability that any claim about the list is false.
        ks: All the K ever asked of it.
        p: The quantile that is the smoothed score, where a rule is about one.
    """

    laws: Sequence[ScoreLaw]
    reaches: Mapping[float, Sequence[Reach]]
    alpha: float
    ks: Sequence[int]
    p: float = 0.5
    _gaps: dict[tuple[int, int], Floats] = field(default_factory=dict, repr=False, compare=False)

    @cached_property
    def sampled(self) -> int:
        """Documents whose law is not known exactly."""
        return sum(not law.exact for law in self.laws)

    def errors(self, alpha: float) -> list[float]:
        """Per document the half-width that joins them all: two-sided, because the samples choose the top K."""
        return [0.0 if law.exact else deviation(alpha, 2 * self.sampled, len(law.scores)) for law in self.laws]

    @cached_property
    def pairs(self) -> int:
        """Statements about differences of two documents of which one fails where a claim about pairs is false."""
        n = len(self.laws)
        return max(1, min(n * (n - 1), sum(2 * n - k - 1 for k in set(self.ks) if k < n)))

    def gaps(self, k: int) -> Floats:
        """Top K x runner-ups: lower bounds on the differences of their means; half of alpha is theirs."""
        for a in range(k):
            fresh = [b for b in range(k, len(self.laws)) if (a, b) not in self._gaps]
            rows = [b for b in fresh if not (self.laws[a].exact and self.laws[b].exact)]
            for b in set(fresh) - set(rows):
                self._gaps[a, b] = np.array(self.laws[a].mean - self.laws[b].mean)
            if rows:
                values = np.stack([_difference(self.laws[a], self.laws[b]) for b in rows])
                n, level = values.shape[-1], self.alpha / (2 * self.pairs)
                found = lower_bets(values, alpha=level, bounds=(-1, 1), at=[n], horizon=n)[:, 0]
                self._gaps.update({(a, b): bound for b, bound in zip(rows, found, strict=True)})
        return np.array([[self._gaps[a, b] for b in range(k, len(self.laws))] for a in range(k)])

    @cached_property
    def rises(self) -> Mapping[float, Floats]:
        """Radius to how far each document can rise; half of alpha is for the law's band."""
        errors = self.errors(self.alpha / 2)
        return {
            radius: np.array(
                [rise(law, reach.shift, error) for law, reach, error in zip(self.laws, row, errors, strict=True)]
            )
            for radius, row in self.reaches.items()
        }

    def intervals(self, sequence: Callable[..., tuple[Floats, Floats]]) -> list[tuple[float, float]]:
        """Per document an interval of its mean, at half of alpha."""
        rows = [law.scores for law in self.laws if not law.exact]
        if not rows:
            return [(law.mean, law.mean) for law in self.laws]
        low, high = sequence(np.stack(rows), alpha=self.alpha / (2 * self.sampled), at=[len(rows[0])])
        ends = iter(zip(low[:, 0].tolist(), high[:, 0].tolist(), strict=True))
        return [(law.mean, law.mean) if law.exact else next(ends) for law in self.laws]

    @cached_property
    def by_betting(self) -> list[tuple[float, float]]:
        """Intervals of the means by betting."""
        return self.intervals(betting)

    @cached_property
    def by_bernstein(self) -> list[tuple[float, float]]:
        """Intervals of the means by the empirical Bernstein sequence."""
        return self.intervals(empirical_bernstein)


def _difference(a: ScoreLaw, b: ScoreLaw) -> Floats:
    """Draws of the difference of two documents' scores; of one known exactly its mean."""
    found: Floats = np.subtract(a.mean if a.exact else a.scores, b.mean if b.exact else b.scores)
    return found


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One way to test a list.

    Args:
        bounds: From the evidence, K and a radius, to bounds.
        joint: Whether all its claims about one list, for every K and radius, hold together with probability
            1 - alpha.
        sampled: Whether it speaks of the ranker that is deployed, with its draws fixed, and is then certain;
            otherwise of the exact smoothed ranker, with probability 1 - alpha.
        of_quantile: Whether the smoothed score is a quantile; otherwise it is the mean.
    """

    bounds: Callable[[Evidence, int, float], Bounds]
    joint: bool = True
    sampled: bool = False
    of_quantile: bool = False

    def smoothed(self, law: ScoreLaw, p: float) -> float:
        """The score of the ranker that the rule is about, from a law."""
        return quantile(law.scores, p) if self.of_quantile else law.mean


def list_bounds(
    laws: Sequence[ScoreLaw], shifts: Sequence[float], k: int, *, alpha: float, rule: str = "certdr-joint"
) -> Bounds:
    """The bounds of one list at one K and radius; the list is certified where they are apart.

    Args:
        laws: Per document, in clean rank order (by mean).
        shifts: Per document, in the same order (:func:`shift` at the radius).
        k: Size of the top; where no document stands below it nothing is claimed.
        alpha: Allowed probability of a false claim about this list, at any K and, but for rules about a quantile, any
            radius.
        rule: A name of :data:`RULES`.

    Raises:
        PluginError: No such rule.
        ContractError: A score outside [0, 1].
    """
    if rule not in RULES:
        raise PluginError(f"no certificate rule named {rule!r} (have: {', '.join(RULES)})")
    reaches = {1.0: [Reach(shift) for shift in shifts]}
    return decide(Evidence(laws, reaches, alpha, range(1, len(laws))), k, 1.0, rule)


def decide(evidence: Evidence, k: int, radius: float, rule: str) -> Bounds:
    """The bounds of one list at one of the K and radii of its evidence.

    Raises:
        ContractError: A score outside [0, 1].
    """
    for law in evidence.laws:
        if not (law.scores.min() >= 0.0 and law.scores.max() <= 1.0):
            raise ContractError(
                f"certificates need scores in [0, 1], got {law.scores.min():.4g} to {law.scores.max():.4g}"
            )
    if len(evidence.laws) <= k:
        return Bounds(0.0, 1.0)
    return RULES[rule].bounds(evidence, k, radius)


def _released(evidence: Evidence, k: int, radius: float) -> Bounds:
    """R0: the pair at the border, the worst shift of any runner-up, and a level for that pair alone."""
    return _border(evidence, k, radius, statements=2)


def _union(evidence: Evidence, k: int, radius: float) -> Bounds:
    """R1: the same at a level for all documents."""
    return _border(evidence, k, radius, statements=2 * evidence.sampled)


def _border(evidence: Evidence, k: int, radius: float, statements: int) -> Bounds:
    laws, worst = evidence.laws, max(reach.shift for reach in evidence.reaches[radius][k:])
    sizes = [len(law.scores) for law in laws if not law.exact]
    error = max((deviation(evidence.alpha, statements, n) for n in sizes), default=0.0)
    return Bounds(min(law.mean for law in laws[:k]) - error, max(law.mean for law in laws[k:]) + worst + error)


def _joint(evidence: Evidence, k: int, radius: float) -> Bounds:
    """R2: each runner-up with its own shift."""
    errors = evidence.errors(evidence.alpha)
    rows = list(zip(evidence.laws, evidence.reaches[radius], errors, strict=True))
    return Bounds(
        min(law.mean - error for law, _, error in rows[:k]),
        max(law.mean + reach.shift + error for law, reach, error in rows[k:]),
    )


def _law_ends(evidence: Evidence, k: int, radius: float, alpha: float) -> tuple[Floats, Floats]:
    rows = list(zip(evidence.laws, evidence.reaches[radius], evidence.errors(alpha), strict=True))
    lower = np.array([lowered_mean(law.scores, error) for law, _, error in rows[:k]])
    return lower, np.array([raised_mean(law.scores, reach.shift + error) for law, reach, error in rows[k:]])


def _cdf(evidence: Evidence, k: int, radius: float) -> Bounds:
    """R3: the whole score law, within a DKW band; never worse than R2 from the same samples."""
    lower, upper = _law_ends(evidence, k, radius, evidence.alpha)
    return Bounds(float(lower.min()), float(upper.max()))


def _by_variance(evidence: Evidence, k: int, radius: float, means: Sequence[tuple[float, float]]) -> Bounds:
    """R4: an interval that is short where scores vary little, or R3, whichever is better, each at half of alpha."""
    lower, upper = _law_ends(evidence, k, radius, evidence.alpha / 2)
    low, high = np.array(means)[:, 0], np.array(means)[:, 1]
    reached = high[k:] + evidence.rises[radius][k:]
    return Bounds(float(np.maximum(lower, low[:k]).min()), float(np.minimum(upper, reached).max()))


def _paired(evidence: Evidence, k: int, radius: float) -> Bounds:
    """R6: for each pair, the difference of its two means by betting, or R3, whichever is better, at half of alpha."""
    lower, upper = _law_ends(evidence, k, radius, evidence.alpha / 2)
    by_pairs = evidence.gaps(k) - evidence.rises[radius][None, k:]
    return Bounds(float(np.maximum(lower[:, None] - upper[None, :], by_pairs).min()), 0.0)


def _quantile(evidence: Evidence, k: int, radius: float) -> Bounds:
    """R5: quantiles in place of means, by order statistics."""
    statements = 0
    for i, law in enumerate(evidence.laws):
        shifts = {row[i].shift for row in evidence.reaches.values()}
        statements += 0 if law.exact else 1 + len(shifts)
    level = evidence.alpha / max(statements, 1)
    rows = list(zip(evidence.laws, evidence.reaches[radius], strict=True))
    ends = [quantile_bounds(law, evidence.p, reach.shift, level) for law, reach in rows]
    return Bounds(min(low for low, _ in ends[:k]), max(high for _, high in ends[k:]))


def _shared(evidence: Evidence, k: int, radius: float) -> Bounds:
    """R7: the very draws that the deployed ranker makes, of which an attack can touch only some."""
    rows = list(zip(evidence.laws, evidence.reaches[radius], strict=True))
    upper = max(shared_mean(law, reach.words) for law, reach in rows[k:])
    return Bounds(min(law.mean for law in evidence.laws[:k]), upper)


def _shared_quantile(evidence: Evidence, k: int, radius: float) -> Bounds:
    """R8: the same for a quantile."""
    rows = list(zip(evidence.laws, evidence.reaches[radius], strict=True))
    upper = max(shared_quantile(law, evidence.p, reach.words) for law, reach in rows[k:])
    return Bounds(min(quantile(law.scores, evidence.p) for law in evidence.laws[:k]), upper)


RULES = {
    "certdr-2022": Rule(bounds=_released, joint=False),
    "certdr-union": Rule(bounds=_union),
    "certdr-joint": Rule(bounds=_joint),
    "cdf": Rule(bounds=_cdf),
    "bernstein": Rule(bounds=lambda e, k, radius: _by_variance(e, k, radius, e.by_bernstein)),
    "betting": Rule(bounds=lambda e, k, radius: _by_variance(e, k, radius, e.by_betting)),
    "paired": Rule(bounds=_paired),
    "quantile": Rule(bounds=_quantile, of_quantile=True),
    "shared-draws": Rule(bounds=_shared, sampled=True),
    "shared-quantile": Rule(bounds=_shared_quantile, sampled=True, of_quantile=True),
}
"""By name: what CertDR's code released (R0), its sound forms (R1, R2), and the others of docs/certificates.md."""
