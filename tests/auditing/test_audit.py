"""A whole audit on real text, small: planned, killed, resumed, summed up."""

from __future__ import annotations

import importlib
import json
import linecache
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from robustrank.auditing import run as audit
from robustrank.auditing import state
from robustrank.auditing.phases import phases
from robustrank.auditing.session import Allowance
from robustrank.config import audit_file
from robustrank.core.errors import ConfigError, PluginError, StoreError
from robustrank.core.ranking import order
from robustrank.core.types import Perturbation, Status
from robustrank.results.select import audited
from robustrank.results.summary import Summary, read
from robustrank.storage import journal as store
from robustrank.work import perform as tasks
from robustrank.work.check_records import CheckRecord
from robustrank.work.record_format import FORMAT
from robustrank.work.records import AttackRecord, RankingRecord, SetupRecord, TaskRecord
from robustrank_attacks.insertion.query_injection import QueryInjection

SMALL = """
name = "small"
measures = ["nDCG@10"]
baseline = "BM25"
[[collection]]
name = "SciFact"
use = "scifact"
queries = 6
depth = 15
[[ranker]]
name = "BM25"
use = "bm25"
[[ranker]]
name = "random"
use = "random"
[cases]
queries = 4
strata = ["6-10", "11-15"]
[[attack]]
name = "injection"
use = "query_injection"
[[attack]]
name = "random edits"
use = "random_edits"
budget = { edits = 5 }
[[attack]]
name = "typos"
use = "query_typos"
"""

TIMES = {"started", "finished", "environment", "made_from"}


def _figures(summary: Summary) -> str:
    """All of a summary but times, for comparison."""
    data = {key: value for key, value in asdict(summary).items() if key not in TIMES}
    for ranker in data["rankers"]:
        del ranker["pairs"], ranker["seconds"]
    for attack in data["attacks"]:
        del attack["seconds"]
    return json.dumps(data, sort_keys=True)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Summary]:
    spec = audit_file.parse(SMALL)
    where = audit.folder(spec, tmp_path_factory.mktemp("audits"))
    return where, audit.run(spec, where)


def test_the_audited_ranker_leads_every_table_and_its_worst_queries_are_shown_with_their_lists(
    done: tuple[Path, Summary],
) -> None:
    where, summary = done
    lead = audited(summary)
    assert lead is not None
    assert lead != audit_file.parse(SMALL).rankers[0].name  # the first one of the file is the baseline
    for rows in (summary.effectiveness, summary.attacks, summary.shifts, summary.cases.rows):
        rankers = [row.ranker for row in rows]
        assert rankers == sorted(rankers, key=lambda name: name != lead)
    assert summary.rankers[0].name == lead
    records = {
        r.query_id: r
        for r in store.read(where, FORMAT).values()
        if isinstance(r, RankingRecord) and (r.ranker, r.collection) == (lead, summary.home)
    }
    assert len(summary.weakest) == len(records)
    for weak in summary.weakest:
        record = records[weak.query_id]
        scores = dict(zip(record.doc_ids, record.scores, strict=True))
        assert [each.doc_id for each in weak.first] == order(list(scores.items()))[:3]
        assert all(each.head for each in weak.first)
        assert weak.query


def test_every_planned_list_and_case_has_one_record(done: tuple[Path, Summary]) -> None:
    records = list(store.read(done[0], FORMAT).values())
    assert sum(isinstance(record, RankingRecord) for record in records) == 2 * 6
    assert sum(isinstance(record, CheckRecord) for record in records) == 2
    attacks = [r for r in records if isinstance(r, AttackRecord) and r.attack != "typos"]
    assert len(attacks) == 2 * 2 * 4 * 2  # rankers, attacks, queries, strata
    assert all(record.status is Status.OK for record in records if isinstance(record, TaskRecord))


def test_targets_come_from_their_stratum_of_the_victims_own_ranking(done: tuple[Path, Summary]) -> None:
    for record in store.read(done[0], FORMAT).values():
        if isinstance(record, AttackRecord) and record.attack != "typos":
            first, last = map(int, record.stratum.split("-"))
            assert first <= record.rank_before <= last


def test_controls_make_the_same_edits_against_every_ranker_when_the_target_is_the_same() -> None:
    spec = audit_file.parse(SMALL)
    bench = tasks.workbench(spec)
    planned = [task for _, phase in phases(bench, {}) for task in phase]
    assert planned  # nothing is ranked yet, so nothing is attacked yet
    assert not [t for t in planned if t.kind == "attack"]


def test_running_again_scores_nothing_and_changes_nothing(done: tuple[Path, Summary]) -> None:
    where, summary = done
    before = len(store.read(where, FORMAT))
    again = audit.run(audit_file.parse(SMALL), where)
    assert len(store.read(where, FORMAT)) == before
    assert _figures(again) == _figures(summary)


