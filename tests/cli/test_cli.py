"""The command line: what it hands on, what it shows, and how it ends."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from robustrank.auditing import run as audit
from robustrank.auditing import state
from robustrank.auditing.plan import Plan
from robustrank.auditing.session import Allowance
from robustrank.cli.main import main
from robustrank.config import audit_file
from robustrank.config.specs import AuditSpec, GateSpec
from robustrank.core.errors import DataError, MissingExtra, StoreError
from robustrank.core.flags import Check
from robustrank.core.progress import Progress
from robustrank.judging import checks, gate
from robustrank.report import terminal
from robustrank.results import summary as summaries
from robustrank.results.red_flags import RedFlag, Severity
from robustrank.results.sequential import Sequential, Stopped
from robustrank.results.summary import Summary
from robustrank.results.verdicts import Outcome, Verdict
from robustrank.storage.journal import checked
from robustrank.work.check_records import CheckRecord
from robustrank.work.record_format import FORMAT

HOSTILE = "evil \x1b[2J\u202e[red]:smile:\nsecond"
"""Clears the screen, turns the line round, and speaks rich's markup."""

AUDIT = """
name = "mine"
[[collection]]
use = "scifact"
name = "home"
[[ranker]]
use = "bm25"
name = "net"
[[attack]]
use = "query_injection"
name = "stuffing"
[[gate]]
name = "ranks well"
measure = "nDCG@10"
where = { ranker = "net" }
min = 0.5
"""


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "mine.toml"
    path.write_text(AUDIT)
    return path


@pytest.fixture
def audits(monkeypatch: pytest.MonkeyPatch, summary: Summary) -> list[dict[str, Any]]:
    """Stands in for the audit; the arguments of its calls."""
    recorded_calls: list[dict[str, Any]] = []

    def fake(spec: AuditSpec, where: Path, *, progress: Progress, **options: Any) -> Summary:
        recorded_calls.append({"spec": spec, "where": where, **options})
        progress.start("attacks", 3)
        progress.advance(1)
        progress.advance(2)
        progress.message(HOSTILE)
        return replace(summary, verdicts=gate.judge(spec.gates, summary))

    monkeypatch.setattr(audit, "run", fake)
    return recorded_calls


@pytest.fixture
def folder(tmp_path: Path, summary: Summary, file: Path) -> Path:
    """An audit folder as an audit leaves it."""
    where = tmp_path / "audited"
    where.mkdir()
    state.write_spec(audit_file.load(file), where)
    summaries.write(summary, where / "summary.json")
    return where


