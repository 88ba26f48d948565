"""The cases as CSV, for spreadsheets and notebooks: one line a case, with its review mark.

Texts may be written by an attacker. Invisible characters are shown by their code points, every text stays on one line,
and no cell begins like a formula (:func:`robustrank.core.escaping.for_csv`).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from robustrank.core.escaping import for_csv, for_terminal
from robustrank.report.marks import Marks
from robustrank.results.attack_cases import AttackedCase
from robustrank.results.summary import Summary
from robustrank.storage.files import replace

_PLAIN = (
    "key", "ranker", "attack", "collection", "stratum", "status", "ending", "error", "query_id", "doc_id",
    "rank_before", "rank_after", "list_length", "score_before", "score_after", "harm", "edits", "similarity", "calls",
    "success",
)  # fmt: skip
VALUES = (*_PLAIN, "control", "changed", "reached", "query", "removed", "added")
"""Columns of a case without its review."""
COLUMNS = (*VALUES, "mark", "note")


def write(summary: Summary, path: Path, marks: Marks | None = None) -> int:
    """Write every case of a summary; how many there were.

    Args:
        summary: Of the audit.
        path: The CSV file.
        marks: Review marks, by case.

    Raises:
        StoreError: It cannot be written.
    """
    written = io.StringIO()
    table = csv.writer(written, lineterminator="\n")
    table.writerow(COLUMNS)
    for row, cells in zip(summary.cases.rows, values(summary), strict=True):
        reviewed = (marks or {}).get(row.key, {})
        table.writerow(map(_cell, [*cells, reviewed.get("mark", ""), reviewed.get("note", "")]))
    replace(path, written.getvalue())
    return len(summary.cases.rows)


def values(summary: Summary) -> Iterator[list[Any]]:
    """The values of every case, in the order of :data:`VALUES`; texts as they are."""
    controls = {result.attack for result in summary.attacks if result.control}
    for row in summary.cases.rows:
        cells = _cells(row, summary.cases.texts) | {"control": row.attack in controls}
        yield [cells[name] for name in VALUES]


def _cells(row: AttackedCase, texts: Sequence[str]) -> dict[str, Any]:
    changed = texts[row.query if row.query_changed else row.document]
    return {name: getattr(row, name) for name in _PLAIN} | {
        "changed": "query" if row.query_changed else "document",
        "reached": "; ".join(row.reached),
        "query": texts[row.query],
        "removed": " | ".join(filter(None, (changed[change.start : change.end] for change in row.changes))),
        "added": " | ".join(change.text for change in row.changes if change.text),
    }


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return for_csv(for_terminal(value)) if isinstance(value, str) else repr(value)
