"""Summary, status, gate and report agree on what is finished; failed tasks are asked again."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from robustrank.auditing import plan, state
from robustrank.auditing import run as audit
from robustrank.auditing.plan import Plan, read_plan
from robustrank.auditing.session import Allowance
from robustrank.cli.main import main
from robustrank.config import audit_file
from robustrank.core.progress import Silent
from robustrank.core.types import Status
from robustrank.plugins import registry
from robustrank.results import summary as summaries
from robustrank.storage import journal
from robustrank.work.record_format import FORMAT
from robustrank.work.records import RankingRecord, TaskRecord

Write = Callable[[Path, list[str]], None]

AUDIT = """
name = "state"
measures = ["nDCG@10"]
[[collection]]
name = "home"
use = "beir"
path = "home"
depth = 5
[[ranker]]
name = "net"
use = "made_up"
[[gate]]
name = "ranks"
measure = "nDCG@10"
where = { ranker = "net" }
max = 0.999
bound = "value"
"""
QUERIES = [f"nobody fails word {n}" for n in range(4)]


def cli(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture
def where(tmp_path: Path, write: Write, plugins: None) -> Path:
    """A finished audit, in a folder with its file."""
    write(tmp_path / "home", QUERIES)
    (tmp_path / "state.toml").write_text(AUDIT)
    folder = tmp_path / "audits" / "state"
    audit.run(audit_file.load(tmp_path / "state.toml"), folder)
    return folder


def test_a_newer_run_that_died_leaves_nothing_finished(where: Path) -> None:
    assert cli("gate", where).exit_code == 0
    assert cli("status", where).stdout.splitlines()[-1] == "finished"
    # The ranker was trained again, and the run that followed died in its first phase.
    names = read_plan(where).names
    Plan(phases={"setup": ["another"], "ranking": ["other", "keys"]}, names=names).write(where)
    shown = cli("status", where).stdout
    assert "not finished" in shown.splitlines()[-1]
    assert "ranking      0 of 2" in shown
    judged = cli("gate", where)
    assert (judged.exit_code, "run its command again" in judged.stderr) == (3, True)
    assert cli("report", where).exit_code == 3  # no figure is made of another plan's records
    assert audit.run(audit_file.load(where.parents[1] / "state.toml"), where).finished is not None
    assert cli("gate", where).exit_code == 0


def test_a_gate_refuses_a_summary_that_is_older_than_the_records_of_an_unfinished_audit(where: Path) -> None:
    old = read_plan(where)
    replace(old, phases={**old.phases, "ranking": [*old.phases["ranking"], "one more"]}).write(where)
    judged = cli("gate", where)
    assert (judged.exit_code, "older than the records" in judged.stderr) == (3, True)


def test_a_run_that_ends_early_makes_no_finished_audit(where: Path, tmp_path: Path) -> None:
    spec = audit_file.load(tmp_path / "state.toml")
    short = tmp_path / "audits" / "short"
    audit.run(spec, short, allowance=Allowance(tasks=2))
    for _ in range(2):
        assert "not finished" in cli("status", short).stdout
        assert summaries.read(short / "summary.json").finished is None
        assert cli("report", short).exit_code == 0


@pytest.mark.parametrize("damage", ["missing", "cut", "changed", "old"])
def test_records_alone_are_enough_for_every_command(where: Path, damage: str) -> None:
    path = where / "summary.json"
    whole = path.read_text()
    if damage == "missing":
        path.unlink()
    elif damage == "changed":
        path.write_text(re.sub(r'("mean": \[\s*)[\d.]+', r"\g<1>0.123", whole))
    elif damage == "cut":
        path.write_text(whole[: len(whole) // 2])
    else:
        stale = summaries.read(path)
        first, *others = stale.effectiveness
        first = replace(first, mean=first.mean._replace(value=0.123))
        summaries.write(replace(stale, made_from="another state", effectiveness=[first, *others]), path)
    judged = cli("gate", where)
    assert judged.exit_code == 0
    assert "the figures are made from the records" in judged.stderr
    assert "0.123" not in judged.stdout
    board = cli("leaderboard", where.parent, "--out", where.parent / "page.html")
    assert (board.exit_code, "1 rankers" in board.stdout) == (0, True)
    assert "made from the records" in board.stderr
    assert cli("status", where).stdout.splitlines()[-1] == "finished"
    assert cli("report", where).exit_code == 0
    assert "figures" not in cli("gate", where).stderr  # report wrote the summary again


def test_failed_tasks_are_asked_again_and_both_lines_are_kept(
    tmp_path: Path, write: Write, plugins: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "home", [*QUERIES, "ranker raises word"])
    spec = audit_file.parse(AUDIT, folder=tmp_path)
    out = tmp_path / "out"
    audit.run(spec, out)
    assert plan.progress(out).phases[1] == ("ranking", 5, 5, 1)
    assert "1 of them failed" in cli("status", out).stdout
    monkeypatch.setitem(__import__("made_up_plugins").FAILURES, "raises", lambda: None)
    messages: list[str] = []

    class Listener(Silent):
        def message(self, text: str) -> None:
            messages.append(text)

    audit.run(spec, out, progress=Listener())
    assert any("1 failed task" in text and "5 pairs" in text for text in messages), messages
    lines = [FORMAT.loads(line) for _, line in journal.lines(out / "records" / "main.jsonl")]
    tasks = [line for line in lines if isinstance(line, RankingRecord)]
    assert [record.status for record in tasks].count(Status.ERROR) == 1
    assert len(tasks) == 6
    final = [record for record in journal.read(out, FORMAT).values() if isinstance(record, TaskRecord)]
    assert all(record.status is Status.OK for record in final)
    assert plan.progress(out).phases[1] == ("ranking", 5, 5, 0)


def test_a_run_without_new_records_keeps_what_is_written_and_a_changed_gate_is_judged(
    where: Path, tmp_path: Path
) -> None:
    def contents() -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in sorted(where.rglob("*")) if path.is_file()}

    file = tmp_path / "state.toml"
    spec, before = audit_file.load(file), contents()
    kept = audit.run(spec, where)
    assert contents() == before
    assert kept == summaries.read(where / "summary.json")
    # Whatever figures and page are made from makes them anew: the page, the version, the audit file.
    (where / "report.html").unlink()
    audit.run(spec, where)
    assert contents().keys() == before.keys()
    stricter = audit_file.parse(file.read_text().replace("max = 0.999", "max = 0.9999"), folder=tmp_path)
    assert "0.9999" in audit.run(stricter, where).verdicts[0].limit


def test_figures_of_another_version_are_made_anew(where: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not state.current(where).note
    monkeypatch.setattr(registry, "version", lambda kind, name: f"{name} 99")
    assert "installed version" in state.current(where).note
