"""Mutants of one room and how many of them its tests kill: ``python tools/mutation.py ROOM``.

Works on a copy of the repository, so that the tree stays as it is. Rooms, their modules and tests are named in
``[tool.mutation.ROOM]`` of pyproject.toml; docs/testing.md has the last figures.

Options: ``--only MODULE`` mutates one module of the room, ``--folder FOLDER`` keeps the copy (and goes on there),
``--children N`` runs so many at once, ``--sample N`` tries only so many, drawn at random with ``--seed``, and gives the
share killed with its Clopper-Pearson interval.
"""

from __future__ import annotations

import argparse
import random
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections import Counter
from pathlib import Path

from robustrank.stats import intervals

ROOT = Path(__file__).parents[1]
COPIED = ("robustrank", "attacks", "defenses", "tests", "docs", "LICENSE", "NOTICE", "README.md", "pyproject.toml")


def prepare(room: dict[str, list[str]], folder: Path) -> None:
    """Copy what the tests need and write mutmut's configuration."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in COPIED:
        source, target = ROOT / name, folder / name
        if source.is_dir():
            shutil.copytree(source, target, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, target)
    also = [name for name in COPIED if name not in ("tests", "pyproject.toml")]
    lines = [
        "", "[tool.mutmut]", f"source_paths = {room['modules']}",
        f"pytest_add_cli_args_test_selection = {room['tests']}",
        'pytest_add_cli_args = ["-p", "no:cacheprovider", "-m", "not slow and not statistical"]',
        f"also_copy = {also}", "",
    ]  # fmt: skip
    with (folder / "pyproject.toml").open("a") as file:
        file.write("\n".join(lines).replace("'", '"'))


def outcomes(folder: Path) -> dict[str, str]:
    """Mutant to what became of it: killed, survived, timeout, no tests, not checked."""
    command = [sys.executable, "-m", "mutmut", "results", "--all", "true"]
    listed = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    return dict(line.strip().rsplit(": ", 1) for line in listed.stdout.splitlines() if ": " in line)


def try_mutants(folder: Path, children: str, sample: int | None, seed: int) -> dict[str, str]:
    """Run the tests against all mutants, or against some drawn at random, and say what became of those."""
    command = [sys.executable, "-m", "mutmut", "run", "--max-children", children]
    if sample is None:
        subprocess.run(command, cwd=folder, check=False)
        return outcomes(folder)
    # mutmut makes the mutants before it looks for the names it is given; none has this one.
    subprocess.run([*command, "none"], cwd=folder, check=False, capture_output=True)
    names = sorted(outcomes(folder))
    drawn = sorted(random.Random(seed).sample(names, min(sample, len(names))))
    subprocess.run([*command, *drawn], cwd=folder, check=False)
    results = outcomes(folder)
    return {name: results[name] for name in drawn}


def main() -> int:
    """Run and report; 1 where fewer than nine of ten mutants are killed."""
    rooms = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["mutation"]
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("room", choices=sorted(rooms))
    parser.add_argument("--only", help="one module, such as robustrank/stats/contrasts.py")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--children", default="1")
    parser.add_argument("--sample", type=int, help="try so many mutants, drawn at random")
    parser.add_argument("--seed", type=int, default=0, help="of the sample")
    chosen = parser.parse_args()
    room = dict(rooms[chosen.room])
    if chosen.only:
        room["modules"] = [chosen.only]
    with tempfile.TemporaryDirectory() as scratch:
        folder = chosen.folder or Path(scratch)
        prepare(room, folder)
        tried = try_mutants(folder, chosen.children, chosen.sample, chosen.seed)
        made = len(outcomes(folder))
    counts = Counter(tried.values())
    for name, outcome in sorted(tried.items()):
        if outcome not in ("killed", "timeout"):
            print(f"{outcome}: {name}")
    killed = counts["killed"] + counts["timeout"]
    share = intervals.share([True] * killed + [False] * (len(tried) - killed))
    bounds = f", {share.low:.1%} to {share.high:.1%}" if chosen.sample else ""
    print(
        f"{chosen.room}: made {made}, tried {len(tried)}, killed {killed} ({share.value:.1%}{bounds}), {dict(counts)}"
    )
    return 0 if killed >= 0.9 * len(tried) else 1


if __name__ == "__main__":
    sys.exit(main())