@pytest.mark.parametrize("arguments", [["--help"], ["list"], ["list", "attack"], ["--version"], ["audit", "--help"]])
def test_help_and_list_import_nothing_heavy(arguments: list[str]) -> None:
    heavy = {"torch", "numpy", "scipy", "jinja2", "pandas", "rich", "onnxruntime", "robustrank_attacks"}
    code = (
        "import sys; from robustrank.cli.main import main\n"
        f"try: main({arguments!r})\nexcept SystemExit as end: code = end.code\n"
        f"print('HEAVY', sorted({heavy!r} & set(sys.modules)), code)"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.splitlines()[-1] == "HEAVY [] 0"


def test_an_audit_ends_with_ranker_table_gates_and_paths(audits: list[dict[str, Any]], file: Path) -> None:
    result = run("audit", file, "--out", "store")
    [call] = audits
    assert result.exit_code == 0, result.output
    assert call["where"] == audit.folder(call["spec"], Path("store"))
    for expected in ("stuffing succeeded in 60%", "0.700 [0.600, 0.800]", "ranks well", "pass", "CRQ@5 0.80 (R=1)"):
        assert expected in result.stdout
    assert result.stdout.splitlines()[-2].endswith("summary.json")
    assert result.stdout.splitlines()[-1].startswith("next ")
    assert "attacks: 3 of 3" in result.stderr


def test_a_gate_that_is_not_held_gives_one(audits: list[dict[str, Any]], file: Path) -> None:
    file.write_text(AUDIT.replace("0.5", "0.9"))
    result = run("audit", file)
    assert result.exit_code == 1
    assert "fail" in result.stdout


def test_options_are_handed_on(audits: list[dict[str, Any]], file: Path) -> None:
    limits = ["--limit", "7", "--pairs", "90", "--minutes", "1.5"]
    run("audit", file, "--fresh", *limits, "--executor", "processes(workers=2)")
    [call] = audits
    assert (call["fresh"], call["executor"].workers) == (True, 2)
    assert call["allowance"] == Allowance(tasks=7, pairs=90, minutes=1.5)


@pytest.mark.parametrize(("arguments", "name"), [([], "default"), (["--quick"], "quick"), (["quick"], "quick")])
def test_bundled_audits_are_the_default(audits: list[dict[str, Any]], arguments: list[str], name: str) -> None:
    run("audit", *arguments)
    assert [call["spec"].name for call in audits] == [name]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["audit", "none.toml"], 2, "none.toml: no such audit file; `robustrank init` writes one"),
        (["audit", "x.toml", "--quick"], 2, "not both"),
        (["audit", "--executor", "sreial"], 2, "did you mean 'serial'"),
        (["show", "attack", "padra"], 2, "no attack named 'padra'"),
        (["list", "atack"], 2, "'atack'"),
        (["report", "nowhere"], 3, "nowhere"),
        (["gate", "nowhere"], 3, "nowhere"),
        (["status", "nowhere"], 3, "nowhere"),
        (["compare", "nowhere", "either"], 3, "nowhere"),
    ],
)
def test_a_mistake_is_one_line_without_a_traceback(arguments: list[str], code: int, words: str) -> None:
    result = run(*arguments)
    assert result.exit_code == code
    assert words in result.stderr
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (StoreError(HOSTILE), 3),
        (DataError(HOSTILE, path="f", line=2), 2),
        (MissingExtra("x", extra="y", package="z"), 3),
    ],
)
def test_an_error_ends_with_its_own_code(monkeypatch: pytest.MonkeyPatch, error: Exception, code: int) -> None:
    result = _audit_that(monkeypatch, error)
    assert result.exit_code == code
    assert result.stderr.startswith("robustrank: ")
    assert result.stderr.count("\n") == 1
    assert "\x1b" not in result.stderr


def test_ctrl_c_says_how_to_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    result = _audit_that(monkeypatch, KeyboardInterrupt())
    assert result.exit_code == 130
    assert "the same command resumes" in result.stderr


def test_a_bug_shows_its_traceback_and_is_not_mistaken_for_a_failed_gate(monkeypatch: pytest.MonkeyPatch) -> None:
    result = _audit_that(monkeypatch, RuntimeError("oops"))
    assert result.exit_code == 3
    assert "RuntimeError: oops" in result.stderr


