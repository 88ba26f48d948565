"""Audits that stop by themselves: when their gates are decided, or a budget is spent. And gates refused at once."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from robustrank.auditing import plan, state
from robustrank.auditing import run as audit
from robustrank.auditing.plan import read_plan
from robustrank.auditing.session import Allowance
from robustrank.config import audit_file
from robustrank.config.specs import AuditSpec
from robustrank.core.errors import ConfigError, StoreError
from robustrank.judging import checks
from robustrank.results.sequential import Stopped
from robustrank.results.summary import (
    Summary,
)
from robustrank.storage import journal
from robustrank.work.record_format import FORMAT
from robustrank.work.records import RankingRecord

FILE = """
name = "fruits"
[[collection]]
use = "beir"
path = "tiny"
name = "home"
depth = 12
[[ranker]]
use = "bm25"
attacked = false
[[ranker]]
use = "random"
[[accept]]
flag = "ties"
reason = "the made-up texts differ in one word"
[[accept]]
flag = "first stage"
reason = "a random ranker is below its first stage"
"""
ATTACK = '[cases]\nqueries = 6\nstrata = ["11-12"]\n[[attack]]\nuse = "query_injection"\n'
GOOD = '[[gate]]\nname = "good"\nmeasure = "nDCG@10"\nwhere = { ranker = "bm25" }\nmin = 0.6\n'
POOR = '[[gate]]\nname = "poor"\nmeasure = "nDCG@10"\nwhere = { ranker = "random" }\nmax = 0.9\n'
HOPELESS = '[[gate]]\nname = "hopeless"\nmeasure = "nDCG@10"\nwhere = { ranker = "bm25" }\nmin = 0.999\n'
BATCHES = "[sequential]\nbatch = 6\n"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a collection of 40 queries, every one of them with one relevant document."""
    folder = tmp_path_factory.mktemp("home")
    (folder / "tiny" / "qrels").mkdir(parents=True)
    names = [f"fruit{n}" for n in range(40)]

    def lines(rows: list[tuple[str, str]]) -> str:
        dump: Callable[[Any], str] = json.dumps
        return "".join(dump({"_id": key, "text": text}) + "\n" for key, text in rows)

    (folder / "tiny" / "corpus.jsonl").write_text(lines([(f"d{n}", f"the {n} is one of many fruits") for n in names]))
    (folder / "tiny" / "queries.jsonl").write_text(lines([(f"q{n}", f"what of the many fruits is {n}") for n in names]))
    qrels = "".join(f"q{n}\td{n}\t1\n" for n in names)
    (folder / "tiny" / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\n" + qrels)
    return folder


def parse(home: Path, *parts: str) -> AuditSpec:
    spec = audit_file.parse(FILE + "".join(parts), folder=home)
    checks.check(spec)
    return spec


def ranked_queries(folder: Path) -> dict[str, int]:
    rankings = [r for r in journal.read(folder, FORMAT).values() if isinstance(r, RankingRecord)]
    return {name: sum(r.ranker == name for r in rankings) for name in sorted({r.ranker for r in rankings})}


@pytest.fixture(scope="module")
def decided(home: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Summary]:
    folder = tmp_path_factory.mktemp("decided")
    return folder, audit.run(parse(home, BATCHES, GOOD, POOR), folder)


def test_it_stops_as_soon_as_every_gate_is_decided(decided: tuple[Path, Summary]) -> None:
    folder, summary = decided
    assert summary.sequential is not None
    assert summary.sequential.stopped == "decided"
    assert summary.sequential.queries < 40
    assert ranked_queries(folder) == {"bm25": summary.sequential.queries, "random": summary.sequential.queries}
    assert [verdict.outcome for verdict in summary.verdicts] == ["pass", "pass"]
    assert summary.finished is not None


def test_the_intervals_of_its_gates_hold_at_any_time_and_the_others_are_flagged(decided: tuple[Path, Summary]) -> None:
    _, summary = decided
    estimate = summary.verdicts[0].estimate
    fixed = next(e.mean for e in summary.effectiveness if (e.ranker, e.measure) == ("bm25", "nDCG@10"))
    assert estimate is not None
    assert estimate.n == fixed.n
    assert estimate.low < fixed.low
    assert "at any time" in summary.verdicts[0].reason
    assert "sequential" in [flag.check for flag in summary.red_flags]


def test_stopped_and_resumed_it_asks_the_same_queries_and_ends_the_same(
    home: Path, decided: tuple[Path, Summary], tmp_path: Path
) -> None:
    spec = parse(home, BATCHES, GOOD, POOR)
    for tasks in (3, 8, 20):
        assert audit.run(spec, tmp_path, allowance=Allowance(tasks=tasks)).finished is None
    resumed = audit.run(spec, tmp_path)
    assert resumed.sequential == decided[1].sequential
    assert resumed.verdicts == decided[1].verdicts
    ours, theirs = (read_plan(folder).phases for folder in (tmp_path, decided[0]))
    assert ours["ranking"] == theirs["ranking"]
    assert state.summarise(tmp_path).verdicts == resumed.verdicts


def test_what_cannot_be_decided_asks_all_queries_there_are(home: Path, tmp_path: Path) -> None:
    summary = audit.run(parse(home, BATCHES, HOPELESS), tmp_path)
    assert summary.sequential is not None
    assert (summary.sequential.queries, summary.sequential.stopped) == (40, "all queries used")
    assert summary.verdicts[0].outcome == "inconclusive"
    assert (summary.verdicts[0].queries_needed or 0) > 40


def test_a_spent_budget_leaves_whole_batches_and_more_budget_goes_on(home: Path, tmp_path: Path) -> None:
    small = replace(parse(home, BATCHES + "pairs = 400\n", HOPELESS), seed=1)  # no other test has scored its pairs
    summary = audit.run(small, tmp_path)
    assert summary.sequential is not None
    assert summary.sequential.stopped == "budget"
    assert summary.sequential.queries % 6 == 0
    assert summary.finished is not None
    estimate = summary.verdicts[0].estimate
    assert estimate is not None
    assert estimate.n == summary.sequential.queries
    assert audit.run(small, tmp_path).sequential == summary.sequential  # nothing is left to spend
    more = replace(parse(home, BATCHES + "pairs = 100000\n", HOPELESS), seed=1)
    assert audit.folder(more, tmp_path) == audit.folder(small, tmp_path)
    assert audit.run(more, tmp_path).sequential == replace(summary.sequential, queries=40, stopped=Stopped.ALL_QUERIES)


def test_any_audit_can_be_cut_off_at_so_many_pairs_or_minutes_and_resumed(home: Path, tmp_path: Path) -> None:
    spec = replace(parse(home), seed=2)
    cut = audit.run(spec, tmp_path, allowance=Allowance(pairs=224))
    assert cut.finished is None
    assert 224 <= cut.environment["pairs_scored"] < 224 + 13  # 124 of them asked first what the rankers are
    assert audit.run(spec, tmp_path, allowance=Allowance(minutes=0)).finished is None
    assert ranked_queries(tmp_path) == {"bm25": 9}  # of 12 documents each
    assert audit.run(spec, tmp_path).finished is not None


@pytest.mark.parametrize(
    ("figure", "reason"),
    [
        ('measure = "lowest decile"\nwhere = { ranker = "random" }', "the lowest tenth is not a mean over all queries"),
        ('measure = "drop"\nwhere = { ranker = "random", slice = "how" }', "a ratio of means"),
        ('measure = "nDCG@10"\nwhere = { ranker = "random", slice = "how" }', "a slice keeps no values"),
        ('measure = "boost"\nwhere = { ranker = "random" }', "no bounds that are known beforehand"),
        ('measure = "nDCG@10"\nbound = "value"\nwhere = { ranker = "random" }', "decided by the first batch"),
    ],
)
def test_what_is_no_mean_of_bounded_values_cannot_be_sampled_until_decided(
    home: Path, figure: str, reason: str
) -> None:
    with pytest.raises(ConfigError, match=reason):
        parse(home, BATCHES, ATTACK, f'[[gate]]\nname = "g"\nmin = 0.1\n{figure}\n')


@pytest.mark.parametrize(
    ("figure", "message"),
    [
        ('measure = "nDCG@10"\nwhere = { ranker = "bm25", slice = "hwo" }', r"no figure nDCG@10 .*slice 'hwo'"),
        ('measure = "demoted"\nwhere = { ranker = "random" }', r"no figure demoted .*have: .*promoted"),
        ('measure = "ASR@10"\nwhere = { ranker = "bm25" }', r"near: ASR@10 \(ranker 'random'"),
        ('measure = "nDCG@10"', r"2 figures match nDCG@10; say which"),
    ],
)
def test_a_gate_that_no_figure_can_answer_is_refused_before_anything_is_scored(
    home: Path, tmp_path: Path, figure: str, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        audit.run(parse(home, ATTACK, f'[[gate]]\nname = "g"\nmin = 0.1\n{figure}\n'), tmp_path)
    assert ranked_queries(tmp_path) == {}


def test_every_figure_an_audit_has_was_planned(home: Path, tmp_path: Path) -> None:
    from robustrank.judging.figures import expected, measured
    from robustrank.work.perform import workbench

    spec = parse(home, ATTACK)
    planned = {str(figure) for figure in expected(workbench(spec))}
    assert {str(figure) for figure in measured(audit.run(spec, tmp_path))} <= planned


def test_a_folder_that_cannot_be_written_is_one_line(home: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"file/fruits.*cannot be written: .*give --out another folder"):
        audit.run(parse(home), tmp_path / "file" / "fruits")


def test_status_tells_how_much_is_planned(home: Path, tmp_path: Path) -> None:
    spec = parse(home, ATTACK)
    audit.run(spec, tmp_path, allowance=Allowance(tasks=5))
    assert plan.progress(tmp_path).phases[1] == ("ranking", 5, 80, 0)
    assert not plan.progress(tmp_path).finished
    audit.run(spec, tmp_path)
    assert plan.progress(tmp_path).phases == [
        ("checks", 2, 2, 0),
        ("ranking", 80, 80, 0),
        ("variations", 0, 0, 0),
        ("edits", 0, 0, 0),
        ("attacks", 6, 6, 0),
        ("certificates", 0, 0, 0),
        ("corpus", 0, 0, 0),
        ("detection", 0, 0, 0),
        ("long_documents", 0, 0, 0),
        ("position", 0, 0, 0),
        ("transfer", 0, 0, 0),
    ]
    assert plan.progress(tmp_path).finished
