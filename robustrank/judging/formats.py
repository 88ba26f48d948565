"""Verdicts on gates, written for the programs that read them: CI systems, code scanners, job summaries.

Names and reasons hold text out of audit files, models and collections, which an attacker may have written. So every
format shows what cannot be seen by its code point first (:mod:`robustrank.core.escaping`) and then quotes the rest in
its own way; nothing in a text can end a line, open a tag, run a workflow command or make a link.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from urllib.parse import quote

from robustrank.core.escaping import for_terminal
from robustrank.results.summary import Summary, WorstCase
from robustrank.results.verdicts import Outcome, Verdict, sentence

SCHEMA = 2
CHANGES = 8
"""Runs of changed words of the worst case that a job summary shows."""
LONGEST = 200
"""Characters of a text that a job summary shows."""


@dataclass(frozen=True, kw_only=True)
class GateReport:
    """The audit and its verdicts, which every format shows.

    Args:
        summary: The audit.
        verdicts: On its gates.
        path: Of the audit file, for messages that point somewhere.
    """

    summary: Summary
    verdicts: Sequence[Verdict]
    path: Path

    def line(self, verdict: Verdict) -> int:
        """Where the audit file has the gate: the line of its name, or the first."""
        written = (json.dumps(verdict.gate, ensure_ascii=False), f"'{verdict.gate}'")
        for number, line in enumerate(self.summary.source.splitlines(), start=1):
            if line.strip().startswith("name") and any(name in line for name in written):
                return number
        return 1


def as_json(report: GateReport) -> str:
    """Everything, for scripts; pure ASCII."""
    held = all(verdict.held for verdict in report.verdicts)
    data = {
        "schema": SCHEMA,
        "audit": report.summary.name,
        "finished": report.summary.finished,
        "headline": report.summary.headline,
        "held": held,
        "accepted": [
            {"flag": f.check, "title": f.title, "reason": f.accepted} for f in report.summary.red_flags if f.accepted
        ],
        "verdicts": [
            {**asdict(v), "estimate": v.estimate._asdict() if v.estimate else None} for v in report.verdicts
        ],
    }  # fmt: skip
    return json.dumps(data, indent=1) + "\n"


def as_junit(report: GateReport) -> str:
    """JUnit's XML, one case a gate; one that is not held is a failure with its reason, an invalid one an error."""
    from xml.etree import ElementTree as tree

    invalid = sum(verdict.outcome is Outcome.INVALID for verdict in report.verdicts)
    failed = sum(not verdict.held for verdict in report.verdicts) - invalid
    counts = {"tests": str(len(report.verdicts)), "failures": str(failed), "errors": str(invalid), "skipped": "0"}
    root = tree.Element("testsuites", counts)
    name = f"robustrank: {for_terminal(report.summary.name)}"
    suite = tree.SubElement(root, "testsuite", {"name": name, **counts, "time": "0"})
    for verdict in report.verdicts:
        case = {"classname": name, "name": for_terminal(verdict.gate), "file": report.path.as_posix(), "time": "0"}
        case["line"] = str(report.line(verdict))
        element = tree.SubElement(suite, "testcase", case)
        reason = for_terminal(verdict.reason)
        if verdict.held:
            tree.SubElement(element, "system-out").text = f"{verdict.outcome}: {reason}"
        else:
            kind = "error" if verdict.outcome is Outcome.INVALID else "failure"
            failure = tree.SubElement(element, kind, {"type": verdict.outcome, "message": reason})
            failure.text = f"{verdict.outcome}: {reason}"
    tree.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{tree.tostring(root, encoding="unicode")}\n'


def as_sarif(report: GateReport) -> str:
    """SARIF 2.1.0: a rule and a result for every gate, at its line of the audit file."""
    rules = [
        {"id": f"gate-{number}", "name": "Gate", "shortDescription": {"text": for_terminal(verdict.gate)}}
        for number, verdict in enumerate(report.verdicts, start=1)
    ]
    results = [
        {
            "ruleId": f"gate-{number}",
            "ruleIndex": number - 1,
            **_sarif_outcome(verdict),
            "message": {"text": f"{for_terminal(verdict.gate)}: {for_terminal(verdict.reason)}"},
            "locations": [
                {
                    "physicalLocation": {
                        "artifactLocation": {"uri": quote(report.path.as_posix())},
                        "region": {"startLine": report.line(verdict)},
                    }
                }
            ],
        }
        for number, verdict in enumerate(report.verdicts, start=1)
    ]
    driver = {"name": "RobustRank", "version": version("robustrank"), "rules": rules}
    log = {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "results": results}],
    }
    return json.dumps(log, indent=1) + "\n"


