"""Top-K certificates of smoothed rankers: from samples of scores to a claim about every attack in a set.

The mathematics only, on numpy arrays; theorems, assumptions and proofs are in docs/certificates.md. All scores lie in
[0, 1]. A document's *variation* is the largest total variation between the distribution of its perturbed texts and
that of any attacked version of it; it bounds how far an attack can raise the document's smoothed score.
"""

from robustrank.certificates.distributions import (
    Bits,
    Floats,
    ScoreDistribution,
    half_width,
    lowered_mean,
    quantile,
    raised_mean,
    shared_mean,
    shared_quantile,
)
from robustrank.certificates.evidence import Evidence, Statement, Statements
from robustrank.certificates.rules import ROUNDING, RULES, Bounds, Rule, decide, list_bounds
from robustrank.certificates.total_variation import (
    Reach,
    allowed,
    overlap,
    total_variation,
    total_variation_of_deletions,
    total_variation_of_masks,
    total_variation_with_costs,
)

__all__ = [
    "ROUNDING",
    "RULES",
    "Bits",
    "Bounds",
    "Evidence",
    "Floats",
    "Reach",
    "Rule",
    "ScoreDistribution",
    "Statement",
    "Statements",
    "allowed",
    "decide",
    "half_width",
    "list_bounds",
    "lowered_mean",
    "overlap",
    "quantile",
    "raised_mean",
    "shared_mean",
    "shared_quantile",
    "total_variation",
    "total_variation_of_deletions",
    "total_variation_of_masks",
    "total_variation_with_costs",
]
