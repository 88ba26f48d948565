"""Tables, curve and examples from the records of ``benchmarks/word_substitution.py``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

from robustrank import stats
from robustrank.types import Estimate

Record = dict[str, Any]
REFERENCE = "TextAttack greedy-WIR"
GOAL, EXAMPLES, SEED = 10, 5, 13


def write(path: Path) -> None:
    """``summary.json``, ``README.md`` and ``success-versus-cost.svg`` beside the records."""
    records = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    settings = sorted({(r["collection"], r["ranker"], r["edits_allowed"]) for r in records})
    rows, ratios, parts = [], [], [HEAD]
    for setting in settings:
        mine = [r for r in records if (r["collection"], r["ranker"], r["edits_allowed"]) == setting]
        names = list(dict.fromkeys(r["attack"] for r in mine))
        parts.append(f"\n## {setting[0]}, {setting[1]}, {setting[2]} words\n\n{TABLE}")
        for stratum in ["all", *dict.fromkeys(r["stratum"] for r in mine)]:
            for name in names:
                group = [r for r in mine if r["attack"] == name and stratum in ("all", r["stratum"])]
                row = {"setting": setting, "attack": name, "stratum": stratum, **_row(group)}
                rows.append(row)
                parts.append(_line(row))
        found = [_ratio(mine, name) for name in names if name.startswith("ours") and name != "ours, transfer"]
        ratios += [{"setting": setting, **ratio} for ratio in found if ratio]
        parts += [f"\n{RATIOS}", *(_ratio_line(ratio) for ratio in found if ratio)]
    parts += [f"\n## {EXAMPLES} changed documents, drawn by seed\n", *_examples(records)]
    out = path.parent
    summary = {"rows": rows, "ratios": ratios, "records": len(records)}
    (out / "summary.json").write_text(json.dumps(summary, indent=1, default=list) + "\n", encoding="utf-8")
    (out / "README.md").write_text("\n".join(parts) + "\n", encoding="utf-8")
    _curve(records, settings[0], out / "success-versus-cost.svg")


HEAD = """# Word substitution: success and cost

Written by `python benchmarks/word_substitution.py report` from `records.jsonl`, which `... run` makes: same victim,
substitutes (`counterfitted|wordnet`), edit budgets, targets and meter for every attack. Success is reaching the top 10
with a change that the harness verified. Values are means with 95 % intervals over queries. Pairs are those asked; wall
seconds depend on what else the machine did, CPU seconds less so. Where few targets reach the top 10, see the boost:
the intervals of success are then too wide to tell attacks apart.

![Success by pairs asked](success-versus-cost.svg)"""
TABLE = """| attack | stratum | n (queries) | top 10 | promoted | boost | pairs | wall s | CPU s | edits | in victim |
|---|---|---|---|---|---|---|---|---|---|---|"""
RATIOS = f"""Compared with {REFERENCE} on the targets both attacked (paired; theirs divided by ours, so above 1 ours
spends less):

The last two columns cut ours off, target by target, at a fifth (weights: a tenth) of the pairs theirs asked.

