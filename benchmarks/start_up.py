"""What RobustRank costs those who only start it: ``python benchmarks/start_up.py [ROUNDS]``.

Two figures, each from paired runs that alternate, so that a busy machine slows both sides alike:

* ``robustrank --help`` against ``python -c "import click"``;
* a pytest session of one plain test with the plug-in against one without any plug-in.

Medians of the paired differences with their interval (order statistics, at least 95 %), and the median ratio, of wall
time and of the processor's time; on a busy machine only the second means much.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from math import comb
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage
from statistics import median
from time import perf_counter

ENVIRONMENT = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}


def seconds(command: Sequence[str], folder: str) -> tuple[float, float]:
    """Wall time and the processor's time."""
    started, before = perf_counter(), getrusage(RUSAGE_CHILDREN)
    subprocess.run(command, cwd=folder, check=True, capture_output=True, env=ENVIRONMENT)
    after = getrusage(RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return perf_counter() - started, spent


def paired(ours: Sequence[str], theirs: Sequence[str], rounds: int, folder: str) -> dict[str, object]:
    """The cost of one command over another, in milliseconds."""
    for command in (ours, theirs):
        seconds(command, folder)  # fills caches, and compiles what was never imported
    times = [(seconds(ours, folder), seconds(theirs, folder)) for _ in range(rounds)]
    found: dict[str, object] = {"n": rounds}
    for place, kind in enumerate(("wall", "processor")):
        more = sorted(1000 * (a[place] - b[place]) for a, b in times)
        skip = ends(rounds)
        found[kind] = {
            "ours_ms": round(1000 * median(a[place] for a, _ in times)),
            "theirs_ms": round(1000 * median(b[place] for _, b in times)),
            "more_ms": round(median(more), 1),
            "interval_ms": [round(more[skip], 1), round(more[-1 - skip], 1)],
            "ratio": round(median(a[place] / b[place] for a, b in times), 3),
        }
    return found


def ends(n: int) -> int:
    """How many of n sorted values may be left out at each end, so that the rest holds the median 95 times in 100."""
    outside, left_out = 0.0, 0
    while (outside := outside + comb(n, left_out) / 2**n) <= 0.025:
        left_out += 1
    return max(0, left_out - 1)


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "test_one.py").write_text("def test_one(): pass\n")
        python, pytest = [sys.executable], [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
        found = {
            "robustrank --help": paired(
                [*python, "-m", "robustrank", "--help"], [*python, "-c", "import click"], rounds, folder
            ),
            "plug-in": paired([*pytest, "-p", "robustrank.pytest_plugin"], pytest, rounds, folder),
        }  # fmt: skip
    sys.stdout.write(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
