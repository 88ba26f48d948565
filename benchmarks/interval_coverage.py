"""How often the intervals of robustrank.stats hold the truth, on populations whose mean is known.

Usage: ``python benchmarks/interval_coverage.py`` (about five minutes on one core); prints the tables of
docs/protocols.md. The nominal level is .95; 2,000 samples each, so a standard error is about .005.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from robustrank.stats.contrasts import change
from robustrank.stats.intervals import mean
from robustrank.stats.resampling import Floats

SAMPLES = 2000
SIZES = (5, 10, 20, 50)
PAIRS = ((12, 5), (40, 12), (30, 30))

Draw = Callable[[np.random.Generator, int], Floats]

POPULATIONS: dict[str, tuple[Draw, float]] = {
    "spread: beta(2, 3)": (lambda rng, n: rng.beta(2, 3, n), 0.4),
    "70 % zeros, else beta(5, 2)": (lambda rng, n: rng.beta(5, 2, n) * (rng.random(n) < 0.3), 0.3 * 5 / 7),
    "90 % ones, else beta(2, 2)": (lambda rng, n: np.where(rng.random(n) < 0.1, rng.beta(2, 2, n), 1.0), 0.95),
    "95 % in [.99, 1], else 0": (lambda rng, n: (rng.random(n) >= 0.05) * (1 - 0.01 * rng.random(n)), 0.95 * 0.995),
}


def covered_means(draw: Draw, truth: float, n: int) -> float:
    """Share of the samples of n queries whose interval holds the mean."""
    rng = np.random.default_rng(n)
    found = (mean(draw(rng, n).tolist(), bounds=(0, 1)) for _ in range(SAMPLES))
    return sum(each.low <= truth <= each.high for each in found) / SAMPLES


def covered_changes(home: int, away: int) -> tuple[float, float]:
    """The same of the change from beta(3, 2) to beta(2, 3): of the difference and of the ratio."""
    rng = np.random.default_rng(home)
    held = np.zeros(2)
    for _ in range(SAMPLES):
        found = change(rng.beta(3, 2, home).tolist(), rng.beta(2, 3, away).tolist(), bounds=(0, 1))
        for place, (each, truth) in enumerate(((found.difference, -0.2), (found.relative, -1 / 3))):
            held[place] += each is not None and each.estimate.low <= truth <= each.estimate.high
    difference, ratio = held / SAMPLES
    return float(difference), float(ratio)


def main() -> None:
    print(f"| values of a query | {' | '.join(f'n = {n}' for n in SIZES)} |")
    print(f"|---|{'---|' * len(SIZES)}")
    for name, (draw, truth) in POPULATIONS.items():
        print(f"| {name} | {' | '.join(f'{covered_means(draw, truth, n):.3f}' for n in SIZES)} |")
    print("\n| queries at home, away | difference of means | relative change |\n|---|---|---|")
    for home, away in PAIRS:
        difference, ratio = covered_changes(home, away)
        print(f"| {home}, {away} | {difference:.3f} | {ratio:.3f} |")


if __name__ == "__main__":
    main()
