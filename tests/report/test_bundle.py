"""A bundle: every audit with its verdict, links that lead somewhere, nothing from elsewhere, nothing of others lost."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner

from robustrank.cli.main import main
from robustrank.core.errors import ConfigError
from robustrank.core.types import Estimate
from robustrank.judging.trends import trends
from robustrank.report import bundle, trend_charts
from robustrank.results import summary as summaries
from robustrank.results.summary import Summary
from robustrank.results.verdicts import Outcome, Verdict

HALF = Estimate(0.5, 0.4, 0.6, 20)


def verdict(outcome: Outcome, estimate: Estimate | None = HALF) -> Verdict:
    return Verdict(
        gate="resists", outcome=outcome, reason=f"it came to {outcome}", estimate=estimate, limit="at most 0.5", at=0.5,
        measure="ASR@10", where={"ranker": "net"}, held=outcome is Outcome.PASS,
    )  # fmt: skip


def series(summary: Summary, *verdicts: Verdict) -> list[Summary]:
    return [
        replace(summary, name="weekly", finished=f"2026-{n:02}-01T00:00:00+00:00", verdicts=[each])
        for n, each in enumerate(verdicts, 1)
    ]


def put(folder: Path, audits: list[Summary]) -> Path:
    for n, audit in enumerate(audits):
        (folder / f"run-{n}").mkdir(parents=True)
        summaries.write(audit, folder / f"run-{n}" / "summary.json")
    return folder


def made(folder: Path, audits: list[Summary]) -> Path:
    bundle.write([put(folder / "runs", audits)], folder / "pages", summaries.read)
    return folder / "pages"


def rows(index: Path) -> list[str]:
    table = index.read_text(encoding="utf-8").partition("<tbody>")[2].partition("</tbody>")[0]
    return table.split("<tr>")[1:]


def test_the_index_has_every_audit_with_its_verdict_the_latest_first(keyed: Summary, tmp_path: Path) -> None:
    pages = made(tmp_path, series(keyed, *map(verdict, Outcome)))
    shown = rows(pages / "index.html")
    assert [re.findall(r"2026-\d\d-01", row)[0] for row in shown] == [f"2026-0{n}-01" for n in (4, 3, 2, 1)]
    assert [
        re.findall('class="outcome (.*?)">(.) ', row)[0] for row in shown
    ] == [("fail", "✕"), ("fail", "⊘"), ("open", "?"), ("pass", "✓")]  # fmt: skip


def test_gates_that_hold_in_an_audit_that_is_not_finished_have_not_passed(keyed: Summary, tmp_path: Path) -> None:
    begun = replace(series(keyed, verdict(Outcome.PASS))[0], finished=None)
    (row,) = rows(made(tmp_path, [begun]) / "index.html")
    assert "outcome pass" not in row
    assert "not finished" in row


def test_every_link_leads_to_a_page_of_the_bundle_and_back(keyed: Summary, tmp_path: Path) -> None:
    pages = made(tmp_path, series(keyed, *map(verdict, Outcome)))
    files = {path.relative_to(pages).as_posix() for path in pages.rglob("*.html")}
    linked = set(re.findall('href="([^#"]*)"', (pages / "index.html").read_text(encoding="utf-8"))) - {"data:,"}
    assert linked == files - {"index.html"}
    assert sum(name.startswith("comparisons/") for name in linked) == 6  # every two of four
    for name in linked:
        assert 'href="../index.html"' in (pages / name).read_text(encoding="utf-8"), name


def test_no_page_loads_anything_from_elsewhere(keyed: Summary, tmp_path: Path) -> None:
    pages = made(tmp_path, series(keyed, *map(verdict, Outcome)))
    for path in pages.rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        assert re.findall(r'(?:src|href)="(?:https?:)?//', text) == []
        assert "default-src 'none'" in text


def test_names_of_audits_choose_no_files(keyed: Summary, tmp_path: Path) -> None:
    hostile = replace(keyed, name="../../<script>window.pwned=1</script>/x\N{RIGHT-TO-LEFT OVERRIDE}")
    pages = made(tmp_path, [hostile, replace(keyed, name="\N{HANGUL SYLLABLE HAN}")])
    assert sorted(path.name for path in (pages / "reports").iterdir()) == [
        "1-script-window-pwned-1-script-x.html", "2.html",
    ]  # fmt: skip
    assert "<script>window" not in (pages / "index.html").read_text(encoding="utf-8")
    assert {path.name for path in tmp_path.iterdir()} == {"runs", "pages"}


def test_a_folder_that_holds_something_else_is_left_alone(keyed: Summary, tmp_path: Path) -> None:
    (tmp_path / "pages").mkdir()
    (tmp_path / "pages" / "index.html").write_text("my own page")
    with pytest.raises(ConfigError, match="holds something that is no bundle"):
        made(tmp_path, [keyed])
    assert (tmp_path / "pages" / "index.html").read_text() == "my own page"


def test_writing_again_takes_away_pages_of_audits_that_are_gone_and_nothing_else(
    keyed: Summary, tmp_path: Path
) -> None:
    pages = made(tmp_path, series(keyed, verdict(Outcome.PASS), verdict(Outcome.FAIL)))
    (pages / "reports" / "notes.html").write_text("of a person")
    bundle.write([tmp_path / "runs" / "run-1"], pages, summaries.read)
    assert {path.name for path in (pages / "reports").iterdir()} == {"1-weekly.html", "notes.html"}
    assert list((pages / "comparisons").iterdir()) == []


def test_what_cannot_be_read_is_listed_without_a_path_of_the_machine(keyed: Summary, tmp_path: Path) -> None:
    (tmp_path / "runs" / "torn").mkdir(parents=True)
    (tmp_path / "runs" / "torn" / "summary.json").write_text('{"schema": 1}')
    index = made(tmp_path, [keyed]) / "index.html"
    assert "torn/summary.json" in index.read_text(encoding="utf-8")
    assert str(tmp_path) not in index.read_text(encoding="utf-8")


def test_only_a_gate_that_passed_is_drawn_as_one_that_did(keyed: Summary) -> None:
    outcomes = [*Outcome, Outcome.INVALID, Outcome.INCONCLUSIVE]
    audits = series(keyed, *map(verdict, Outcome), verdict(Outcome.INVALID, None), verdict(Outcome.INCONCLUSIVE, None))
    (trend,) = trends(audits)
    chart = trend_charts.draw(trend)
    marks = [each.attrib for each in ElementTree.fromstring(chart.svg).iter("path")]
    assert [(mark["stroke"], mark["fill"] == mark["stroke"]) for mark in sorted(marks, key=_left)] == [
        ("var(--pass)", True), ("var(--open)", False), ("var(--fail)", False), ("var(--fail)", True),
        ("var(--fail)", False), ("var(--open)", False),
    ]  # fmt: skip
    assert [row[2] for row in chart.rows] == [str(outcome) for outcome in outcomes]


def _left(mark: dict[str, str]) -> float:
    return float(re.findall(r"[\d.]+", mark["d"])[0])


def test_the_command_reads_folders_and_files_and_says_what_it_wrote(keyed: Summary, tmp_path: Path) -> None:
    runs = put(tmp_path / "runs", series(keyed, verdict(Outcome.PASS), verdict(Outcome.FAIL)))
    (runs / "run-1" / "summary.json").rename(tmp_path / "release-2.json")
    arguments = ["bundle", str(runs), str(tmp_path / "release-2.json"), "--out", str(tmp_path / "pages")]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0
    assert result.stdout == f"{tmp_path}/pages/index.html: 2 audits, 1 gates over time, 1 comparisons\n"
    result = CliRunner().invoke(main, [*arguments, "--back", "0"])
    assert result.stdout.endswith("2 audits, 1 gates over time, 0 comparisons\n")
