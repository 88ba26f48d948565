"""The tables of reports/language-models: ``python benchmarks/language_models_report.py AUDIT_FOLDER``.

Reads the records and the summary of an audit of rankers that ask language models, and prints Markdown: effectiveness
and position, validity, injection against its controls, and what one list costs.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean
from typing import Any

from robustrank.storage import journal
from robustrank.work.record_format import FORMAT
from robustrank.work.records import RankingRecord

Estimate = Sequence[float] | None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    print("\n".join([*position(summary), *validity(summary), *injection(summary), *cost(folder)]))


def position(summary: Mapping[str, Any]) -> list[str]:
    clean = {e["ranker"]: e["mean"] for e in summary["effectiveness"] if e["slice"] is None}
    rows = []
    for row in summary["results"]["position"]["rows"]:
        of = values(row)
        figures = [
            show(of.get("tau between orders")), show(of.get("top-1 flips")), show(of.get("nDCG@10 over orders"), 3),
            show(of.get("nDCG@10 spread over orders"), 3), show(of.get("slot advantage first"), 1),
            show(of.get("slot advantage last"), 1),
        ]  # fmt: skip
        rows.append([row["ranker"], show(clean.get(row["ranker"]), 3), *figures])
    names = ["ranker", "nDCG@10", "tau between orders", "top-1 flips", "nDCG@10 over orders", "its spread"]
    return table("Effectiveness, and what it owes to the order", [*names, "shown first", "shown last"], rows)


def validity(summary: Mapping[str, Any]) -> list[str]:
    rows = []
    for row in summary["results"]["validity"]["rows"]:
        of = values(row)
        kinds = [
            f"{name.removeprefix('invalid answers ')} {show(value)}"
            for name, value in of.items()
            if name.startswith("invalid answers ") and not name.endswith(" any") and value and value[0] > 0
        ]
        rows.append([
            row["ranker"], show(of.get("invalid answers any")), ", ".join(kinds),
            show(of.get("copied answers first stage")), show(of.get("copied answers other")),
            show(of.get("tied comparisons")), show(of.get("repeat disagreement")),
            show(of.get("nDCG@10 repaired end"), 3), show(of.get("nDCG@10 repaired error"), 3),
        ])  # fmt: skip
    names = ["ranker", "invalid answers", "by kind", "copied, first-stage order", "copied, other orders", "ties"]
    return table("Validity", [*names, "repeats disagree", "nDCG@10, repair end", "repair error"], rows)


def injection(summary: Mapping[str, Any]) -> list[str]:
    rows = []
    for row in (row for row in summary["attacks"] if row["stratum"] == "all"):
        success = row["success"]
        invalid = row["tally"]["invalid_answers"]
        rows.append([
            row["ranker"], row["attack"], show(success.get("promoted")), show(success.get("ASR@1")),
            show(row["boost"], 1), f"{invalid} of {row['tally']['planned']}",
        ])  # fmt: skip
    names = ["ranker", "attack", "promoted", "first", "ranks gained", "invalid answers"]
    return table("Injection, over valid answers", names, rows)


def cost(folder: Path) -> list[str]:
    by_ranker: dict[str, list[RankingRecord]] = {}
    for record in journal.read(folder, FORMAT).values():
        if isinstance(record, RankingRecord) and not record.error:
            by_ranker.setdefault(record.ranker, []).append(record)
    rows = []
    for ranker, records in by_ranker.items():
        used = [record.service for record in records if record.service is not None]
        counts = [mean(getattr(u, name) for u in used) if used else 0 for name in ("passes", "tokens_in", "tokens_out")]
        seconds = mean(record.scoring_seconds for record in records)
        rows.append([ranker, str(len(records)), *(f"{count:,.0f}" for count in counts), f"{seconds:.1f}"])
    return table("Cost of one list", ["ranker", "lists", "passes", "tokens read", "tokens written", "seconds"], rows)


def values(row: Mapping[str, Any]) -> dict[str, Estimate]:
    """Name and labels of a figure to its estimate."""
    return {" ".join([each["name"], *each["labels"].values()]): each["estimate"] for each in row["values"]}


def show(estimate: Estimate, digits: int = 2) -> str:
    if not estimate:
        return ""
    value, low, high, n, *_ = estimate
    return f"{value:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}] ({n:.0f})"


def table(title: str, names: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [f"\n### {title}\n", f"| {' | '.join(names)} |", "|" + "---|" * len(names)]
    return [*lines, *(f"| {' | '.join(row)} |" for row in rows)]


if __name__ == "__main__":
    main()
