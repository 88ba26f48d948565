"""Tables, curve and examples from the records of ``benchmarks/word_substitution.py``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

from study_page import put

from robustrank.core.types import Estimate
from robustrank.perturbations.quality import quality
from robustrank.stats import comparisons, intervals

Record = dict[str, Any]
REFERENCES = ("TextAttack greedy-WIR", "TextAttack beam")
QUALITY = ("similarity", "perplexity ratio")
LOOKS = (
    "words changed", "part of speech kept", "grammar findings added", "names and numbers changed", "query words added",
    "repetition added",
)  # fmt: skip
GOAL, EXAMPLES, SEED = 10, 5, 13


def write(path: Path) -> None:
    """``summary.json``, ``tables.md``, the README's table and a curve for each setting beside the records."""
    records = [_looked_at(json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]
    settings = sorted({(r["collection"], r["ranker"], r["edits_allowed"]) for r in records})
    rows, ratios, parts, out = [], [], [HEAD], path.parent
    for setting in settings:
        mine = [r for r in records if (r["collection"], r["ranker"], r["edits_allowed"]) == setting]
        names = [name for name in ORDER if any(r["attack"] == name for r in mine)]
        curve = f"curve-{setting[0]}-{setting[1]}-{setting[2]}.svg".replace("_", "-")
        parts.append(f"\n## {setting[0]}, {setting[1]}, {setting[2]} words\n\n![Success by pairs asked]({curve})\n")
        _curve(mine, names, ", ".join(map(str, setting)) + " words", out / curve)
        found = [ratio for theirs in REFERENCES for name in names if (ratio := _ratio(mine, name, theirs))]
        ratios += [{"setting": setting, **ratio} for ratio in found]
        parts += [RATIOS, *map(_ratio_line, found), f"\n{TABLE}"] if found else [TABLE]
        for stratum in ["all", *dict.fromkeys(r["stratum"] for r in mine)]:
            for name in names:
                if group := [r for r in mine if r["attack"] == name and stratum in ("all", r["stratum"])]:
                    row = {"setting": setting, "attack": name, "stratum": stratum, **_row(group)}
                    rows.append(row)
                    parts.append(_line(row))
        parts += ["", _header(("attack", "n", *LOOKS)), *(_look(name, mine) for name in names)]
    parts += [f"\n## {EXAMPLES} changed documents, drawn by seed\n", *_examples(records)]
    summary = {"rows": rows, "ratios": ratios, "records": len(records)}
    (out / "summary.json").write_text(json.dumps(summary, indent=1, default=list) + "\n", encoding="utf-8")
    (out / "tables.md").write_text("\n".join(parts) + "\n", encoding="utf-8")
    put(out / "README.md", "benchmarks/word_substitution.py", _short(ratios))


def _short(ratios: Sequence[dict[str, Any]]) -> list[str]:
    """Ours with scores and with weights, beside each search of TextAttack."""
    return [
        _header(("collection", "ranker", "words", *COMPARED)),
        *(
            f"| {' | '.join(map(str, ratio['setting']))} {_ratio_line(ratio)}"
            for ratio in ratios
            if ratio["attack"] in ("ours, scores", "ours, weights")
        ),
    ]


ORDER = (
    "random", "ours, transfer", "ours, ranks", "ours, scores", "ours, scores, own ranker", "ours, scores, 120 pairs",
    "ours, weights", "ours, weights, own ranker", "PRADA, weights", *REFERENCES,
)  # fmt: skip
HEAD = """# Word substitution: all tables

Written by `python benchmarks/word_substitution.py report` from `records.jsonl`; the [study](README.md) says what they
show, and how they were made. Values are means with 95 % intervals over queries. Pairs are those asked of the victim;
wall seconds depend on what else the machine did, CPU seconds less so, and a ranker of the attacker's own costs seconds
and no pairs. Similarity is a bi-encoder's cosine; detection is by a trigram model; parts of speech and grammar are
those of spaCy and Harper, and blank where neither was installed."""
COLUMNS = (
    "attack", "stratum", "n (queries)", "top 10", "promoted", "boost", "pairs", "wall s", "CPU s", "in victim", *QUALITY
)  # fmt: skip
COMPARED = (
    "ours", "theirs", "targets", "top 10 ours / theirs", "difference", "boost - theirs", "pairs", "wall", "CPU"
)  # fmt: skip


def _header(columns: Sequence[str]) -> str:
    return f"| {' | '.join(columns)} |\n{'|---' * len(columns)}|"


TABLE = _header(COLUMNS)
RATIOS = f"""\
Paired on the targets that both attacked. Pairs, wall and CPU are theirs divided by ours: above 1 ours spends less.

{_header(COMPARED)}"""


def _row(group: Sequence[Record]) -> dict[str, Any]:
    clusters = [r["query_id"] for r in group]

    def mean(name: str) -> Estimate:
        return intervals.mean(
            [float(r[name]) for r in group], clusters=clusters, bounds=(0, max(r[name] for r in group))
        )

    return {
        "n": len(group),
        "top10": intervals.share([r["rank_after"] <= GOAL for r in group], clusters=clusters),
        "promoted": intervals.share([r["rank_after"] < r["rank_before"] for r in group], clusters=clusters),
        "boost": intervals.mean(
            [r["rank_before"] - r["rank_after"] for r in group], clusters=clusters, bounds=(-99, 99)
        ),
        **{name: mean(name) for name in ("pairs", "seconds", "cpu_seconds", "edits")},
        **{name: _quality(group, name) for name in QUALITY},
        "inside": sum(r["victim_seconds"] for r in group) / max(1e-9, sum(r["seconds"] for r in group)),
    }


def _quality(group: Sequence[Record], name: str) -> Estimate | None:
    """Over the documents that were changed."""
    some = [r for r in group if r["edits"] and name in r["quality"]]
    values = [r["quality"][name] for r in some]
    if not some:
        return None
    bounds = min(0.0, *values), max(1.0, *values)
    return intervals.mean(values, clusters=[r["query_id"] for r in some], bounds=bounds)


def _looked_at(record: Record) -> Record:
    """Grammar is told from the two texts, whatever was installed where the attack ran."""
    if not record["edits"]:
        return record
    told = quality(record["query"], record["before"], record["after"])
    return {**record, "quality": {**told, **record["quality"]}}


def _look(name: str, records: Sequence[Record]) -> str:
    group = [r for r in records if r["attack"] == name]
    found = [_quality(group, what) for what in LOOKS]
    cells = [f"{e.value:.2f} [{e.low:.2f}, {e.high:.2f}]" if e else "" for e in found]
    return f"| {' | '.join([name, str(sum(bool(r['edits']) for r in group)), *cells])} |"


def _line(row: dict[str, Any]) -> str:
    def share(e: Estimate) -> str:
        return f"{e.value:.0%} [{e.low:.0%}, {e.high:.0%}]"

    def number(e: Estimate) -> str:
        return f"{e.value:.1f} [{e.low:.1f}, {e.high:.1f}]"

    inside = f"{row['inside']:.0%}" if row["pairs"].value else "no pass"
    numbers = [number(row[name]) for name in ("boost", "pairs", "seconds", "cpu_seconds")]
    cells = [row["attack"], row["stratum"], f"{row['n']} ({row['top10'].n})", share(row["top10"])]
    fine = [f"{e.value:.2f} [{e.low:.2f}, {e.high:.2f}]" if (e := row[name]) else "" for name in QUALITY]
    return "| " + " | ".join([*cells, share(row["promoted"]), *numbers, inside, *fine]) + " |"


def _ratio(records: Sequence[Record], name: str, reference: str) -> dict[str, Any] | None:
    def place(record: Record) -> tuple[str, str]:
        return record["query_id"], record["stratum"]

    theirs = {place(r): r for r in records if r["attack"] == reference}
    ours = {place(r): r for r in records if r["attack"] == name}
    common = sorted(set(ours) & set(theirs))
    if len(common) < 2 or not name.startswith("ours") or name == "ours, transfer":
        return None
    clusters = [query for query, _ in common]
    won = [[float(side[c]["rank_after"] <= GOAL) for c in common] for side in (ours, theirs)]
    difference, p, _ = comparisons.paired(*won, clusters=clusters)
    ranks = [[-float(side[c]["rank_after"]) for c in common] for side in (ours, theirs)]
    boost = comparisons.paired(*ranks, clusters=clusters, bounds=(-99, 99)).estimate

    def ratio(what: str) -> float:
        return sum(theirs[c][what] for c in common) / max(1e-9, sum(ours[c][what] for c in common))

    return {
        "attack": name, "reference": reference, "targets": len(common), "wins": [int(sum(side)) for side in won],
        "difference": difference, "p": p, "boost": boost,
        "pairs": ratio("pairs"), "seconds": ratio("seconds"), "cpu_seconds": ratio("cpu_seconds"),
    }  # fmt: skip


def _ratio_line(ratio: dict[str, Any]) -> str:
    difference, boost = ratio["difference"], ratio["boost"]
    costs = [f"{ratio[name]:.1f}" for name in ("pairs", "seconds", "cpu_seconds")]
    cells = [
        ratio["attack"],
        ratio["reference"],
        str(ratio["targets"]),
        f"{ratio['wins'][0]} / {ratio['wins'][1]}",
        f"{difference.value:+.0%} [{difference.low:+.0%}, {difference.high:+.0%}]",
        f"{boost.value:+.1f} [{boost.low:+.1f}, {boost.high:+.1f}]",
        *costs,
    ]
    return "| " + " | ".join(cells) + " |"


def _examples(records: Sequence[Record]) -> list[str]:
    pool = [r for r in records if r["attack"].startswith("ours, scores") and r["edits"]]
    drawn = Random(SEED).sample(pool, min(EXAMPLES, len(pool)))
    return [
        f"* Query “{r['query']}”, document {r['doc_id']}, rank {r['rank_before']} → {r['rank_after']}\n"
        f"  * before: {r['before']}\n  * after: {r['after']}"
        for r in drawn
    ]


def _curve(records: Sequence[Record], names: Sequence[str], title: str, path: Path) -> None:
    """Share of targets in the top 10 after so many pairs, per attack, with the random control as a line."""
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4))
    FigureCanvasSVG(figure)
    axes = figure.add_subplot()
    for name in names:
        group = [r for r in records if r["attack"] == name]
        if not any(r["pairs"] for r in group):
            value = sum(r["rank_after"] <= GOAL for r in group) / len(group)
            axes.axhline(value, linestyle=":", color="gray", label=f"{name} (asks nothing, n={len(group)})")
            continue
        reached = sorted(min(p for p, rank in r["trajectory"] if rank <= GOAL) for r in group if _wins(r))
        steps = [(1, 0.0), *((max(1, pairs), (i + 1) / len(group)) for i, pairs in enumerate(reached))]
        steps.append((max(r["pairs"] for r in group), steps[-1][1]))
        axes.step(*zip(*steps, strict=True), where="post", label=f"{name} (n={len(group)})")
    axes.set(xscale="log", xlabel="pairs asked", ylabel="share of targets in the top 10", title=title)
    axes.set_ylim(bottom=-0.01)
    axes.legend(fontsize="small")
    figure.savefig(path, metadata={"Date": None})


def _wins(record: Record) -> bool:
    return any(rank <= GOAL for _, rank in record["trajectory"])


if __name__ == "__main__":
    import sys

    write(Path(sys.argv[1]))
