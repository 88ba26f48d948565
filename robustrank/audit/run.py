"""Runs an audit: plan tasks, skip those already recorded, perform the rest, summarise.

The phases are those of :mod:`robustrank.audit.phases`. Each needs only the records of the ones before, so an audit
killed at any moment resumes where it was.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

from robustrank.audit import inventory
from robustrank.audit.loop import Loop
from robustrank.audit.phases import PHASES, every_phase, phases
from robustrank.audit.session import Allowance, Plan, Session, read_plan
from robustrank.config.specs import AuditSpec
from robustrank.core.errors import StoreError
from robustrank.core.flags import Check
from robustrank.core.interfaces import Executor
from robustrank.core.interrupts import watched
from robustrank.core.plugin_spec import Plugin
from robustrank.core.progress import Progress, Silent
from robustrank.core.types import Status
from robustrank.judging.checks import check_planned
from robustrank.judging.gate import judge
from robustrank.plugins import registry
from robustrank.protocols.installed import record_format
from robustrank.protocols.summarise import summarise as summary_of
from robustrank.report import html as report
from robustrank.results import summary
from robustrank.results.red_flags import RedFlag, Severity
from robustrank.results.summary import Sequential, Stopped, Summary
from robustrank.results.verdicts import Outcome
from robustrank.storage import files, hashing, typed
from robustrank.storage import journal as store
from robustrank.storage.journal import Journal
from robustrank.work.base import Performer, lost, workbench
from robustrank.work.records import ForeignRecord, Record, SessionRecord, TaskRecord

SPEC_SCHEMA = 3
"""Of ``spec.json``."""


def folder(spec: AuditSpec, root: Path) -> Path:
    """Where an audit's records lie: another audit file is another folder, other gates are not."""
    return root / f"{spec.name}-{hashing.digest(spec.to_json())[:10]}"


def run(
    spec: AuditSpec,
    where: Path,
    *,
    executor: Executor | None = None,
    fresh: bool = False,
    allowance: Allowance | None = None,
    progress: Progress | None = None,
) -> Summary:
    """Run or resume an audit; write records, ``summary.json`` and ``report.html``.

    Args:
        spec: The audit file.
        where: The audit folder (:func:`folder`).
        executor: Where tasks run; default one after another in this process.
        fresh: Put records of earlier runs aside first.
        allowance: What this run may spend; where that cuts it short, the summary says the audit is unfinished.
        progress: Informed of every phase and task.

    Raises:
        RobustRankError: A wrong audit file, plug-in or collection, a missing package, a folder in use.
    """
    executor = executor or registry.build("executor", Plugin(use="serial"))
    where = where.absolute()  # a plug-in may change the working directory
    with watched(), Journal(where, record_format()) as journal:
        if fresh:
            journal.put_aside()
        _write_spec(spec, where)
        try:
            result = _Run(spec, journal, executor, progress or Silent(), allowance or Allowance()).go()
        finally:
            executor.close()
    return _judged(result, spec, where)


class _Run:
    """One run of an audit, while it holds the journal."""

    def __init__(
        self, spec: AuditSpec, journal: Journal[Record], executor: Executor, progress: Progress, allowance: Allowance
    ) -> None:
        self.spec, self.journal, self.progress = spec, journal, progress
        self.session = Session()
        self.loop = Loop(
            journal, record_format(), executor, progress, limit=spec.task_timeout, again=self._failed_before
        )
        self.records = self.loop.records
        self.now = allowance
        sequential = spec.sequential
        self.whole = Allowance(pairs=sequential.pairs, minutes=sequential.minutes) if sequential else Allowance()
        self.counted: set[str] = set()
        self.bench = workbench(spec)

    def go(self) -> Summary:
        """Perform the remaining tasks within the allowance, and summarise."""
        self.bench.check()
        made = inventory.setup(self.bench, self.progress)
        self.loop.note(made)
        check_planned(self.spec.gates, self.bench)
        if self.spec.sequential is None:
            plan, complete = self._do(made.key, None)
        else:
            plan, complete = self._in_batches(made.key, self.spec.sequential.batch)
        plan.write(self.journal.folder)
        self.loop.note(self.session.stamp(self.session.end()))
        return _sum_up(self.records, self.spec, plan, finished=complete)

    def _failed_before(self, record: Record) -> bool:
        """Whether a record is of a task that failed in an earlier run, and is done again."""
        return isinstance(record, TaskRecord) and record.status is Status.ERROR and self.session.made_no(record)

    def _in_batches(self, setup: str, batch: int) -> tuple[Plan, bool]:
        """Perform batches of queries until every gate is decided; gates are judged after whole batches only."""
        most = max(len(self.bench.lists(c.name).queries) for c in self.spec.collections)
        queries, whole_batches = 0, None
        while True:
            queries = min(queries + batch, most)
            plan, complete = self._do(setup, queries)
            plan = replace(plan, sequential=Sequential(queries=queries, stopped=Stopped.NOT_YET))
            if not complete and whole_batches is not None:
                plan, complete = whole_batches, self.whole.spent
            if not complete or plan is whole_batches:
                return _stopped(plan, Stopped.BUDGET if complete else Stopped.NOT_YET), complete
            verdicts = judge(self.spec.gates, _sum_up(self.records, self.spec, plan, finished=True), self.spec.ratchet)
            # An invalid gate is not decided, but no further queries would make it valid.
            if all(verdict.outcome is not Outcome.INCONCLUSIVE for verdict in verdicts):
                return _stopped(plan, Stopped.DECIDED), True
            if queries == most:
                return _stopped(plan, Stopped.ALL_QUERIES), True
            whole_batches = plan

    def _do(self, setup: str, queries: int | None) -> tuple[Plan, bool]:
        """Perform the open tasks of the first queries, phase by phase; the plan, and whether all of them are done."""
        planned = {"setup": [setup]}
        for phase, tasks in phases(self.bench, self.records, queries):
            keyed = {task.key(self.bench): task for task in tasks}
            planned[phase] = list(keyed)
            Plan(phases=planned).write(self.journal.folder)
            for record in [self.records[key] for key in keyed if key in self.records]:
                if isinstance(record, TaskRecord):
                    self._count(record)
            most = 0 if self._spent else self.now.tasks_left
            self.loop.run(
                phase, keyed, Performer(self.spec), lost=partial(lost, self.bench),
                most=most, stamp=self.session.stamp, go_on=self._spend,
            )  # fmt: skip
        plan = Plan(phases=planned)
        return plan, plan.live <= self.records.keys()

    @property
    def _spent(self) -> bool:
        """Whether nothing is left to spend, of this run's allowance or of the whole audit's."""
        return self.now.spent or self.whole.spent

    def _spend(self, record: Record) -> bool:
        """Count a new record; whether another task may begin."""
        if isinstance(record, TaskRecord):
            self._count(record)
            self.now.spend(record)
        return not self._spent

    def _count(self, record: TaskRecord) -> None:
        if record.key not in self.counted:
            self.counted.add(record.key)
            self.whole.spend(record)


