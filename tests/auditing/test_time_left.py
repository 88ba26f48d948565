"""The time left is right within a factor of two, from records whose seconds are made up."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
from msgspec import structs

from robustrank.auditing import run as audit
from robustrank.auditing.phases import phases
from robustrank.auditing.probes import listwise
from robustrank.auditing.time_left import TimeLeft
from robustrank.config import audit_file
from robustrank.core.progress import Silent
from robustrank.protocols.installed import record_format
from robustrank.storage import journal
from robustrank.work.check_records import CheckRecord
from robustrank.work.records import AttackRecord, TaskRecord
from robustrank.work.workbench import Workbench

Write = Callable[[Path, list[str]], None]

AUDIT = """
name = "clock"
measures = ["nDCG@10"]
[[collection]]
name = "home"
use = "beir"
path = "home"
depth = 6
[[ranker]]
name = "net"
use = "made_up"
[[ranker]]
name = "bm25"
use = "bm25"
[cases]
queries = 8
strata = ["3-6"]
[[attack]]
name = "pasted"
use = "query_injection"
[[attack]]
name = "words"
use = "word_insertion"
budget = { edits = 2, calls = 20 }
"""
QUERIES = [f"nobody fails word {n}" for n in range(8)]
SECONDS = {"net": 0.2, "bm25": 0.002}
"""Of a pair, made up."""


@pytest.fixture
def records(tmp_path: Path, write: Write, plugins: None) -> dict[str, TaskRecord]:
    """Of a whole audit; each took what its pairs take, and an attack half a second more, give or take a third."""
    write(tmp_path / "home", QUERIES)
    (tmp_path / "clock.toml").write_text(AUDIT)
    audit.run(audit_file.load(tmp_path / "clock.toml"), tmp_path / "out")
    found = journal.read(tmp_path / "out", record_format())
    rng = Random(7)

    def took(record: TaskRecord) -> TaskRecord:
        scoring = record.pairs * SECONDS[record.ranker] * rng.uniform(0.67, 1.33)
        beside = 0.5 * isinstance(record, AttackRecord) * rng.uniform(0.67, 1.33)
        return structs.replace(record, seconds=scoring + beside, scoring_seconds=scoring)

    return {key: took(record) for key, record in found.items() if isinstance(record, TaskRecord)}


@pytest.mark.parametrize("waiting", [1.0, 3.0])
def test_until_a_tenth_is_left_the_time_left_is_right_within_a_factor_of_two(
    tmp_path: Path, records: dict[str, TaskRecord], waiting: float
) -> None:
    """Also where every task takes three times its own time, as where results wait for each other."""
    bench = Workbench(audit_file.load(tmp_path / "clock.toml"))
    bench.listwise = listwise([record for record in records.values() if isinstance(record, CheckRecord)])
    whole = [(phase, {t.key(bench): t for t in tasks}) for phase, tasks in phases(bench, records)]
    remaining = sum(records[key].seconds for _, tasks in whole for key in tasks) * waiting
    total, now = remaining, 0.0
    clock, ratios = TimeLeft(bench, lambda: now), list[float]()
    done: dict[str, TaskRecord] = {}
    for phase, tasks in whole:
        if phase in audit.FORESEEN_AT:
            clock.foresee(done)
        clock.begin(phase, tasks, done)
        for key in tasks:
            done[key] = records[key]
            now += records[key].seconds * waiting
            remaining -= records[key].seconds * waiting
            clock.done(records[key])
            seconds = clock.seconds()
            if phase not in ("checks", "ranking") and remaining > 0.1 * total:
                assert seconds is not None
                ratios.append(seconds / remaining)
    assert len(ratios) > 20
    assert min(ratios) > 0.5
    assert max(ratios) < 2
    assert clock.seconds() == pytest.approx(0, abs=1e-9)


def test_a_run_says_how_long_it_takes_and_a_resumed_one_counts_only_what_is_left(
    tmp_path: Path, write: Write, plugins: None
) -> None:
    write(tmp_path / "home", QUERIES)
    (tmp_path / "clock.toml").write_text(AUDIT)
    spec = audit_file.load(tmp_path / "clock.toml")

    class Listener(Silent):
        def __init__(self) -> None:
            self.seconds: list[float] = []

        def left(self, seconds: float) -> None:
            self.seconds.append(seconds)

    first, again = Listener(), Listener()
    audit.run(spec, tmp_path / "out", progress=first)
    assert len(first.seconds) > 20
    assert first.seconds[-1] == pytest.approx(0, abs=1e-6)
    audit.run(spec, tmp_path / "out", progress=again)
    assert again.seconds == []
