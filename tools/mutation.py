"""Mutants of one room and how many of them its tests kill: ``python tools/mutation.py ROOM``.

Works on a copy of the repository, so that the tree stays as it is. Rooms, their modules and tests are named in
``[tool.mutation.ROOM]`` of pyproject.toml; docs/testing.md has the last figures.

Options: ``--only MODULE`` mutates one module of the room, ``--folder FOLDER`` keeps the copy (and goes on there),
``--children N`` runs so many at once.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections import Counter
from pathlib import Path

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


def main() -> int:
    """Run and report; 1 where fewer than nine of ten mutants are killed."""
    rooms = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["mutation"]
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("room", choices=sorted(rooms))
    parser.add_argument("--only", help="one module, such as robustrank/stats/contrasts.py")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--children", default="1")
    chosen = parser.parse_args()
    room = dict(rooms[chosen.room])
    if chosen.only:
        room["modules"] = [chosen.only]
    with tempfile.TemporaryDirectory() as scratch:
        folder = chosen.folder or Path(scratch)
        prepare(room, folder)
        command = [sys.executable, "-m", "mutmut"]
        subprocess.run([*command, "run", "--max-children", chosen.children], cwd=folder, check=False)
        listed = subprocess.run(
            [*command, "results", "--all", "true"], cwd=folder, check=True, capture_output=True, text=True
        )
    outcomes = dict(line.strip().rsplit(": ", 1) for line in listed.stdout.splitlines() if ": " in line)
    counts = Counter(outcomes.values())
    for name, outcome in sorted(outcomes.items()):
        if outcome not in ("killed", "timeout"):
            print(f"{outcome}: {name}")
    made, killed = len(outcomes), counts["killed"] + counts["timeout"]
    print(f"{chosen.room}: made {made}, killed {killed} ({killed / max(made, 1):.1%}), {dict(counts)}")
    return 0 if killed >= 0.9 * made else 1


if __name__ == "__main__":
    sys.exit(main())
