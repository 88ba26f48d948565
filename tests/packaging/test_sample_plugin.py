"""A plug-in package from outside the repository: installed, found, checked and audited like our own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from robustrank.report import html
from robustrank.results import summary

SAMPLE = Path(__file__).parents[1] / "plugin"

AUDIT = """
name = "sample"
[[collection]]
use = "beir"
path = "tiny"
name = "tiny"
[[ranker]]
use = "term_count"
[[defense]]
use = "first_words"
rankers = ["term_count"]
attacked = true
keep = 6
[cases]
queries = 4
strata = ["2-3"]
[[attack]]
use = "term_echo"
[[gate]]
name = "appended words do not reach a ranker that never reads them"
measure = "promoted"
where = { ranker = "first_words + term_count", attack = "term_echo" }
max = 0.0
bound = "value"
[[accept]]
flag = "constant"
ranker = "first_words + term_count"
reason = "the six words that it reads are the same in every document"
[[accept]]
flag = "positions"
ranker = "term_count"
reason = "counts of words are small whole numbers"
[[accept]]
flag = "first stage"
ranker = "term_count"
reason = "four queries of four documents show nothing"
[[accept]]
flag = "ties"
ranker = "first_words + term_count"
reason = "the six words that it reads are the same in every document"
[[accept]]
flag = "chance"
ranker = "first_words + term_count"
reason = "the six words that it reads are the same in every document"
[[gate]]
name = "scores tell documents apart"
measure = "tied documents"
where = { ranker = "term_count" }
max = 0.999
bound = "value"
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sample package in it."""
    target = tmp_path_factory.mktemp("site")
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*install, "--target", str(target), str(SAMPLE)], check=True)
    return target


def robustrank(site: Path, *arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """The command line in a new process that sees the sample package."""
    command = [sys.executable, "-c", "from robustrank.cli.main import main; main()", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(site), "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, env=environment, cwd=cwd, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("kind", "name"), [("attack", "term_echo"), ("ranker", "term_count"), ("defense", "first_words")]
)
def test_the_registry_finds_it_and_it_keeps_its_contract(installed: Path, kind: str, name: str) -> None:
    listed = robustrank(installed, "list", kind)
    assert f"{name} " in listed.stdout
    assert "robustrank-sample 0.1.0" in listed.stdout
    checked = robustrank(installed, "check", kind, name)
    assert checked.returncode == 0, checked.stderr
    assert checked.stdout.endswith(f"{kind} {name} passes the contract checks\n")


def write_collection(tiny: Path) -> None:
    """Four documents and four queries in BEIR layout."""
    (tiny / "qrels").mkdir(parents=True)
    docs = {f"d{i}": f"filler filler filler filler filler filler {'apple pear plum fig ' * i}" for i in range(1, 5)}
    (tiny / "corpus.jsonl").write_text("".join(json.dumps({"_id": i, "text": t}) + "\n" for i, t in docs.items()))
    asked = dict(enumerate(("apple", "pear", "plum", "fig")))
    (tiny / "queries.jsonl").write_text(
        "".join(json.dumps({"_id": f"q{i}", "text": t}) + "\n" for i, t in asked.items())
    )
    (tiny / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\n" + "".join(f"q{i}\td4\t1\n" for i in asked))


def test_an_audit_of_nothing_but_foreign_plugins_runs(installed: Path, tmp_path: Path) -> None:
    write_collection(tmp_path / "tiny")
    (tmp_path / "sample.toml").write_text(AUDIT)
    run = robustrank(installed, "audit", "sample.toml", cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    [folder] = (tmp_path / ".robustrank").glob("sample-*")
    written = json.loads((folder / "summary.json").read_text())
    assert set(written["results"]["ties"]["shares"]) == {"term_count", "first_words + term_count"}
    page = (folder / "report.html").read_text()
    assert '<a href="#ties">Ties</a>' in page
    assert page.count("the tie rule decides their order") == 1
    assert [v["outcome"] for v in written["verdicts"]] == ["pass", "pass"]
    promoted = {a["ranker"]: a["success"]["promoted"][0] for a in written["attacks"]}
    assert promoted == {"term_count": 1.0, "first_words + term_count": 0.0}


def test_a_summary_is_read_and_shown_where_its_protocol_is_gone(installed: Path, tmp_path: Path) -> None:
    write_collection(tmp_path / "tiny")
    (tmp_path / "sample.toml").write_text(AUDIT)
    assert robustrank(installed, "audit", "sample.toml", cwd=tmp_path).returncode == 0
    [folder] = (tmp_path / ".robustrank").glob("sample-*")
    held = summary.read(folder / "summary.json")
    html.write(held, tmp_path / "report.html")
    assert "ties" in held.results
    assert "#ties" not in (tmp_path / "report.html").read_text()


def test_its_protocol_is_listed_and_described(installed: Path) -> None:
    assert "ties " in robustrank(installed, "list", "protocol").stdout
    assert "How often the tie rule decides" in robustrank(installed, "show", "protocol", "ties").stdout


def test_a_gate_on_a_figure_of_its_protocol_is_checked_before_anything_is_scored(
    installed: Path, tmp_path: Path
) -> None:
    write_collection(tmp_path / "tiny")
    (tmp_path / "sample.toml").write_text(AUDIT.replace('"tied documents"', '"tied document"'))
    run = robustrank(installed, "audit", "sample.toml", cwd=tmp_path)
    assert run.returncode == 2
    assert "did you mean 'tied documents'?" in run.stderr


def test_a_report_is_made_from_records_where_the_whole_package_is_gone(installed: Path, tmp_path: Path) -> None:
    write_collection(tmp_path / "tiny")
    text = AUDIT[: AUDIT.rindex("[[gate]]")]  # without the gate on its own protocol's figure, which nobody can make now
    (tmp_path / "sample.toml").write_text(text)
    assert robustrank(installed, "audit", "sample.toml", cwd=tmp_path).returncode == 0
    [folder] = (tmp_path / ".robustrank").glob("sample-*")
    before = json.loads((folder / "summary.json").read_text())
    (folder / "summary.json").unlink()
    (folder / "report.html").unlink()
    nothing = tmp_path / "nothing"
    assert "no attack named 'term_echo'" in robustrank(nothing, "check", "attack", "term_echo").stderr
    made = robustrank(nothing, "report", str(folder))
    assert made.returncode == 0, made.stderr
    after = json.loads((folder / "summary.json").read_text())
    assert after["attacks"] == before["attacks"]
    assert [v["held"] for v in after["verdicts"]] == [True]
    assert "term_echo" in (folder / "report.html").read_text()
