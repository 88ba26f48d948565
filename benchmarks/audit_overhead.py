"""Share of an audit's wall time spent inside the rankers, in one run: ``python benchmarks/audit_overhead.py [FILE]``.

Everything outside the rankers is overhead of the harness: loading, first stage, verification, statistics, report.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from robustrank.auditing import run as audit
from robustrank.config import audit_file


def main() -> None:
    spec = audit_file.load(sys.argv[1] if len(sys.argv) > 1 else "quick")
    with tempfile.TemporaryDirectory() as root:
        where = audit.folder(spec, Path(root))
        cost = audit.run(spec, where).environment
    shares = {
        "audit": spec.name,
        "pairs_scored": cost["pairs_scored"],
        "wall_seconds": round(cost["wall_seconds"], 1),
        "share_of_wall_inside_rankers": round(cost["scoring_seconds"] / cost["wall_seconds"], 3),
        "share_of_task_time_inside_rankers": round(cost["scoring_seconds"] / cost["task_seconds"], 3),
        "share_of_task_time_measuring_similarity": round(cost["measuring_seconds"] / cost["task_seconds"], 3),
    }
    sys.stdout.write(json.dumps(shares, indent=1) + "\n")


if __name__ == "__main__":
    main()
