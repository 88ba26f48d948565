"""The plan of an audit, and how far it is: quick to read, as ``robustrank status`` does while an audit runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from robustrank.core.errors import StoreError
from robustrank.core.types import Status
from robustrank.results.sequential import Sequential, Stopped
from robustrank.storage import files, journal, typed

SCHEMA = 3
"""Of ``keys.json``."""

PLAN = "keys.json"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The keys of an audit's records by phase; phases that depend on records not yet made are missing."""

    phases: Mapping[str, Sequence[str]]
    names: Sequence[str]
    """Of all phases, in order, those not yet planned among them."""
    sequential: Sequential | None = None

    @property
    def live(self) -> Set[str]:
        """All keys; other records are of earlier states, such as a model before it was trained again."""
        return {key for keys in self.phases.values() for key in keys}

    def done(self, keys: Set[str]) -> bool:
        """Whether there is a record of every key."""
        return self.live <= keys

    def finished(self, keys: Set[str]) -> bool:
        """Whether every phase is planned, no batch of queries follows, and there is a record of every key."""
        stopped = None if self.sequential is None else self.sequential.stopped
        return self.phases.keys() >= {"setup", *self.names} and stopped is not Stopped.NOT_YET and self.done(keys)

    def write(self, folder: Path) -> None:
        """Write it to the audit folder."""
        files.replace(folder / PLAN, typed.dumps(self, SCHEMA))


def read_plan(folder: Path) -> Plan:
    """The plan of an audit folder.

    Raises:
        StoreError: None is there, or an unreadable one.
    """
    try:
        plan: Plan = typed.loads((folder / PLAN).read_text(encoding="utf-8"), Plan, SCHEMA)
    except FileNotFoundError:
        raise StoreError(f"{folder}: no records yet; run the audit's command first") from None
    except (OSError, ValueError) as error:
        raise StoreError(f"{folder}: keys.json cannot be read: {error}; run the audit's command again") from error
    return plan


class PhaseStatus(NamedTuple):
    """How far a phase is."""

    phase: str
    done: int
    planned: int | None
    """``None`` where that follows from phases not yet done."""
    failed: int
    """Of those done; the audit's command does them again."""


class Progress(NamedTuple):
    """How far an audit is."""

    phases: list[PhaseStatus]
    finished: bool


def progress(where: Path) -> Progress:
    """How far an audit is, without reading what its records hold.

    Raises:
        StoreError: There is no plan yet, or plan or records cannot be read.
    """
    heads, plan = journal.heads(where), read_plan(where)
    phases = []
    for name in plan.names:
        keys = plan.phases.get(name)
        done = [heads[key] for key in keys or () if key in heads]
        failed = sum(head.status == Status.ERROR for head in done)
        phases.append(PhaseStatus(name, len(done), None if keys is None else len(keys), failed))
    return Progress(phases, plan.finished(heads.keys()))
