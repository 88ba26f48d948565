"""The audit before an audit: the last one of its name, never a later, unfinished or unreadable one."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from robustrank import api
from robustrank.auditing import history
from robustrank.cli.main import main
from robustrank.results import summary as summaries
from robustrank.results.summary import Summary


def ended(summary: Summary, day: int, name: str = "weekly") -> Summary:
    return replace(
        summary, name=name, started=f"2026-01-{day:02}T01:00:00+00:00", finished=f"2026-01-{day:02}T02:00:00+00:00"
    )


def put(root: Path, folder: str, audit: Summary, written: int) -> Path:
    where = root / folder
    where.mkdir()
    summaries.write(audit, where / "summary.json")
    os.utime(where / "summary.json", (written, written))
    return where


def test_the_last_one_of_the_name_that_ended_before_counts(summary: Summary, tmp_path: Path) -> None:
    put(tmp_path, "weekly-000000000a", ended(summary, 1), written=10)
    put(tmp_path, "weekly-000000000b", ended(summary, 3), written=30)
    put(tmp_path, "weekly-000000000c", ended(summary, 9), written=90)  # later
    put(tmp_path, "weekly-2-000000000d", ended(summary, 4, "weekly-2"), written=40)  # of another name
    put(tmp_path, "weekly-000000000e", replace(ended(summary, 4), finished=None), written=50)
    (tmp_path / "weekly-000000000f").mkdir()
    (tmp_path / "weekly-000000000f" / "summary.json").write_text("torn")
    now = ended(summary, 5)
    where = put(tmp_path, "weekly-0000000000", now, written=55)
    found = history.earlier(where, now)
    assert found is not None
    assert found.finished == "2026-01-03T02:00:00+00:00"
    assert history.earlier(where, replace(now, finished=None)) is None
    assert history.earlier(tmp_path / "weekly-2-000000000d", ended(summary, 4, "weekly-2")) is None


def test_the_same_folder_keeps_the_audit_of_another_setup_and_only_a_finished_one(
    summary: Summary, tmp_path: Path
) -> None:
    first, again, begun = ended(summary, 1), ended(summary, 2), replace(ended(summary, 3), finished=None)
    where = put(tmp_path, "weekly-0000000000", first, written=1)
    history.keep(where, replace(first, finished="2026-01-01T03:00:00+00:00"))  # the same setup: a task was done again
    assert not (where / history.BEFORE).exists()
    history.keep(where, again)
    found = history.earlier(where, again)
    assert found is not None
    assert found.started == first.started
    summaries.write(begun, where / "summary.json")
    history.keep(where, again)
    assert summaries.read(where / history.BEFORE).started == first.started


def _scores(query: str, texts: list[str]) -> list[float]:
    return [sum(text.count(word) for word in query.split()) + len(text) / 1e4 for text in texts]


def _reversed(query: str, texts: list[str]) -> list[float]:
    return [-score for score in _scores(query, texts)]


@pytest.fixture
def runs(tmp_path: Path) -> list[api.AuditResult]:
    """Two audits of one name: the second ranker turns every list round."""
    words = ["sea", "sun", "salt", "moon"]
    data = {
        "documents": [
            {"doc_id": f"d{n}", "text": f"{words[n % 4]} on day {n} {'again ' * (n % 3)}"} for n in range(12)
        ],
        "queries": [{"query_id": str(n), "text": word} for n, word in enumerate(words)],
        "qrels": [{"query_id": str(n), "doc_id": f"d{n}", "relevance": 1} for n in range(4)],
    }
    gate = {"measure": "nDCG@10", "min": 0.1, "bound": "value", "where": {"ranker": "mine"}}
    return [
        api.audit(
            ranker={"mine": ranker}, data=data, depth=12, attacks=[], gates=[gate], progress=False, out=tmp_path,
            options={"name": "weekly"},
        )
        for ranker in (_scores, _reversed)
    ]  # fmt: skip


def test_the_report_says_what_changed_since_the_last_audit_or_the_one_that_is_given(
    runs: list[api.AuditResult], tmp_path: Path
) -> None:
    first, second = (run.report.read_text(encoding="utf-8") for run in runs)
    assert "Since the last audit" not in first
    assert "Since the last audit" in second.partition('id="rankers"')[0]
    where = runs[0].folder
    given = CliRunner().invoke(main, ["report", str(where), "--since", str(runs[1].folder / "summary.json")])
    assert given.exit_code == 0
    assert "Since the last audit" in runs[0].report.read_text(encoding="utf-8")