def test_an_interrupted_audit_ends_with_the_figures_of_an_uninterrupted_one(
    done: tuple[Path, Summary], tmp_path: Path
) -> None:
    spec = audit_file.parse(SMALL)
    for limit in (3, 10, 11):
        assert audit.run(spec, tmp_path, allowance=Allowance(tasks=limit)).finished is None
    assert _figures(replace(audit.run(spec, tmp_path), finished=None)) == _figures(replace(done[1], finished=None))


def test_killed_at_any_moment_it_goes_on_without_loss_or_duplicates(done: tuple[Path, Summary], tmp_path: Path) -> None:
    file = tmp_path / "small.toml"
    file.write_text(SMALL)
    where = audit.folder(audit_file.load(file), tmp_path)
    command = [sys.executable, "-m", "robustrank", "audit", str(file), "--out", str(tmp_path)]
    journal = where / "records" / "main.jsonl"
    for lines in (1, 9, 25):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while process.poll() is None and (not journal.exists() or journal.read_bytes().count(b"\n") < lines):
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    survived = journal.read_bytes().count(b"\n")
    assert survived >= 25
    resumed = audit.run(audit_file.load(file), where)
    keys = [json.loads(line)["key"] for line in journal.read_text().splitlines()]
    assert len(keys) == len(set(keys)) > survived
    assert _figures(resumed) == _figures(done[1])


def test_the_summary_can_be_made_again_from_records_alone(done: tuple[Path, Summary]) -> None:
    where, summary = done
    (where / "report.html").unlink()
    assert _figures(state.summarise(where)) == _figures(summary)
    assert (where / "report.html").exists()


def test_other_gates_are_the_same_audit_and_another_seed_is_not(tmp_path: Path) -> None:
    gate = '\n[[gate]]\nname = "x"\nmeasure = "nDCG@10"\nmin = 0.1\nwhere = { ranker = "BM25" }\n'
    spec = audit_file.parse(SMALL)
    assert audit.folder(audit_file.parse(SMALL + gate), tmp_path) == audit.folder(spec, tmp_path)
    assert audit.folder(replace(spec, seed=14), tmp_path) != audit.folder(spec, tmp_path)


def test_a_ranker_that_fails_on_changed_text_has_no_success_rate_and_no_other_loss(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "shy_ranker.py").write_text(
        "def score(query, docs):\n"
        "    return [float('nan') if doc.startswith(query[:12]) else float(len(doc)) for doc in docs]\n"
    )
    text = SMALL.replace('use = "random"', 'use = "callable"\nfunction = "shy_ranker:score"')
    summary = audit.run(audit_file.parse(text), tmp_path / "audit")
    (injected,) = (a for a in summary.attacks if (a.ranker, a.attack, a.stratum) == ("random", "injection", "all"))
    assert set(injected.statuses) == {"error"}
    assert injected.success == {}
    assert injected.tally.errors == injected.tally.planned > 0
    assert injected.tally.error.startswith("ContractError: ranker")
    assert state.summarise(tmp_path / "audit").attacks


def test_an_attack_that_returns_nonsense_is_invalid_with_a_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for nonsense in (None, Perturbation(target=3)):  # type: ignore[arg-type]
        monkeypatch.setattr(QueryInjection, "perturb", lambda *_, returned=nonsense: returned)
        where = tmp_path / str(nonsense)[:4]
        audit.run(audit_file.parse(SMALL), where)
        failed = [r for r in store.read(where, FORMAT).values() if isinstance(r, AttackRecord)]
        injected = [r for r in failed if r.attack == "injection"]
        assert {r.status for r in injected} == {Status.INVALID}
        assert all("the attack returned" in r.error for r in injected)


def test_a_ranker_that_was_changed_leaves_its_old_figures_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    text = SMALL.replace('use = "random"', 'use = "callable"\nfunction = "moving_ranker:score"')
    summaries = []
    for body in ("float(len(d))", "-float(len(d))"):
        (tmp_path / "moving_ranker.py").write_text(f"def score(query, docs):\n    return [{body} for d in docs]\n")
        sys.modules.pop("moving_ranker", None)
        importlib.invalidate_caches()
        linecache.clearcache()
        tasks._workbench.cache_clear()
        summaries.append(audit.run(audit_file.parse(text), tmp_path / "audit"))
    for summary in summaries:
        (injected,) = (a for a in summary.attacks if (a.ranker, a.attack, a.stratum) == ("random", "injection", "all"))
        assert sum(injected.statuses.values()) == 8
    assert summaries[0].effectiveness != summaries[1].effectiveness