| ours | targets | top 10 ours / theirs | difference | pairs | wall | CPU | top 10, cut | boost - theirs, cut |
|---|---|---|---|---|---|---|---|---|"""


def _row(group: Sequence[Record]) -> dict[str, Any]:
    clusters = [r["query_id"] for r in group]

    def mean(name: str) -> Estimate:
        return stats.mean([float(r[name]) for r in group], clusters=clusters, bounds=(0, max(r[name] for r in group)))

    return {
        "n": len(group),
        "top10": stats.share([r["rank_after"] <= GOAL for r in group], clusters=clusters),
        "promoted": stats.share([r["rank_after"] < r["rank_before"] for r in group], clusters=clusters),
        "boost": stats.mean([r["rank_before"] - r["rank_after"] for r in group], clusters=clusters, bounds=(-99, 99)),
        **{name: mean(name) for name in ("pairs", "seconds", "cpu_seconds", "edits")},
        "inside": sum(r["victim_seconds"] for r in group) / max(1e-9, sum(r["seconds"] for r in group)),
    }


def _line(row: dict[str, Any]) -> str:
    def share(e: Estimate) -> str:
        return f"{e.value:.0%} [{e.low:.0%}, {e.high:.0%}]"

    def number(e: Estimate) -> str:
        return f"{e.value:.1f} [{e.low:.1f}, {e.high:.1f}]"

    inside = f"{row['inside']:.0%}" if row["pairs"].value else "no pass"
    numbers = [number(row[name]) for name in ("boost", "pairs", "seconds", "cpu_seconds", "edits")]
    cells = [row["attack"], row["stratum"], f"{row['n']} ({row['top10'].n})", share(row["top10"])]
    return "| " + " | ".join([*cells, share(row["promoted"]), *numbers, inside]) + " |"


def _ratio(records: Sequence[Record], name: str) -> dict[str, Any] | None:
    def place(record: Record) -> tuple[str, str]:
        return record["query_id"], record["stratum"]

    theirs = {place(r): r for r in records if r["attack"] == REFERENCE}
    ours = {place(r): r for r in records if r["attack"] == name}
    common = sorted(set(ours) & set(theirs))
    if len(common) < 2:
        return None
    won = [[float(side[c]["rank_after"] <= GOAL) for c in common] for side in (ours, theirs)]
    difference, p = stats.paired(*won, clusters=[query for query, _ in common])

    def ratio(what: str) -> float:
        return sum(theirs[c][what] for c in common) / max(1e-9, sum(ours[c][what] for c in common))

    wins = [int(sum(side)) for side in won]
    share = 10 if name == "ours, weights" else 5
    cut = {c: _rank_within(ours[c], theirs[c]["pairs"] / share) for c in common}
    boost, _ = stats.paired(
        [float(-cut[c]) for c in common],
        [float(-theirs[c]["rank_after"]) for c in common],
        clusters=[query for query, _ in common],
        bounds=(-99, 99),
    )
    return {
        "attack": name, "targets": len(common), "wins": wins, "difference": difference, "p": p,
        "cut_wins": sum(rank <= GOAL for rank in cut.values()), "cut_boost": boost,
        "pairs": ratio("pairs"), "seconds": ratio("seconds"), "cpu_seconds": ratio("cpu_seconds"),
    }  # fmt: skip


def _rank_within(record: Record, pairs: float) -> int:
    """The best rank after so many pairs."""
    return min([rank for spent, rank in record["trajectory"] if spent <= pairs], default=int(record["rank_before"]))


def _ratio_line(ratio: dict[str, Any]) -> str:
    low, high = ratio["difference"].low, ratio["difference"].high
    return (
        f"| {ratio['attack']} | {ratio['targets']} | {ratio['wins'][0]} / {ratio['wins'][1]} "
        f"| {ratio['difference'].value:+.0%} [{low:+.0%}, {high:+.0%}] | {ratio['pairs']:.1f} | {ratio['seconds']:.1f} "
        f"| {ratio['cpu_seconds']:.1f} | {ratio['cut_wins']} "
        f"| {ratio['cut_boost'].value:+.1f} [{ratio['cut_boost'].low:+.1f}, {ratio['cut_boost'].high:+.1f}] |"
    )


def _examples(records: Sequence[Record]) -> list[str]:
    pool = [r for r in records if r["attack"] == "ours, scores" and r["edits"]]
    drawn = Random(SEED).sample(pool, min(EXAMPLES, len(pool)))
    return [
        f"* Query “{r['query']}”, document {r['doc_id']}, rank {r['rank_before']} → {r['rank_after']}\n"
        f"  * before: {r['before']}\n  * after: {r['after']}"
        for r in drawn
    ]


def _curve(records: Sequence[Record], setting: tuple[str, str, int], path: Path) -> None:
    """Share of targets in the top 10 after so many pairs, per attack, with the random control as a line."""
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4))
    FigureCanvasSVG(figure)
    axes = figure.add_subplot()
    mine = [r for r in records if (r["collection"], r["ranker"], r["edits_allowed"]) == setting]
    for name in dict.fromkeys(r["attack"] for r in mine):
        group = [r for r in mine if r["attack"] == name]
        if not any(r["pairs"] for r in group):
            value = sum(r["rank_after"] <= GOAL for r in group) / len(group)
            axes.axhline(value, linestyle=":", color="gray", label=f"{name} (asks nothing)")
            continue
        reached = sorted(min(p for p, rank in r["trajectory"] if rank <= GOAL) for r in group if _wins(r))
        steps = [(0, 0.0), *((pairs, (i + 1) / len(group)) for i, pairs in enumerate(reached))]
        steps.append((max(r["pairs"] for r in group), steps[-1][1]))
        axes.step(*zip(*steps, strict=True), where="post", label=f"{name} (n={len(group)})")
    axes.set(
        xlabel="pairs asked", ylabel="share of targets in the top 10", title=", ".join(map(str, setting)) + " words"
    )
    axes.set_ylim(bottom=-0.01)
    axes.legend(fontsize="small")
    figure.savefig(path, metadata={"Date": None})


def _wins(record: Record) -> bool:
    return any(rank <= GOAL for _, rank in record["trajectory"])


if __name__ == "__main__":
    import sys

    write(Path(sys.argv[1]))