def _stopped(plan: Plan, why: Stopped) -> Plan:
    queries = plan.sequential.queries if plan.sequential else 0
    return replace(plan, sequential=Sequential(queries=queries, stopped=why))


def summarise(where: Path) -> Summary:
    """Make summary and report of an audit folder again from its records."""
    spec = load_spec(where)
    old = where / "summary.json"
    done = old.exists() and summary.read(old).finished is not None
    records = store.read(where, record_format())
    return _judged(_sum_up(records, spec, read_plan(where), finished=done), spec, where)


def status(where: Path) -> list[tuple[str, int, int | None]]:
    """Phase, number of finished tasks and of planned ones; ``None`` where that follows from phases not yet done."""
    records = store.read(where, record_format())
    planned = read_plan(where).phases
    return [
        (
            phase,
            sum(key in records for key in planned.get(phase, ())),
            len(planned[phase]) if phase in planned else None,
        )
        for phase in (phase.name for phase in every_phase())
    ]


def load_spec(where: Path) -> AuditSpec:
    """The audit file an audit folder was made with.

    Raises:
        StoreError: The folder holds none.
    """
    try:
        text = (where / "spec.json").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise StoreError(f"{where}: not an audit folder (no readable spec.json)") from error
    try:
        spec: AuditSpec = typed.loads(text, AuditSpec, SPEC_SCHEMA)
    except typed.WrongForm as error:
        raise StoreError(f"{where / 'spec.json'}: {error}; run the audit's command again") from error
    return spec


def _write_spec(spec: AuditSpec, where: Path) -> None:
    files.replace(where / "spec.json", typed.dumps(spec, SPEC_SCHEMA, indent=1))
    files.replace(where / "audit.toml", spec.source)


def _sum_up(records: Mapping[str, Record], spec: AuditSpec, plan: Plan, *, finished: bool) -> Summary:
    """The summary of the records that are in the plan.

    Raises:
        StoreError: A record of a phase that every audit has is of a kind that no installed protocol declares.
    """
    _check_kinds(records, plan)
    live = plan.live
    current = {key: r for key, r in records.items() if key in live or isinstance(r, SessionRecord)}
    result = summary_of(current, spec, finished=finished)
    if plan.sequential is None:
        return result
    flag = RedFlag(
        check=Check.SEQUENTIAL,
        severity=Severity.WARNING,
        title="The gates determined the number of queries",
        detail="the intervals of the gates hold at any time; all others assume a number fixed in advance and are "
        "too narrow because of repeated looks",
    )
    return replace(result, sequential=plan.sequential, red_flags=[*result.red_flags, flag])


def _check_kinds(records: Mapping[str, Record], plan: Plan) -> None:
    """A damaged kind must not pass for a protocol that is gone: the record would leave n without a word."""
    for phase in ("setup", *(phase.name for phase in PHASES)):
        present = [records[key] for key in plan.phases.get(phase, ()) if key in records]
        foreign = [record for record in present if isinstance(record, ForeignRecord)]
        if foreign:
            raise StoreError(
                f"{len(foreign)} record(s) of the phase {phase} have a kind that no installed protocol declares, "
                f"the first {foreign[0].written_as!r} (key {foreign[0].key}); delete the damaged lines "
                "and run the audit again"
            )


def _judged(result: Summary, spec: AuditSpec, where: Path) -> Summary:
    """Judge the gates and write summary and report; first without verdicts, because judging may raise an error."""
    if spec.gates:
        _write(result, where)
    return _write(replace(result, verdicts=judge(spec.gates, result, spec.ratchet)), where)


def _write(result: Summary, where: Path) -> Summary:
    summary.write(result, where / "summary.json")
    report.write(result, where / "report.html")
    return result