def as_github(report: GateReport) -> str:
    """Workflow commands: an error for every gate that is not held, a notice for every other."""
    lines = []
    for verdict in report.verdicts:
        kind = "notice" if verdict.outcome is Outcome.PASS else "warning" if verdict.held else "error"
        where = {
            "file": report.path.as_posix(),
            "line": str(report.line(verdict)),
            "title": f"{verdict.outcome}: {for_terminal(verdict.gate)}",
        }
        options = ",".join(f"{key}={_property(value)}" for key, value in where.items())
        lines.append(f"::{kind} {options}::{_message(for_terminal(verdict.reason))}")
    return "".join(line + "\n" for line in lines)


def as_markdown(report: GateReport) -> str:
    """A job summary: the table of verdicts, and the worst case with what was changed."""
    outcomes = sentence(report.verdicts) if report.verdicts else "no gates"
    lines = [f"## RobustRank: {outcomes}", "", _span(report.summary.headline), "", "| | gate | why |", "|---|---|---|"]
    for verdict in report.verdicts:
        mark = {Outcome.PASS: "✅", Outcome.FAIL: "❌", Outcome.INCONCLUSIVE: "❔", Outcome.INVALID: "⛔"}[
            verdict.outcome
        ]
        allowed = " (allowed)" if verdict.held and verdict.outcome is Outcome.INCONCLUSIVE else ""
        lines.append(f"| {mark} {verdict.outcome}{allowed} | {_cell(verdict.gate)} | {_cell(verdict.reason)} |")
    accepted = [flag for flag in report.summary.red_flags if flag.accepted]
    if accepted:
        lines += ["", "Accepted red flags:", ""]
        lines += [f"- {_span(f'{flag.check}: {flag.title}')}: {_span(flag.accepted)}" for flag in accepted]
    if report.summary.worst_cases:
        lines += ["", "### Worst case", "", *_worst(report.summary.worst_cases[0])]
    return "\n".join(lines) + "\n"


FORMATS: dict[str, Callable[[GateReport], str]] = {
    "json": as_json,
    "junit": as_junit,
    "sarif": as_sarif,
    "github": as_github,
    "markdown": as_markdown,
}
"""By the name the command line gives them."""


_MARKS = {Outcome.PASS: "✅", Outcome.FAIL: "❌", Outcome.INCONCLUSIVE: "❔", Outcome.INVALID: "⛔"}


def _sarif_outcome(verdict: Verdict) -> dict[str, object]:
    """SARIF sets no level where nothing failed, and has its own kinds for what is inconclusive or not judged.

    A level other than ``none`` is allowed with the kind ``fail`` only, and viewers show nothing else as a problem; so a
    gate that is not held is a failure, with its outcome among the properties.
    """
    outcome = {"properties": {"outcome": str(verdict.outcome)}}
    if verdict.held:
        return {"kind": "pass" if verdict.outcome is Outcome.PASS else "open", "level": "none", **outcome}
    return {"kind": "fail", "level": "warning" if verdict.outcome is Outcome.INCONCLUSIVE else "error", **outcome}


def _message(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _message(text).replace(":", "%3A").replace(",", "%2C")


def _span(text: str) -> str:
    """A code span: the one place where Markdown takes a text as it is, links and mentions included."""
    shown = for_terminal(text)
    shown = shown if len(shown) <= LONGEST * 3 else shown[: LONGEST * 3] + "…"
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", shown)), default=0))
    return f"{fence} {shown} {fence}" if shown.strip() else "(empty)"


def _cell(text: str) -> str:
    """A code span inside a table, whose cells end at every bar that no backslash precedes."""
    return _span(text).replace("\\", "\\\\").replace("|", "\\|") if "|" in text else _span(text)


def _worst(case: WorstCase) -> list[str]:
    lines = [
        f"{_span(case.attack)} against {_span(case.ranker)}: {_span(case.doc_id)} moved from rank {case.rank_before} "
        f"to {case.rank_after} of {case.list_length} for the query {_span(case.query)}.",
        "",
    ]
    changed = [(before, after) for kind, before, after in case.diff if kind != "equal"]
    shown = []
    for before, after in changed[:CHANGES]:
        shown += [f"{sign} {_cut(text)}" for sign, text in (("-", before), ("+", after)) if text]
    if len(changed) > CHANGES:
        shown.append(f"  and {len(changed) - CHANGES} more changes")
    fence = "`" * (3 + max((len(run) for line in shown for run in re.findall("`+", line)), default=0))
    return [*lines, f"{fence}diff", *shown, fence]


def _cut(text: str) -> str:
    shown = for_terminal(text)
    return shown if len(shown) <= LONGEST else shown[:LONGEST] + "…"
