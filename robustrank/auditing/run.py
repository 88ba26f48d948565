"""Runs an audit: plan tasks, skip those already recorded, perform the rest, summarise.

The phases are those of :mod:`robustrank.auditing.phases`. Each needs only the records of the ones before, so an audit
killed at any moment resumes where it was.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path

from robustrank.auditing import inventory, isolation, ladder, planned, state
from robustrank.auditing.loop import Loop
from robustrank.auditing.phases import ATTACKS, every_phase, phases
from robustrank.auditing.plan import Plan
from robustrank.auditing.probes import Failures, listwise, refuse_changed, refuse_orders, refuse_unsteady
from robustrank.auditing.session import Allowance, Session
from robustrank.auditing.time_left import TimeLeft
from robustrank.config.specs import AuditSpec
from robustrank.core.interfaces import Executor
from robustrank.core.interrupts import watched
from robustrank.core.plugin_spec import Plugin
from robustrank.core.progress import Logged, Progress, Silent
from robustrank.core.types import Status
from robustrank.judging.gate import judge
from robustrank.plugins import registry
from robustrank.protocols.installed import record_format
from robustrank.results.sequential import Sequential, Stopped
from robustrank.results.summary import Summary
from robustrank.results.verdicts import Outcome
from robustrank.storage import hashing
from robustrank.storage.journal import Journal
from robustrank.work.base import Task
from robustrank.work.check_records import CheckRecord
from robustrank.work.perform import Performer, lost, workbench
from robustrank.work.records import Record, TaskRecord


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
        state.write_spec(spec, where)
        Plan(phases={}, names=names()).write(
            where
        )  # whatever earlier runs left, this audit is not finished until its plan is done
        try:
            result = _Run(spec, journal, executor, Logged(progress or Silent()), allowance or Allowance()).go()
        finally:
            executor.close()
    return result if result.made_from else state.judged(result, spec, where)


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
        self.failures = Failures(self.records)
        self.bench = workbench(spec)
        self.time_left = TimeLeft(self.bench)

    def go(self) -> Summary:
        """Perform the remaining tasks within the allowance, and summarise; as it is written where nothing is new."""
        isolation.build(self.bench, self.records, self.loop.executor)
        self.bench.check()
        planned.check(self.bench, self.spec.gates)
        self._probe()
        made = inventory.setup(self.bench, self.progress)
        self.loop.note(made)
        for note in planned.notes(self.bench):
            self.progress.message(note)
        for failed in isolation.vary(self.bench, self.records, self.loop.executor):
            self.progress.message(failed)
        if self.spec.sequential is None:
            plan, complete = self._do(made.key, None)
        else:
            plan, complete = self._in_batches(made.key, self.spec.sequential.batch)
        plan.write(self.journal.folder)
        if not self.loop.noted and (kept := state.unchanged(self.journal.folder, self.spec)):
            return kept
        self.loop.note(self.session.stamp(self.session.end()))
        return state.sum_up(self.records, self.spec, plan, finished=complete)

    def _probe(self) -> None:
        """Ask each ranker a few cheap questions, and act on the answers before anything else is asked.

        Raises:
            ContractError: A ranker does not do what it declares, and that cannot be put right here.
            ConfigError: A ranker has changed since its records were made.
        """
        if self._spent:
            return
        [(phase, tasks)] = islice(phases(self.bench, self.records), 1)
        keyed = {task.key(self.bench): task for task in tasks}
        earlier = {key: self.records[key] for key in keyed if not self.loop.open(key)}
        self._tell_failed(phase, keyed)
        self._perform(phase, keyed, None)
        records = [record for key in keyed if isinstance(record := self.records.get(key), CheckRecord)]
        refuse_orders(records, self.bench)
        refuse_unsteady(records)
        self.bench.listwise = listwise(records)
        for name in sorted(self.bench.listwise):
            self.progress.message(
                f"{name}: declared pointwise, but its scores depend on the other documents of the "
                "call; it is audited as list-wise"
            )
        again = [
            task for key, task in keyed.items() if key in earlier and task.place.victim(self.bench).declared.can_change
        ]
        for now in self.loop.ask(again, Performer(self.spec, self.bench.listwise)):
            if isinstance(now, CheckRecord) and isinstance(before := earlier[now.key], CheckRecord):
                refuse_changed(before, now)

    def _perform(self, phase: str, keyed: Mapping[str, Task], most: int | None) -> None:
        self.loop.run(
            phase, keyed, Performer(self.spec, self.bench.listwise), lost=partial(lost, self.bench),
            most=most, stamp=self.session.stamp, go_on=self._spend, skip=self.failures.why_not,
        )  # fmt: skip

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
            verdicts = judge(
                self.spec.gates, state.sum_up(self.records, self.spec, plan, finished=True), self.spec.ratchet
            )
            # An invalid gate is not decided, but no further queries would make it valid.
            if all(verdict.outcome is not Outcome.INCONCLUSIVE for verdict in verdicts):
                return _stopped(plan, Stopped.DECIDED), True
            if queries == most:
                return _stopped(plan, Stopped.ALL_QUERIES), True
            whole_batches = plan

    def _do(self, setup: str, queries: int | None) -> tuple[Plan, bool]:
        """Perform the open tasks of the first queries, phase by phase; the plan, and whether all of them are done."""
        planned = {"setup": [setup]}
        foreseeable = queries is None and not self.spec.cases.ladder  # else what is asked decides how much is left
        for phase, tasks in self._rounds(queries):
            keyed = {task.key(self.bench): task for task in tasks}
            planned[phase] = list(keyed)
            plan = Plan(phases=planned, names=names(), sequential=None if queries is None else _BETWEEN)
            plan.write(self.journal.folder)
            for record in [self.records[key] for key in keyed if key in self.records]:
                if isinstance(record, TaskRecord):
                    self._count(record)
            self._tell_failed(phase, keyed)
            if foreseeable and phase in FORESEEN_AT:
                self.time_left.foresee(self.records)
            if foreseeable:
                self.time_left.begin(phase, keyed, self.records)
            most = 0 if self._spent else self.now.tasks_left
            self._perform(phase, keyed, most)
        plan = Plan(phases=planned, names=names())
        return plan, plan.done(self.records.keys())

    def _rounds(self, queries: int | None) -> Iterator[tuple[str, Sequence[Task]]]:
        """The phases; that of attacks several times where they are tried one after another."""
        for phase, tasks in phases(self.bench, self.records, queries):
            if phase == ATTACKS and self.spec.cases.ladder:
                yield from ((phase, made) for made in ladder.rounds(self.bench, tasks, self.records))
            else:
                yield phase, tasks

    def _tell_failed(self, phase: str, keys: Iterable[str]) -> None:
        """Say which tasks are done again, and what they cost so far."""
        records = [self.records[key] for key in keys if key in self.records]
        failed = [r for r in records if isinstance(r, TaskRecord) and self._failed_before(r)]
        if failed:
            pairs, seconds = sum(r.pairs for r in failed), sum(r.seconds for r in failed)
            self.progress.message(
                f"{phase}: {len(failed)} failed task{'s' * (len(failed) > 1)} of earlier runs "
                f"({pairs} pairs, {seconds:.0f} s) done again; the first failed with: {failed[0].error}"
            )

    @property
    def _spent(self) -> bool:
        """Whether nothing is left to spend, of this run's allowance or of the whole audit's."""
        return self.now.spent or self.whole.spent

    def _spend(self, record: Record) -> bool:
        """Count a new record; whether another task may begin."""
        if isinstance(record, TaskRecord):
            self._count(record)
            self.now.spend(record)
            self.time_left.done(record)
            if (seconds := self.time_left.seconds()) is not None:
                self.progress.left(seconds)
            if message := self.failures.count(record):
                self.progress.message(f"{record.ranker}: {message}")
        return not self._spent

    def _count(self, record: TaskRecord) -> None:
        if record.key not in self.counted:
            self.counted.add(record.key)
            self.whole.spend(record)


FORESEEN_AT = ("ranking", "variations")
"""Phases before which the rest is planned: none is ranked yet, all is ranked."""

_BETWEEN = Sequential(queries=0, stopped=Stopped.NOT_YET)
"""While a batch of queries is at work, another may follow."""


def names() -> list[str]:
    """Of all phases."""
    return [phase.name for phase in every_phase()]


def _stopped(plan: Plan, why: Stopped) -> Plan:
    queries = plan.sequential.queries if plan.sequential else 0
    return replace(plan, sequential=Sequential(queries=queries, stopped=why))