def _audit_that(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> Result:
    def fails(*arguments: Any, **options: Any) -> Summary:
        raise error

    monkeypatch.setattr(audit, "run", fails)
    return run("audit", "default")


def test_show_tells_docstring_and_parameters() -> None:
    shown = run("show", "executor", "processes").stdout
    assert "Worker processes of this machine" in shown
    assert "workers: int | None = None" in shown


def test_gates_of_an_audit_folder_are_judged_again(folder: Path, file: Path) -> None:
    assert run("gate", folder).exit_code == 0
    file.write_text(AUDIT.replace("min = 0.5", "min = 0.75"))
    result = run("gate", folder, "--file", file)
    assert result.exit_code == 1
    assert "inconclusive" in result.stdout


def test_a_folder_without_gates_is_not_a_success(folder: Path, file: Path) -> None:
    file.write_text(AUDIT.partition("[[gate]]")[0])
    assert run("gate", folder, "--file", file).exit_code == 2


def test_compare_pairs_queries_and_shows_attacks(folder: Path, tmp_path: Path, summary: Summary) -> None:
    better = replace(
        summary,
        effectiveness=[
            replace(e, per_query={query: value + 0.1 for query, value in e.per_query.items()})
            for e in summary.effectiveness
        ],
        rankers=[replace(r, fingerprint="new") if r.name == "net" else r for r in summary.rankers],
    )
    other = tmp_path / "other"
    other.mkdir()
    summaries.write(better, other / "summary.json")
    shown = run("compare", folder, other).stdout
    assert re.search(r"\+0\.100 \[.*\] n=20", shown)
    assert "unchanged between the two: bm25, smoothed + bm25" in shown


def test_audits_with_nothing_in_common_cannot_be_compared(folder: Path, tmp_path: Path, summary: Summary) -> None:
    summaries.write(replace(summary, effectiveness=[], attacks=[]), tmp_path / "summary.json")
    result = run("compare", folder, tmp_path)
    assert (result.exit_code, "nothing to compare" in result.stderr) == (2, True)


def test_status_counts_finished_tasks(folder: Path) -> None:
    record = CheckRecord(key="k", ranker="r", collection="c", query_id="q")
    (folder / "records").mkdir()
    (folder / "records" / "main.jsonl").write_bytes(checked(FORMAT.dumps(record)))
    assert run("status", folder).exit_code == 3  # no plan yet
    names = ["checks", "ranking", "variations", "edits", "certificates"]
    phases = {"ranking": [], "checks": ["k", "l"], "variations": [], "edits": ["m"]}
    Plan(phases=phases, names=names).write(folder)
    shown = run("status", folder).stdout
    assert "checks       1 of 2" in shown
    assert "variations   0 of 0" in shown
    assert "edits        0 of 1" in shown
    assert "certificates not planned yet" in shown
    assert "not finished" in shown  # whatever a summary says


def test_init_writes_a_file_that_parses_and_never_over_another(tmp_path: Path) -> None:
    path = tmp_path / "new.audit.toml"
    assert run("init", path).exit_code == 0
    checks.check(audit_file.load(path))
    assert run("init", path).exit_code == 2


def test_an_audit_that_stopped_by_itself_says_why(summary: Summary, capsys: pytest.CaptureFixture[str]) -> None:
    screen = terminal.open_console()
    for part in terminal.overview(replace(summary, sequential=Sequential(queries=40, stopped=Stopped.DECIDED))):
        screen.print(part)
    assert "40 queries of each collection so far; decided." in capsys.readouterr().out


def test_hostile_names_are_shown_and_do_nothing(
    monkeypatch: pytest.MonkeyPatch, summary: Summary, capsys: pytest.CaptureFixture[str]
) -> None:
    evil = replace(
        summary,
        headline=HOSTILE,
        rankers=[replace(summary.rankers[0], name=HOSTILE)],
        attacks=[replace(a, ranker=HOSTILE, attack=HOSTILE) for a in summary.attacks],
        red_flags=[RedFlag(check=Check.TIES, severity=Severity.SERIOUS, title=HOSTILE, detail="")],
    )
    gates = [GateSpec(name=HOSTILE, measure="nDCG@10", where={"ranker": "net"}, min=0.5)]
    evil = replace(evil, verdicts=[replace(v, reason=HOSTILE) for v in gate.judge(gates, evil)])
    screen = terminal.open_console()
    for part in terminal.overview(evil):
        screen.print(part)
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert shown.count("⟨U+202E⟩") >= 4
    assert "[red]:smile:" in shown


@pytest.mark.parametrize("seconds", [[0, 0, 100, 200, 300, 300, 300]])
def test_lines_of_progress_tell_the_time_left(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], seconds: Sequence[float]
) -> None:
    ticks: Callable[[], float] = iter(seconds).__next__
    monkeypatch.setattr(terminal, "monotonic", ticks)
    with terminal.watching() as progress:
        progress.start("attacks", 10)
        progress.advance(6)  # done by an earlier run: says nothing of the speed
        progress.advance()
        progress.advance()
        progress.advance(2)
        progress.start("corpus", 0)  # a phase without tasks is not worth a line
        progress.advance(0)
    assert capsys.readouterr().err.splitlines() == [
        "attacks: 6 of 10",
        "attacks: 7 of 10, about 5 min left",
        "attacks: 8 of 10, about 3 min left",
        "attacks: 10 of 10",
    ]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ('use = "scifact"\ndept = 20', "collection 'scifact': unknown key 'dept' in its table; did you mean 'depth'?"),
        ('use = "scifact"\ndepth = 5', "'11-20' lies below the lists"),
    ],
)
def test_a_mistake_in_an_audit_file_names_the_file(tmp_path: Path, changed: str, message: str) -> None:
    path = tmp_path / "wrong.toml"
    rest = '[[ranker]]\nuse = "bm25"\nname = "b"\n[[attack]]\nuse = "query_injection"\n'
    path.write_text(f'name = "x"\n[[collection]]\nname = "c"\n{changed}\n{rest}')
    for options in ([], ["--plan"]):
        done = run("audit", path, *options, "--out", tmp_path)
        assert done.exit_code == 2
        assert str(path) in done.stderr
        assert message in done.stderr


