"""The GitHub Action: its shell is sound, takes no text of a workflow into a command, and leads to a verdict."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]


def steps() -> list[dict[str, Any]]:
    yaml = pytest.importorskip("yaml")
    found: list[dict[str, Any]] = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))["runs"]["steps"]
    return found


def test_no_input_becomes_part_of_a_command() -> None:
    for step in steps():
        assert "${{" not in step.get("run", "")


def test_its_commands_are_bash() -> None:
    for step in (s for s in steps() if "run" in s):
        assert step["shell"] == "bash"
        subprocess.run(["bash", "-n"], input=step["run"], text=True, check=True)


@pytest.mark.slow
def test_it_audits_judges_and_writes_a_job_summary(tmp_path: Path) -> None:
    _tiny(tmp_path)
    page, output = tmp_path / "page.md", tmp_path / "output"
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "FILE": "my.audit.toml", "STORE": ".robustrank", "OPTIONS": "--minutes 9 --executor 'processes(workers=1)'",
        "GITHUB_OUTPUT": str(output), "GITHUB_STEP_SUMMARY": str(page),
    }  # fmt: skip
    codes = []
    for name in ("Audit", "Evaluate the gates"):
        script = next(step["run"] for step in steps() if step.get("name") == name)
        done = subprocess.run(
            ["bash", "-eo", "pipefail", "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        codes.append(done.returncode)
    assert codes == [0, 1]  # a gate that does not hold is the second step's to tell
    assert re.fullmatch(r"report=\.robustrank/x-[0-9a-f]+/report\.html\n", output.read_text())
    assert done.stdout.startswith("::error file=my.audit.toml,line=10,title=fail%3A ranks beyond perfection::")
    assert "## RobustRank: 1 fail" in page.read_text()


def _tiny(folder: Path) -> None:
    (folder / "data" / "qrels").mkdir(parents=True)
    fruits = [f"fruit{n}" for n in range(8)]
    for name, rows in (
        ("corpus", [("d" + f, f"the {f}") for f in fruits]),
        ("queries", [("q" + f, f) for f in fruits]),
    ):
        lines = "".join(json.dumps({"_id": key, "text": text}) + "\n" for key, text in rows)
        (folder / "data" / f"{name}.jsonl").write_text(lines)
    qrels = "".join(f"q{f}\td{f}\t1\n" for f in fruits)
    (folder / "data" / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\n" + qrels)
    (folder / "my.audit.toml").write_text(
        'name = "x"\n[[collection]]\nuse = "beir"\npath = "data"\n[[ranker]]\nuse = "bm25"\n'
        '\n\n[[gate]]\nname = "ranks beyond perfection"\nmeasure = "nDCG@10"\nmin = 1.5\n'
    )
