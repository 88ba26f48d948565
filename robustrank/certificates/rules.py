"""Certificate rules: from draws of every document's score to bounds on a list. Proofs: docs/certificates.md."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from robustrank.certificates.distributions import (
    ScoreDistribution,
    high_quantile,
    low_quantile,
    quantile,
    shared_mean,
    shared_quantile,
)
from robustrank.certificates.evidence import ConfidenceSequence, Evidence, Statement, Statements
from robustrank.certificates.total_variation import Reach
from robustrank.core.errors import ContractError, PluginError
from robustrank.stats.anytime import betting, empirical_bernstein

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
        """Whether the lower bound is above the upper one by more than :data:`ROUNDING`."""
        return self.lower > self.upper + ROUNDING


Decide = Callable[[Evidence, int, float, Statements], Bounds]
"""From the evidence, K, a radius and the statements with their levels, to bounds."""


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One way to certify a list.

    Args:
        bounds: The bounds of one list at one K and radius.
        statements: The random statements on which all claims about the list depend, with the level of each. Under a
            joint rule the levels add up to at most alpha; ``bounds`` uses no other level.
        joint: Whether all its claims about one list, for every K and radius, hold together with probability
            1 - alpha.
        sampled: Whether it holds for the deployed ranker, with its draws fixed, and is then certain; otherwise it
            holds for the exact smoothed ranker, with probability 1 - alpha.
        of_quantile: Whether the smoothed score is a quantile; otherwise it is the mean.
    """

    bounds: Decide
    statements: Callable[[Evidence], Statements]
    joint: bool = True
    sampled: bool = False
    of_quantile: bool = False

    def smoothed(self, distribution: ScoreDistribution, p: float) -> float:
        """The smoothed score under this rule: the mean or the ``p``-quantile of a distribution."""
        return quantile(distribution.scores, p) if self.of_quantile else distribution.mean


def list_bounds(
    distributions: Sequence[ScoreDistribution],
    variations: Sequence[float],
    k: int,
    *,
    alpha: float,
    rule: str = "certdr-joint",
) -> Bounds:
    """The bounds of one list at one K and radius, see :attr:`Bounds.certified`.

    Args:
        distributions: Per document, in clean rank order (by mean).
        variations: Per document, in the same order, the total variation of attacks of the radius
            (:mod:`total_variation`).
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
    reaches = {1.0: [Reach(variation) for variation in variations]}
    return decide(Evidence(distributions, reaches, alpha, range(1, len(distributions))), k, 1.0, rule)


def decide(evidence: Evidence, k: int, radius: float, rule: str) -> Bounds:
    """The bounds of one list at one of the K and radii of its evidence.

    Raises:
        ContractError: A score outside [0, 1].
    """
    for each in evidence.distributions:
        least, most = each.scores.min(), each.scores.max()
        if not (least >= 0.0 and most <= 1.0):
            raise ContractError(f"certificates need scores in [0, 1], got {least:.4g} to {most:.4g}")
    if len(evidence.distributions) <= k:
        return Bounds(0.0, 1.0)
    chosen = RULES[rule]
    return chosen.bounds(evidence, k, radius, chosen.statements(evidence))


BAND_BELOW, BAND_ABOVE = "distribution is not below its lower band", "distribution is not above its upper band"
MEAN = "mean is within its interval"
LOW_QUANTILE, HIGH_QUANTILE = "quantile is not below its bound", "attacked quantile is not above its bound"
DIFFERENCE = "difference of two means is not below its bound"


def _bands(evidence: Evidence, share: float = 1.0) -> list[Statement]:
    """Both sides of every sampled document, because the samples choose the top K; a share of alpha for all of them."""
    n = evidence.sampled
    level = share * evidence.alpha / max(2 * n, 1)
    return [Statement(BAND_BELOW, level, n), Statement(BAND_ABOVE, level, n)]


def _one_pair(evidence: Evidence) -> Statements:
    """Two statements, about the pair at the border alone."""
    return Statements([Statement(BAND_BELOW, evidence.alpha / 2, 1), Statement(BAND_ABOVE, evidence.alpha / 2, 1)])


def _all_bands(evidence: Evidence) -> Statements:
    return Statements(_bands(evidence))


def _bands_and_means(evidence: Evidence) -> Statements:
    """Half of alpha for the bands, half for the intervals of the means."""
    n = evidence.sampled
    return Statements([*_bands(evidence, 0.5), Statement(MEAN, evidence.alpha / 2 / max(n, 1), n)])


def _bands_and_pairs(evidence: Evidence) -> Statements:
    """Half of alpha for the bands, half for the differences of pairs (theorem 6)."""
    level = evidence.alpha / 2 / evidence.pairs
    return Statements([*_bands(evidence, 0.5), Statement(DIFFERENCE, level, evidence.pairs)])


def _quantiles(evidence: Evidence) -> Statements:
    """Per sampled document one for the lower side, and one for each different total variation among the radii."""
    above = sum(
        len({row[place].variation for row in evidence.reaches.values()})
        for place, each in enumerate(evidence.distributions)
        if not each.exact
    )
    level = evidence.alpha / max(evidence.sampled + above, 1)
    return Statements([Statement(LOW_QUANTILE, level, evidence.sampled), Statement(HIGH_QUANTILE, level, above)])


def _nothing(evidence: Evidence) -> Statements:
    """None: the draws are the ranker's own, so nothing is random."""
    return Statements()


