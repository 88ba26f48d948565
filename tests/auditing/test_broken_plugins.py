"""A plug-in's worst costs its own task, in every executor; and workers end with their parent, whatever ends that."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest
from msgspec import structs

from robustrank.auditing import cost, isolation
from robustrank.auditing import run as audit
from robustrank.config import audit_file
from robustrank.core import plugin_spec
from robustrank.core.errors import ContractError, PluginFailed
from robustrank.core.types import Status
from robustrank.plugins import registry
from robustrank.results.summary import Summary
from robustrank.storage import journal
from robustrank.work import workbench
from robustrank.work.check_records import CheckRecord
from robustrank.work.record_format import FORMAT
from robustrank.work.records import AttackRecord, CertificateRecord, RankingRecord, TaskRecord, VariationRecord

Write = Callable[[Path, list[str]], None]
TIMES = {"session": "", "elapsed": 0.0, "seconds": 0.0, "scoring_seconds": 0.0, "measuring_seconds": 0.0}

REASONS = {
    "exits": "SystemExit: 0", "complains": "SystemExit: no licence", "raises": "ValueError: broken",
    "oddly": "Odd: odd", "configures": "ConfigError: not mine", "interrupts": "KeyboardInterrupt",
    "moves": "changed the working directory to / and did not change back",
    "closes": "closed or replaced stdout", "replaces": "replaced sys.stdout and did not put it back",
    "hangs": "passed its time limit of 1.5 s",
}  # fmt: skip
CRASHES = {
    "crashes": "the worker process died (signal 11, SIGSEGV)",
    "dies": "the worker process died (signal 9, SIGKILL; perhaps the system ran out of memory)",
    "leaves": "the worker process ended with exit code 0",
}
EXECUTORS = ("serial", "threads(workers=2)", "processes(workers=1)", "processes(workers=2)", "ray(workers=2)")
PLUGINS = {
    "ranker": "ranker 'net'", "attack": "attack 'put' on 'net'", "defense": "ranker 'safe + net'",
    "certifier": "certifier 'safe + net'",
}  # fmt: skip

AUDIT = """
name = "broken"
measures = ["nDCG@10"]
task_timeout = 1.5
[[collection]]
name = "home"
use = "beir"
path = "home"
depth = 5
[[ranker]]
name = "net"
use = "made_up"
[[defense]]
name = "safe"
use = "made_up"
rankers = ["net"]
[cases]
queries = 100
strata = ["2-3"]
goal_rank = 1
[[attack]]
name = "put"
use = "made_up"
"""


def run(text: str, where: Path, executor: str) -> tuple[Summary, list[TaskRecord]]:
    spec = audit_file.parse(text, folder=where)
    result = audit.run(spec, where / executor, executor=registry.build("executor", plugin_spec.parse(executor)))
    return result, [r for r in journal.read(where / executor, FORMAT).values() if isinstance(r, TaskRecord)]


@pytest.mark.usefixtures("plugins")
@pytest.mark.parametrize("executor", EXECUTORS)
def test_a_plugins_worst_costs_its_own_task(executor: str, tmp_path: Path, write: Write) -> None:
    if executor.startswith("ray") and not find_spec("ray"):
        pytest.skip("ray is not installed")
    isolated = executor.startswith(("processes", "ray"))
    ways = [(who, how) for who in PLUGINS for how in REASONS]
    if executor.startswith("threads"):  # which of two tasks left the directory changed is not known
        ways = [(who, how) for who, how in ways if how not in ("moves", "closes", "replaces")]
    if isolated:
        ways += zip(PLUGINS, ("crashes", "dies", "leaves", "crashes"), strict=True)
    reasons = REASONS | CRASHES
    queries = [f"{who} {how} word" for who, how in ways] + ["nobody fails word", "all succeeds word"]
    write(tmp_path / "home", queries)
    before = os.getcwd(), sys.stdout, os.fstat(1)[1:3]
    result, records = run(AUDIT, tmp_path, executor)
    assert (os.getcwd(), sys.stdout, os.fstat(1)[1:3]) == before
    assert result.finished is not None
    text = {f"q{n:02}": query for n, query in enumerate(queries)}
    kinds = {
        "ranker": (RankingRecord, "net"), "attack": (AttackRecord, "net"), "defense": (RankingRecord, "safe + net"),
        "certifier": (CertificateRecord, "safe + net"),
    }  # fmt: skip
    for record in records:
        if isinstance(record, CheckRecord):
            continue
        who, how, _ = text[record.query_id].split(" ")
        if who in kinds and isinstance(record, kinds[who][0]) and record.ranker == kinds[who][1]:
            assert record.status is Status.ERROR, (record.query_id, text[record.query_id])
            why = reasons[how]
            if executor.startswith("ray") and how in CRASHES:
                why = "the worker process died (ActorDiedError)"
            assert why in record.error
            name = "ranker made up" if who == "ranker" and record.error.startswith("ranker made up") else PLUGINS[who]
            assert record.error.startswith((name, "ranker defended made up"))
        elif not (who == "ranker" and record.ranker != "net"):  # the defended ranker asks the same one
            assert record.status is Status.OK, (record.error, record)
    assert sum(isinstance(r, RankingRecord) and r.ranker == "net" for r in records) == len(queries)


def _comparable(records: list[TaskRecord]) -> dict[str, TaskRecord]:
    return {record.key: _without_times(record) for record in records}


def _without_times(record: TaskRecord) -> TaskRecord:
    untimed = structs.replace(record, **TIMES)
    if not isinstance(untimed, RankingRecord):
        return untimed
    base = structs.replace(untimed.base, call_seconds=None) if untimed.base else None
    return structs.replace(untimed, call_seconds=None, base=base)


@pytest.mark.usefixtures("plugins")
def test_executors_give_identical_records_up_to_times(tmp_path: Path, write: Write) -> None:
    write(tmp_path / "home", ["nobody fails word", "all succeeds word", "ranker raises word", "attack exits word"])
    text = AUDIT.replace("task_timeout = 1.5", "task_timeout = 60")
    serial = _comparable(run(text, tmp_path, "serial")[1])
    assert len(serial) == 13
    assert sum(record.pairs for record in serial.values()) > 50
    for executor in EXECUTORS[1:]:
        if not executor.startswith("ray") or find_spec("ray"):
            assert _comparable(run(text, tmp_path, executor)[1]) == serial, executor


VARIATION = """
[[variation]]
name = "typed"
use = "made_up"
"""


@pytest.mark.usefixtures("plugins")
@pytest.mark.parametrize("executor", EXECUTORS)
def test_variations_of_queries_that_fail_cost_their_own_tasks(executor: str, tmp_path: Path, write: Write) -> None:
    if executor.startswith("ray") and not find_spec("ray"):
        pytest.skip("ray is not installed")
    isolated = executor.startswith(("processes", "ray"))
    ways = [how for how in REASONS if not (executor.startswith("threads") and how in ("moves", "closes", "replaces"))]
    ways += CRASHES if isolated else ()
    queries = [*(f"variation {how} word" for how in ways), "nobody fails word"]
    write(tmp_path / "home", queries)
    result, records = run(AUDIT.split("[[defense]]", maxsplit=1)[0] + VARIATION, tmp_path, executor)
    assert result.finished is not None
    varied = {r.query_id: r for r in records if isinstance(r, VariationRecord)}
    assert len(varied) == len(queries)
    for query_id, how in zip(sorted(varied), [*ways, ""], strict=True):
        record = varied[query_id]
        assert record.status is (Status.ERROR if how else Status.OK), (how, record)
        if how:
            crashed = executor.startswith("ray") and how in CRASHES
            assert ("the worker process died (ActorDiedError)" if crashed else (REASONS | CRASHES)[how]) in record.error
            assert record.error.startswith("variation 'typed'")
    done = [r for r in records if not isinstance(r, VariationRecord)]
    assert {r.status for r in done} == {Status.OK}


@pytest.mark.usefixtures("plugins")
@pytest.mark.parametrize("kind", ["ranker", "attack", "defense", "variation", "weights"])
@pytest.mark.parametrize("how", ["exits", "crashes", "leaves", "hangs"])
def test_a_plugin_that_dies_or_hangs_while_it_is_built_ends_the_audit_with_its_name(
    kind: str, how: str, tmp_path: Path, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(isolation, "loading_limit", lambda task_timeout: 1.5)
    write(tmp_path / "home", ["nobody fails word"])
    lines = [*(AUDIT + VARIATION).splitlines()]
    at = lines.index("[[ranker]]" if kind == "weights" else f"[[{kind}]]") + 2
    lines.insert(at + 1, f"{'loads' if kind == 'weights' else 'fails'} = '{how}'")
    why = {**REASONS, **CRASHES, "hangs": "did not load within 1.5 s"}[how]
    with pytest.raises(PluginFailed, match=re.escape(why)) as caught:
        run("\n".join(lines), tmp_path, "processes(workers=1)")
    name = {"ranker": "net", "weights": "net", "attack": "put", "defense": "safe", "variation": "typed"}[kind]
    assert name in str(caught.value) or "made_up(" in str(caught.value)


@pytest.mark.usefixtures("plugins")
@pytest.mark.parametrize("kind", ["ranker", "attack", "defense", "variation", "weights"])
def test_building_in_this_process_is_limited_too(
    kind: str, tmp_path: Path, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workbench, "loading_limit", lambda task_timeout: 0.5)
    write(tmp_path / "home", ["nobody fails word"])
    lines = [*(AUDIT + VARIATION).splitlines()]
    at = lines.index("[[ranker]]" if kind == "weights" else f"[[{kind}]]") + 2
    lines.insert(at + 1, f"{'loads' if kind == 'weights' else 'fails'} = 'hangs'")
    spec = audit_file.parse("\n".join(lines), folder=tmp_path)
    with pytest.raises(PluginFailed, match=r"did not load within 0\.5 s"):
        cost.plan(spec)


@pytest.mark.usefixtures("plugins")
def test_a_ranker_that_is_another_one_in_every_process_is_refused_and_not_asked_for_ever(
    tmp_path: Path, write: Write
) -> None:
    write(tmp_path / "home", ["nobody fails word"])
    text = AUDIT.split("[[defense]]", maxsplit=1)[0] + "differs = true\n"
    with pytest.raises(ContractError, match=r"'net' is another where tasks run than here: its fingerprint must be"):
        run(text, tmp_path, "processes(workers=1)")
    assert run(text, tmp_path, "serial")[0].finished


def _alive(pid: int) -> bool:
    """Whether a process runs, that is no zombie."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


