"""What rankers are asked before anything else: what does not fit their declaration ends the audit, or is put right."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from robustrank.auditing import run as audit
from robustrank.auditing.probes import EQUAL
from robustrank.cli.main import main
from robustrank.config import audit_file
from robustrank.config.specs import AttackSpec, AuditSpec, VariationSpec
from robustrank.core.errors import ConfigError, ContractError
from robustrank.core.plugin_spec import Plugin
from robustrank.core.types import Budget, Status
from robustrank.storage import journal
from robustrank.work.attack import AttackTask
from robustrank.work.base import CertifyTask, Place, RankTask, Task
from robustrank.work.check_records import CheckRecord
from robustrank.work.checks import CheckTask
from robustrank.work.record_format import FORMAT
from robustrank.work.records import RankingRecord, TaskRecord
from robustrank.work.variations import EditTask, VaryTask
from robustrank.work.workbench import QueryVariants, Workbench

Write = Callable[[Path, list[str]], None]

AUDIT = """
name = "probes"
measures = ["nDCG@10"]
[[collection]]
name = "home"
use = "beir"
path = "home"
depth = 5
[[ranker]]
name = "net"
use = "callable"
function = "services:good"
[[gate]]
name = "ranks"
measure = "nDCG@10"
where = { ranker = "net" }
min = 0.001
bound = "value"
"""


@pytest.fixture
def home(tmp_path: Path, write: Write, plugins: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with a collection of twelve queries."""
    write(tmp_path / "home", [f"nobody fails word {n}" for n in range(12)])
    yield tmp_path
    sys.modules.pop("services", None)


def parse(home: Path, function: str, more: str = "") -> AuditSpec:
    return audit_file.parse(AUDIT.replace('services:good"', f'{function}"\n{more}'), folder=home)


def state() -> dict[str, float]:
    import services  # type: ignore[import-not-found]

    values: dict[str, float] = services.STATE
    return values


def records(where: Path) -> list[TaskRecord]:
    return [r for r in journal.read(where, FORMAT).values() if isinstance(r, TaskRecord)]


@pytest.mark.parametrize("function", ["services:order", "services:ranks"])
def test_an_undeclared_order_is_refused_before_any_ranking_with_the_fix(home: Path, function: str) -> None:
    with pytest.raises(ContractError, match=r'returns = "order".*returns = "ranks".*returns = "scores"'):
        audit.run(parse(home, function), home / "out")
    assert [type(record) for record in records(home / "out")] == [CheckRecord]


def test_undeclared_chance_ends_the_audit_before_any_ranking_with_the_fix(home: Path) -> None:
    file = home / "probes.toml"
    file.write_text(AUDIT.replace("services:good", "services:unsteady"))
    result = CliRunner().invoke(main, ["audit", str(file), "--out", str(home), "--executor", "serial"])
    printed = " ".join(result.stderr.split())
    assert result.exit_code == 3, result.output
    assert "ranker 'net' gives other scores to the same call" in printed
    assert "deterministic = false" in printed
    assert [type(r) for r in records(audit.folder(audit_file.load(file), home))] == [CheckRecord]


@pytest.mark.parametrize(
    ("function", "more", "severities"),
    [("services:unsteady", "deterministic = false", {"warning"}), ("services:rounding", "", set())],
)
def test_declared_chance_is_a_warning_and_rounding_is_none(
    home: Path, function: str, more: str, severities: set[str]
) -> None:
    result = audit.run(parse(home, function, more), home / "out")
    assert {flag.severity for flag in result.red_flags if "two identical calls" in flag.title} == severities
    assert result.finished


def test_a_declared_order_ranks_as_the_scores_do(home: Path) -> None:
    def best(function: str, more: str) -> dict[str, list[str]]:
        audit.run(parse(home, function, more), home / function.replace(":", "-"))
        rankings = [r for r in records(home / function.replace(":", "-")) if isinstance(r, RankingRecord)]
        return {r.query_id: sorted(r.doc_ids, key=lambda d: -r.scores[r.doc_ids.index(d)]) for r in rankings}

    shortest = best("services:order", 'returns = "order"')
    assert best("services:ranks", 'returns = "ranks"') == shortest
    longest = best("services:good", 'returns = "scores"')
    assert {q: ids[::-1] for q, ids in longest.items()} == shortest


def test_a_wrong_pointwise_is_put_right_and_the_report_says_so(home: Path) -> None:
    result = audit.run(parse(home, "services:listwise"), home / "out")
    [check] = [record for record in records(home / "out") if isinstance(record, CheckRecord)]
    assert check.listwise
    assert "audited as list-wise" in next(ranker.note for ranker in result.rankers if ranker.name == "net")
    assert {flag.severity for flag in result.red_flags if "list-wise" in flag.title} == {"warning"}
    again = audit.run(parse(home, "services:listwise"), home / "out")
    assert again.rankers == result.rankers


