"""Review marks come from a file that anybody may have edited: only marks and notes are taken from it."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner

from robustrank.auditing import state
from robustrank.cli.main import main
from robustrank.core.errors import DataError
from robustrank.report import marks

STRINGS: dict[str, str] = json.loads(
    (Path(__file__).parents[1] / "data" / "hostile_strings.json").read_text(encoding="utf-8")
)


def exported(path: Path, entries: Any, **other: Any) -> Path:
    path.write_text(json.dumps({"robustrank_marks": 1, "audit": "a", "marks": entries, **other}), encoding="utf-8")
    return path


def test_what_the_report_exports_is_read_back(tmp_path: Path) -> None:
    entries = {"0f": {"mark": "to fix", "note": "see ticket"}, "1f": {"mark": "accepted risk"}}
    assert marks.read(exported(tmp_path / "m.json", entries)) == {
        "0f": {"mark": "to fix", "note": "see ticket"},
        "1f": {"mark": "accepted risk", "note": ""},
    }


def test_marks_are_counted_by_kind() -> None:
    entries = {str(n): {"mark": mark, "note": ""} for n, mark in enumerate(["to fix", "to fix", "false positive"])}
    assert marks.counts(entries) == {"false positive": 1, "to fix": 2}
    assert marks.counts({}) == {}


@pytest.mark.parametrize(
    "entry", [None, "to fix", [], {}, {"mark": "fine"}, {"mark": ["to fix"]}, {"mark": "to fix", "note": 3}]
)
def test_an_entry_that_is_no_mark_is_refused_by_its_case(tmp_path: Path, entry: Any) -> None:
    with pytest.raises(DataError, match="case 'abc' is not marked as one of accepted risk, false positive, to fix"):
        marks.read(exported(tmp_path / "m.json", {"abc": entry}))


@pytest.mark.parametrize("text", ["", "[]", "{}", "null", '{"robustrank_marks": 2, "marks": {}}', "[" * 99999])
def test_another_file_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "m.json").write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=r"m\.json"):
        marks.read(tmp_path / "m.json")


def test_notes_are_made_visible_and_cut(tmp_path: Path) -> None:
    entries = {"a": {"mark": "to fix", "note": "x\u202ey"}, "b": {"mark": "to fix", "note": "z" * 9999}}
    read = marks.read(exported(tmp_path / "m.json", entries))
    assert read["a"]["note"] == "x⟨U+202E⟩y"
    assert len(read["b"]["note"]) == marks.LONGEST


@pytest.mark.parametrize("name", STRINGS)
def test_a_hostile_mark_is_refused_in_one_visible_line(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError) as raised:
        marks.read(exported(tmp_path / "m.json", {STRINGS[name]: {"mark": STRINGS[name]}}))
    assert "\n" not in str(raised.value)
    assert "\u202e" not in str(raised.value)


def test_the_command_puts_marks_into_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, summaries: SimpleNamespace
) -> None:
    monkeypatch.setattr(state, "load_spec", lambda folder: SimpleNamespace(gates=[], ratchet=None))
    monkeypatch.setattr(state, "_from_records", lambda folder, spec: summaries.realistic())
    file = exported(tmp_path / "m.json", {"0f": {"mark": "to fix", "note": "see ticket"}})
    result = CliRunner().invoke(main, ["report", str(tmp_path), "--marks", str(file)])
    assert result.exit_code == 0, result.output
    assert "marks: 1 to fix" in result.output
    assert '"marks":{"0f":{"mark":"to fix","note":"see ticket"}}' in (tmp_path / "report.html").read_text()
