"""The tables of ``reports/detection`` from finished audits: ``python benchmarks/detection_report.py NAME=DIR ... ``.

DIR is the folder of an audit of ``reports/detection/NAME.toml``; its rows go to ``reports/detection/NAME.json``. Of
every committed NAME.json all tables go to ``tables.md``, and the one to read first into the README, between its
markers, with that of ``edited.json`` (``benchmarks/edited_documents.py``).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from study_page import put

OUT = Path(__file__).parents[1] / "reports" / "detection"
HEAD = """# Detectors: all tables

Written by `python benchmarks/detection_report.py` from audits of the files beside this one; the [study](README.md) says
what they show. Thresholds are of clean documents of other collections than the attacked one, 1,000 from each; intervals
are at 95 % over queries ([docs/protocols.md](../../docs/protocols.md#detection)). Attacks do not know of the detectors,
and a detector that reads the query is judged on what BM25 puts before it. A dagger (†): it was trained on this attack.
"""
SHORT = {
    "query at the start": "pasted query",
    "template": "template",
    "sentence of a ranked document": "copied sentence",
    "payload": "payload",
    "word insertion": "inserted words",
    "synonyms (PRADA)": "synonyms",
    "homoglyphs": "homoglyphs",
}
"""Attacks of the table to read first, and their heads."""


def main(arguments: list[str]) -> int:
    """Rows of the audits given, then the page of all."""
    for name, _, folder in (argument.partition("=") for argument in arguments):
        summary = json.loads((Path(folder) / "summary.json").read_text(encoding="utf-8"))
        result = summary["results"]["detection"]
        for row in result["rows"]:
            for heavy in ("per_query", "roc", "recall", "open"):
                row.pop(heavy, None)
        for row in result["detectors"]:
            for each in row["alarms"]:
                each.pop("tally", None)
        (OUT / f"{name}.json").write_text(json.dumps(result, indent=None, separators=(",", ":")) + "\n")
    parts, first = [HEAD], []
    for path in sorted(OUT.glob("*dl*.json")):
        result = json.loads(path.read_text(encoding="utf-8"))
        parts += page(path.stem, result)
        first += short(path.stem, result)
    first += edited(json.loads((OUT / "edited.json").read_text(encoding="utf-8")))
    (OUT / "tables.md").write_text("\n".join(parts) + "\n", encoding="utf-8")
    put(OUT / "README.md", "benchmarks/detection_report.py", first)
    return 0


def short(name: str, result: dict[str, Any]) -> list[str]:
    """Of one audit: what each detector sees of some attacks, and its most false alarms of any kind of document."""
    rows = {(row["attack"], row["detector"]): row for row in result["rows"]}
    have = {attack: head for attack, head in SHORT.items() if any(key[0] == attack for key in rows)}
    counts = sorted({row["texts"] for (attack, _), row in rows.items() if attack in have})
    lines = [
        f"\n**{name}**: share of attacked texts above the threshold for 1 % false alarms, {counts[0]} to {counts[-1]} "
        "texts an attack; last, the highest share of clean documents of any one kind that is above it too; †: trained "
        "on this attack, on other collections\n"
    ]
    head = ["detector", *have.values(), "false alarms, worst kind"]
    lines += [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    for detector in result["detectors"]:
        alarms = [a for a in detector["alarms"] if not a["missing"] and a["shares"].get("1%")]
        worst = max(alarms, key=lambda a: figures(a["shares"]["1%"])[0], default=None)
        kind = f"{cell(worst['shares']['1%'])}, {worst['kind'] or worst['source']}" if worst else "not measured"
        cells = [marked(rows[attack, detector["detector"]], "detected@1%") for attack in have]
        lines.append(f"| {' | '.join([detector['detector'], *cells, kind])} |")
    return lines


def page(name: str, result: dict[str, Any]) -> list[str]:
    """The tables of one audit."""
    detectors = [row["detector"] for row in result["detectors"]]
    attacks = list(dict.fromkeys(row["attack"] for row in result["rows"]))
    rows = {(row["attack"], row["detector"]): row for row in result["rows"]}
    lines = [f"\n## {name} ({name}.toml)\n"]
    for title, figure in (
        ("Detected at 1 % false alarms", "detected@1%"),
        ("AUC against clean documents elsewhere", "AUC"),
        ("Success after filtering at 1 %", "success after filtering@1%"),
    ):
        with_before = figure.startswith("success")
        head = ["attack", "n", *(["success, before"] if with_before else []), *detectors]
        lines += [f"\n### {title}\n", f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
        for attack in attacks:
            first = rows[attack, detectors[0]]
            kind = " (control)" if first["control"] else ""
            success = f"{first['success']} {cell(first['means'].get('before'))}"
            cells = [f"{attack}{kind}", str(first["texts"]), *([success] if with_before else [])]
            cells += [marked(rows[attack, detector], figure) for detector in detectors]
            lines.append(f"| {' | '.join(cells)} |")
    sources = list(dict.fromkeys(a["source"] for row in result["detectors"] for a in row["alarms"]))
    kinds = {a["source"]: a["kind"] or "outside the lists" for row in result["detectors"] for a in row["alarms"]}
    lines += ["\n### False alarms at the threshold for 1 %, and what filtering clean lists costs\n"]
    head = ["detector", "threshold", *(f"{each} ({kinds[each]})" for each in sources), "clean nDCG@10", "dropped"]
    lines += [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    for row in result["detectors"]:
        shares = {
            a["source"]: cell(a["shares"].get("1%"), 3) if not a["missing"] else "not measured" for a in row["alarms"]
        }
        harm = row["harm"].get("1%")
        limit = f"{row['thresholds']['1%']:.3g}" if row["thresholds"] else f"none: {row['missing']}"
        cost = f"{cell(harm['change'], 3)} (Holm {harm['p_holm']:.2g})" if harm else "not measured"
        dropped = f"{harm['dropped']:.1f}" if harm else ""
        cells = [row["detector"], limit, *(shares.get(each, "") for each in sources), cost, dropped]
        lines.append(f"| {' | '.join(cells)} |")
    lines += ["\n### Share of alarms that are attacks, 1 document in 100 attacked\n"]
    lines += [f"| attack | {' | '.join(detectors)} |", f"|{'---|' * (1 + len(detectors))}"]
    for attack in attacks:
        told = [rows[attack, detector]["precision"].get("1%", {}).get("1%") for detector in detectors]
        cells = [f"{p[0]:.2f} [{p[1]:.2f}, {p[2]:.2f}]" if p else "not measured" for p in told]
        lines.append(f"| {attack} | {' | '.join(cells)} |")
    return lines


def marked(row: dict[str, Any], figure: str) -> str:
    """A figure, with a dagger where the detector was trained on the attack."""
    text = cell(row["means"].get(figure))
    return f"{text}†" if row["in_training"] else text


def edited(rows: list[dict[str, Any]]) -> list[str]:
    """People's edits."""
    lines = ["\n**Documents that people edited to rank higher** (asrc2017, `benchmarks/edited_documents.py`)\n"]
    lines.append(
        "The last column alone says what an edit adds; the others say what kind of document these pages are.\n"
    )
    head = ["detector", "edits", "detected at 1 %", "detected at 5 %", "AUC", "edited above the version before"]
    lines += [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    for row in rows:
        cells = [cell(row[name]) for name in ("1%", "5%", "AUC", "own AUC")]
        lines.append(f"| {row['detector']} | {row['edits']} | {' | '.join(cells)} |")
    return lines


def figures(estimate: Any) -> list[float]:
    """Value, low end, high end and more of an estimate."""
    return list(estimate.values() if isinstance(estimate, dict) else estimate)


def cell(estimate: Any, digits: int = 2) -> str:
    """``"0.80 [0.61, 0.92]"``; of an estimate as a list or a mapping."""
    if estimate is None:
        return "not measured"
    value, low, high = figures(estimate)[:3]
    return f"{value:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
