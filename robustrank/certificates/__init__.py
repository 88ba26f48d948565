"""Top-K certificates of smoothed rankers: from samples of scores to a claim about every attack of a set.

The mathematics only, on numpy arrays; theorems, assumptions and proofs are in docs/certificates.md. All scores lie in
[0, 1]. A document's *shift* is the largest total variation distance between the law of its rewordings and that of any
attacked version of it; within that distance its smoothed score can only rise so far.
"""

from robustrank.certificates.distributions import (
    Bits,
    Floats,
    ScoreLaw,
    deviation,
    lowered_mean,
    quantile,
    raised_mean,
    shared_mean,
    shared_quantile,
)
from robustrank.certificates.rules import ROUNDING, RULES, Bounds, Evidence, Rule, decide, list_bounds
from robustrank.certificates.total_variation import (
    Reach,
    allowed,
    deletion_shift,
    knapsack_shift,
    masking_shift,
    overlap,
    shift,
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
    "ScoreLaw",
    "allowed",
    "decide",
    "deletion_shift",
    "deviation",
    "knapsack_shift",
    "list_bounds",
    "lowered_mean",
    "masking_shift",
    "overlap",
    "quantile",
    "raised_mean",
    "shared_mean",
    "shared_quantile",
    "shift",
]
