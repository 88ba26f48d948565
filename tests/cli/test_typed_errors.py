"""Whatever a file holds, the command line ends in a line that says what to do, and never in a traceback."""

from __future__ import annotations

import errno
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from robustrank.auditing import run as audit
from robustrank.cli.main import main
from robustrank.config import audit_file
from robustrank.storage import files, journal

AUDIT = """
name = "typed"
measures = ["nDCG@10"]
[[collection]]
use = "beir"
path = "home"
name = "home"
depth = 3
[[ranker]]
use = "random"
"""


def ends(code: int, message: str, *arguments: str | Path) -> None:
    """The command ends with this code and a line with this message."""
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert (result.exit_code, "Traceback" in result.stderr, "bug in" in result.stderr) == (code, False, False), (
        result.stderr
    )
    assert message in result.stderr


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a = " + "[" * 5000 + "]" * 5000, "nested too deeply"),
        ("seed = " + "9" * 5000, "too long"),
        ("seed = 99999999999999999999", "no number that can be used"),
        ('[[ranker]]\nuse = "bm25"\nk1 = nan', "ranker[0].k1 = nan is no number"),
        ('[[ranker]]\nuse = "bm25"\nk1 = inf', "ranker[0].k1 = inf is no number"),
        ('[[ranker]]\nuse = "bm25"\nk1 = 1979-05-27', "ranker[0].k1 is a date"),
        ("name = 07:32:00", "name is a date or time"),
        ("name = ", "not valid TOML"),
    ],
)
def test_an_odd_audit_file_is_told_by_its_place(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "odd.toml").write_text(text)
    ends(2, message, "audit", tmp_path / "odd.toml", "--out", tmp_path)


def test_a_device_and_a_huge_file_are_no_audit_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ends(2, "not a regular file", "audit", "/dev/zero", "--out", tmp_path)
    (tmp_path / "large.toml").write_text("# " + "x" * 200)
    monkeypatch.setattr(files.read_text, "__defaults__", (100,))
    ends(2, "more than", "audit", tmp_path / "large.toml", "--out", tmp_path)


@pytest.fixture
def where(tmp_path: Path) -> Path:
    """A finished audit."""
    home = tmp_path / "home"
    (home / "qrels").mkdir(parents=True)
    rows = [{"_id": f"d{n}", "title": "", "text": f"apple {n}"} for n in range(4)]
    (home / "corpus.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (home / "queries.jsonl").write_text("".join(f'{{"_id": "q{n}", "text": "apple"}}\n' for n in range(3)))
    (home / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq0\td0\t1\nq1\td1\t1\nq2\td2\t1\n")
    (tmp_path / "typed.toml").write_text(AUDIT)
    spec = audit_file.load(tmp_path / "typed.toml")
    folder = audit.folder(spec, tmp_path)
    audit.run(spec, folder)
    return folder


LINES: dict[str, Callable[[dict[str, Any]], object]] = {
    "a number": lambda line: 5,
    "a list": lambda line: [line],
    "no object": lambda line: None,
    "no key": lambda line: {k: v for k, v in line.items() if k != "key"},
    "a key that is none": lambda line: line | {"key": ["x"]},
    "a kind that is none": lambda line: line | {"kind": 7},
    "fewer scores": lambda line: line | {"scores": line["scores"][1:]},
    "scores that are none": lambda line: line | {"scores": "high"},
    "an unknown key": lambda line: line | {"colour": "red"},
    "another schema": lambda line: line | {"schema": 99},
}


@pytest.mark.parametrize("odd", LINES)
def test_an_odd_line_of_a_journal_is_told_with_file_and_line(where: Path, odd: str) -> None:
    path = where / "records" / "main.jsonl"
    lines = [json.loads(line) for _, line in journal.lines(path)]
    number = next(n for n, line in enumerate(lines) if line["kind"] == "ranking")
    kept = [journal.checked(json.dumps(line)) for line in lines]
    body = json.dumps(LINES[odd](lines[number]))
    kept[number] = journal.checked(body) if body.endswith("}") else body.encode() + b"\n"
    path.write_bytes(b"".join(kept))
    ends(3, f"main.jsonl:{number + 1}: not a record", "report", where)
    ends(3, f"main.jsonl:{number + 1}: not a record", "audit", where.parent / "typed.toml", "--out", where.parent)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"schema": 99}', '{"schema": 3, "colour": 1}', "[" * 9000])
def test_another_spec_is_told(where: Path, text: str) -> None:
    (where / "spec.json").write_text(text)
    (where / "summary.json").unlink()
    ends(3, "spec.json", "report", where)
    ends(3, "spec.json", "gate", where)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"schema": 99}', '{"schema": 3, "phases": 3}'])
def test_another_plan_is_told(where: Path, text: str) -> None:
    (where / "keys.json").write_text(text)
    ends(3, "keys.json", "status", where)


@pytest.mark.parametrize(
    ("number", "advice"), [(errno.ENOSPC, "free some space"), (errno.EMFILE, "ulimit -n"), (errno.EROFS, "--out")]
)
def test_what_the_system_refuses_is_told_with_advice(
    where: Path, number: int, advice: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object) -> None:
        raise OSError(number, "refused")

    monkeypatch.setattr("robustrank.auditing.plan.progress", refuse)
    ends(3, advice, "status", where)


def test_running_out_of_memory_is_told(where: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object) -> None:
        raise MemoryError

    monkeypatch.setattr("robustrank.auditing.plan.progress", refuse)
    ends(3, "not enough memory", "status", where)
