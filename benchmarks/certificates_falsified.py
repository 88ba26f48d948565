"""What attacks did to certified lists: ``python benchmarks/certificates_falsified.py AUDIT_FOLDER``.

AUDIT_FOLDER is what ``robustrank audit reports/certificates/falsification.toml`` left. Writes
``reports/certificates/falsification.json``: per defended ranker, K and radius how many lists are certified, how many
attacks within the certificate were tried on them, and how many succeeded.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from certificates_sweep import OUT


def main() -> None:
    summary = json.loads((Path(sys.argv[1]) / "summary.json").read_text())
    rows = [
        [
            found["ranker"],
            f"`{found['method']}`",
            found["speaks_of"],
            found["k"],
            f"{found['radius']:g}",
            f"{sum(map(round, found['per_query'].values()))} of {len(found['per_query'])}",
            found["attacks_on_certified"],
            found["certificates_broken"],
            f"{found['alpha'] * found['attacks_on_certified']:.2f}",
        ]
        for found in summary["certificates"]
        if found["attacks_on_certified"]
    ]
    attacks = ", ".join(sorted({found["attack"] for found in summary["attacks"]}))
    told = (
        f"Audit `reports/certificates/falsification.toml`: {attacks}. Counted are attacks on documents below K whose "
        "edits\nthe certificate covers, on lists certified at that K and R. Allowed: alpha times these attacks, an "
        "upper bound on the\nexpected number of false certificates among them; nothing for the deployed ranker."
    )
    (OUT / "falsification.json").write_text(json.dumps({"told": told, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
