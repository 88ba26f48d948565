"""The newcomer's page is a transcript: its commands are run in a fresh folder, and print what the page says."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from importlib.resources import as_file, files
from pathlib import Path

import pytest

PAGE = Path(__file__).resolve().parents[2] / "docs" / "first-gate.md"


def steps() -> list[tuple[str, str]]:
    """Every command of the page with what it prints; a line that begins with ``> `` goes on with the command above."""
    found: list[tuple[str, str]] = []
    for block in re.findall(r"```console\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            lines = part.splitlines()
            command = [lines[0]]
            while len(lines) > len(command) and lines[len(command)].startswith(">"):
                command.append(lines[len(command)][2:])
            found.append(("\n".join(command), "\n".join(lines[len(command) :])))
    return found


def same(text: str, folder: Path) -> str:
    """What may not differ between two machines: words, not digits, paths or the width of a rule."""
    text = text.replace(str(folder), "").replace("/home/you/my-search", "")
    text = re.sub(r"my-ranker-[0-9a-f]+", "my-ranker-KEY", text)
    text = re.sub(r" \(\d+:\d\d:\d\d\)$", "", text, flags=re.MULTILINE)
    return re.sub(r"[ =_]+", " ", re.sub(r"\d+(\.\d+)?", "N", text)).strip()


def test_the_page_has_commands_to_run() -> None:
    commands = [command for command, _ in steps()]
    assert len(commands) >= 6
    assert "pytest -q" in commands


@pytest.mark.slow
def test_the_commands_of_the_page_print_what_it_says(tmp_path: Path) -> None:
    model = tmp_path / "models" / "my-cross-encoder"
    with as_file(files("robustrank").joinpath("data", "models", "robustrank-tiny")) as tiny:
        shutil.copytree(tiny, model)
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith("PYTEST")},
        "HOME": str(tmp_path),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "COLUMNS": "80",
        "HF_HUB_OFFLINE": "1",
    }
    folder = tmp_path
    for command, expected in steps():
        done = subprocess.run(
            ["bash", "-c", command], cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
        assert same(done.stdout, folder) == same(expected, folder), (command, done.stdout, done.stderr)
        if "&& cd " in command:
            folder /= command.rpartition("&& cd ")[2]
