"""``robustrank.audit``: what is handed over is what is audited, and what is handed back is what was measured."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from zlib import crc32

import pandas as pd
import pytest

from robustrank import api
from robustrank.api import frames, tables
from robustrank.auditing import run as auditing
from robustrank.config import audit_file
from robustrank.core.errors import ConfigError, DataError, PluginError
from robustrank.core.types import Document, Query, RankerCard
from robustrank.plugins import given
from robustrank.rankers.controls import Random
from robustrank_attacks.insertion.query_injection import QueryInjection
from robustrank_defenses.input.trim import Trim

WORDS = ["sea", "sun", "salt", "moon", "sand", "wind"]
DOCUMENTS = pd.DataFrame([
    {"doc_id": f"d{n}", "title": "", "text": f"{WORDS[n % 6]} and {WORDS[n % 5]} on day {n}, {'again ' * (n % 4)}"}
    for n in range(24)
])  # fmt: skip
QUERIES = pd.DataFrame([{"query_id": str(n), "text": f"on which day is the {word}"} for n, word in enumerate(WORDS)])
QRELS = pd.DataFrame(
    [{"query_id": str(n), "doc_id": f"d{6 * k + n}", "relevance": 1} for n in range(6) for k in (0, 1)]
)
FRAMES = {"documents": DOCUMENTS, "queries": QUERIES, "qrels": QRELS}
CASES = {"cases": {"strata": ["11-20"], "queries": 4}}


def overlap(query: str, texts: list[str]) -> list[float]:
    """How often words of the query stand in a text."""
    return [sum(text.lower().split().count(word) for word in query.split()) + len(text) / 1e4 for text in texts]


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> api.AuditResult:
    return api.audit(
        ranker={"overlap": overlap, "random": Random(seed=3)}, data=FRAMES, depth=24,
        options=CASES | {"baseline": "random"},
        gates=[{"measure": "ASR@10", "max": 0.05, "where": {"ranker": "overlap", "attack": "query at the start"}}],
        out=tmp_path_factory.mktemp("audits"), progress=False,
    )  # fmt: skip


def test_a_function_and_frames_are_audited_as_a_file_would(result: api.AuditResult, tmp_path: Path) -> None:
    """The same ranker by import path on the same collection in files has the same figures to the last digit."""
    (tmp_path / "data").mkdir()
    for name, frame in FRAMES.items():
        frame.to_csv(tmp_path / "data" / f"{name}.csv", index=False)
    (tmp_path / "ranker.py").write_text(
        "def overlap(query, texts):\n    return [sum(text.lower().split().count(word) for word in query.split())"
        " + len(text) / 1e4 for text in texts]\n"
    )
    by_path = api.audit(
        ranker={"overlap": f"{tmp_path}/ranker:overlap", "random": {"use": "random", "seed": 3}},
        data=tmp_path / "data", depth=24, options=CASES | {"baseline": "random"}, out=tmp_path, progress=False,
        gates=[{"measure": "ASR@10", "max": 0.05, "where": {"ranker": "overlap", "attack": "query at the start"}}],
    )  # fmt: skip
    assert [c.digest for c in by_path.summary.collections] == [c.digest for c in result.summary.collections]
    by_name = ["measure", "ranker", "attack", "stratum", "access", "edit", "value"]  # some stand in order of speed
    ours, theirs = (each.figures("pandas") for each in (result, by_path))
    by_name = [name for name in by_name if name in ours]
    ours, theirs = (each.sort_values(by_name, ignore_index=True) for each in (ours, theirs))
    pd.testing.assert_frame_equal(ours, theirs)
    assert len(ours) > 20


def test_a_gate_that_does_not_hold_is_not_passed_and_no_gate_is_no_pass(
    result: api.AuditResult, tmp_path: Path
) -> None:
    assert result.passed is False
    assert "1 of 1 gate does not hold" in result.verdict
    assert result.gates[0].outcome.value != "pass"
    none = api.audit(ranker=overlap, data=FRAMES, depth=24, attacks=[], out=tmp_path, progress=False)
    assert none.passed is None
    assert none.verdict == "no gates are set"
    broken = api.audit(
        ranker=lambda query, texts: 1 / 0, data=FRAMES, depth=24, attacks=[], out=tmp_path, progress=False
    )
    assert broken.passed is False


def test_the_frames_hold_what_the_summary_holds(result: api.AuditResult) -> None:
    queries = result.queries("pandas")
    assert set(queries["ranker"]) == {"overlap", "random"}
    assert len(queries) == 2 * 6
    mean = queries[queries["ranker"] == "overlap"]["value"].mean()
    assert result.figure("nDCG@10", ranker="overlap").value == pytest.approx(mean)
    cases = result.cases("pandas")
    assert len(cases) == len(result.summary.cases.rows)
    pasted = cases[(cases["attack"] == "query at the start") & (cases["ranker"] == "overlap")]
    assert all("which day is the" in added for added in pasted["added"])
    assert result.verdicts("pandas")["outcome"].tolist() == [result.gates[0].outcome.value]
    assert result.figures("pyarrow").num_rows == len(result.figures("pandas"))
    with pytest.raises(ConfigError, match="polars"):
        result.figures("dask")  # type: ignore[arg-type]


def test_a_figure_is_named_as_a_gate_names_it(result: api.AuditResult) -> None:
    success = result.figure("ASR@10", ranker="overlap", attack="query at the start", stratum="all")
    assert success.value > 0.5
    with pytest.raises(ConfigError, match="ASR@10"):
        result.figure("ASR@10", ranker="overlap")
    with pytest.raises(ConfigError, match="0 figures"):
        result.figure("ASR@10", ranker="nobody")


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_everything_is_written_and_read_back(result: api.AuditResult, tmp_path: Path, form: Any) -> None:
    paths = result.write(tmp_path / "out", form)
    assert [path.name for path in paths] == [f"{name}.{form}" for name in ("figures", "queries", "cases", "gates")]
    read = {path.stem: pd.read_csv(path) if form == "csv" else pd.read_parquet(path) for path in paths}
    assert read["queries"]["value"].tolist() == pytest.approx(result.queries("pandas")["value"].tolist())
    assert len(read["cases"]) == len(result.summary.cases.rows)
    with pytest.raises(ConfigError, match="csv or parquet"):
        result.write(tmp_path, "xlsx")  # type: ignore[arg-type]


def test_a_cell_of_a_csv_file_is_no_formula(tmp_path: Path) -> None:
    hostile = QUERIES.assign(text=[f"=cmd() {text}" for text in QUERIES["text"]])
    evil = api.audit(
        ranker=overlap, data=FRAMES | {"queries": hostile}, depth=24, attacks=["query_injection"], options=CASES,
        out=tmp_path, progress=False,
    )  # fmt: skip
    evil.write(tmp_path / "out")
    assert "=cmd()" in (tmp_path / "out" / "cases.csv").read_text()
    assert "\n=" not in (tmp_path / "out" / "cases.csv").read_text()
    assert ",=" not in (tmp_path / "out" / "cases.csv").read_text()


def test_tables_for_papers_have_intervals_and_escape_names(result: api.AuditResult) -> None:
    markdown = result.table()
    mean = result.figure("nDCG@10", ranker="overlap")
    assert f"{mean.value:.3f} [{mean.low:.3f}, {mean.high:.3f}], n=6" in markdown
    assert markdown.count("\n") == 3
    latex = result.table("latex", digits=2)
    assert r"\toprule" in latex
    assert latex.count(r"\\") == 3
    assert r"ASR@10, query at the start" in latex
    assert api.result._latex("a_b & 5% \\x {y}") == r"a\_b \& 5\% \textbackslash{}x \{y\}"
    with pytest.raises(ConfigError, match="markdown or latex"):
        result.table("html")  # type: ignore[arg-type]


def test_a_notebook_shows_verdict_and_rankers_with_hostile_names_escaped(
    result: api.AuditResult, tmp_path: Path
) -> None:
    page = result._repr_html_()
    assert "1 of 1 gate does not hold" in page
    assert "<td>overlap</td>" in page
    named = api.audit(
        ranker={"<script>x</script>": overlap}, data=FRAMES, depth=24, attacks=[], out=tmp_path, progress=False
    )
    assert "<script>" not in named._repr_html_()
    assert "&lt;script&gt;" in named._repr_html_()
    charts = result.charts
    assert charts
    assert all(chart._repr_html_().count("<svg") == 1 for chart in charts.values())


def test_the_same_call_resumes_and_another_ranker_is_another_audit(tmp_path: Path) -> None:
    calls: list[str] = []

    def counted(query: str, texts: list[str]) -> list[float]:
        calls.append(query)
        return [score + crc32(text.encode()) / 2**40 for score, text in zip(overlap(query, texts), texts, strict=True)]

    arguments: dict[str, Any] = {"data": FRAMES, "depth": 24, "options": CASES, "out": tmp_path, "progress": False}
    holds = [{"measure": "nDCG@10", "min": 0.01, "bound": "value", "where": {"ranker": "ranker"}}]
    part = api.audit(ranker=counted, tasks=4, gates=holds, **arguments)
    assert not part.finished
    assert part.gates[0].held
    assert part.passed is None
    assert "not finished" in str(part)
    assert "Not finished" in part._repr_html_()
    whole = api.audit(ranker=counted, gates=holds, **arguments)
    assert whole.finished
    assert whole.passed is True
    assert whole.folder == part.folder
    before = len(calls)
    again = api.audit(ranker=counted, gates=holds, **arguments)
    assert again.summary.made_from == whole.summary.made_from
    assert len(calls) - before < before / 3  # the checks that it is still the same ranker
    other = api.audit(ranker=overlap, **arguments)
    assert other.folder != whole.folder
    assert api.load(whole.folder).summary.made_from == whole.summary.made_from


def test_objects_of_every_kind_are_taken(tmp_path: Path) -> None:
    class Own:
        card = RankerCard(name="own", fingerprint="own-1")

        def score(self, query: Query, docs: Sequence[Document], /) -> list[float]:
            return overlap(query.text, [doc.text for doc in docs])

    done = api.audit(
        ranker={"own": Own()}, data={"home": tables.of_frames(FRAMES), "far": FRAMES}, depth=24, options=CASES,
        attacks=[QueryInjection(place="end"), {"name": "start", "use": "query_injection"}, "benign_insertion"],
        defenses=[Trim(), {"name": "clean", "use": "normalise"}], out=tmp_path, progress=False,
    )  # fmt: skip
    assert {ranker.name for ranker in done.summary.rankers} == {"own", "Trim + own", "clean + own"}
    assert {result.attack for result in done.summary.attacks} == {"QueryInjection", "start", "benign_insertion"}
    assert [c.name for c in done.summary.collections] == ["home", "far"]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({}, ConfigError, "both `ranker` and `data`"),
        ({"ranker": overlap}, ConfigError, "both `ranker` and `data`"),
        ({"file": "quick", "ranker": overlap}, ConfigError, "an audit file, or a ranker and data"),
        ({"file": "quick", "depth": 5}, ConfigError, "an audit file, or a ranker and data"),
        ({"ranker": 5, "data": FRAMES}, ConfigError, "is a int"),
        ({"ranker": {}, "data": FRAMES}, ConfigError, "empty mapping"),
        ({"ranker": overlap, "data": 5}, ConfigError, "is a int"),
        ({"ranker": overlap, "data": {"documents": DOCUMENTS}}, ConfigError, "needs exactly documents, queries, qrels"),
        ({"ranker": overlap, "data": FRAMES | {"qrels": QRELS.drop(columns="doc_id")}}, DataError, "doc_id"),
        ({"ranker": overlap, "data": FRAMES | {"queries": 7}}, DataError, "is a int, not a data frame"),
        ({"ranker": overlap, "data": FRAMES | {"queries": [7]}}, DataError, "not a mapping"),
        ({"ranker": overlap, "data": FRAMES, "attacks": [7]}, ConfigError, "attack 1 is a int"),
        ({"ranker": overlap, "data": FRAMES, "attacks": ["query_injektion"]}, PluginError, "did you mean"),
        ({"ranker": overlap, "data": FRAMES, "options": {"sed": 5}}, ConfigError, "did you mean 'seed'"),
        ({"ranker": overlap, "data": FRAMES, "options": {"seed": object()}}, ConfigError, "cannot hold a object"),
        ({"ranker": overlap, "data": FRAMES, "gates": [{"measure": "ASR@11", "max": 1}]}, ConfigError, "ASR@1"),
        ({"ranker": overlap, "data": "no/such/folder"}, ConfigError, "no such folder"),
    ],
)
def test_what_cannot_be_audited_is_an_error_that_says_what_to_give(
    arguments: dict[str, Any], error: type[Exception], message: str, tmp_path: Path
) -> None:
    with pytest.raises(error, match=message):
        api.audit(**arguments, out=tmp_path, progress=False)


def test_a_file_is_audited_as_by_the_command(tmp_path: Path) -> None:
    file = tmp_path / "own.audit.toml"
    file.write_text(
        'name = "own"\nmeasures = ["nDCG@10"]\n[[collection]]\nuse = "scifact"\nqueries = 4\ndepth = 12\n'
        '[[ranker]]\nuse = "bm25"\n'
    )
    done = api.audit(file, out=tmp_path, progress=False)
    assert done.folder == auditing.folder(audit_file.load(file), tmp_path)
    assert done.report.is_file()
    assert json.loads((done.folder / "summary.json").read_text())["name"] == "own"


def test_an_object_of_another_process_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(PluginError, match="serial"):
        given.given(key="nothing-of-that-name")


def test_frames_are_read_as_files_are(tmp_path: Path) -> None:
    import pyarrow as pa

    gaps = pd.DataFrame({"query_id": [1.0, 2.0], "text": ["a b", "c d"], "type": ["how", None]})
    assert [row for _, row in frames.rows(gaps, "q")] == [
        {"query_id": 1, "text": "a b", "type": "how"},
        {"query_id": 2, "text": "c d"},
    ]
    table = pa.table({"query_id": [1, 2], "text": ["a b", "c d"]})
    assert [row["query_id"] for _, row in frames.rows(table, "q")] == [1, 2]
    assert [row["query_id"] for _, row in frames.rows([{"query_id": "x"}], "q")] == ["x"]
    made = frames.frame({"a": [1, 2], "b": [None, None], "c": [None, 0.5], "d": [True, False]}, "pandas")
    assert made["a"].tolist() == [1, 2]
    assert made["b"].isna().all()


def test_phases_and_messages_are_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="robustrank"):
        api.audit(ranker=overlap, data=FRAMES, depth=24, attacks=[], out=tmp_path, progress=False)
    assert any("ranking" in record.message for record in caplog.records)
    assert all(record.name == "robustrank" for record in caplog.records)


def test_a_program_that_configures_no_logging_sees_none(tmp_path: Path) -> None:
    import subprocess
    import sys

    code = (
        "from robustrank import api\n"
        "api.audit(ranker={'use': 'random'}, data='scifact', queries=2, depth=12, attacks=[], progress=False, "
        f"out={str(tmp_path)!r})"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")


def test_the_command_exports_what_the_result_writes(result: api.AuditResult, tmp_path: Path) -> None:
    from click.testing import CliRunner

    from robustrank.cli.main import main

    done = CliRunner().invoke(main, ["export", str(result.folder), str(tmp_path / "to")])
    assert done.exit_code == 0, done.output
    for path in result.write(tmp_path / "own"):
        assert (tmp_path / "to" / path.name).read_text() == path.read_text()


def test_a_verbose_command_says_what_runs(tmp_path: Path) -> None:
    import subprocess
    import sys

    file = tmp_path / "own.audit.toml"
    file.write_text(
        'name = "own"\nmeasures = ["nDCG@10"]\n[[collection]]\nuse = "scifact"\nqueries = 2\ndepth = 12\n'
        '[[ranker]]\nuse = "random"\n'
    )
    command = [
        sys.executable,
        "-m",
        "robustrank",
        "-v",
        "audit",
        str(file),
        "--out",
        str(tmp_path),
        "--executor",
        "serial",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "robustrank INFO ranking: 2" in done.stderr


def test_the_public_names_are_those_of_the_page_and_load_nothing_before_they_are_used() -> None:
    import subprocess
    import sys

    import robustrank

    assert robustrank.audit is api.audit
    assert robustrank.AuditResult is api.AuditResult
    assert robustrank.load is api.load
    code = (
        "import sys, robustrank; assert not [name for name in sys.modules if name.startswith(('numpy', 'robustrank.'))]"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_examples_of_the_page_run(tmp_path: Path) -> None:
    import re
    import subprocess
    import sys

    page = Path(__file__).resolve().parents[2] / "docs" / "python.md"
    blocks = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 4
    checks = "assert result.finished and gated.gates and small.finished\n"
    (tmp_path / "page.py").write_text("\n".join([*blocks, checks]), encoding="utf-8")
    subprocess.run([sys.executable, "page.py"], cwd=tmp_path, check=True)


def test_a_star_is_a_difference_to_the_baseline_and_to_nobody_else(result: api.AuditResult) -> None:
    [comparison] = [c for c in result.summary.comparisons if c.b == "random"]
    for other, p, stars in (("random", 0.01, 1), ("someone", 0.01, 0), ("random", 0.2, 0)):
        changed = replace(comparison, a="overlap", b=other, p_holm=p)
        table = api.AuditResult(replace(result.summary, comparisons=[changed]), result.folder).table()
        assert table.count("*") == stars


def test_a_value_that_is_not_there_is_no_field() -> None:
    table = pd.DataFrame({"query_id": ["1", "2"], "type": pd.array([None, 3], dtype="Int64"), "when": [pd.NaT, pd.NaT]})
    assert [row for _, row in frames.rows(table, "queries")] == [{"query_id": "1"}, {"query_id": "2", "type": 3}]


def test_sizes_reach_every_collection_and_a_table_has_its_own(tmp_path: Path) -> None:
    done = api.audit(
        ranker={"use": "random"}, data={"home": "scifact", "far": {"use": "selqa", "queries": 3}}, queries=2, depth=12,
        attacks=[], out=tmp_path, progress=False,
    )  # fmt: skip
    assert [(c.name, c.queries, c.depth) for c in done.summary.collections] == [("home", 2, 12), ("far", 3, 12)]


def test_tables_among_the_options_are_added_and_none_is_lost(tmp_path: Path) -> None:
    more = {
        "attack": [{"name": "end", "use": "query_injection", "place": "end"}],
        "defense": [{"name": "clean", "use": "normalise", "rankers": ["ranker"]}],
        "gate": [{"name": "g", "measure": "nDCG@10", "min": 0.9, "where": {"ranker": "ranker"}}],
    }
    done = api.audit(
        ranker=overlap, data=FRAMES, depth=24, attacks=["benign_insertion"], defenses=["trim"],
        gates=[{"measure": "nDCG@10", "min": 0.8, "where": {"ranker": "ranker"}}],
        options=CASES | more, out=tmp_path, progress=False,
    )  # fmt: skip
    assert {r.attack for r in done.summary.attacks} == {"end", "benign_insertion"}
    assert {r.name for r in done.summary.rankers} == {"ranker", "trim + ranker", "clean + ranker"}
    assert [v.gate for v in done.gates] == ["g", "nDCG@10 at least 0.8 (ranker ranker)"]
    for key in ("collection", "ranker", "suite"):
        with pytest.raises(ConfigError, match=key):
            api.audit(ranker=overlap, data=FRAMES, options={key: []}, out=tmp_path, progress=False)
