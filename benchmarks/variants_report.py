"""The tables of ``reports/variants``: ``python benchmarks/variants_report.py [NAME=DIR ...] [--check]``.

DIR is the folder of an audit of ``reports/variants/NAME.variants.toml``; its rows go to ``reports/variants/NAME.json``.
``control=DIR`` is that of ``lowered.audit.toml``, whose certified share is kept likewise.
Of every committed one all tables go to ``tables.md``, and the one to read first into the README, between its markers.
With ``--check`` no page is written, and those that would change are named.
"""

from __future__ import annotations

import json
import sys
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from study_page import placed

from robustrank.core.types import Estimate
from robustrank.protocols.variants.results import CLEAN, LOST

OUT = Path(__file__).parents[1] / "reports" / "variants"
PARENT = "tiny"
CONTROL = "control"
NOISE = "own scores"
"""The arm that learned nothing new: its seeds are the noise floor."""
SCORES = ("nDCG@10", "robust nDCG@10")
"""How the names of endpoints begin that are no shares."""
PARAMETERS = 4_386_049
SHAPES = [(128, 128)] * 8 + [(512, 128), (128, 512)] * 2
MAPS = sum(rows * columns for rows, columns in SHAPES)
"""Of robustrank-tiny: all weights, and the shapes and weights of its linear maps."""
MANY = 100
"""Queries of a collection whose differences stand in the table to read first."""
MATTERS = {True: 0.10, False: 0.01}
"""Of shares, and of nDCG@10: a difference whose interval lies within is none that matters."""
HEAD = """# Variants of a ranker: all tables

Written by `python benchmarks/variants_report.py` from audits of the files beside this one; the [study](README.md) says
what they show. Differences are the variant minus its parent, paired over queries, mean over seeds, with 95 % intervals
([docs/statistics.md](../../docs/statistics.md)). **Bold**: shown (Holm's p below 0.05 in its family, the same sign in
every seed, more than the largest difference of the noise floor; tables without a row of the noise floor have none, and
one seed). `=`: none that matters (the interval lies within 0.01 of nDCG@10, or 0.10 of a share). Seen: the least
difference that four of five such audits would have shown, before correction. MB: of the weights as they could be
stored, 16 bits each unless they are rounded, zeros and factors counted as such, without indices.
"""
TITLES = {
    "study": "robustrank-tiny", "certified": "Certified share, robustrank-tiny, one seed", "l12": "MiniLM-L12",
}  # fmt: skip


def main(arguments: Sequence[str]) -> int:
    """Rows of the audits given, then the pages of all."""
    for name, _, folder in (each.partition("=") for each in arguments if "=" in each):
        summary = json.loads((Path(folder) / "summary.json").read_text(encoding="utf-8"))
        kept = summary["certificates"][0]["crq"] if name == CONTROL else committed(summary["results"]["variants"])
        text = json.dumps(kept, separators=(",", ":")) + "\n"
        (OUT / f"{name}.json").write_text(text, encoding="utf-8")
    changed = {
        page: text for page, text in pages().items() if not page.is_file() or page.read_text(encoding="utf-8") != text
    }
    for page, text in changed.items() if "--check" not in arguments else ():
        page.write_text(text, encoding="utf-8")
    print("\n".join(page.name for page in changed) or "no page changes")
    return int("--check" in arguments and bool(changed))


def committed(result: Mapping[str, Any]) -> dict[str, Any]:
    """What a summary says of variants, without the values of single queries."""
    rows = []
    for row in result["rows"]:
        for each in (*row["endpoints"].values(), *row["by_attack"].values()):
            for part in ("variant", "parent", "difference"):
                for heavy in ("per_query", "open", "tally", "ends"):
                    (each[part] or {}).pop(heavy, None)
        rows.append({**row, "order": row["order"] and {**row["order"], "worse": []}})
    return {**result, "rows": rows}


