"""CPU seconds of `status`, `report` and an empty resume of an audit of 20,000 attack cases.

``python benchmarks/large_audit.py [FOLDER]`` writes an audit whose records are made up (its texts are words drawn at
random) and times the commands on it, each in a process of its own. The limits are those of issue 18.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from random import Random

from msgspec import structs

from robustrank.auditing import inventory, state
from robustrank.auditing.phases import phases
from robustrank.auditing.plan import Plan
from robustrank.auditing.run import folder as folder_of
from robustrank.auditing.run import names
from robustrank.auditing.session import Session
from robustrank.config import audit_file
from robustrank.core.progress import Silent
from robustrank.core.types import Status
from robustrank.protocols.installed import record_format
from robustrank.storage.journal import Journal
from robustrank.work.attack import AttackTask
from robustrank.work.perform import Performer, workbench
from robustrank.work.records import AttackRecord, Record

QUERIES = 1000
LIMITS = {"status": 0.5, "report": 10.0, "resume": 10.0}

AUDIT = """
name = "large"
measures = ["nDCG@10", "RR@10"]
baseline = "BM25"
[[collection]]
name = "home"
use = "beir"
path = "home"
depth = 50
[[ranker]]
name = "BM25"
use = "bm25"
[[ranker]]
name = "random"
use = "random"
attacked = false
[cases]
queries = 1000
strata = ["2-10", "11-20", "21-30", "31-40", "41-50"]
"""
ATTACK = """
[[attack]]
name = "{name}"
use = "query_injection"
place = "{place}"
budget = {{ edits = 3 }}
"""


def main(arguments: Sequence[str]) -> None:
    """Write the audit unless it is there, and time the commands."""
    folder = Path(arguments[0]) if arguments else Path(tempfile.mkdtemp(prefix="large-audit-"))
    file = folder / "large.toml"
    if not file.exists():
        write_collection(folder / "home", Random(13))
        file.write_text(AUDIT + "".join(ATTACK.format(name=f"paste {n}", place=p) for n, p in enumerate(PLACES)))
    spec = audit_file.load(file)
    where = audit_folder(file, folder)
    if not (where / "summary.json").exists():
        print(f"{write_records(where, file)} attack cases")
    commands = {
        "status": ["status", str(where)],
        "report": ["report", str(where)],
        "resume": ["audit", str(file), "--out", str(folder)],
    }
    print(f"{sum(p.stat().st_size for p in (where / 'records').iterdir()) / 1e6:.0f} MB of records; {spec.name}")
    for name, command in commands.items():
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-m", "robustrank", *command], check=True, stdout=subprocess.DEVNULL)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        print(f"{name:<8} {seconds:6.2f} s of CPU, {seconds / LIMITS[name]:.0%} of {LIMITS[name]:g} s")


PLACES = ("start", "end", "interleave", "start")


def audit_folder(file: Path, folder: Path) -> Path:
    """Where the audit's records lie, as the command line would have it."""
    return folder_of(audit_file.load(file), folder)


def write_collection(folder: Path, rng: Random) -> None:
    """Documents of 60 words; every query's words are in many of them."""
    (folder / "qrels").mkdir(parents=True)
    words = [f"{a}{b}{c}" for a in "bdgklmnprst" for b in ("a", "e", "i", "o", "u") for c in ("n", "r", "st", "l")]
    corpus = [{"_id": f"d{n}", "title": "", "text": " ".join(rng.choices(words, k=60))} for n in range(5000)]
    queries = [{"_id": f"q{n}", "text": " ".join(rng.choices(words, k=4))} for n in range(QUERIES)]
    for name, rows in (("corpus", corpus), ("queries", queries)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    judged = "".join(f"q{n}\td{rng.randrange(5000)}\t1\n" for n in range(QUERIES) for _ in range(5))
    (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\n" + judged)


def write_records(where: Path, file: Path) -> int:
    """Rank for real, and make up the attacks; how many of these."""
    spec = audit_file.load(file)
    bench, session, rng = workbench(spec), Session(), Random(7)
    records: dict[str, Record] = {}
    perform = Performer(spec)
    with Journal(where, record_format()) as journal:
        state.write_spec(spec, where)

        def note(record: Record) -> None:
            records[record.key] = record
            journal.append(record)

        setup = inventory.setup(bench, Silent())
        note(setup)
        planned = {"setup": [setup.key]}
        for phase, tasks in phases(bench, records):
            planned[phase] = [task.key(bench) for task in tasks]
            for key, task in zip(planned[phase], tasks, strict=True):
                record = perform(task) if not isinstance(task, AttackTask) else made_up(task.failed(bench, ""), rng)
                note(session.stamp(structs.replace(record, key=key)))
        Plan(phases=planned, names=names()).write(where)
        note(session.end())
    state.summarise(where)
    return sum(isinstance(record, AttackRecord) for record in records.values())


def made_up(record: AttackRecord, rng: Random) -> AttackRecord:
    """An attack that pasted three words and lifted the target a little."""
    after = max(1, record.rank_before - rng.randrange(12))
    return structs.replace(
        record, status=Status.OK, error="", rank_after=after, score_after=record.score_before + 1.0, edits=3, calls=10,
        scored=10, similarity=0.9, pairs=10, seconds=0.1, after=f"ban der kil {record.before}",
        trajectory=[(1, record.rank_before), (10, after)],
    )  # fmt: skip


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main(sys.argv[1:])
