"""Make the committed topic studies' figures and reports again from their committed records.

``python tools/topic_reports.py`` rewrites ``summary.json``, ``report.md`` and the charts below ``reports/topics``;
with ``--check`` it writes nothing, and ends with 1 where a figure would change. Records are committed without texts,
and those of ``records.jsonl`` (not ``.gz``) with seconds and qualities rounded to four or five digits: what that moves
a figure by is no change.
"""

from __future__ import annotations

import gzip
import json
import sys
from math import isclose
from pathlib import Path
from typing import Any

from robustrank.topics import report, results
from robustrank.topics.records import FORMAT, TopicRecord

STUDIES = Path(__file__).parents[1] / "reports" / "topics"
EXACT, ROUNDED = (1e-9, 0.0), (1e-3, 2e-5)
"""Relative and absolute differences of a figure that count as none."""


def records(folder: Path) -> list[TopicRecord]:
    """The committed records of one study, of attacked documents; as in a journal, the first of a key counts."""
    plain = folder / "records.jsonl"
    text = plain.read_text("utf-8") if plain.exists() else gzip.decompress((folder / "records.jsonl.gz").read_bytes())
    by_key: dict[str, TopicRecord] = {}
    for line in text.splitlines():
        record = FORMAT.loads(line)
        if isinstance(record, TopicRecord):
            by_key.setdefault(record.key, record)
    return list(by_key.values())


def again(folder: Path) -> tuple[dict[str, Any], list[str]]:
    """A committed study's summary with its figures from its records, and the places where that changes it."""
    summary = json.loads((folder / "summary.json").read_text("utf-8"))
    rankers, attacks = (list(dict.fromkeys(row[name] for row in summary["rows"])) for name in ("ranker", "attack"))
    ordered = sorted(records(folder), key=lambda record: rankers.index(record.ranker))
    fresh = json.loads(json.dumps(results.measured(ordered, attacks)))
    changes: list[str] = []
    same = ROUNDED if (folder / "records.jsonl").exists() else EXACT
    made = {part: _merged(summary[part], fresh[part], f"{folder.name}: {part}", same, changes) for part in fresh}
    return {**summary, **made}, changes


def _merged(old: Any, new: Any, where: str, same: tuple[float, float], changes: list[str]) -> Any:
    """The new value, with the old numbers that it agrees with."""
    if isinstance(old, dict) and isinstance(new, dict) and old.keys() == new.keys():
        return {key: _merged(old[key], new[key], f"{where} {key}", same, changes) for key in old}
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        return [_merged(a, b, f"{where} {i}", same, changes) for i, (a, b) in enumerate(zip(old, new, strict=True))]
    numbers = isinstance(old, int | float) and isinstance(new, int | float)
    if old == new or (numbers and isclose(old, new, rel_tol=same[0], abs_tol=same[1])):
        return old
    changes.append(f"{where}: {old} was, {new} is")
    return new


def main() -> None:
    """Rewrite, or check, every committed study."""
    changed = []
    for summary in sorted(STUDIES.rglob("summary.json")):
        made, changes = again(summary.parent)
        changed += changes
        if "--check" not in sys.argv:
            report.write(made, summary.parent)
    print("\n".join(changed) or "no figure changes")
    sys.exit("--check" in sys.argv and bool(changed))


if __name__ == "__main__":
    main()
