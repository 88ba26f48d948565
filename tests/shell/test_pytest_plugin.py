"""Gates as tests: what is collected, when the audit runs, and what a failure looks like."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from robustrank.auditing import run as audit
from robustrank.config import audit_file as config
from robustrank.core.errors import DataError
from robustrank.core.interfaces import Executor
from robustrank.judging import gate
from robustrank.results.summary import Summary
from robustrank.work.executors.processes import Processes

pytest_plugins = ["pytester"]


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, audit_file: Callable[..., str]) -> Path:
    """A project with one audit file, of a gate for each outcome, and no other test."""
    # Hypothesis would be imported, and forgotten, in every one of these sessions: seconds each.
    monkeypatch.setenv("PYTEST_ADDOPTS", "-p no:hypothesispytest")
    gates = ("ranks well", "ranks very well", "ranks perfectly")
    (pytester.path / "ranker.audit.toml").write_text(audit_file(*gates))
    return pytester.path


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch, summary: Summary) -> list[dict[str, Any]]:
    """Stands in for the audit: its one figure is 0.7 [0.6, 0.8]."""
    asked: list[dict[str, Any]] = []

    def fake(spec: Any, where: Path, *, fresh: bool, executor: Executor) -> Summary:
        asked.append({"where": where, "fresh": fresh, "executor": executor})
        where.mkdir(parents=True, exist_ok=True)
        return replace(summary, verdicts=gate.judge(spec.gates, summary))

    monkeypatch.setattr(audit, "run", fake)
    return asked


def test_loading_it_imports_nothing_heavy() -> None:
    heavy = {"torch", "numpy", "pandas", "scipy", "click", "jinja2", "rich", "tomllib", "robustrank.config.audit_file"}
    code = f"import sys, robustrank.pytest_plugin; print(sorted({heavy!r} & set(sys.modules)))"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"


def test_every_gate_is_one_test_named_after_it(pytester: pytest.Pytester, project: Path) -> None:
    result = pytester.runpytest_inprocess("--collect-only", "-q")
    result.stdout.fnmatch_lines(
        ["ranker.audit.toml::ranks well", "ranker.audit.toml::ranks very well", "ranker.audit.toml::ranks perfectly"]
    )


def test_the_audit_runs_once_and_each_gate_is_judged(
    pytester: pytest.Pytester, project: Path, runs: list[dict[str, Any]]
) -> None:
    result = pytester.runpytest_inprocess("-v")
    result.assert_outcomes(passed=1, failed=2)
    result.stdout.fnmatch_lines(["*ranks well PASSED*", "*ranks very well FAILED*", "*ranks perfectly FAILED*"])
    assert len(runs) == 1
    assert runs[0]["where"].parent == project / ".robustrank"
    assert runs[0]["executor"] == Processes(workers=1)  # a ranker that crashes must not end the test run


def test_a_failure_is_one_line_and_an_inconclusive_one_says_so(
    pytester: pytest.Pytester, project: Path, runs: list[dict[str, Any]]
) -> None:
    output = pytester.runpytest_inprocess().stdout
    output.fnmatch_lines(
        [
            "inconclusive: nDCG@10 (ranker 'net'*is 0.700 *0.600, 0.800* with n=20; wanted at least 0.75; "
            "about 12? queries would decide it, and home has only 30 (report: *report.html)",
            "fail: nDCG@10 (ranker 'net'*wanted at least 0.95 (report: *report.html)",
        ]
    )
    assert "Traceback" not in output.str()
    assert "pytest_plugin.py" not in output.str()


def test_an_inconclusive_gate_passes_where_the_file_allows_it(
    pytester: pytest.Pytester, project: Path, audit_file: Callable[..., str], runs: list[dict[str, Any]]
) -> None:
    (project / "ranker.audit.toml").write_text(audit_file("ranks well", "let through", "ranks perfectly"))
    pytester.runpytest_inprocess().assert_outcomes(passed=2, failed=1)


def test_gates_are_selected_like_tests(pytester: pytest.Pytester, project: Path, runs: list[dict[str, Any]]) -> None:
    pytester.makepyfile("def test_other(): pass")
    pytester.runpytest_inprocess("-m", "robustrank", "-k", "well").assert_outcomes(passed=1, failed=1, deselected=2)
    pytester.runpytest_inprocess("-m", "not robustrank").assert_outcomes(passed=1, deselected=3)
    pytester.runpytest_inprocess("ranker.audit.toml::ranks perfectly").assert_outcomes(failed=1)
    pytester.runpytest_inprocess("-p", "no:robustrank").assert_outcomes(passed=1)
    assert len(runs) == 2  # once for each of the sessions that ran a gate


@pytest.mark.parametrize(
    ("ini", "arguments", "store"),
    [("", [], ".robustrank"), ("robustrank_store = kept", [], "kept"), ("", ["--robustrank-store=here"], "here")],
)
def test_the_store_is_an_option(
    pytester: pytest.Pytester, project: Path, runs: list[dict[str, Any]], ini: str, arguments: list[str], store: str
) -> None:
    pytester.makeini(f"[pytest]\n{ini}")
    pytester.runpytest_inprocess("--robustrank-fresh", *arguments)
    assert [(run["where"].parent, run["fresh"]) for run in runs] == [(project / store, True)]


def test_an_audit_that_cannot_run_fails_every_gate_in_a_line_and_is_tried_once(
    pytester: pytest.Pytester, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[Path] = []

    def fails(spec: Any, where: Path, **options: Any) -> Summary:
        tries.append(where)
        raise DataError("not a number \x1b[2J", path="qrels.tsv", line=3)

    monkeypatch.setattr(audit, "run", fails)
    result = pytester.runpytest_inprocess()
    result.assert_outcomes(failed=3)
    result.stdout.fnmatch_lines(["could not run: qrels.tsv:3: not a number ⟨U+001B⟩*"])
    assert len(tries) == 1


@pytest.mark.parametrize("wrong", ["ranker = 3", '[[gate]]\nname = "x"\nmeasure = "nCDG@10"\nmax = 1'])
def test_a_wrong_audit_file_is_an_error_of_collection(pytester: pytest.Pytester, project: Path, wrong: str) -> None:
    path = project / "ranker.audit.toml"
    text = path.read_text()
    path.write_text(wrong + "\n" + text if "=" in wrong.partition("\n")[0] else text + wrong)
    result = pytester.runpytest_inprocess()
    result.assert_outcomes(errors=1)
    assert "Traceback" not in result.stdout.str()


def test_the_verdict_is_in_the_junit_file(pytester: pytest.Pytester, project: Path, runs: list[dict[str, Any]]) -> None:
    pytester.runpytest_inprocess("--junitxml=out.xml", "-o", "junit_family=xunit1")
    assert '<property name="robustrank" value="pass: nDCG@10' in (project / "out.xml").read_text()


OWN = """
def test_own(robustrank_audit):
    audited = robustrank_audit("ranker.audit.toml")
    assert audited.estimate("nDCG@10", ranker="net").low >= 0.5
    assert audited.report.name == "report.html"