def pages() -> dict[Path, str]:
    """``tables.md`` and the README, as the committed rows make them."""
    results = {
        name: json.loads((OUT / f"{name}.json").read_text(encoding="utf-8"))
        for name in TITLES
        if (OUT / f"{name}.json").is_file()
    }
    parts = [HEAD]
    for name, result in results.items():
        parts += [
            f"\n## {TITLES[name]}\n",
            f"{result['comparisons']} comparisons in the family.\n",
            *tables(result["rows"], orders=name != "certified"),  # its lists of eight have no top ten to speak of
            *singly(result["rows"]),
            *(control() if name == "certified" and (OUT / f"{CONTROL}.json").is_file() else ()),
        ]
    readme = OUT / "README.md"
    return {
        OUT / "tables.md": "\n".join(parts) + "\n",
        readme: placed(readme, "benchmarks/variants_report.py", first(results["study"]["rows"])),
    }


def control() -> list[str]:
    """What of the parent is certified with its scores lowered by nine, before they are mapped to 0..1."""
    share = level_of(json.loads((OUT / f"{CONTROL}.json").read_text(encoding="utf-8")))
    return [
        "",
        f"The parent with its scores lowered by nine, which orders as it does ([file](lowered.audit.toml)): {share}.",
    ]


def tables(rows: Sequence[Mapping[str, Any]], *, orders: bool) -> list[str]:
    """One table of differences, one of levels, and one of orders and sizes if ``orders``."""
    lines, sizes = compared(rows, "endpoints"), stored(rows)
    if orders and any(row["order"] for row in rows):
        what = ["Kendall's tau", "top ten shared", "another document first", "others in the top ten", "MB"]
        lines += [
            "",
            *head(["order and size", *what, "lowest decile (parent)", "trained", "zeros", "seconds a list / parent's"]),
        ]
        for row in rows:
            order = row["order"] or {}
            own, theirs = (Estimate(*each) if each else None for each in row["lowest_decile"])
            pace = row["seconds"] / row["parent_seconds"] if row["seconds"] and row["parent_seconds"] else None
            lines.append(
                cells([
                    row["variant"],
                    *(level_of(order.get(key)) for key in ("tau", "overlap", "other_first", "other_top")),
                    f"{sizes[row['variant']]:.2f}" if row["variant"] in sizes else "",
                    f"{own.value:.3f} ({theirs.value:.3f})" if own and theirs else "",
                    f"{row['trained']:,}" if row["trained"] is not None else "",
                    f"{row['zeros']:.2f}" if row["zeros"] is not None else "",
                    f"{pace:.2f}" if pace else "",
                ])
            )  # fmt: skip
    return lines


