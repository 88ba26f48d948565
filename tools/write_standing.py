"""Writes ``robustrank/data/standing.json`` from ``reports/*/summary.json``: ``python tools/write_standing.py``.

With ``--check`` it only compares.
"""

from __future__ import annotations

import sys
from pathlib import Path

from robustrank.core.errors import StoreError
from robustrank.judging import standing
from robustrank.results import summary
from robustrank.storage import typed

ROOT = Path(__file__).resolve().parents[1]
TABLE = ROOT / "robustrank" / "data" / "standing.json"


def main() -> int:
    """Write or compare the table."""
    rows: list[standing.Row] = []
    for path in sorted(ROOT.glob("reports/*/summary.json")):
        try:
            audit = summary.read(path)
        except StoreError:  # summaries of other studies
            continue
        rows += standing.rows(audit)
    text = typed.dumps(standing.Table(rows=rows), standing.SCHEMA, indent=1) + "\n"
    if "--check" in sys.argv[1:]:
        return int(not TABLE.exists() or TABLE.read_text(encoding="utf-8") != text)
    TABLE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
