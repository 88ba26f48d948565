"""Review marks: a reviewer's decisions on single cases, exported from and imported into the report.

The file may come from an untrusted source: only the three marks and notes of plain text are accepted.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from robustrank.core.errors import DataError
from robustrank.core.escaping import visible

KINDS = ("accepted risk", "false positive", "to fix")
LONGEST = 2000
"""Characters of a note."""

Marks = Mapping[str, Mapping[str, str]]


def read(path: Path) -> Marks:
    """Marks of a file exported from a report: case key to ``{"mark": one of KINDS, "note": text}``.

    Raises:
        DataError: It is not such a file; the message names the first entry that is wrong.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"cannot be read as JSON: {error}", path=path) from error
    entries = data.get("marks") if isinstance(data, dict) and data.get("robustrank_marks") == 1 else None
    if not isinstance(entries, dict):
        raise DataError("the file holds no marks of a RobustRank report (its Export button writes them)", path=path)
    return {visible(key): _entry(path, key, entry) for key, entry in entries.items()}


def counts(marks: Marks) -> dict[str, int]:
    """Number of cases per mark; unused marks are left out."""
    used = Counter(entry["mark"] for entry in marks.values())
    return {kind: used[kind] for kind in KINDS if used[kind]}


def summary_line(marks: Marks) -> str:
    """``2 to fix, 1 accepted risk``; never an empty string."""
    return ", ".join(f"{n} {kind}" for kind, n in counts(marks).items()) or "none"


def _entry(path: Path, key: str, entry: Any) -> dict[str, str]:
    mark, note = (entry.get("mark"), entry.get("note", "")) if isinstance(entry, dict) else (None, "")
    if not isinstance(mark, str) or mark not in KINDS or not isinstance(note, str):
        raise DataError(f"case {visible(key)[:40]!r} is not marked as one of {', '.join(KINDS)}", path=path)
    return {"mark": mark, "note": visible(note)[:LONGEST]}
