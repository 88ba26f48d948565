"""Tables and curves of certified lists: ``python benchmarks/certificates_report.py``.

Reads what ``certificates_sweep.py``, ``certification_cost.py`` and ``certificates_falsified.py`` left in
``reports/certificates`` and writes ``tables.md``, the curves beside it, and the first table of ``README.md``; every
number of them comes from these files.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from certificates_sweep import KS, OUT, RADII, TRAINED_FROM
from study_page import put

from robustrank.core.types import Estimate
from robustrank.stats import comparisons, intervals

SCRIPT = "benchmarks/certificates_report.py"
HEAD = """# Certified lists by rule: all tables

Written by `python benchmarks/certificates_report.py`; the [study](README.md) says what they show. CRQ@K is the share of
lists whose top K is certified against every attack of at most R words (5 %: a share of each document's words) on all
documents of the list below, alpha 0.05 joint over the list. Brackets are 95 % intervals over queries
([docs/statistics.md](../../docs/statistics.md)).
"""
NAMES = {
    "bm25": "BM25",
    "tiny": "robustrank-tiny",
    "noise": "robustrank-tiny, trained on rewordings",
    "bi": "MiniLM-L6 bi-encoder",
    "l12": "MiniLM-L12 cross-encoder",
    "l12-noise": "MiniLM-L12, dequantised, adapter trained on rewordings",
}
DISTRIBUTIONS = {
    "mutual": "synonyms of `counterfitted-mutual`, whole components as perturbation sets (no attack moves a draw)",
    "mutual8": "synonyms of `counterfitted-mutual`, the 8 nearest as perturbation sets",
    "mutual5": "synonyms of `counterfitted-mutual`, the 5 nearest as perturbation sets",
    "wide": "synonyms of `counterfitted`, the 100 nearest as perturbation sets",
    "mask": "any words in place of others; a tenth of the words is read",
    "delete": "inserted, deleted and replaced words; each word is read with probability 0.1",
}
JUDGED = ("betting", "paired", "quantile", "shared-draws", "shared-quantile")
SHOWN = ("certdr-2022", "certdr-joint", "betting", "paired", "quantile", "quantile 0.25", "shared-quantile")
BANDED = "quantile"
"""The rule whose 95 % interval the curves show."""
CELLS = [(k, radius) for k in KS for radius in RADII]

Found = Mapping[str, Any]


def main() -> None:
    settings_ = {path.stem: json.loads(path.read_text()) for path in sorted(OUT.glob("*.json"))}
    sweeps = {name: found for name, found in settings_.items() if "held" in found}
    lines = [
        HEAD,
        *_trained(sweeps),
        *_costs(settings_),
        *_falsified(settings_),
        *_soundness(settings_),
    ]
    for name, found in sweeps.items():
        _curves(found, OUT / f"{name}.svg")
        lines += _setting(name, found)
    (OUT / "tables.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    put(OUT / "README.md", SCRIPT, list(_summary(sweeps)))


def crq(found: Found, row: str, k: int, radius: float, samples: int | None = None) -> Estimate:
    """Share of certified lists in one cell."""
    bits = found["held"][str(samples or found["samples"])][row][f"{k} {radius:g}"]
    return intervals.share([bit == "1" for bit in bits])


def _summary(sweeps: Mapping[str, Found]) -> Iterator[str]:
    """Per setting: what is asked of the rules, cell by cell."""
    yield (
        "Cells: one K and one R, 12 a setting. A rule holds in a cell where its CRQ is not below that of "
        "`certdr-joint` and\nat least twice that of `certdr-2022`, or above 0 where that is 0. `quantile` for the "
        "exact ranker and `shared-quantile`\nfor the deployed one were named before the runs; the latter was "
        "sharpened (theorem 8) after a first look at the L-12 on DL 2019. `-`: not run.\n"
    )
    yield f"| setting | lists | samples | cells with `certdr-2022` above 0 | {' | '.join(f'`{r}`' for r in JUDGED)} |"
    yield "|---" * (4 + len(JUDGED)) + "|"
    for name, found in sweeps.items():
        above = sum(crq(found, "certdr-2022", *cell).value > 0 for cell in CELLS)
        cells = [name, f"{len(found['queries'])} of {found['depth']}", str(found["samples"]), str(above)]
        for row in JUDGED:
            there = row in found["held"][str(found["samples"])]
            cells.append(str(sum(holds(found, row, *cell) for cell in CELLS)) if there else "-")
        yield f"| {' | '.join(cells)} |"
    below = [
        f"{name}: `{row}` @{k} R={radius:g}"
        for name, found in sweeps.items()
        for row in ("cdf", "betting", "paired", "quantile")
        for k, radius in CELLS
        if crq(found, row, k, radius).value < crq(found, "certdr-joint", k, radius).value
    ]
    yield "\nCells in which `cdf`, `betting`, `paired` or `quantile` certify less than `certdr-joint`: "
    yield f"{'; '.join(below) or 'none'}.\n"


def holds(found: Found, row: str, k: int, radius: float) -> bool:
    """What issue and docs ask of a rule in a cell."""
    released, joint, own = (crq(found, name, k, radius).value for name in ("certdr-2022", "certdr-joint", row))
    return own >= joint and own > 0 and own >= 2 * released


def _trained(sweeps: Mapping[str, Found]) -> Iterator[str]:
    """Before and after training on rewordings, on the same draws of the same lists."""
    pairs = [
        (name, base, found)
        for name, found in sweeps.items()
        if (own := found["setting"].split("/")[0]) in TRAINED_FROM
        and (base := name.replace(own, TRAINED_FROM[own], 1)) in sweeps
    ]
    if not pairs:
        return
    yield "## Certified training\n"
    yield (
        "nDCG@10 before and after training on rewordings, and CRQ at R = 1 with its paired difference; the same lists "
        "and the\nsame draws. Training files in `docs/examples`: `noise-wide-synonyms.toml` (wide), "
        "`noise-synonyms.toml` (mutual5),\n`noise-masks.toml`, `noise-cross-encoder.toml`. "
        "Intervals are of one row each; one row in twenty misses.\n"
    )
    heads = ("setting", "score", "plain", "smoothed, before", "after", "difference", *(f"CRQ@{k}" for k in KS))
    yield f"| {' | '.join(heads)} |\n{'|---' * len(heads)}|"
    for name, base, found in pairs:
        before, n, lists = sweeps[base], str(found["samples"]), len(found["queries"])
        if before["queries"][:lists] != found["queries"] or n not in before["held"]:
            raise ValueError(f"{name} and {base} are not of the same lists and draws")
        for row in ("betting", "quantile", "quantile 0.25", "shared-quantile", "shared-quantile 0.25"):
            if row not in found["held"][n]:
                continue
            old, new = before["nDCG@10"][n][row][:lists], found["nDCG@10"][n][row]
            change = comparisons.paired(new, old).estimate
            plain = " → ".join(f"{fmean(one['plain nDCG@10'][:lists]):.3f}" for one in (before, found))
            shares = [_change(before, found, n, row, k) for k in KS]
            means = [told(intervals.mean(values, bounds=(0, 1))) for values in (old, new)]
            cells = [*means, told(change, sign=True), *shares]
            yield f"| {name}, n={lists} | `{row}` | {plain} | {' | '.join(cells)} |"
    yield ""


def _change(before: Found, after: Found, samples: str, row: str, k: int) -> str:
    """CRQ at R = 1 before and after, and how far it has come."""
    new = [bit == "1" for bit in after["held"][samples][row][f"{k} 1"]]
    old = [bit == "1" for bit in before["held"][samples][row][f"{k} 1"][: len(new)]]
    change = comparisons.paired(list(map(float, new)), list(map(float, old)), bounds=(-1, 1)).estimate
    return f"{sum(old) / len(old):.2f} → {sum(new) / len(new):.2f}, {told(change, 2, sign=True)}"


def _costs(all_: Mapping[str, Any]) -> Iterator[str]:
    if "cost-confirm" not in all_:
        return
    yield "## Scored pairs\n"
    yield "The protocol, fixed before the run, is the docstring of `benchmarks/certification_cost.py`.\n"
    heads = "phase | lists | questions | certified by the recipe | its pairs | limit | certified | lost | won | pairs"
    yield f"| {heads} | ratio |\n{'|---' * 11}|"
    for phase in ("develop", "confirm"):
        found = all_[f"cost-{phase}"]
        for limit, row in found["in batches"].items():
            own = (limit, row["certified"], row["lost"], row["won"], f"{row['pairs']:,}", row["ratio"])
            recipe = (found["questions"], found["certified by the recipe"], f"{found['pairs of the recipe']:,}")
            cells = [phase, f"{found['lists']} of {found['depth']}", *map(str, (*recipe, *own))]
            yield f"| {' | '.join(cells)} |"
    yield ""


def _falsified(all_: Mapping[str, Any]) -> Iterator[str]:
    if "falsification" not in all_:
        return
    found = all_["falsification"]
    yield "## Attacks on certified lists\n"
    yield found["told"] + "\n"
    heads = ["ranker", "rule", "speaks of", "K", "R", "lists certified", "attacks on them", "successes"]
    heads += ["allowed by alpha", "power"]
    yield f"| {' | '.join(heads[: len(found['rows'][0])])} |\n{'|---' * len(found['rows'][0])}|"
    for row in found["rows"]:
        yield f"| {' | '.join(str(cell) for cell in row)} |"
    yield (
        "\nEach attack and each list once, with exact one-sided 95 % bounds on the share of successes. Attacks on one "
        "list share\nits certificate, so the bound over lists is the one that needs no independence of them.\nControl: "
        "successes of the same attacks at the K and R at which the list is not certified. Where these are none, the "
        "attacks have\nshown no power: that none succeeded on certified lists says nothing of the certificates.\n"
    )
    heads = "ranker | attacks | successes | at most | lists attacked | with a success | at most | control | power"
    yield f"| {heads} |\n{'|---' * 9}|"
    for row in found["totals"]:
        yield f"| {' | '.join(str(cell) for cell in row)} | {_power(str(row[-1]))} |"
    yield ""


def _power(control: str) -> str:
    """The share of a control's attacks that succeed, in words."""
    won, tried = map(int, control.split(" of "))
    return f"{won / tried:.0%}" if won else "none shown"


def _soundness(all_: Mapping[str, Any]) -> Iterator[str]:
    """Bounds, rules and intervals on worlds whose truth is known."""
    if "soundness" not in all_:
        return
    found = all_["soundness"]
    cases, n, alpha = found["cases"], found["repetitions"], found["alpha"]
    yield "## Soundness\n"
    violations = ", ".join(f"`{rule}` {count}" for rule, count in found["rules"].items())
    yield (
        f"Made by `benchmarks/certificates_soundness.py`. Rules, on {cases:,} enumerated spaces each, the strongest "
        f"attack\nagainst a rival at just its score; violations: {violations}.\nBounds, on as many random spaces:\n"
    )
    yield "| bound | spaces tried | smallest counter-example | claimed | true |\n|---|---|---|---|---|"
    for name, row in found["bounds"].items():
        seen = row["counter-example"]
        cells = ["none", "", ""]
        if seen is not None:
            change = f'"{seen["space"]}" to "{" ".join(seen["attacked"])}"'
            cells = [change, f"{seen['claimed']:g}", f"{seen['true']:g}"]
        yield f"| `{name}` | {row['tried']:,} | {' | '.join(cells)} |"
    chance = 2 * (alpha * (1 - alpha) / n) ** 0.5
    yield (
        f"\nIntervals at {1 - alpha:.0%}, {n:,} repetitions: the share in which the truth lay outside. At most "
        f"{alpha:g} is promised;\na share of {alpha:g} is told within ±{chance:.3f}.\n"
    )
    rows = found["coverage"]
    places = list(dict.fromkeys((row["law"], row["n"]) for row in rows))
    yield f"| interval | {' | '.join(f'{where}, n = {size}' for where, size in places)} |\n|---{'|---' * len(places)}|"
    for interval in dict.fromkeys(row["interval"] for row in rows):
        missed = {(row["law"], row["n"]): row["missed"] / n for row in rows if row["interval"] == interval}
        yield f"| {interval} | {' | '.join(f'{missed[place]:.3f}' for place in places)} |"
    yield ""


def _setting(name: str, found: Found) -> Iterator[str]:
    who, where, distribution = found["setting"].split("/")
    n, lists = str(found["samples"]), len(found["queries"])
    yield f"\n## {NAMES[who]}, {where}, {distribution}\n"
    moved = ", ".join(f"{float(radius):g}: {delta:.2f}" for radius, delta in found["shift"].items())
    yield (
        f"Attacks: {DISTRIBUTIONS[distribution]}. {lists} lists of {found['depth']}, {n} samples, scores mapped by "
        "sigmoid((score - "
        f"{found['center']}) / {found['temperature']}); mean shift by R: {moved}. nDCG@10 without smoothing "
        f"{told(intervals.mean(found['plain nDCG@10'], bounds=(0, 1)))}. "
        f"The band is the 95 % interval of `{BANDED}`.\n\n"
        f"![Share of certified lists over changed words and over samples]({name}.svg)\n"
    )
    heads = [f"@{k} R={'5 %' if radius == 0.05 else radius}" for k, radius in CELLS]
    yield f"| rule | smoothed nDCG@10 | {' | '.join(heads)} |"
    yield "|---" * (len(heads) + 2) + "|"
    for row in found["held"][n]:
        cells = [f"{crq(found, row, *cell).value:.2f}" for cell in CELLS]
        yield f"| `{row}` | {told(intervals.mean(found['nDCG@10'][n][row], bounds=(0, 1)))} | {' | '.join(cells)} |"
    ends = [intervals.share([True] * some + [False] * (lists - some)) for some in (0, lists // 2)]
    yield f"\nWith {lists} lists, {' and '.join(f'{e.value:.2f} is {told(e, 2)}' for e in ends)}."


def _curves(found: Found, path: Path) -> None:
    """CRQ over the radius and over the samples, one panel a K."""
    from matplotlib import rc_context
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    n, radii = found["samples"], [radius for radius in RADII if radius >= 1]
    counts = [int(count) for count in found["held"]]
    rows = [row for row in SHOWN if row in found["held"][str(n)]]
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "robustrank"}):
        figure = Figure(figsize=(9, 5), layout="constrained")
        FigureCanvasSVG(figure)
        panels = figure.subplots(2, len(KS), sharey=True)
        for column, k in enumerate(KS):
            over_radii, over_samples = panels[0][column], panels[1][column]
            for number, row in enumerate(rows):
                size = 9 - number  # hollow and of several sizes, so that lines on top of each other can be told
                style = {"marker": "osD^vPX"[number], "markersize": size, "fillstyle": "none", "label": row}
                _line(over_radii, radii, [crq(found, row, k, radius) for radius in radii], style)
                _line(over_samples, counts, [crq(found, row, k, 1, count) for count in counts], style)
            over_radii.set(title=f"CRQ@{k}, {n} samples", xlabel="changed words R", xticks=radii)
            over_samples.set(title=f"CRQ@{k}, R = 1", xlabel="samples a document", xticks=counts)
        panels[0][0].set_ylim(-0.05, 1.05)
        for first in panels[:, 0]:
            first.set_ylabel("share of lists certified")
        figure.legend(*panels[0][0].get_legend_handles_labels(), loc="outside lower center", ncols=7, fontsize="small")
        figure.savefig(path, metadata={"Date": None, "Creator": None})


def _line(axes: Any, places: Sequence[int], shares: Sequence[Estimate], style: Mapping[str, Any]) -> None:
    (line,) = axes.plot(places, [share.value for share in shares], linewidth=1.2, **style)
    if style["label"] == BANDED:
        ends = [share.low for share in shares], [share.high for share in shares]
        axes.fill_between(places, *ends, color=line.get_color(), alpha=0.12, linewidth=0)


def told(estimate: Estimate, digits: int = 3, *, sign: bool = False) -> str:
    """A figure with its interval."""
    form = f"{'+' if sign else ''}.{digits}f"
    return f"{estimate.value:{form}} [{estimate.low:{form}}, {estimate.high:{form}}]"


if __name__ == "__main__":
    main()
