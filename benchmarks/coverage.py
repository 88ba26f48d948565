"""How often the intervals of robustrank.stats miss the truth, on either side, and how wide they are.

Usage: ``python benchmarks/coverage.py OUT`` (about twenty minutes on two cores); writes OUT/coverage.csv, a line
a cell, and the table of OUT/README.md. The populations are those of populations.py. A gate on a limit that the truth
just breaks passes falsely as often as the interval misses on that side, so the larger of the two sides is what gates
and ``worse_by`` err.

Samples are taken side by side; a few of every cell are compared with what robustrank.stats says of them.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from math import sqrt
from pathlib import Path

import numpy as np
from populations import Cell, cells
from study_page import put

from robustrank.stats import anytime, intervals, planning
from robustrank.stats.contrasts import contrast
from robustrank.stats.resampling import CHUNK, CONFIDENCE, DRAWS, TAIL, Floats, exponentials, missed_share

SIZES = (5, 10, 20, 30, 50, 100, 200, 300)
SAMPLES = 1000
MORE = 6000
"""Samples of a cell that misses about as often as it may."""
BATCH = 100
"""Samples under the same weights."""
SIMULATED = 1000
"""Sets of weights of a batch; each batch has others, so that their chance averages out."""
COMPARED = 2
"""Samples of a cell that robustrank.stats is asked about."""

FEWEST = {"coefficient of variation": 30}
"""Of fewer queries an audit gives no such figure."""

COLUMNS = ("statistic", "population", "n", "truth", "samples", "below", "above", "width")


class Batch:
    """Samples of one cell under the same weights."""

    def __init__(self, cell: Cell, n: int, rng: np.random.Generator, samples: int, seed: int, draws: int) -> None:
        self.cell = cell
        sizes = [n * times for times in cell.sizes]
        self.rows = [
            group[rng.integers(0, len(group), (samples, size))] for group, size in zip(cell.groups, sizes, strict=True)
        ]
        self.weights = [_weights(seed, place, size, draws) for place, size in enumerate(sizes)]
        self.sums = [
            [np.tensordot(rows[..., c], weights[1:], axes=(1, 0)) for c in range(rows.shape[2])]
            for rows, weights in zip(self.rows, self.weights, strict=True)
        ]

    def ends(self) -> tuple[Floats, Floats]:
        """Resamples for the lower and for the upper ends, (samples, draws), as robustrank.stats makes them."""
        with np.errstate(divide="ignore", invalid="ignore"):
            means = [
                [each / weights[1:].sum(axis=0) for each in sums]
                for sums, weights in zip(self.sums, self.weights, strict=True)
            ]
            plain = self.cell.figure(*means)
            centre = self.cell.figure(*([each.mean(axis=-1) for each in columns] for columns in means))
            bias = np.nanmean(plain, axis=-1) - centre
            low = np.minimum.reduce([self.cell.figure(*m) for m in self._further(np.argmin)])
            high = np.maximum.reduce([self.cell.figure(*m) for m in self._further(np.argmax)])
        low = np.where(np.isfinite(low), low, -np.inf) - 2 * np.maximum(bias, 0)[:, None]
        return low, np.where(np.isfinite(high), high, np.inf) + 2 * np.maximum(-bias, 0)[:, None]

    def _further(self, pick: object) -> Iterator[list[list[Floats]]]:
        """Means of every group with the query that was not drawn at its worst, for every part of it."""
        observed = [[rows[..., c].mean(axis=1) for c in range(rows.shape[2])] for rows in self.rows]
        found: list[list[list[Floats]]] = [[] for _ in self.cell.parts]
        for place, unseen in enumerate(self.cell.unseen):
            share = missed_share(self.rows[place].shape[1])
            moved = []
            for row in unseen:
                means = list(observed)
                means[place] = [mean + share * (x - mean) for mean, x in zip(observed[place], row, strict=True)]
                moved.append(self.cell.figure(*means))
            worst = np.inf if pick is np.argmin else -np.inf
            table = np.where(np.isfinite(moved), moved, worst)
            chosen = unseen[np.argmin(table, axis=0) if pick is np.argmin else np.argmax(table, axis=0)]
            spare, total = self.weights[place][0], self.weights[place].sum(axis=0)
            for part, means in zip(self.cell.parts, found, strict=True):
                rows = [m + part * (x - m) for m, x in zip(observed[place], chosen.T, strict=True)]
                means.append(
                    [(each + x[:, None] * spare) / total for x, each in zip(rows, self.sums[place], strict=True)]
                )
        yield from found


def _weights(seed: int, place: int, n: int, draws: int) -> Floats:
    """The weights of robustrank.stats.resampling: that of the query that was not drawn first."""
    chunks = [exponentials(seed, place, 1 + start // CHUNK, draws) for start in range(0, n, CHUNK)]
    return np.concatenate([exponentials(seed, place, 0, draws), np.concatenate(chunks)[:n]])


def missed(cell: Cell, n: int) -> dict[str, object]:
    """One line of the table: how often the interval lies below the truth and above it, and its mean width."""
    rng, below, above, widths = np.random.default_rng(n), 0, 0, []
    place = int(np.ceil(TAIL * (SIMULATED + 1))) - 2
    for seed in range(MORE // BATCH):
        samples = (seed + 1) * BATCH
        low, high = Batch(cell, n, rng, BATCH, 1000 + seed, SIMULATED).ends()
        above += int(((low > cell.truth).sum(axis=1) > SIMULATED - 1 - place).sum())
        below += int(((high < cell.truth).sum(axis=1) > SIMULATED - 1 - place).sum())
        if seed < 2:
            ends = np.partition(low, place, axis=1)[:, place], np.partition(high, -1 - place, axis=1)[:, -1 - place]
            widths += list(ends[1] - ends[0])
        exponentials.cache_clear()
        if samples >= SAMPLES and max(below, above) < 0.02 * samples and below + above < 0.05 * samples:
            break
    compare(cell, n, rng)
    width = float(np.nanmedian(widths))
    found = (cell.statistic, cell.population, n, cell.truth, samples, below / samples, above / samples, width)
    return dict(zip(COLUMNS, found, strict=True))


def compare(cell: Cell, n: int, rng: np.random.Generator) -> None:
    """The same ends as those of robustrank.stats, on a few samples.

    Raises:
        ValueError: Others.
    """
    batch = Batch(cell, n, rng, COMPARED, 0, DRAWS)
    place = int(np.ceil(TAIL * (DRAWS + 1))) - 2
    low, high = batch.ends()
    for i in range(COMPARED):
        groups = [rows[i].tolist() for rows in batch.rows]
        told = contrast(
            groups, lambda *m: cell.figure(*([*each.T] for each in m)), unseen=cell.unseen, parts=cell.parts
        )
        value = cell.figure(*([*rows[i].mean(axis=0)] for rows in batch.rows))
        if told is None:
            continue
        ends = min(value, np.partition(low[i], place)[place]), max(value, np.partition(high[i], -1 - place)[-1 - place])
        if not np.allclose(told.estimate[1:3], ends, rtol=1e-6, atol=1e-9):
            raise ValueError(f"{cell.statistic}, {cell.population}, n={n}: {told.estimate}, here {ends}")


def lowest_decile(values: Floats, name: str, n: int, samples: int = 300) -> dict[str, object]:
    """The same line for the mean of the lowest tenth, by robustrank.stats itself."""
    reached = np.minimum(np.arange(1, len(values) + 1) / len(values), 0.1)
    truth = float(np.diff(reached, prepend=0) @ np.sort(values)) / 0.1
    rng = np.random.default_rng(n)
    told = [
        intervals.lowest_decile(values[rng.integers(0, len(values), n)].tolist(), bounds=(0, 1)) for _ in range(samples)
    ]
    below, above = (sum(each) / samples for each in ([e.high < truth for e in told], [e.low > truth for e in told]))
    width = float(np.median([e.high - e.low for e in told]))
    return dict(zip(COLUMNS, ("lowest decile", name, n, truth, samples, below, above, width), strict=True))


def candidates(cell: Cell, n: int, samples: int = 2000) -> Iterator[tuple[str, float, float]]:
    """Other methods for a mean: the larger of the two sides' misses, and the median width."""
    from scipy.special import stdtrit

    (least,), (greatest,) = cell.unseen[0][0], cell.unseen[0][-1]
    rng, span, truth = np.random.default_rng(n), greatest - least, cell.truth
    rows = cell.groups[0][rng.integers(0, len(cell.groups[0]), (samples, n)), 0]
    mean, deviation, alpha = rows.mean(axis=1), rows.std(axis=1, ddof=1), 1 - CONFIDENCE
    half = {
        "Student's t": stdtrit(n - 1, 1 - TAIL) * deviation / sqrt(n),
        "empirical Bernstein": deviation * sqrt(2 * np.log(4 / alpha) / n)
        + 7 * span * np.log(4 / alpha) / (3 * (n - 1)),
    }
    ends = {name: (np.clip(mean - w, least, greatest), np.clip(mean + w, least, greatest)) for name, w in half.items()}
    inside = np.clip(rows, least, greatest)
    low, high = anytime.betting(inside[:500], alpha=alpha, bounds=(least, greatest), at=[n])
    ends["betting"] = low[:, 0], high[:, 0]
    for name, (low, high) in ends.items():
        yield (
            name,
            float(max((low > truth + 1e-12).mean(), (high < truth - 1e-12).mean())),
            float(np.median(high - low)),
        )


