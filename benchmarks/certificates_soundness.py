"""Do bounds, rules and intervals hold? ``python benchmarks/certificates_soundness.py [CASES] [REPETITIONS]``.

Three trials on small or made-up worlds whose truth is known, minutes on one core:

* every bound that ``robustrank audit-certificate`` knows, on CASES random spaces, or until its first counter-example.
  Six bounds of the catalogue are false, and are there to be found so: ``alpha-beta``, ``averaged-beta`` and
  ``unequal-sets`` of smoothing, ``erase-narrow``, ``windows-apart`` and ``windows-highest`` of inserted blocks;
* every rule about the exact ranker on CASES random spaces, in each of which the strongest attack is enumerated;
* every interval the rules rest on, at 95 %, REPETITIONS times on each of five distributions of scores, two sizes:
  how often the truth lies outside.

Writes ``reports/certificates/soundness.json``; ``certificates_report.py`` tells it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from robustrank.certificates import Floats, ScoreDistribution, half_width, lowered_mean, raised_mean
from robustrank.certificates.auditor.rule_audit import broken
from robustrank.certificates.auditor.run import claim, names
from robustrank.certificates.auditor.search import audit
from robustrank.certificates.distributions import high_quantile, low_quantile
from robustrank.stats.anytime import betting, empirical_bernstein, lower_bets

OUT = Path(__file__).resolve().parents[1] / "reports" / "certificates" / "soundness.json"
SEED, ALPHA, COUNTS = 17, 0.05, (20, 200)
DELTA = 0.2
"""Shift of the intervals about an attacked distribution."""


class World(NamedTuple):
    """A distribution of scores: how to draw from it, its mean, and its quantile function."""

    draw: Callable[[np.random.Generator, tuple[int, ...]], Floats]
    mean: float
    quantile: Callable[[float], float]


def worlds() -> dict[str, World]:
    """Coin flips, rare hits, spread, skewed and nearly constant scores."""
    from scipy.stats import beta

    found = {
        f"coin {p:g}": World(
            lambda rng, shape, p=p: (rng.random(shape) < p).astype(np.float64), p, lambda u, p=p: float(u > 1 - p)
        )
        for p in (0.5, 0.05)
    }
    for name, (a, b) in {"uniform": (1, 1), "beta(2, 5)": (2, 5), "beta(400, 600)": (400, 600)}.items():
        distribution = beta(a, b)
        found[name] = World(
            lambda rng, shape, a=a, b=b: rng.beta(a, b, shape), distribution.mean(), lambda u, x=distribution: x.ppf(u)
        )
    return found


def means_missed(values: Floats, world: World) -> dict[str, int]:
    """Repetitions whose interval of the mean, with all of alpha on two sides, lacks it."""
    n, truth = values.shape[-1], world.mean
    error = half_width(ALPHA / 2, n)
    bets, bernstein = (make(values, alpha=ALPHA, at=[n]) for make in (betting, empirical_bernstein))
    ends = {
        "Hoeffding": (values.mean(axis=1) - error, values.mean(axis=1) + error),
        "DKW, whole distribution": tuple(
            np.array([of(row, error) for row in values]) for of in (lowered_mean, raised_mean)
        ),
        "betting": (bets[0][:, 0], bets[1][:, 0]),
        "empirical Bernstein": (bernstein[0][:, 0], bernstein[1][:, 0]),
    }
    return {name: int(((low > truth + 1e-12) | (high < truth - 1e-12)).sum()) for name, (low, high) in ends.items()}


def others_missed(values: Floats, others: Floats, world: World) -> dict[str, int]:
    """The same of quantiles, clean and attacked, and of the one-sided bound on a difference from another's values."""
    n, distributions = values.shape[-1], [ScoreDistribution(row) for row in values]
    low = [low_quantile(distribution, 0.5, ALPHA / 2) for distribution in distributions]
    high = [high_quantile(distribution, 0.5, 0.0, ALPHA / 2) for distribution in distributions]
    attacked = [high_quantile(distribution, 0.5, DELTA, ALPHA) for distribution in distributions]
    middle, lifted = world.quantile(0.5), world.quantile(0.5 + DELTA)
    least = lower_bets(values - others, alpha=ALPHA, bounds=(-1, 1), at=[n], horizon=n)[:, 0]
    return {
        "order statistics": sum(not bool(a - 1e-12 <= middle <= b + 1e-12) for a, b in zip(low, high, strict=True)),
        "order statistics, attacked": sum(bool(each < lifted - 1e-12) for each in attacked),
        "bets on pairs": int((least > 1e-12).sum()),
    }


def coverage(repetitions: int) -> list[dict[str, object]]:
    """Per interval, distribution and sample size, how often the truth lies outside."""
    rows = []
    for name, world in worlds().items():
        for n in COUNTS:
            values, others = world.draw(np.random.default_rng([SEED, n, len(rows)]), (2, repetitions, n))
            for interval, missed in {**means_missed(values, world), **others_missed(values, others, world)}.items():
                rows.append({"interval": interval, "law": name, "n": n, "missed": missed})
    return rows


def main() -> None:
    cases, repetitions = (int(given) for given in (*sys.argv[1:3], "10000", "2000")[:2])
    bounds = {}
    for name in names():
        found = audit(claim(name), cases=cases, seed=SEED)
        seen = found.example and {**found.example._asdict(), "space": " ".join(found.example.space.document)}
        bounds[name] = {"tried": found.tried, "counter-example": seen}
        print(name, found.tried, seen, flush=True)
    told = {
        "cases": cases,
        "bounds": bounds,
        "rules": broken(cases, seed=SEED),
        "repetitions": repetitions,
        "alpha": ALPHA,
        "coverage": coverage(repetitions),
    }
    OUT.write_text(json.dumps(told, indent=1) + "\n")


if __name__ == "__main__":
    main()
