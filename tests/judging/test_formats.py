"""Verdicts for programs: every format has the form its readers ask for, and takes hostile text as text."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from robustrank.config import audit_file as config
from robustrank.judging import formats, gate
from robustrank.judging.formats import FORMATS, GateReport
from robustrank.results.summary import Summary, WorstCase

CASE = WorstCase(
    key="k", ranker="net", attack="stuffing", collection="home", query_id="q1", query="what is it", query_after=None,
    doc_id="d9", rank_before=18, rank_after=1, score_before=0.1, score_after=0.9, list_length=20, edits=2,
    similarity=0.9, calls=3, before="a b", after="a c", diff=[("equal", "a ", "a "), ("replace", "b", "c")],
)  # fmt: skip


@pytest.fixture
def report(summary: Summary, audit_file: Callable[..., str]) -> GateReport:
    """One gate that holds, one that fails, one that is open, one that may be."""
    source = audit_file("ranks well", "resists", "ranks very well", "let through")
    found = gate.judge(config.parse(source).gates, summary)
    assert [v.outcome for v in found] == ["pass", "fail", "inconclusive", "inconclusive"]
    return GateReport(
        summary=replace(summary, source=source, worst_cases=[CASE]), verdicts=found, path=Path("my.audit.toml")
    )


def hostile(report: GateReport, texts: Sequence[str]) -> GateReport:
    """The same with these texts as names, reasons and headline."""
    many = [replace(report.verdicts[n % 4], gate=text, reason=text) for n, text in enumerate(texts)]
    case = replace(CASE, attack=texts[0], query=texts[1], doc_id=texts[2], diff=[("insert", "", t) for t in texts])
    summary = replace(report.summary, name=texts[3], headline=texts[4], worst_cases=[case])
    return GateReport(summary=summary, verdicts=many, path=report.path)


@pytest.fixture(scope="module")
def corpus() -> list[str]:
    path = Path(__file__).resolve().parents[1] / "data" / "hostile_strings.json"
    texts = list(json.loads(path.read_text(encoding="utf-8")).values())
    own = [
        "two\nlines", "\r\n::error::forged", "::set-output name=x::y", "a%0A::error::b", "]]>", "\x00\x08\x0b\ufffe",
        "``` | `` |\\| x", "| a | b |", "@team #12 https://evil.example", "</code><b>", "\ud800 alone",
        "=cmd|' /C calc'!A0",
    ]  # fmt: skip
    return [*texts, *own]


def test_json_says_everything_and_is_ascii(report: GateReport) -> None:
    text = formats.as_json(report)
    data = json.loads(text)
    assert text.isascii()
    assert (data["held"], data["audit"]) == (False, "small")
    assert [v["held"] for v in data["verdicts"]] == [True, False, False, True]
    assert data["verdicts"][0]["estimate"]["value"] == 0.7


def test_junit_has_a_case_a_gate_and_a_failure_for_what_is_not_held(report: GateReport) -> None:
    root = ElementTree.fromstring(formats.as_junit(report))
    [suite] = root
    assert root.tag == "testsuites"
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("4", "2", "0")
    cases = suite.findall("testcase")
    assert all(case.get("name") and case.get("classname") and case.get("time") for case in cases)
    failures = [case.find("failure") for case in cases]
    assert [f.get("type") if f is not None else None for f in failures] == [None, "fail", "inconclusive", None]
    assert cases[1].get("line") == "16"


def test_sarif_has_what_its_schema_requires(report: GateReport) -> None:
    log = json.loads(formats.as_sarif(report))
    assert log["version"] == "2.1.0"
    [run] = log["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert run["tool"]["driver"]["name"] == "RobustRank"
    for place, result in enumerate(run["results"]):
        assert result["message"]["text"]
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"] == f"gate-{place + 1}"
        assert (result["level"] == "none") == (result["kind"] != "fail")  # 3.27.9 and 3.27.10 of the standard
        location = result["locations"][0]["physicalLocation"]
        assert location["artifactLocation"]["uri"] == "my.audit.toml"
        assert location["region"]["startLine"] >= 1
    assert [(r["kind"], r["level"]) for r in run["results"]] == [
        ("pass", "none"), ("fail", "error"), ("fail", "warning"), ("open", "none"),
    ]  # fmt: skip


def test_github_gets_one_workflow_command_a_gate_at_the_gates_line(report: GateReport) -> None:
    lines = formats.as_github(report).splitlines()
    assert [line.split(" ")[0] for line in lines] == ["::notice", "::error", "::error", "::warning"]
    assert lines[1].startswith("::error file=my.audit.toml,line=16,title=fail%3A resists::ASR@10 (ranker 'net'")


def test_markdown_shows_the_table_and_the_worst_case(report: GateReport) -> None:
    text = formats.as_markdown(report)
    assert "## RobustRank: 2 of 4 gates do not hold: 1 failed, 2 inconclusive, 1 passed" in text
    assert "| ❌ fail | ` resists ` | ` ASR@10 (ranker 'net', attack 'stuffing'" in text
    assert "| ❔ inconclusive (allowed) |" in text
    assert "moved from rank 18 to 1 of 20 for the query ` what is it `" in text
    assert text.endswith("```diff\n- b\n+ c\n```\n")


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_hostile_texts_do_nothing_in_any_format(name: str, report: GateReport, corpus: list[str]) -> None:
    text = FORMATS[name](hostile(report, corpus))
    text.encode("utf-8")  # no lone surrogate is left
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f\x9b\u202a-\u202e\u2066-\u2069\ufffe\uffff]", text)
    _CHECKS[name](text, corpus)


def _json(text: str, corpus: list[str]) -> None:
    assert [v["gate"] for v in json.loads(text)["verdicts"]] == corpus


def _junit(text: str, corpus: list[str]) -> None:
    root = ElementTree.fromstring(text)
    assert {element.tag for element in root.iter()} == {"testsuites", "testsuite", "testcase", "failure", "system-out"}
    assert len(root.findall(".//testcase")) == len(corpus)


def _sarif(text: str, corpus: list[str]) -> None:
    assert len(json.loads(text)["runs"][0]["results"]) == len(corpus)


def _github(text: str, corpus: list[str]) -> None:
    lines = text.splitlines()
    assert len(lines) == len(corpus)
    for line in lines:
        command = re.fullmatch(r"::(notice|warning|error) file=my\.audit\.toml,line=\d+,title=([^:,]*)::(.*)", line)
        assert command, line
        assert not re.search(r"%(?!25|0D|0A|3A|2C)", command[2])
        assert not re.search(r"%(?!25|0D|0A)", command[3])


def _markdown(text: str, corpus: list[str]) -> None:
    """Every text stands in a code span or a fenced block: cut these out, and nothing of it is left."""
    rows = [line for line in text.splitlines() if line.startswith("| ") and "| gate |" not in line]
    assert len(rows) == len(corpus)
    for row in rows:
        assert len(re.findall(r"(?<!\\)(?:\\\\)*\|", row)) == 4  # three cells
    fence = re.search(r"^(`{3,})diff$", text, re.MULTILINE)
    assert fence
    outside = text[: fence.start()]
    assert text.rstrip().endswith("\n" + fence[1])
    assert text[fence.end() :].count("\n" + fence[1] + "\n") == 1
    without_spans = re.sub(r"(?<!`)(`+)(?!`) .*? (?<!`)\1(?!`)", "", outside)
    for left in ("<", "@", "http", "`", "[", "script", "evil"):
        assert left not in without_spans, (left, without_spans[max(0, without_spans.find(left) - 80) :][:160])


_CHECKS: dict[str, Any] = {
    "json": _json, "junit": _junit, "sarif": _sarif, "github": _github, "markdown": _markdown,
}  # fmt: skip