def test_a_folder_in_which_nothing_is_recorded_says_so(tmp_path: Path) -> None:
    spec = audit_file.parse(SMALL.replace('use = "random"', 'use = "callable"\nfunction = "nowhere:x"'))
    with pytest.raises(PluginError):
        audit.run(spec, tmp_path)
    with pytest.raises(StoreError, match="no figures yet"):
        state.summarise(tmp_path)


def test_a_gate_that_cannot_be_judged_is_refused_after_the_summary_is_safe(tmp_path: Path) -> None:
    (tmp_path / "torn.json").write_text("{")
    gate = '\n[[gate]]\nname = "x"\nmeasure = "nDCG@10"\nworse_by = 0.1\nwhere = { ranker = "BM25" }\n'
    spec = audit_file.parse('ratchet = "torn.json"\n' + SMALL + gate, folder=tmp_path)
    with pytest.raises(ConfigError, match="not a ratchet file"):
        audit.run(spec, tmp_path)
    assert read(tmp_path / "summary.json").effectiveness
    assert (tmp_path / "report.html").exists()


def test_the_time_of_a_killed_session_is_not_forgotten(tmp_path: Path) -> None:
    spec = audit_file.parse(SMALL)
    audit.run(spec, tmp_path, allowance=Allowance(tasks=3))
    journal = tmp_path / "records" / "main.jsonl"
    lines = journal.read_text().splitlines(keepends=True)
    journal.write_text("".join(line for line in lines if '"kind": "session"' not in line))  # as kill -9 leaves it
    cost = audit.run(spec, tmp_path, allowance=Allowance(tasks=0)).environment
    assert cost["sessions"] == 2
    assert cost["wall_seconds"] >= cost["task_seconds"] > 0


def test_a_wrong_parameter_fails_before_anything_is_scored(tmp_path: Path) -> None:
    spec = audit_file.parse(SMALL.replace('use = "query_injection"', 'use = "query_injection"\nplaice = "end"'))
    with pytest.raises(PluginError, match="did you mean 'place'"):
        audit.run(spec, tmp_path)
    assert not [r for r in store.read(tmp_path, FORMAT).values() if not isinstance(r, SetupRecord)]


def test_a_ranker_that_fails_on_some_queries_is_a_record_with_a_reason_and_the_rest_goes_on(tmp_path: Path) -> None:
    text = SMALL.replace('use = "random"', 'use = "callable"\nfunction = "flaky_ranker:score"')
    (tmp_path / "flaky_ranker.py").write_text(
        "def score(query, docs):\n"
        "    if len(query) % 2:\n"
        "        raise RuntimeError('no answer')\n"
        "    return [float('nan') if len(query) % 3 == 0 else float(len(d)) for d in docs]\n"
    )
    sys.path.insert(0, str(tmp_path))
    try:
        summary = audit.run(audit_file.parse(text), tmp_path / "audit")
    finally:
        sys.path.remove(str(tmp_path))
    failed = [r for r in store.read(tmp_path / "audit", FORMAT).values() if isinstance(r, TaskRecord)]
    failed = [r for r in failed if r.status is Status.ERROR]
    assert failed
    assert all("no answer" in r.error or "score nan" in r.error for r in failed)
    assert any(flag.check == "errors" for flag in summary.red_flags)
    clean = next(e for e in summary.effectiveness if e.ranker == "random" and e.slice is None)
    lost = {r.query_id for r in failed if isinstance(r, RankingRecord)}
    assert len(clean.per_query) == 6
    assert {query_id for query_id, value in clean.per_query.items() if value == 0} >= lost  # a failed list counts as 0


def test_a_summary_is_made_from_records_alone_where_the_plug_ins_are_gone(
    done: tuple[Path, Summary], tmp_path: Path
) -> None:
    """In a process in which no name leads to a plug-in any more."""
    where, summary = done
    folder = tmp_path / "copy"
    shutil.copytree(where, folder)
    (folder / "summary.json").unlink()
    code = (
        "import sys; from pathlib import Path\n"
        "from robustrank.auditing import state\n"
        "from robustrank.plugins import registry\n"
        "load = registry.load\n"
        "def gone(kind, *names):\n"
        "    if kind == 'protocol': return load(kind, *names)\n"
        "    raise AssertionError(f'{kind} {names} was looked up')\n"
        "registry.load = registry.build = registry.version = gone\n"
        "state.summarise(Path(sys.argv[1]))\n"
    )
    subprocess.run([sys.executable, "-c", code, str(folder)], check=True)
    assert _figures(read(folder / "summary.json")) == _figures(summary)
    assert "injection" in (folder / "report.html").read_text(encoding="utf-8")
