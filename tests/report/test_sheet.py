"""The cases as CSV: one line a case that says what the summary says, whatever an attacker wrote into it."""

from __future__ import annotations

import csv
import json
import unicodedata
from dataclasses import replace
from itertools import cycle
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from robustrank.auditing import state
from robustrank.cli.main import main
from robustrank.core.types import Status
from robustrank.report import sheet
from robustrank.results.attack_cases import AttackedCase, Cases, Change
from robustrank.results.outcomes import Ending

STRINGS: dict[str, str] = json.loads(
    (Path(__file__).parents[1] / "data" / "hostile_strings.json").read_text(encoding="utf-8")
)
TEXTS = ["what is it", "a b c d"]
CASE = AttackedCase(
    key="0f", ranker="net", attack="random substitutions", collection="home", stratum="11-20", status=Status.OK,
    ending=Ending.SUCCEEDED, error="", query_id="q1", query=0, doc_id="-7", document=1,
    changes=[Change(2, 3, "x"), Change(7, 7, " e")],
    query_changed=False, rank_before=12, rank_after=3, list_length=20, score_before=-0.25, score_after=1.5, harm=0.0,
    edits=2, similarity=None, calls=0, reached=["promoted", "ASR@10"], success=True, fell=(), proofs=(),
)  # fmt: skip


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_a_line_says_what_the_case_says(summaries: SimpleNamespace, tmp_path: Path) -> None:
    whole = replace(summaries.realistic(), cases=Cases(texts=TEXTS, rows=[CASE]))
    assert sheet.write(whole, tmp_path / "c.csv", {"0f": {"mark": "to fix", "note": "see ticket"}}) == 1
    [row] = rows(tmp_path / "c.csv")
    assert row == {
        "key": "0f", "ranker": "net", "attack": "random substitutions", "collection": "home", "stratum": "11-20",
        "status": "ok", "ending": "succeeded", "error": "", "query_id": "q1", "doc_id": "-7",
        "rank_before": "12", "rank_after": "3",
        "list_length": "20", "score_before": "-0.25", "score_after": "1.5", "harm": "0.0", "edits": "2",
        "similarity": "", "calls": "0", "success": "yes", "control": "yes", "changed": "document",
        "reached": "promoted; ASR@10", "query": "what is it", "removed": "b", "added": "x |  e", "mark": "to fix",
        "note": "see ticket",
    }  # fmt: skip


def test_hostile_text_stays_in_its_cell_and_is_no_formula(summaries: SimpleNamespace, tmp_path: Path) -> None:
    strings = [*STRINGS.values(), "a,b", 'a"b', "a\nb", "=cmd|' /C calc'!A0"]
    whole = summaries.realistic()
    for start in range(0, len(strings), 20):
        planted = summaries.plant(whole, cycle(strings[start:] + strings[:start]))
        path = tmp_path / "c.csv"
        sheet.write(planted, path)
        assert len(path.read_text(encoding="utf-8").splitlines()) == 1 + len(planted.cases.rows)
        for row in rows(path):
            assert tuple(row) == sheet.COLUMNS
            for name, cell in row.items():
                assert not {unicodedata.category(char) for char in cell} & {"Cc", "Cf", "Cs", "Cn", "Zl", "Zp"}
                assert not cell.lstrip().startswith(("=", "+", "@")), name


def test_the_command_writes_it_with_the_marks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, summaries: SimpleNamespace
) -> None:
    whole = summaries.realistic()
    monkeypatch.setattr(state, "summarise", lambda folder, marks, since: whole)
    out = tmp_path / "cases.csv"
    result = CliRunner().invoke(main, ["report", str(tmp_path), "--csv", str(out)])
    assert result.exit_code == 0, result.output
    assert f"{out}: 24 cases" in result.stderr
    assert [row["key"] for row in rows(out)] == [row.key for row in whole.cases.rows]
