"""``reports/detection/README.md`` from finished audits: ``python benchmarks/detection_report.py NAME=DIR ... ``.

DIR is the folder of an audit of ``reports/detection/NAME.toml``; its rows go to ``reports/detection/NAME.json``, and
the tables of every committed NAME.json, and of ``edited.json`` (``benchmarks/edited_documents.py``), into the README.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

OUT = Path(__file__).parents[1] / "reports" / "detection"
HEAD = """# What detectors make of attacked texts

Written by `python benchmarks/detection_report.py` from audits of the files beside this one. Thresholds are of clean
documents of other collections than the attacked one, 1,000 from each; intervals are at 95 % over queries
([docs/protocols.md](../../docs/protocols.md#detection)). Attacks do not know of the detectors, and a detector that
reads the query is judged on what BM25 puts before it.
"""


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
    parts = [HEAD]
    for path in sorted(OUT.glob("dl*.json")):
        parts += page(path.stem, json.loads(path.read_text(encoding="utf-8")))
    if (OUT / "edited.json").is_file():
        parts += edited(json.loads((OUT / "edited.json").read_text(encoding="utf-8")))
    (OUT / "README.md").write_text("\n".join(parts) + "\n", encoding="utf-8")
    return 0


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
            a["source"]: cell(a["shares"].get("1%"), 3) if not a["missing"] else "not told" for a in row["alarms"]
        }
        harm = row["harm"].get("1%")
        limit = f"{row['thresholds']['1%']:.3g}" if row["thresholds"] else f"none: {row['missing']}"
        cost = f"{cell(harm['change'], 3)} (Holm {harm['p_holm']:.2g})" if harm else "not told"
        dropped = f"{harm['dropped']:.1f}" if harm else ""
        cells = [row["detector"], limit, *(shares.get(each, "") for each in sources), cost, dropped]
        lines.append(f"| {' | '.join(cells)} |")
    lines += ["\n### Share of alarms that are attacks, 1 document in 100 attacked\n"]
    lines += [f"| attack | {' | '.join(detectors)} |", f"|{'---|' * (1 + len(detectors))}"]
    for attack in attacks:
        told = [rows[attack, detector]["precision"].get("1%", {}).get("1%") for detector in detectors]
        cells = [f"{p[0]:.2f} [{p[1]:.2f}, {p[2]:.2f}]" if p else "not told" for p in told]
        lines.append(f"| {attack} | {' | '.join(cells)} |")
    return lines


def marked(row: dict[str, Any], figure: str) -> str:
    """A figure; in brackets where the detector was trained on the attack."""
    text = cell(row["means"].get(figure))
    return f"({text}, trained on it)" if row["in_training"] else text


def edited(rows: list[dict[str, Any]]) -> list[str]:
    """People's edits."""
    lines = ["\n## Documents that people edited to rank higher (asrc2017, `benchmarks/edited_documents.py`)\n"]
    lines.append(
        "The last column alone says what an edit adds; the others say what kind of document these pages are.\n"
    )
    head = ["detector", "edits", "detected at 1 %", "detected at 5 %", "AUC", "edited above the version before"]
    lines += [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    for row in rows:
        cells = [cell(row[name]) for name in ("1%", "5%", "AUC", "own AUC")]
        lines.append(f"| {row['detector']} | {row['edits']} | {' | '.join(cells)} |")
    return lines


def cell(estimate: Any, digits: int = 2) -> str:
    """``"0.80 [0.61, 0.92]"``; of an estimate as a list or a mapping."""
    if estimate is None:
        return "not told"
    value, low, high = list(estimate.values() if isinstance(estimate, dict) else estimate)[:3]
    return f"{value:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