def test_worst_attack(robustrank_audit):
    found = robustrank_audit("ranker.audit.toml").estimate("ASR@10", ranker="net")
    assert found.value == 0.6
    assert found.high <= 0.5

def test_other():
    pass
"""


def test_a_fixture_gives_estimates_for_assertions_of_ones_own(
    pytester: pytest.Pytester, project: Path, runs: list[dict[str, Any]]
) -> None:
    pytester.makepyfile(OWN)
    result = pytester.runpytest_inprocess("-k", "not ranks")
    result.assert_outcomes(passed=2, failed=1, deselected=3)
    result.stdout.fnmatch_lines(["*assert 0.7 <= 0.5*"])
    pytester.runpytest_inprocess("-m", "robustrank").assert_outcomes(passed=2, failed=3, deselected=1)
    assert len(runs) == 2  # gates and tests of one session share the audit


def test_a_figure_that_is_not_there_names_the_near_ones(
    pytester: pytest.Pytester, project: Path, runs: list[dict[str, Any]]
) -> None:
    pytester.makepyfile(
        "def test_own(robustrank_audit): robustrank_audit('ranker.audit.toml').estimate('nDCG@10', ranker='nte')"
    )
    result = pytester.runpytest_inprocess("-k", "own")
    result.stdout.fnmatch_lines(["gate 'of this test': no figure nDCG@10*near: nDCG@10 (ranker 'bm25'*"])
    assert "gate.py" not in result.stdout.str()


def test_the_command_line_finds_the_audit_that_pytest_ran(
    pytester: pytest.Pytester, project: Path, runs: list[dict[str, Any]]
) -> None:
    pytester.runpytest_inprocess("-k", "perfectly")
    assert [run["where"] for run in runs] == [audit.folder(config.load("ranker.audit.toml"), project / ".robustrank")]


def test_only_what_failed_last_is_run_again_with_lf(
    pytester: pytest.Pytester, project: Path, runs: list[dict[str, Any]]
) -> None:
    pytester.runpytest_inprocess().assert_outcomes(passed=1, failed=2)
    pytester.runpytest_inprocess("--lf").assert_outcomes(failed=2)


def test_a_store_that_cannot_be_written_is_one_line(pytester: pytest.Pytester, project: Path) -> None:
    (project / "taken").write_text("")
    result = pytester.runpytest_inprocess("--robustrank-store=taken/here", "-k", "perfectly")
    result.stdout.fnmatch_lines(["could not run: *cannot be written: *give --robustrank-store another folder"])


def test_collecting_gates_imports_nothing_heavy(pytester: pytest.Pytester, project: Path) -> None:
    heavy = {"torch", "numpy", "pandas", "scipy", "jinja2", "rich", "matplotlib"}
    pytester.makepyfile(f"import sys\ndef test_light(): assert not {heavy!r} & set(sys.modules)")
    pytester.runpytest_subprocess("-k", "light").assert_outcomes(passed=1, deselected=3)


@pytest.mark.slow
def test_workers_of_xdist_share_one_audit(pytester: pytest.Pytester, project: Path) -> None:
    _tiny_collection(project / "tiny")
    path = project / "ranker.audit.toml"
    path.write_text(path.read_text().replace("0.5", "0.1").replace("0.75", "0.2").replace("0.95", "0.3"))
    pytester.runpytest_subprocess("-n", "2", "--robustrank-fresh").assert_outcomes(passed=3)
    [folder] = (path for path in (project / ".robustrank").iterdir() if path.is_dir())
    assert len(list(folder.glob("records.old-*"))) == 1  # put aside once, not once a worker
    assert _sessions(folder) == 1
    pytester.runpytest_subprocess("-n", "2", "--dist", "loadgroup").assert_outcomes(passed=3)
    assert _sessions(folder) == 1  # nothing was left to do


def _sessions(folder: Path) -> int:
    lines = (folder / "records" / "main.jsonl").read_text().splitlines()
    return [json.loads(line)["kind"] for line in lines].count("session")


def _tiny_collection(folder: Path) -> None:
    (folder / "qrels").mkdir(parents=True)
    fruits = ("apple", "pear", "plum", "fig")

    def lines(rows: list[tuple[str, str]]) -> str:
        dump: Callable[[Any], str] = json.dumps
        return "".join(dump({"_id": key, "text": text}) + "\n" for key, text in rows)

    (folder / "corpus.jsonl").write_text(lines([(f"d{f}", f"the {f} is a fruit, not a stone") for f in fruits]))
    (folder / "queries.jsonl").write_text(lines([(f"q{f}", f) for f in fruits]))
    qrels = "".join(f"q{f}\td{f}\t1\n" for f in fruits)
    (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\n" + qrels)