def singly(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Tables of what each attack does alone, where there are several."""
    if not any(row["by_attack"] for row in rows):
        return []
    family = sum(each["difference"] is not None for row in rows for each in row["by_attack"].values())
    above = f"Share of targets that each attack alone lifts into the top ten: {family} comparisons, another family."
    return ["", above, "", *compared(rows, "by_attack")]


def compared(rows: Sequence[Mapping[str, Any]], part: str) -> list[str]:
    """One table of differences and one of levels, of ``"endpoints"`` or ``"by_attack"``."""
    names = list(dict.fromkeys(name for row in rows for name in row[part]))
    floor = noise(rows, part)
    lines = [*head(["minus the parent", *names])]
    for row in rows:
        lines.append(cells([row["variant"], *(difference(row[part].get(name), name, floor) for name in names)]))
    if floor:
        largest = (f"{floor[name]:.3f}" if name in floor else "" for name in names)
        lines.append(cells(["largest of the noise floor", *largest]))
    seen = [max(row[part][name]["detectable"] or 0 for row in rows if name in row[part]) for name in names]
    lines.append(cells(["seen (the worst case)", *(f"{each:.3f}" for each in seen)]))
    lines += ["", *head(["its own", *names])]
    levels = (rows[0][part].get(name) for name in names)
    lines.append(cells([f"parent ({rows[0]['parent']})", *(level(each, "parent") for each in levels)]))
    return lines + [cells([row["variant"], *(level(row[part].get(name), "variant") for name in names)]) for row in rows]


def first(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The table to read first: order, what attacks lift, effectiveness at home and away where many queries are."""
    floor = noise(rows, "endpoints")
    shown = [LOST, *(name for name in rows[0]["endpoints"] if name.startswith(CLEAN) and smallest(rows, name) >= MANY)]
    lines = head(["variant", "another document first", *(f"{short(name)}, {counted(rows, name)}" for name in shown)])
    for row in rows:
        changed = Estimate(*row["order"]["other_first"]).value if row["order"] else None
        lines.append(
            cells([
                row["variant"], f"{changed:.0%}" if changed is not None else "",
                *(difference(row["endpoints"].get(name), name, floor) for name in shown),
            ])
        )  # fmt: skip
    return lines


def stored(rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Variant of robustrank-tiny to the size of its weights in MB, as its arm of the study says; else nothing."""
    if rows[0]["parent"] != PARENT:
        return {}
    arms = tomllib.loads((OUT / "study.variants.toml").read_text(encoding="utf-8"))["variant"]
    parts = {arm["name"]: arm.get("stage", {}).get("compress", {}) for arm in arms}
    return {row["variant"]: megabytes(parts[row["variant"]]) for row in rows if row["variant"] in parts}


def megabytes(compress: Mapping[str, Any]) -> float:
    """Of robustrank-tiny: 12 linear maps in two layers, and everything else, of which word embeddings are most."""
    use, bits = compress.get("use"), 16.0
    rounded, kept = bits, float(MAPS)
    others = bits if use != "grid" or not compress.get("embeddings", True) else compress.get("bits", 8)
    if use == "grid":
        rounded = compress.get("bits", 8)
    elif use in ("magnitude", "perp"):
        kept *= 1 - compress.get("share", 0.5)
    elif use == "svd":
        kept = float(sum(compress["rank"] * (rows + columns) for rows, columns in SHAPES))
    return (kept * rounded + (PARAMETERS - MAPS) * others) / 8e6


def short(name: str) -> str:
    return {CLEAN: f"{CLEAN} at home"}.get(name, name.removeprefix(f"{CLEAN} on "))


def smallest(rows: Sequence[Mapping[str, Any]], name: str) -> int:
    """The fewest queries of a difference."""
    return min(Estimate(*row["endpoints"][name]["difference"]["estimate"]).n for row in rows)


def counted(rows: Sequence[Mapping[str, Any]], name: str) -> str:
    """``"n=323"``, or the least and the greatest of all variants: of the queries of a difference."""
    every = sorted({Estimate(*row["endpoints"][name]["difference"]["estimate"]).n for row in rows})
    return f"n={every[0]}" if len(every) == 1 else f"n={every[0]} to {every[-1]}"


def noise(rows: Sequence[Mapping[str, Any]], part: str) -> dict[str, float]:
    """Endpoint to the largest difference, either way, of a seed that learned nothing new."""
    for row in rows:
        if row["variant"] == NOISE:
            return {name: max(map(abs, each["seeds"])) for name, each in row[part].items() if each["seeds"]}
    return {}


def verdict(each: Mapping[str, Any], name: str, floor: Mapping[str, float]) -> str:
    """``"shown"``, ``"none that matters"`` or nothing."""
    change = Estimate(*each["difference"]["estimate"])
    signs = {(seed > 0) - (seed < 0) for seed in each["seeds"]}
    p = each["difference"]["p_holm"]
    if p is not None and p < 0.05 and len(signs) <= 1 and abs(change.value) > floor.get(name, 0.0):
        return "shown"
    limit = MATTERS[not name.startswith(SCORES)]
    return "none that matters" if -limit <= change.low and change.high <= limit else ""


def difference(each: Mapping[str, Any] | None, name: str, floor: Mapping[str, float]) -> str:
    """``"+0.012 [-0.003, +0.028]"``, bold where it is shown, with ``=`` where none that matters."""
    if each is None or each["difference"] is None:
        return ""
    change = Estimate(*each["difference"]["estimate"])
    text = f"{signed(change.value)} [{signed(change.low)}, {signed(change.high)}]"
    found = verdict(each, name, floor)
    return f"**{text}**" if found == "shown" else f"{text} =" if found else text


def signed(value: float) -> str:
    """Three places; what rounds to zero is ``"+0.000"``."""
    return f"{round(value, 3) + 0.0:+.3f}"


def level(each: Mapping[str, Any] | None, which: str) -> str:
    return level_of(each[which]["estimate"]) if each else ""


def level_of(values: Sequence[float] | None) -> str:
    if not values:
        return ""
    found = Estimate(*values)
    return f"{found.value:.3f} [{found.low:.3f}, {found.high:.3f}], n={found.n}"


def head(names: Sequence[str]) -> list[str]:
    return [cells(names), "|" + "---|" * len(names)]


def cells(values: Sequence[str]) -> str:
    return f"| {' | '.join(values)} |"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