def power(cell: Cell, n: int, limit: float, audits: int = 100, again: int = 20) -> float:
    """Share of audits that decide with as many queries as an inconclusive one of n was told to need.

    The larger audit draws from the queries of the first, which "all else equal" means.
    """
    rng, decided = np.random.default_rng(n), []
    (least,), (greatest,) = cell.unseen[0][0], cell.unseen[0][-1]
    bounds = (float(least), float(greatest))
    for _ in range(audits):
        values = cell.groups[0][rng.integers(0, len(cell.groups[0]), n), 0]
        told = intervals.mean(values.tolist(), bounds=bounds)
        side = "high" if told.value < limit else "low"
        needed = planning.needed(told, limit, side, bounds)
        if needed is None or needed > 1000 or not told.low <= limit <= told.high:
            continue
        larger = [intervals.mean(values[rng.integers(0, n, needed)].tolist(), bounds=bounds) for _ in range(again)]
        decided.append(np.mean([each.high <= limit if side == "high" else each.low >= limit for each in larger]))
    return float(np.mean(decided)) if decided else float("nan")


def told(rows: Sequence[Mapping[str, object]]) -> Iterator[str]:
    """The table of worst cells, a line a statistic."""
    yield "| statistic | populations | covers at least, n ≥ 10 | where | errs on one side at most, n ≥ 5 | where |"
    yield "|---|---|---|---|---|---|"
    for name, group in groupby(rows, key=lambda row: row["statistic"]):
        fewest = FEWEST.get(str(name), 0)
        lines = [row for row in group if int(str(row["n"])) >= fewest]
        covered = min(
            (r for r in lines if int(str(r["n"])) >= 10), key=lambda r: 1 - float(r["below"]) - float(r["above"])
        )
        errs = max(lines, key=lambda r: max(float(r["below"]), float(r["above"])))
        cover, err = (
            1 - float(covered["below"]) - float(covered["above"]),
            max(float(errs["below"]), float(errs["above"])),
        )
        where = [f"{row['population']}, n = {row['n']}" for row in (covered, errs)]
        populations = len({row["population"] for row in lines})
        what = f"{name}, n ≥ {fewest}" if fewest else name
        yield f"| {what} | {populations} | {cover:.3f} | {where[0]} | {err:.3f} | {where[1]} |"


def main(out: Path) -> None:
    every = list(cells())
    wanted = sys.argv[2:]
    rows = [missed(cell, n) for cell in every if not wanted or cell.statistic in wanted for n in SIZES]
    if not wanted or "lowest decile" in wanted:
        rows += [
            lowest_decile(cell.groups[0][:, 0], cell.population, n)
            for cell in [c for c in every if c.statistic == "mean"][::3] for n in SIZES
        ]  # fmt: skip
    out.mkdir(parents=True, exist_ok=True)
    with (out / "coverage.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows({k: f"{v:.5g}" if isinstance(v, float) else v for k, v in row.items()} for row in rows)
    put(out / "README.md", "benchmarks/coverage.py", list(told(rows)))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
