"""A protocol with records of its own: planned, recorded, resumed, shown by status and summed up like the rest."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from robustrank.auditing import run, state
from robustrank.auditing.plan import progress
from robustrank.config import audit_file
from robustrank.core.errors import StoreError
from robustrank.core.types import Status
from robustrank.plugins import registry
from robustrank.protocols import installed
from robustrank.protocols.interface import AuditProtocol, Evidence
from robustrank.storage import journal
from robustrank.storage.hashing import digest
from robustrank.storage.typed import WrongForm
from robustrank.work.base import Place, Task
from robustrank.work.record_format import FORMAT
from robustrank.work.records import ForeignRecord, Record, SessionRecord, TaskRecord
from robustrank.work.workbench import Workbench

AUDIT = """
name = "duplicates"
[[collection]]
use = "beir"
path = "tiny"
name = "home"
[[ranker]]
use = "bm25"
"""


class DuplicateRecord(TaskRecord, frozen=True, kw_only=True, tag="duplicates"):
    """How many candidates of a list have the text of another one."""

    duplicates: int = 0


@dataclass(frozen=True, kw_only=True)
class CountDuplicates:
    """Compares the texts of a list; a query about plums cannot be counted."""

    place: Place
    kind = "duplicates"

    def key(self, bench: Workbench) -> str:
        return digest(self.kind, self.place.identity(bench))

    def perform(self, bench: Workbench) -> DuplicateRecord:
        if "plum" in self.place.query(bench).text:
            raise ValueError("plums cannot be counted")
        texts = [doc.text for doc in self.place.docs(bench)]
        return DuplicateRecord(**self.place.names(), duplicates=len(texts) - len(set(texts)))

    def failed(self, bench: Workbench, error: str) -> DuplicateRecord:
        return DuplicateRecord(**self.place.names(), status=Status.ERROR, error=error)


def plan(bench: Workbench, records: Mapping[str, Record], places: Sequence[Place]) -> Sequence[Task]:
    return [CountDuplicates(place=place) for place in places]


def summarise(evidence: Evidence) -> dict[str, int]:
    return {record.query_id: record.duplicates for record in evidence.of(DuplicateRecord) if not record.error}


PROTOCOL = AuditProtocol(
    name="duplicates",
    about="Candidates that have the text of another one.",
    summarise=summarise,
    result=dict[str, int],
    records=(DuplicateRecord,),
    tasks=plan,
)


@pytest.fixture
def offered(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The protocol above beside those that are installed."""
    load, names = registry.load, registry.names
    monkeypatch.setattr(registry, "names", lambda kind: [*names(kind), *(["duplicates"] if kind == "protocol" else [])])
    monkeypatch.setattr(registry, "load", lambda kind, name: PROTOCOL if name == "duplicates" else load(kind, name))
    version = registry.version
    monkeypatch.setattr(
        registry, "version", lambda kind, name: "sample 1" if name == "duplicates" else version(kind, name)
    )
    installed.protocols.cache_clear()
    yield
    installed.protocols.cache_clear()


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    folder = tmp_path / "tiny"
    (folder / "qrels").mkdir(parents=True)
    texts = {"d1": "an apple", "d2": "an apple", "d3": "a pear", "d4": "a plum"}
    queries = {"apple": "apple", "pear": "pear", "plum": "plum"}
    for name, rows in (("corpus", texts), ("queries", queries)):
        (folder / f"{name}.jsonl").write_text(
            "".join(json.dumps({"_id": key, "text": text}) + "\n" for key, text in rows.items())
        )
    (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\napple\td1\t1\npear\td3\t1\nplum\td4\t1\n")
    return tmp_path


def test_its_tasks_are_a_phase_and_its_records_are_resumed_and_summed_up(offered: None, tiny: Path) -> None:
    spec, where = audit_file.parse(AUDIT, folder=tiny), tiny / "audit"
    summary = run.run(spec, where)
    assert PROTOCOL.result_in(summary) == {"apple": 1, "pear": 0}
    assert ("duplicates", 3, 3, 1) in progress(where).phases
    lines = (where / "records" / "main.jsonl").read_text().splitlines()
    assert [json.loads(line)["kind"] for line in lines].count("duplicates") == 3
    failed = [r for r in journal.read(where, installed.record_format()).values() if getattr(r, "error", "")]
    assert [(type(r), r.query_id, r.error) for r in failed if isinstance(r, TaskRecord)] == [
        (DuplicateRecord, "plum", "duplicates of ranker 'bm25': ValueError: plums cannot be counted")
    ]

    run.run(spec, where)
    again = (where / "records" / "main.jsonl").read_text().splitlines()
    assert [json.loads(line)["kind"] for line in again].count("duplicates") == 4  # what failed was tried again
    assert PROTOCOL.result_in(state.summarise(where)) == {"apple": 1, "pear": 0}


def test_a_report_is_made_from_records_where_the_protocol_is_gone(
    offered: None, tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = tiny / "audit"
    before = run.run(audit_file.parse(AUDIT, folder=tiny), where)
    monkeypatch.undo()
    installed.protocols.cache_clear()
    after = state.summarise(where)
    assert "duplicates" in before.results
    assert "duplicates" not in after.results
    assert after.finished is not None
    assert after.effectiveness == before.effectiveness
    records = journal.read(where, installed.record_format()).values()
    assert [r.written_as for r in records if isinstance(r, ForeignRecord)] == ["duplicates"] * 3


def test_a_broken_record_of_a_known_kind_is_no_foreign_one(tiny: Path) -> None:
    line = FORMAT.dumps(SessionRecord(key="k", finished="now")).replace('"finished"', '"finishd"')
    with pytest.raises(WrongForm, match="finish"):
        FORMAT.loads(line.encode())


@pytest.mark.parametrize("again", ["summarise", "resume"])
def test_a_record_of_ours_whose_kind_is_damaged_is_refused_and_does_not_leave_n(tiny: Path, again: str) -> None:
    spec, where = audit_file.parse(AUDIT, folder=tiny), tiny / "audit"
    run.run(spec, where)
    path = where / "records" / "main.jsonl"
    kept = [line.decode() for _, line in journal.lines(path)]
    damaged = "\n".join(kept).replace('"kind": "ranking"', '"kind": "rankinq"', 1).split("\n")
    path.write_bytes(b"".join(map(journal.checked, damaged)))
    with pytest.raises(StoreError, match=r"1 record.* of the phase ranking .*'rankinq'"):
        state.summarise(where) if again == "summarise" else run.run(spec, where)
