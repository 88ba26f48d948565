"""Where a ranker stands among committed audits: on equal terms only, without figures in doubt, by intervals."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from robustrank.core.flags import Check
from robustrank.core.types import Estimate
from robustrank.judging import standing
from robustrank.report import html
from robustrank.results.outcomes import Tally
from robustrank.results.red_flags import RedFlag, Severity
from robustrank.results.summary import Summary

ROOT = Path(__file__).parents[2]
Change = Callable[[Summary], Summary]


@pytest.fixture
def committed(keyed: Summary, monkeypatch: pytest.MonkeyPatch) -> Summary:
    """A table of one audit in which "net" has 0.7 at home, "bm25" 0.5, and the strongest attacks 0.6 and 0.3,
    in other strata."""
    table = standing.Table(rows=standing.rows(replace(keyed, name="committed")))
    monkeypatch.setattr(standing, "table", lambda: table)
    return keyed


def shown(summary: Summary) -> list[tuple[str, list[str]]]:
    return [(each.what, [row.ranker for row in each.others]) for each in standing.standings(summary)]


def test_the_packaged_table_is_that_of_the_committed_audits() -> None:
    done = subprocess.run([sys.executable, ROOT / "tools" / "write_standing.py", "--check"], check=False)
    assert done.returncode == 0, "run python tools/write_standing.py"
    standing.table.cache_clear()
    assert {row.audit for row in standing.table().rows} >= {"default", "five-tasks"}


def test_effectiveness_and_the_strongest_attack_stand_beside_others_from_the_best(committed: Summary) -> None:
    assert shown(committed) == [
        ("nDCG@10 on home", ["net", "bm25"]), ("ASR@10 of “stuffing”", ["net"]),
    ]  # fmt: skip
    assert shown(replace(committed, name="committed")) == []  # its own rankers stand in its own tables
    assert shown(replace(committed, finished=None)) == []


@pytest.mark.parametrize(
    ("change", "left"),
    [
        (lambda s: replace(s, collections=[replace(c, query_keys={"q0": "other"}) for c in s.collections]), []),
        (lambda s: replace(s, collections=[replace(c, query_keys={}) for c in s.collections]), []),
        (lambda s: replace(s, attacks=[replace(a, budget={"edits": 9}) for a in s.attacks]), ["nDCG@10 on home"]),
        (lambda s: replace(s, attacks=[replace(a, plugin="other") for a in s.attacks]), ["nDCG@10 on home"]),
        (
            lambda s: replace(s, attacks=[replace(a, stratum=a.stratum.replace("11", "6")) for a in s.attacks]),
            ["nDCG@10 on home"],
        ),
        (lambda s: replace(s, measure="RR@10"), ["ASR@10 of “stuffing”"]),
    ],
)
def test_unequal_terms_are_not_compared(committed: Summary, change: Change, left: list[str]) -> None:
    assert [what for what, _ in shown(change(committed))] == left


def test_figures_in_doubt_are_in_no_table(keyed: Summary) -> None:
    whole = {row.ranker for row in standing.rows(keyed)}
    assert whole == {"net", "bm25"}
    flag = RedFlag(check=Check.REPEAT, severity=Severity.SERIOUS, title="t", detail="d", ranker="net")
    assert {row.ranker for row in standing.rows(replace(keyed, red_flags=[flag]))} == {"bm25"}
    open_ = Tally(planned=20, errors=1, error="HTTP 429")
    undecided = replace(
        keyed,
        attacks=[replace(a, tally=open_) for a in keyed.attacks],
        effectiveness=[replace(e, tally=open_) for e in keyed.effectiveness],
    )
    assert standing.rows(undecided) == []


def test_only_intervals_that_do_not_overlap_tell_rankers_apart() -> None:
    def row(low: float, high: float) -> standing.Row:
        return standing.Row(terms="", audit="a", date="", ranker="r", estimate=Estimate(low, low, high, 9))

    mine = Estimate(0.5, 0.4, 0.6, 9)
    each = standing.Standing(
        what="", higher_is_better=True, mine=mine, others=[row(0.61, 0.7), row(0.6, 0.7), row(0.1, 0.39), row(0.2, 0.4)]
    )
    assert (each.better, each.worse) == (1, 1)
    assert (replace(each, higher_is_better=False).better, replace(each, higher_is_better=False).worse) == (1, 1)
    assert replace(each, others=[row(0.61, 0.7)]).worse == 0
    assert replace(each, others=[row(0.61, 0.7)], higher_is_better=False).worse == 1


def test_the_page_names_and_dates_them_or_says_that_nothing_is_comparable(committed: Summary) -> None:
    head = html.render(committed).partition('id="standing"')[2].partition("<h2")[0]
    assert "of 2 other rankers, 0 better, " in head
    assert "<bdi>committed</bdi>, <bdi>2026-01-01</bdi>" in head
    other = html.render(replace(committed, name="committed")).partition('id="standing"')[2].partition("<h2")[0]
    assert "None of the audits that RobustRank comes with has the same queries" in other
