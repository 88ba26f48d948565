"""The leaderboard: who comes first, which attack counts, and what is left out."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from robustrank.cli.main import main
from robustrank.core.errors import ConfigError
from robustrank.core.flags import Check
from robustrank.core.types import Estimate
from robustrank.protocols.ensembles import Ensemble
from robustrank.report import leaderboard
from robustrank.results import summary as summaries
from robustrank.results.outcomes import Tally
from robustrank.results.red_flags import RedFlag, Severity
from robustrank.results.summary import Summary
from robustrank.storage import typed

WARNED = '<small class="warn">'


def put(folder: Path, name: str, audit: Summary) -> None:
    (folder / name).mkdir(parents=True)
    summaries.write(replace(audit, name=name), folder / name / "summary.json")


def page(folder: Path) -> str:
    out = folder / "board.html"
    leaderboard.write(folder, out)
    return out.read_text()


def ranked(text: str) -> list[str]:
    return re.findall(r'<th scope="row">\d+\. <bdi>(.*?)</bdi>', text)


def test_the_best_worst_case_comes_first_and_the_unattacked_last(summary: Summary, tmp_path: Path) -> None:
    put(tmp_path, "one", summary)
    assert ranked(page(tmp_path)) == ["bm25", "net", "smoothed + bm25"]  # 0.3, 0.6, never attacked


def test_the_best_known_attack_comes_from_any_audit_of_the_same_ranker(summary: Summary, tmp_path: Path) -> None:
    stronger = replace(
        summary,
        finished="2025-01-01T00:00:00+00:00",
        attacks=[
            replace(a, attack="flood", success={"ASR@10": Estimate(0.8, 0.7, 0.9, 30)}) if a.ranker == "bm25" else a
            for a in summary.attacks
        ],
    )
    put(tmp_path, "latest", summary)
    put(tmp_path, "earlier", stronger)
    text = page(tmp_path)
    assert ranked(text) == ["net", "bm25", "smoothed + bm25"]
    row = next(part for part in text.split("<tr>") if ". <bdi>bm25</bdi>" in part)
    assert "<b>0.80</b>" in row  # best known
    assert "in <bdi>earlier</bdi>" in row
    assert "<b>0.30</b>" in row  # measured in its own
    other = replace(stronger, rankers=[replace(r, fingerprint="another") for r in stronger.rankers])
    put(tmp_path / "more", "retrained", other)
    assert page(tmp_path).count(". <bdi>bm25</bdi>") == 2  # two models are two rows


def test_a_ranker_in_doubt_says_why_and_comes_after_the_others(summary: Summary, tmp_path: Path) -> None:
    flag = RedFlag(
        check=Check.BATCH,
        severity=Severity.SERIOUS,
        ranker="bm25",
        title="bm25: batches matter",
        detail="by <b>13 %</b>",
    )
    clean = replace(summary, red_flags=[], rankers=[replace(r, tasks={}) for r in summary.rankers])
    put(tmp_path / "clean", "one", clean)
    text = page(tmp_path / "clean")
    assert (ranked(text)[0], WARNED in text) == ("bm25", False)
    put(tmp_path / "flagged", "one", replace(clean, red_flags=[flag]))
    text = page(tmp_path / "flagged")
    assert ranked(text)[0] == "net"
    row = next(part for part in text.split("<tr>") if ". <bdi>bm25</bdi>" in part)
    assert WARNED in row
    assert "bm25: batches matter: by &lt;b&gt;13 %" in row
    defended = next(part for part in text.split("<tr>") if ". <bdi>smoothed + bm25</bdi>" in part)
    assert "batches matter" in defended, "the ranker behind it is in doubt"
    net = next(part for part in text.split("<tr>") if ". <bdi>net</bdi>" in part)
    assert WARNED not in net
    put(tmp_path / "accepted", "one", replace(clean, red_flags=[replace(flag, accepted="known, and harmless")]))
    text = page(tmp_path / "accepted")
    assert (ranked(text)[0], WARNED in text) == ("bm25", False)
    put(tmp_path / "warned", "one", replace(clean, red_flags=[replace(flag, severity=Severity.WARNING)]))
    assert WARNED not in page(tmp_path / "warned")


def test_undecided_cases_are_a_doubt(summary: Summary, tmp_path: Path) -> None:
    counts = {"attack": Tally(planned=20, errors=3, error="HTTP 429")}
    rankers = [replace(r, tasks=counts if r.name == "bm25" else {}) for r in summary.rankers]
    put(tmp_path, "one", replace(summary, red_flags=[], rankers=rankers))
    text = page(tmp_path)
    assert ranked(text)[0] == "net"
    row = next(part for part in text.split("<tr>") if ". <bdi>bm25</bdi>" in part)
    assert "3 of 20 tasks ended in an error, first: HTTP 429" in row


def test_claims_stand_beside_what_was_measured(summary: Summary, tmp_path: Path) -> None:
    claims = {"nDCG@10": 0.91, "ASR@10": 0.07}
    put(tmp_path, "one", replace(summary, rankers=[replace(r, claimed=claims) for r in summary.rankers]))
    row = next(part for part in page(tmp_path).split("<tr>") if ". <bdi>net</bdi>" in part)
    cells = re.findall("<td[^>]*>(.*?)</td>", row, re.DOTALL)
    assert (cells[2], cells[4]) == ("0.07", "0.910")
    assert "<b>0.60</b>" in cells[1]
    assert "[0.50, 0.70], n=20" in cells[1]


def test_only_the_same_collection_shares_a_table(summary: Summary, tmp_path: Path) -> None:
    put(tmp_path, "one", summary)
    other = replace(summary, collections=[replace(c, digest="other documents") for c in summary.collections])
    put(tmp_path, "two", other)
    assert page(tmp_path).count("<table>") == 2


@pytest.mark.parametrize(
    "text", ["", "[]", "[" * 100_000, '{"schema": 1}', '{"schema": "<b>"}', '{"schema": 1, "name": 3, "x": []}']
)
def test_what_is_no_summary_is_left_out_with_the_reason(summary: Summary, tmp_path: Path, text: str) -> None:
    put(tmp_path, "good", summary)
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "summary.json").write_text(text)
    shown = page(tmp_path)
    assert "bad/summary.json" in shown.partition("Left out")[2]
    assert "<b>" not in shown.partition("Left out")[2]
    assert len(ranked(shown)) == 3


@pytest.mark.parametrize("wrong", [float("nan"), "<script>alert(1)</script>", None, [], {}])
def test_figures_that_are_none_are_left_out(summary: Summary, tmp_path: Path, wrong: object) -> None:
    put(tmp_path, "bad", summary)
    path = tmp_path / "bad" / "summary.json"
    data = json.loads(path.read_text())
    data["effectiveness"][0]["mean"][0] = wrong
    path.write_text(json.dumps(data))
    shown = page(tmp_path)
    assert "<script" not in shown
    assert ranked(shown) == []
    assert "bad/summary.json" in shown


def test_hostile_names_do_nothing(summary: Summary, tmp_path: Path) -> None:
    evil = "<img src=x onerror=alert(1)>\u202e\x1b"
    put(tmp_path, "x", replace(
        summary,
        measure=summary.measure,
        rankers=[replace(r, name=evil, plugin=evil) for r in summary.rankers[:1]],
        attacks=[replace(a, ranker=evil, attack=evil) for a in summary.attacks[:1]],
    ))  # fmt: skip
    shown = page(tmp_path)
    assert "<img" not in shown
    assert not re.search("[\u202e\x1b]", shown)
    assert "default-src 'none'" in shown


def test_the_command_tells_how_many_and_refuses_an_empty_folder(summary: Summary, tmp_path: Path) -> None:
    put(tmp_path / "audits", "one", summary)
    out = tmp_path / "page.html"
    done = CliRunner().invoke(main, ["leaderboard", str(tmp_path / "audits"), "--out", str(out)])
    assert (done.exit_code, done.stdout) == (0, f"{out}: 3 rankers\n")
    with pytest.raises(ConfigError, match=r"no audit in it"):
        leaderboard.write(tmp_path / "audits" / "nothing", out)


def row(ranker: str, access: str, robust: float, targets: int = 200) -> Any:
    return typed.plain(
        Ensemble(
            ranker=ranker, operation="any", access=access, collection="home", worst=None, clean=0.9, ranks={},
            robust=Estimate(robust, robust - 0.1, robust + 0.1, 30), members=(), pairs=1,
            tallies={"worst ASR@10": Tally(planned=targets)},
        )
    )  # fmt: skip


def test_audits_by_a_standard_suite_have_a_table_of_their_own_ordered_by_what_is_left(
    summary: Summary, tmp_path: Path
) -> None:
    rows = [row("bm25", "none", 0.9), row("net", "none", 0.7), row("bm25", "scores", 0.2), row("net", "scores", 0.4),
            row("net", "weights", 0.1)]  # fmt: skip
    put(tmp_path, "own attacks", summary)
    put(tmp_path, "by suite", replace(summary, results={"ensembles": {"rows": rows, "suite": "standard/1"}}))
    text = page(tmp_path)
    first, second = text.split("<section aria-labelledby")[1:]
    assert "standard/1" not in first
    assert ranked(first) == ["bm25", "net", "smoothed + bm25"]
    assert "at access to <bdi>scores</bdi>" in second  # all that both were attacked with
    assert ranked(second) == ["net", "bm25", "smoothed + bm25"]
    assert "<b>0.400</b>" in second


def test_under_a_suite_a_ranker_attacked_on_few_targets_stands_after_those_on_many(
    summary: Summary, tmp_path: Path
) -> None:
    rows = [row("bm25", "none", 0.9, targets=199), row("net", "none", 0.4)]
    put(tmp_path, "by suite", replace(summary, results={"ensembles": {"rows": rows, "suite": "standard/1"}}))
    text = page(tmp_path)
    assert ranked(text) == ["net", "bm25", "smoothed + bm25"]
    assert text.count("targets below the top 10; fewer than 200 do not order rankers") == 1
    assert "199 targets" in text
