"""The auditor's trial of whole rules: does one certify a lead that an attack takes away?"""

from __future__ import annotations

from random import Random

import numpy as np

from robustrank.certificates.auditor.claims import equally_likely, space_variation
from robustrank.certificates.auditor.search import draw
from robustrank.certificates.auditor.spaces import Kind
from robustrank.certificates.distributions import ScoreDistribution, quantile
from robustrank.certificates.evidence import Evidence
from robustrank.certificates.rules import RULES, decide
from robustrank.certificates.total_variation import Reach

KINDS: tuple[Kind, ...] = ("substitution", "masking", "deletion")
LARGEST = {"substitution": 3, "masking": 2, "deletion": 2}
"""Size of a space, so that all its attacks can be enumerated many times."""


def broken(cases: int, *, seed: int) -> dict[str, int]:
    """Per rule about the exact ranker, the random spaces in which it certifies what an attack disproves.

    In each space the strongest of all attacks on a document is found by enumeration. A rival who stands at just that
    score is put above the document; with the document's whole distribution given, no rule may certify its place.

    Args:
        cases: Spaces; distributions take turns.
        seed: Of the spaces.
    """
    rng = Random(seed)
    failures = {name: 0 for name, rule in RULES.items() if not rule.sampled}
    for case in range(cases):
        kind = KINDS[case % len(KINDS)]
        space = draw(kind, rng, size=rng.randint(1, LARGEST[kind]))
        distribution = ScoreDistribution(equally_likely(space), exact=True)
        after = [equally_likely(space, attacked) for attacked in space.attacks()]
        worst = {False: max(float(row.mean()) for row in after), True: max(quantile(row, 0.5) for row in after)}
        reaches = {1.0: [Reach(0.0), Reach(max(space_variation(space), 0.0), space.radius)]}
        for name in failures:
            rival = ScoreDistribution(np.array([min(worst[RULES[name].of_quantile], 1.0)]), exact=True)
            failures[name] += bool(decide(Evidence([rival, distribution], reaches, 0.05, (1,)), 1, 1.0, name).certified)
    return failures