def test_a_service_that_changed_is_refused_until_it_has_a_new_version(home: Path) -> None:
    spec = parse(home, "services:good")
    audit.run(spec, home / "out")
    before = len(records(home / "out"))
    audit.run(spec, home / "out")
    assert len(records(home / "out")) == before
    state()["shift"] = 0.01
    with pytest.raises(ConfigError, match=r"'net' has changed .* new `version`.* --fresh"):
        audit.run(spec, home / "out")
    assert audit.run(spec, home / "out", fresh=True).finished
    newer = parse(home, "services:good", 'version = "2"')
    assert audit.folder(newer, home) != audit.folder(spec, home)


@pytest.mark.parametrize(
    ("function", "why"),
    [
        ("services:wrong_key", "PermissionError: 401: the API key is wrong"),
        ("services:down", "ConnectionError: connection refused"),
        ("services:one_short", "4 scores for 5 documents"),
    ],
)
def test_a_ranker_that_only_fails_is_given_up_after_a_few_equal_failures(home: Path, function: str, why: str) -> None:
    file = home / "probes.toml"
    file.write_text(AUDIT.replace("services:good", function))
    result: Result = CliRunner().invoke(main, ["audit", str(file), "--out", str(home), "--executor", "serial"])
    assert result.exit_code == 3, result.output
    printed = " ".join(result.stderr.split())  # lines are wrapped
    assert printed.count(why) == 1, result.stderr
    assert f"its first {EQUAL} tasks all failed" in printed
    assert "run the same command: failed tasks are asked again" in printed
    assert state()["calls"] <= EQUAL
    made = records(audit.folder(audit_file.load(file), home))
    rankings = [record for record in made if isinstance(record, RankingRecord)]
    assert len(rankings) == 12
    assert all(r.status is Status.ERROR and why in r.error for r in rankings)


@pytest.mark.parametrize("function", ["no_such_module:rank", "services:nothing", "services"])
def test_a_ranker_that_cannot_be_loaded_could_not_run(home: Path, function: str) -> None:
    file = home / "probes.toml"
    file.write_text(AUDIT.replace("services:good", function))
    result = CliRunner().invoke(main, ["audit", str(file), "--out", str(home), "--executor", "serial"])
    assert (result.exit_code, "ranker 'net'" in result.stderr) == (3, True), result.output


def test_one_success_is_enough_to_be_asked_on(home: Path, write: Write) -> None:
    queries = [
        "nobody fails word",
        *[f"ranker raises word {n}" for n in range(3)],
        *[f"all succeeds word {n}" for n in range(3)],
    ]
    write(home / "mixed", queries)
    text = AUDIT.replace('path = "home"', 'path = "mixed"').replace(
        'use = "callable"\nfunction = "services:good"', 'use = "made_up"'
    )
    audit.run(audit_file.parse(text, folder=home), home / "out")
    rankings = [record for record in records(home / "out") if isinstance(record, RankingRecord)]
    assert [record.status for record in rankings].count(Status.ERROR) == 3
    assert not any("not asked" in record.error for record in rankings)


@pytest.mark.parametrize(("how", "why"), [("hangs", "passed its time limit of 1 s"), ("exits", "SystemExit: 0")])
def test_a_variation_that_hangs_or_exits_is_named_on_the_console_and_does_not_end_the_audit(
    home: Path, write: Write, how: str, why: str
) -> None:
    """The exit code is that of a gate that a red flag makes invalid."""
    write(home / "varied", ["nobody fails word", f"variation {how} word"])
    file = home / "probes.toml"
    text = AUDIT.replace('path = "home"', 'path = "varied"')
    file.write_text(text + '[[variation]]\nname = "other words"\nuse = "made_up"\n')
    command = ["audit", str(file), "--out", str(home), "--executor", "serial", "--task-timeout", "1"]
    result = CliRunner().invoke(main, command)
    printed = " ".join(result.stderr.split())
    assert (result.exit_code, "variation 'other words'" in printed, why in printed) == (1, True, True), result.output


def test_records_made_before_a_ranker_was_corrected_are_not_reused(home: Path) -> None:
    bench = Workbench(parse(home, "services:good"))
    place = Place(ranker="net", collection="home", query_id=next(iter(bench.lists("home").queries)))
    bench.spec = replace(
        bench.spec,
        attacks=(AttackSpec(name="put", plugin=Plugin(use="made_up"), budget=Budget()),),
        variations=(VariationSpec(name="words", plugin=Plugin(use="made_up")),),
    )
    attack = AttackTask(place=place, attack="put", stratum="2-3", target="d1", goal_rank=1, clean_scores=())
    vary = VaryTask(place=place, variation="words", clean_scores=(), variants=QueryVariants(()))
    tasks: list[Task] = [RankTask(place=place), CertifyTask(place=place), EditTask(place=place), vary, attack]
    before, check = [task.key(bench) for task in tasks], CheckTask(places=(place,)).key(bench)
    bench.listwise = frozenset({"other"})
    assert [task.key(bench) for task in tasks] == before
    bench.listwise = frozenset({"net"})
    assert not {*before} & {task.key(bench) for task in tasks}
    assert CheckTask(places=(place,)).key(bench) == check, "it is what the correction is made from"
