"""Judges what rankers answered to the cheap questions that are asked before anything else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from re import sub

from robustrank.core.errors import ConfigError, ContractError
from robustrank.core.types import Status
from robustrank.work.attack import AttackTask
from robustrank.work.base import Task
from robustrank.work.check_records import CheckRecord
from robustrank.work.records import AttackRecord, TaskRecord
from robustrank.work.workbench import Workbench

EQUAL = 5
"""After so many equal failures and no success a ranker is asked nothing more."""


def refuse_orders(records: Sequence[CheckRecord], bench: Workbench) -> None:
    """Refuse rankers that answer with an order of the documents in place of scores.

    Raises:
        ContractError: Every list has the scores 0 to n-1 or 1 to n, and the card does not say that these are scores.
    """
    for record in records:
        lists = [sorted(asked.scores) for asked in record.asked]
        order = all(len(scores) > 2 and scores in (_from(0, scores), _from(1, scores)) for scores in lists)
        if lists and order and not bench.victim(record.ranker, record.collection).declared.whole_numbers:
            raise ContractError(
                f"ranker {record.ranker!r} answers with the numbers {lists[0][0]:g} to {lists[0][-1]:g}, each once, as "
                'an order of the documents does, and not a score: of a `callable`, returns = "order" (indexes, best '
                'first) or returns = "ranks" (the rank of each document) says so, and returns = "scores" that these '
                "are scores, higher is better; other rankers set `whole_numbers` of their card"
            )


def refuse_unsteady(records: Sequence[CheckRecord]) -> None:
    """Refuse rankers whose scores of one call differ when it is repeated, though their cards say deterministic.

    They are not corrected: what an attack sees, and what a certificate is made from, would rest on chance.

    Raises:
        ContractError: The scores differ by more than a notable share of their spread.
    """
    for record in records:
        if record.unsteady and record.differences is not None:
            share = record.differences.repeat / record.differences.spread
            raise ContractError(
                f"ranker {record.ranker!r} gives other scores to the same call, by up to {share:.2%} of the spread of "
                "a list, and its card says deterministic: make it repeat itself (temperature 0, a fixed seed, no "
                "dropout), or say so: deterministic = false of a `callable` or `http`; other rankers set "
                "`deterministic` of their card"
            )


def _from(first: int, scores: Sequence[float]) -> list[float]:
    return [float(first + n) for n in range(len(scores))]


def listwise(records: Sequence[CheckRecord]) -> frozenset[str]:
    """Rankers whose scores depend on the other documents of a call, though their cards say pointwise."""
    return frozenset(record.ranker for record in records if record.listwise)


def refuse_changed(before: CheckRecord, now: CheckRecord) -> None:
    """Refuse a ranker that is another than the one whose records are there.

    Raises:
        ConfigError: A recorded score is not the one that the ranker gives now.
    """
    if before.differences is None or now.differences is None:
        return
    noise = 2 * max(before.differences.repeat, now.differences.repeat)
    allowed = noise + 1e-6 * before.differences.spread
    for old, new in zip(before.asked, now.asked, strict=True):
        for doc_id, then, score in zip(old.doc_ids, old.scores, new.scores, strict=True):
            if abs(then - score) > allowed:
                raise ConfigError(
                    f"ranker {now.ranker!r} has changed since its records were made: query {old.query_id!r}, document "
                    f"{doc_id!r} had the score {then:.6g} and has {score:.6g} now; give the ranker a new `version` in "
                    "the audit file, which begins an audit of its own, or start over with --fresh"
                )


class Failures:
    """Rankers, and attacks on them, of which nothing but the same failure came.

    Args:
        records: Of earlier runs: what succeeded once is asked on.
    """

    def __init__(self, records: Mapping[str, object]) -> None:
        self._worked: set[tuple[str, str]] = set()
        self._failed: dict[tuple[str, str], tuple[str, str, int]] = {}
        """Ranker and attack to the first error, what is compared of it, and how often it came in a row."""
        for record in records.values():
            if isinstance(record, TaskRecord) and record.status is not Status.ERROR:
                self.count(record)

    def count(self, record: TaskRecord) -> str:
        """Take note of a record; a message where it is the failure after which nothing more is asked."""
        who = record.ranker, record.attack if isinstance(record, AttackRecord) else ""
        if record.status is not Status.ERROR:
            self._worked.add(who)
            self._failed.pop(who, None)
        elif who not in self._worked and (not who[1] or "passed its time limit" in record.error):
            plain = sub(r"'[^']*'|\"[^\"]*\"|\d+", "…", record.error)
            first, same, times = self._failed.get(who, (record.error, plain, 0))
            if times >= EQUAL:
                return ""
            if same != plain:
                first, times = record.error, 0
            self._failed[who] = first, plain, times + 1
            if times + 1 == EQUAL:
                return (
                    f"its first {EQUAL} tasks all failed, so it is asked nothing more: {first}; fix this, and run the "
                    "same command: failed tasks are asked again"
                )
        return ""

    def why_not(self, task: Task) -> str:
        """Why a task is not done; empty where it is."""
        who = task.place.ranker, task.attack if isinstance(task, AttackTask) else ""
        for each in {who, (task.place.ranker, "")}:
            first, _, times = self._failed.get(each, ("", "", 0))
            if times >= EQUAL:
                return f"not asked, because {EQUAL} tasks before it all failed, the first with: {first}"
        return ""