def _until(condition: object, seconds: float = 60.0) -> bool:
    """Wait for a condition; only a failure takes all of the time."""
    assert callable(condition)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.05)
    return False


def _children(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(each) for each in text.split()]


@pytest.mark.skipif(sys.platform != "linux", reason="looks at processes in /proc")
@pytest.mark.usefixtures("plugins")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_workers_end_with_their_parent_and_the_same_command_resumes(
    number: signal.Signals, tmp_path: Path, write: Write
) -> None:
    write(tmp_path / "home", ["nobody fails word", "ranker hangs word", "all succeeds word"])
    file = tmp_path / "broken.toml"
    file.write_text(AUDIT.replace("task_timeout = 1.5", "task_timeout = 600"))
    command = [sys.executable, "-m", "robustrank", "audit", str(file), "--out", str(tmp_path), "--executor"]
    inherited = signal.signal(signal.SIGINT, signal.default_int_handler)  # a test run in the background ignores it
    process = subprocess.Popen([*command, "processes(workers=2)"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    signal.signal(signal.SIGINT, inherited)
    where = audit.folder(audit_file.load(file), tmp_path) / "records" / "main.jsonl"
    assert _until(lambda: where.exists() and where.read_bytes().count(b"\n") >= 5)
    lines = {pid: Path(f"/proc/{pid}/cmdline").read_text() for pid in _children(process.pid)}
    workers = [pid for pid, line in lines.items() if "resource_tracker" not in line]
    assert len(workers) == 2
    os.kill(process.pid, number)
    _, printed = process.communicate(timeout=60)
    assert _until(lambda: not any(map(_alive, workers)), 20)
    assert process.returncode == (-9 if number is signal.SIGKILL else 128 + number)
    if number is not signal.SIGKILL:
        assert b"the same command resumes" in printed
    assert where.read_bytes().endswith(b"\n") or number is signal.SIGKILL
    assert journal.read(where.parents[1], FORMAT)
    again = subprocess.run([*command, "serial", "--task-timeout", "1"], capture_output=True, text=True, check=False)
    assert "ranking: 0 of 6" not in again.stderr, again.stderr
    assert again.returncode == 0, again.stderr
