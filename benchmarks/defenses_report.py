"""The tables of reports/defenses: ``python benchmarks/defenses_report.py SUMMARY ...``, of several audits.

Reads the summaries of audits with defended rankers, and prints Markdown: each defense against its base, by attack, and
the sentence that the report makes of it.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from robustrank.core.types import Estimate
from robustrank.report.canvas import MUTED, Canvas, style

SAID = {"adaptive": "attacks on the defended ranker too; 95 % interval", "unaware": "texts made for the base alone"}
COLUMNS = (
    "collection", "ranker", "defense", "clean nDCG@10", "minus base", "base attacked", "unaware", "adaptive",
    "adaptive minus base", "worst nDCG@10 minus base's", "certified", "pairs", "time",
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("summary", type=Path, nargs="+")
    parser.add_argument(
        "--figure", type=Path, help="SVG file: what an attacker achieves who does not know, and who does"
    )
    arguments = parser.parse_args()
    rows = [row for path in arguments.summary for row in defended(path)]
    if arguments.figure:
        arguments.figure.write_text(drawn(rows) + "\n", encoding="utf-8")
    print("\n".join([*table(COLUMNS, [figures(row) for row in rows]), *by_attack(rows), *sentences(rows)]))


def defended(path: Path) -> list[Mapping[str, Any]]:
    results = json.loads(path.read_text(encoding="utf-8"))["results"]["defenses"]
    return list(results["rows"])


def drawn(rows: Sequence[Mapping[str, Any]]) -> str:
    """One line a defense: the base's share of lost targets, that by texts made for the base, and the adaptive one."""
    line, head = 30.0, 40.0
    canvas = Canvas(head + line * len(rows), (0, 1), "share of targets that are lifted into the top 10")
    (blue, dot), (orange, square) = style(0), style(1)
    for place, (name, colour, marker) in enumerate((("adaptive", blue, dot), ("unaware", orange, square))):
        canvas.entry(12 + 14 * place, f"{name}: {SAID[name]}", colour, marker)
    texts = []
    for number, row in enumerate(rows):
        y = head + line * number + 8
        level = {name: Estimate(*each["estimate"]) for name, each in row["levels"].items() if each["estimate"]}
        defense = row["ranker"].removesuffix(f" + {row['base']}")
        name = f"{defense} ({row['base']}, {row['collection']})"
        canvas.label(y, name, f"{level['unaware'].value:.2f} to {level['adaptive'].value:.2f}")
        canvas.line([level["base"].value] * 2, [y + 2, y + 20], MUTED, width=2)
        canvas.mark(level["unaware"].value, y + 11, orange, square, size=11, hollow=True)
        canvas.interval(y + 11, level["adaptive"], blue, dot)
        texts.append(f"{name}: unaware {show(level['unaware'])}, adaptive {show(level['adaptive'])}")
    return str(
        canvas.svg(
            "Success of attackers who do not know of a defense, and who do. " + "; ".join(texts), standalone=True
        )
    )


def figures(row: Mapping[str, Any]) -> list[str]:
    level = {name: each["estimate"] for name, each in row["levels"].items()}
    certified = [
        f"K={each['k']}, {each['radius']:g}: {show(each['share'])}" for each in row["certified"] if each["share"][0] > 0
    ]
    return [
        row["collection"], row["base"], row["ranker"].removesuffix(f" + {row['base']}"), show(level.get("clean"), 3),
        difference(row, "clean", 3), show(level.get("base")), show(level.get("unaware")), show(level.get("adaptive")),
        difference(row, "adaptive"), difference(row, "adaptive nDCG@10", 3), "; ".join(certified),
        *(times(row["latency"], name) for name in ("pairs", "seconds")),
    ]  # fmt: skip


def times(latency: Mapping[str, Any], name: str) -> str:
    """What a list costs, as a multiple of the base's."""
    own, base = latency[name], latency[f"base_{name}"]
    return f"{own / base:.1f}" if own and base else ""


def difference(row: Mapping[str, Any], name: str, digits: int = 2) -> str:
    """With a star where it is shown after Holm's correction."""
    each = row["differences"].get(name)
    if each is None:
        return ""
    value, low, high, *_ = each["estimate"]
    star = "\\*" if each["p_holm"] < 0.05 and (low > 0 or high < 0) else ""
    return f"{value:+.{digits}f} [{low:+.{digits}f}, {high:+.{digits}f}]{star}"


def by_attack(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Attacks down, defenses across: adaptive success on the defended ranker beside the base's."""
    lines: list[str] = []
    for where in dict.fromkeys((row["collection"], row["base"]) for row in rows):
        here = [row for row in rows if (row["collection"], row["base"]) == where and row["by_attack"]]
        if not here:
            continue
        names = [row["ranker"].removesuffix(f" + {row['base']}") for row in here]
        attacks = dict.fromkeys(each["attack"] for row in here for each in row["by_attack"])
        of = [{each["attack"]: each for each in row["by_attack"]} for row in here]
        body = []
        for attack in attacks:
            base = next(each[attack]["base"] for each in of if attack in each)
            cells = [
                show(each[attack]["adaptive"]) + ("\\*" if shown(each[attack]["difference"]) else "")
                if attack in each
                else ""
                for each in of
            ]
            body.append([attack, show(base), *cells])
        lines += ["", f"**{where[1]} on {where[0]}**", "", *table(("attack", "base", *names), body)]
    return lines


def shown(each: Mapping[str, Any]) -> bool:
    return bool(each["p_holm"] < 0.05 and (each["estimate"][1] > 0 or each["estimate"][2] < 0))


def sentences(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    return ["", *(f"- **{row['ranker']}** on {row['collection']}: {row['sentence']}" for row in rows)]


def show(estimate: Sequence[float] | None, digits: int = 2) -> str:
    if not estimate:
        return ""
    value, low, high, n, *_ = estimate
    return f"{value:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}] ({n:.0f})"


def table(names: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(names)} |", "|" + "---|" * len(names), *(f"| {' | '.join(row)} |" for row in rows)]


if __name__ == "__main__":
    main()