def test_a_service_that_cannot_be_reached_is_named_by_check() -> None:
    service = "http(url='http://127.0.0.1:9', format='tei', attempts=1)"
    done = run("check", "ranker", service)
    assert done.exit_code != 0
    assert f"ranker {service}: " in done.stderr
    assert "Traceback" not in done.stderr


def test_names_of_plugins_of_the_kind_are_completed() -> None:
    def completed(*words: str) -> list[str]:
        environment = {
            "_ROBUSTRANK_COMPLETE": "bash_complete",
            "COMP_WORDS": " ".join(words),
            "COMP_CWORD": str(len(words) - 1),
        }
        done = CliRunner().invoke(main, prog_name="robustrank", env=environment)
        return [line.partition(",")[2] for line in done.output.split()]

    assert completed("robustrank", "show", "attack", "query_i") == ["query_injection"]
    assert completed("robustrank", "check", "ranker", "bm") == ["bm25"]
    assert completed("robustrank", "show", "attack", "bm") == []


@pytest.mark.parametrize(
    ("outcomes", "finished", "step"),
    [
        ([], True, "it proposes gates"),
        ([Outcome.PASS], True, "commit the audit file"),
        ([Outcome.PASS, Outcome.INCONCLUSIVE], True, "raise `queries`"),
        ([Outcome.INCONCLUSIVE, Outcome.FAIL], True, "“gate 1” fails"),
        ([Outcome.INCONCLUSIVE, Outcome.INVALID], True, "“gate 1” is invalid"),
        ([Outcome.PASS], False, "resumes the audit"),
    ],
)
def test_an_audit_ends_with_what_to_do_next(
    summary: Summary, outcomes: Sequence[Outcome], finished: bool, step: str
) -> None:
    verdicts = [
        Verdict(gate=f"gate {n}", outcome=each, reason="", estimate=None, limit="", held=each is Outcome.PASS)
        for n, each in enumerate(outcomes)
    ]
    ended = replace(summary, verdicts=verdicts, finished=summary.started if finished else None)
    assert step in terminal.next_step(ended)


def test_bars_do_not_count_what_earlier_runs_did_as_speed() -> None:
    from rich.progress import Progress

    progress = Progress(disable=True)
    bars = terminal.Bars(progress)
    bars.start("attacks", 10)
    bars.advance(6)
    assert (progress.tasks[0].completed, progress.tasks[0].speed) == (6, None)
    bars.advance(1)
    assert progress.tasks[0].completed == 7


def test_a_training_file_that_is_wrong_is_refused_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text('name = "small"\n[student]\nmodle = "x"\n[[stage]]\nname = "a"\n')
    done = run("train", path, "--out", tmp_path)
    assert done.exit_code == 2
    assert "unknown key 'modle'; did you mean 'model'?" in done.stderr


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252"])
def test_a_terminal_that_lacks_characters_loses_no_output(encoding: str) -> None:
    code = (
        "import click\nfrom robustrank.cli.main import main\n"
        "@main.command()\ndef verdict() -> None:\n    click.echo('\\u2192 fail')\n"
        "main(['verdict'])"
    )
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, env=environment, check=False)
    # click itself writes UTF-8 where the terminal is said to be ASCII.
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() in (b"\\u2192 fail", "\u2192 fail".encode())
