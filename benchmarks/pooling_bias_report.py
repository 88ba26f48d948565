"""Tables and figure of ``pooling_bias.py``: ``python benchmarks/pooling_bias_report.py reports/pooling-bias-training``.

The folder has ``simulation.json``, ``holes.json`` and ``real.json``, and ``throughput.json`` of
``training_throughput.py``; every number of ``tables.md`` and of the README's table is read from them.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from study_page import put

from robustrank.stats import intervals

NAMES = {"random": "random", "hard": "hard", "coupled": "CET", "oracle": "true negatives (oracle)"}
HEAD = """# Training from labels with holes: all tables

Written by `python benchmarks/pooling_bias_report.py reports/pooling-bias-training`; the [study](README.md) says
what they show. Brackets are 95 % intervals.
"""
REAL = """
## Real judgments

nDCG@10 of the same candidates, mean over queries; one number a seed. Brackets and p values of the differences are of an
earlier policy of intervals, which was narrower: values by query were not kept, and the trainings were not repeated.
"""


def main() -> None:
    folder = Path(sys.argv[1])
    names = ("simulation", "holes", "real", "throughput")
    simulation, holes, real, throughput = (_read(folder / f"{name}.json") for name in names)
    lines = [HEAD, *_differences(simulation)]
    draw(simulation, folder / "simulation.svg")
    if real is not None:
        lines += [*_real(real), *_holes(holes)]
    if throughput is not None:
        lines += _throughput(throughput)
    (folder / "tables.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    put(folder / "README.md", "benchmarks/pooling_bias_report.py", list(_simulation(simulation)))


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def _simulation(told: Any) -> Iterator[str]:
    n = len(told["biased"]["tau"]["hard"]["seeds"])
    yield f"Kendall's tau against true relevance, {n} worlds (seeds) each.\n"
    yield "| negatives | selection biased | selection uniform |\n|---|---|---|"
    for method, name in NAMES.items():
        taus = [told[world]["tau"][method]["seeds"] for world in told]
        cells = [_estimate(intervals.mean(each, bounds=(-1, 1))._asdict()) for each in taus]
        yield f"| {name} | {' | '.join(cells)} |"


def _differences(told: Any) -> Iterator[str]:
    yield "## Simulation\n\nPaired differences over the worlds:\n"
    yield "| selection | difference | | p | worlds in which it is larger |\n|---|---|---|---|---|"
    for world, found in told.items():
        for row in found["differences"]:
            what = f"{NAMES[row['one']]} − {NAMES[row['other']]}"
            pairs = zip(*(found["tau"][row[side]]["seeds"] for side in ("one", "other")), strict=True)
            larger = _estimate(intervals.share([a > b for a, b in pairs])._asdict())
            yield f"| {world} | {what} | {_estimate(row['difference'], sign=True)} | {row['p']:.4f} | {larger} |"


def _real(told: Any) -> Iterator[str]:
    yield REAL
    for design in ("restricted", "full"):
        if design not in told:
            continue
        before = told["student"]
        tests = list(before)
        yield f"### Labels: {design}\n\n| negatives | {' | '.join(tests)} | CPU seconds |"
        yield f"|---|{'---|' * (len(tests) + 1)}"
        yield f"| before training | {' | '.join(f'{value:.3f}' for value in before.values())} | |"
        for method, found in told[design]["methods"].items():
            cells = [", ".join(f"{value:.3f}" for value in found["by seed"][test]) for test in tests]
            yield f"| {method} | {' | '.join(cells)} | {found['seconds of training']} |"
        yield "\n| difference | test | | queries | p | p, Holm |\n|---|---|---|---|---|---|"
        for row in told[design]["comparisons"]:
            difference = row["difference"]
            cells = [f"{row['better?']} − {row['than']}", row["test"], _estimate(difference, sign=True)]
            cells += [str(difference["n"]), f"{row['p']:.4f}", f"{row['p, Holm']:.4f}"]
            yield f"| {' | '.join(cells)} |"
        yield ""


def _holes(told: Any) -> Iterator[str]:
    yield (
        f"The restricted labels are {told['labels, restricted']:,} of {told['labels, full']:,}, of {told['queries']:,} "
        "queries. Of the documents without one of them that negatives are drawn from, all labels call relevant:\n"
    )
    yield from (f"- {where}: {share:.1%}" for where, share in told["relevant"].items())


def _throughput(told: Any) -> Iterator[str]:
    yield f"\n## Throughput\n\n{told['steps']} steps of {told['pairs a step']} pairs, in turns, in one run.\n"
    yield "| | | pairs a second, ours | bare loop | ours to bare, median | middle half |\n|---|---|---|---|---|---|"
    for objective in ("pairwise", "CET"):
        for clock, found in told[objective].items():
            speed, (low, high) = found["pairs a second"], found["middle half"]
            cells = [objective, clock, speed["ours"], speed["bare"], found["ours to bare"], f"{low}–{high}"]
            yield f"| {' | '.join(map(str, cells))} |"


def _estimate(found: Any, sign: bool = False) -> str:
    form = "+.3f" if sign else ".3f"
    return f"{found['value']:{form}} [{found['low']:{form}}, {found['high']:{form}}]"


def draw(told: Any, path: Path) -> None:
    import matplotlib

    matplotlib.use("svg")
    import matplotlib.pyplot as plt

    plt.rcParams.update({"svg.hashsalt": "robustrank", "font.size": 9})
    figure, axes = plt.subplots(1, 2, figsize=(7, 2.6), sharex=True, layout="constrained")
    for axis, (world, found) in zip(axes, told.items(), strict=True):
        for place, method in enumerate(reversed(NAMES)):
            values = found["tau"][method]["seeds"]
            estimate = intervals.mean(values, bounds=(-1, 1))
            axis.plot(values, [place] * len(values), "|", color="0.65", markersize=9)
            axis.plot([estimate.low, estimate.high], [place, place], color="C0", linewidth=3, alpha=0.5)
            axis.plot(estimate.value, place, "o", color="C0")
        axis.set_title(f"selection {world}")
        axis.set_xlabel("Kendall's tau against true relevance")
        axis.set_yticks(range(len(NAMES)), list(reversed(NAMES.values())) if axis is axes[0] else [""] * len(NAMES))
        axis.set_ylim(-0.5, len(NAMES) - 0.5)
    figure.savefig(path, metadata={"Date": None})


if __name__ == "__main__":
    main()