def _border(evidence: Evidence, k: int, radius: float, statements: Statements) -> Bounds:
    """R0 and R1: the pair at the border, and the worst total variation of any runner-up."""
    worst = max(reach.variation for reach in evidence.reaches[radius][k:])
    below, above = (max(evidence.half_widths(statements.level(side)), default=0.0) for side in (BAND_BELOW, BAND_ABOVE))
    means = [each.mean for each in evidence.distributions]
    return Bounds(min(means[:k]) - below, max(means[k:]) + worst + above)


def _joint(evidence: Evidence, k: int, radius: float, statements: Statements) -> Bounds:
    """R2: each runner-up with its own total variation."""
    below, above = (evidence.half_widths(statements.level(side)) for side in (BAND_BELOW, BAND_ABOVE))
    means = [each.mean for each in evidence.distributions]
    reached = zip(means[k:], evidence.reaches[radius][k:], above[k:], strict=True)
    return Bounds(
        min(mean - error for mean, error in zip(means[:k], below, strict=False)),
        max(mean + reach.variation + error for mean, reach, error in reached),
    )


def _cdf(evidence: Evidence, k: int, radius: float, statements: Statements) -> Bounds:
    """R3: the whole distribution of scores, within a DKW band; never worse than R2 from the same samples."""
    lower, upper = evidence.ends(k, radius, statements.level(BAND_BELOW), statements.level(BAND_ABOVE))
    return Bounds(float(lower.min()), float(upper.max()))


def _by_variance(
    sequence: ConfidenceSequence, evidence: Evidence, k: int, radius: float, statements: Statements
) -> Bounds:
    """An interval that is short where scores vary little, or R3, whichever is better, each at half of alpha."""
    lower, upper = evidence.ends(k, radius, statements.level(BAND_BELOW), statements.level(BAND_ABOVE))
    low, high = np.array(evidence.intervals(sequence, statements.level(MEAN))).T
    reached = high[k:] + evidence.rises(radius, statements.level(BAND_ABOVE))[k:]
    return Bounds(float(np.maximum(lower, low[:k]).min()), float(np.minimum(upper, reached).max()))


def _bernstein(evidence: Evidence, k: int, radius: float, statements: Statements) -> Bounds:
    """R4 with the predictable empirical Bernstein sequence."""
    return _by_variance(empirical_bernstein, evidence, k, radius, statements)


def _betting(evidence: Evidence, k: int, radius: float, statements: Statements) -> Bounds:
    """R4 with the hedged capital process."""
    return _by_variance(betting, evidence, k, radius, statements)


def _paired(evidence: Evidence, k: int, radius: float, statements: Statements) -> Bounds:
    """R6: for each pair, the difference of its two means by betting, or R3, whichever is better, at half of alpha."""
    lower, upper = evidence.ends(k, radius, statements.level(BAND_BELOW), statements.level(BAND_ABOVE))
    rises = evidence.rises(radius, statements.level(BAND_ABOVE))
    by_pairs = evidence.gaps(k, statements.level(DIFFERENCE)) - rises[None, k:]
    return Bounds(float(np.maximum(lower[:, None] - upper[None, :], by_pairs).min()), 0.0)


def _quantile(evidence: Evidence, k: int, radius: float, statements: Statements) -> Bounds:
    """R5: quantiles in place of means, by order statistics."""
    low, high = statements.level(LOW_QUANTILE), statements.level(HIGH_QUANTILE)
    reached = zip(evidence.distributions[k:], evidence.reaches[radius][k:], strict=True)
    return Bounds(
        min(low_quantile(each, evidence.p, low) for each in evidence.distributions[:k]),
        max(high_quantile(each, evidence.p, reach.variation, high) for each, reach in reached),
    )


def _shared(evidence: Evidence, k: int, radius: float, statements: Statements) -> Bounds:
    """R7: the draws of the deployed ranker, of which an attack can change only some."""
    reached = zip(evidence.distributions[k:], evidence.reaches[radius][k:], strict=True)
    upper = max(shared_mean(each, reach.words) for each, reach in reached)
    return Bounds(min(each.mean for each in evidence.distributions[:k]), upper)


def _shared_quantile(evidence: Evidence, k: int, radius: float, statements: Statements) -> Bounds:
    """R8: the same for a quantile."""
    reached = zip(evidence.distributions[k:], evidence.reaches[radius][k:], strict=True)
    upper = max(shared_quantile(each, evidence.p, reach.words) for each, reach in reached)
    return Bounds(min(quantile(each.scores, evidence.p) for each in evidence.distributions[:k]), upper)


RULES = {
    "certdr-2022": Rule(bounds=_border, statements=_one_pair, joint=False),
    "certdr-union": Rule(bounds=_border, statements=_all_bands),
    "certdr-joint": Rule(bounds=_joint, statements=_all_bands),
    "cdf": Rule(bounds=_cdf, statements=_all_bands),
    "bernstein": Rule(bounds=_bernstein, statements=_bands_and_means),
    "betting": Rule(bounds=_betting, statements=_bands_and_means),
    "paired": Rule(bounds=_paired, statements=_bands_and_pairs),
    "quantile": Rule(bounds=_quantile, statements=_quantiles, of_quantile=True),
    "shared-draws": Rule(bounds=_shared, statements=_nothing, sampled=True),
    "shared-quantile": Rule(bounds=_shared_quantile, statements=_nothing, sampled=True, of_quantile=True),
}
"""By name: what CertDR's code released (R0), its sound forms (R1, R2), and the others of docs/certificates.md."""
