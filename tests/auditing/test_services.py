"""Audits of a service behind HTTP: what its faults cost is told, and they change no figure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from robustrank.auditing import run as audit
from robustrank.config import audit_file
from robustrank.config.specs import AuditSpec
from robustrank.core import plugin_spec
from robustrank.judging.gate import exit_code
from robustrank.plugins import registry
from robustrank.report import terminal
from robustrank.results.summary import Summary
from robustrank.results.verdicts import Outcome
from robustrank.storage import journal
from robustrank.testing.services import FakeService, Reply
from robustrank.work.record_format import FORMAT
from robustrank.work.records import AttackRecord, RankingRecord, TaskRecord

pytest.importorskip("httpx2")
pytest.importorskip("stamina")

KEY = "sk-very-secret-4711"

AUDIT = """
name = "service"
measures = ["nDCG@10"]
[[collection]]
name = "SciFact"
use = "scifact"
queries = 6
depth = 15
[[ranker]]
name = "mine"
{ranker}
[cases]
queries = 5
strata = ["11-15"]
[[attack]]
name = "injection"
use = "query_injection"
[[gate]]
name = "injected queries do not reach the top"
measure = "ASR@10"
where = {{ ranker = "mine" }}
max = 0.999
bound = "value"
"""

FUNCTION = 'use = "callable"\nfunction = "own_service:score"\n'


def score(query: str, texts: Sequence[str]) -> list[float]:
    return [len({*query.lower().split()} & {*text.lower().split()}) + sum(map(ord, text)) % 997 / 1e4 for text in texts]


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch, plugins: None) -> Iterator[None]:
    """Waits between requests are not waited; the key is set."""
    from robustrank.rankers.services.client import shared

    monkeypatch.setattr("tenacity.nap.time", SimpleNamespace(sleep=lambda seconds: None))
    monkeypatch.setenv("RERANK_KEY", KEY)
    yield
    shared.cache_clear()


def of_service(service: FakeService) -> AuditSpec:
    table = f'use = "http"\nurl = "{service.url}"\nformat = "cohere"\nmodel = "m"\nkey_env = "RERANK_KEY"\nlimit = 4\n'
    return audit_file.parse(AUDIT.format(ranker=table))


def of_function(folder: Path) -> Summary:
    from inspect import getsource

    (folder / "own_service.py").write_text(getsource(score).replace("Sequence[str]", "list"))
    return audit.run(audit_file.parse(AUDIT.format(ranker=FUNCTION), folder=folder), folder / "function")


def faults(number: int, body: Mapping[str, Any]) -> Reply | None:
    """Of the first calls some are refused and one fails."""
    if number in (3, 4, 9):
        return Reply(status=429, headers={"Retry-After": "2"})
    return Reply(status=500, body=b"oops") if number == 12 else None


def tasks(where: Path) -> list[TaskRecord]:
    return [record for record in journal.read(where, FORMAT).values() if isinstance(record, TaskRecord)]


def figures(summary: Summary) -> list[object]:
    """All that must not depend on where the scores come from."""
    return [
        [(e.measure, e.slice, e.mean, dict(e.per_query)) for e in summary.effectiveness],
        [(a.attack, a.stratum, dict(a.success), a.boost, a.tally) for a in summary.attacks],
        [(v.gate, v.outcome) for v in summary.verdicts],
    ]


@pytest.mark.parametrize("executor", ["serial", "threads(workers=3)"])
def test_a_service_with_faults_that_pass_has_the_figures_of_the_function_behind_it_and_tells_its_costs(
    tmp_path: Path, executor: str
) -> None:
    with FakeService("cohere", score, faults) as service:
        runner = registry.build("executor", plugin_spec.parse(executor))
        summary = audit.run(of_service(service), tmp_path / "out", executor=runner)
    assert figures(summary) == figures(of_function(tmp_path))
    [ranker] = summary.rankers
    used = ranker.service
    assert used is not None
    assert (used.retries, used.refused, used.lost) == (4, 3, 0)
    assert used.calls == len(service.calls)
    records = tasks(tmp_path / "out")
    assert used.pairs == sum(record.service.pairs for record in records if record.service)
    assert {type(record) for record in records if record.service} >= {RankingRecord, AttackRecord}
    shown = next(str(part) for part in terminal.overview(summary) if "its calls" in str(part))
    assert f"mine: its calls: {used.calls:,} calls for {used.pairs:,} pairs, 4 of them again, 3 answered 429" in shown
    assert "4 of them again" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    written = b"".join(path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file())
    assert KEY.encode() not in written
    assert all(key == f"Bearer {KEY}" for key in service.keys)


USED_UP = Reply(status=429, headers={"Retry-After": "9999"})


def test_a_service_that_goes_down_after_the_clean_lists_makes_the_gate_invalid_and_the_same_command_mends_it(
    tmp_path: Path,
) -> None:
    with FakeService("cohere", score) as service:
        whole = audit.run(of_service(service), tmp_path / "whole")
        clean = sum(
            record.service.calls
            for record in tasks(tmp_path / "whole")
            if record.service and not isinstance(record, AttackRecord)
        )
    left = {"calls": clean}
    with FakeService("cohere", score, lambda number, body: USED_UP if number > left["calls"] else None) as service:
        spec = of_service(service)
        summary = audit.run(spec, tmp_path / "out")
        [verdict] = summary.verdicts
        assert verdict.outcome is Outcome.INVALID
        assert not verdict.held
        assert "429" in verdict.reason
        assert exit_code(summary) == 1
        used = summary.rankers[0].service
        assert used is not None
        assert used.lost > 0
        assert KEY not in (tmp_path / "out" / "summary.json").read_text(encoding="utf-8")
        left["calls"] = 10**9
        assert figures(audit.run(spec, tmp_path / "out")) == figures(whole)


def test_a_service_that_is_down_from_the_start_could_not_be_run_and_is_not_asked_for_ever(tmp_path: Path) -> None:
    with FakeService("cohere", score, lambda number, body: USED_UP) as service:
        summary = audit.run(of_service(service), tmp_path / "out")
    assert exit_code(summary) == 3
    assert summary.verdicts[0].outcome is Outcome.INVALID
    used = summary.rankers[0].service
    assert used is not None
    assert (used.pairs, used.retries) == (0, 0)
    assert used.calls == len(service.calls) < 30
