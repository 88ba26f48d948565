"""What a protocol is: records in, a result out, with its figures for gates and its section of the report.

Ours and those of other packages are found through the entry-point group ``robustrank.protocols``
(:mod:`robustrank.protocols.installed`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from robustrank.results.figures import FigureKind
from robustrank.results.select import leader

if TYPE_CHECKING:
    from robustrank.config.specs import AuditSpec
    from robustrank.results.summary import Summary
    from robustrank.work.base import Place, Task
    from robustrank.work.records import RankingRecord, Record, SetupRecord, TaskRecord
    from robustrank.work.workbench import Workbench

Kind = TypeVar("Kind", bound="TaskRecord")


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """All that a protocol may read.

    Args:
        spec: The audit file.
        setup: What the audit is made of.
        tasks: The records of its tasks; rankers, collections and attacks in the order of the audit file.
        results: What the protocols before it made, by field of the summary or name of the protocol.
    """

    spec: AuditSpec
    setup: SetupRecord
    tasks: Sequence[TaskRecord]
    results: Mapping[str, Any] = field(default_factory=dict)

    @property
    def leading(self) -> str:
        """The first measure of the audit file."""
        return self.spec.measures[0]

    @property
    def audited(self) -> str | None:
        """The ranker that the audit is about; ``None`` without rankers."""
        return leader(self.setup.rankers, self.spec.audited, self.spec.baseline)

    @property
    def rankings(self) -> list[RankingRecord]:
        """The records of lists that were ranked."""
        from robustrank.work.records import RankingRecord

        return [record for record in self.of(RankingRecord) if record.measures]

    def of(self, kind: type[Kind]) -> list[Kind]:
        """The records of one kind."""
        return [record for record in self.tasks if isinstance(record, kind)]


@dataclass(frozen=True, kw_only=True)
class Section:
    """A section of the report.

    Args:
        anchor: Its id in the page, and the name of its template.
        title: Its heading, and its line in the navigation.
        place: Sections stand in rising order of it; those of RobustRank are multiples of 10, from 30 to 100.
        template: Jinja text, with every printed expression escaped. It sees ``summary``, ``result`` (of the protocol),
            and the macros of the report as ``m``: it wraps itself in ``{% call m.section(anchor, title, lead) %}``,
            prints estimates with ``m.fig`` and text of unknown origin with ``|show``. Empty for the templates that come
            with RobustRank.
    """

    anchor: str
    title: str
    place: int = 90
    template: str = ""


@dataclass(frozen=True, kw_only=True)
class AuditProtocol:
    """One protocol.

    Args:
        name: Of its result in ``summary.json``; that of its entry point.
        about: What it measures, in a sentence.
        summarise: From records to its result; ``None`` where there is nothing to say. Where ``result`` is ``None``, the
            fields of the summary that it fills, by name.
        result: Type of its result: a dataclass or msgspec struct that JSON can hold.
        figures: What gates can name of it.
        sections: Of the report.
        records: Types of records of its own.
        tasks: The tasks that make them, from the records so far and the lists of every ranker; a phase of the audit
            of its own, after all others.
        after: Names of protocols whose results it reads.
        foreseen: What its tasks will cost, where they follow from records of attacks, which a plan does not have: from
            all planned tasks, ranker to the most tasks and pairs.
    """

    name: str
    about: str
    summarise: Callable[[Evidence], Any]
    result: type[Any] | None = None
    figures: Sequence[FigureKind] = ()
    sections: Sequence[Section] = ()
    records: Sequence[type[TaskRecord]] = ()
    tasks: Callable[[Workbench, Mapping[str, Record], Sequence[Place]], Sequence[Task]] | None = None
    after: Sequence[str] = ()
    foreseen: Callable[[Workbench, Sequence[Task]], Mapping[str, tuple[int, int]]] | None = None

    def result_in(self, summary: Summary) -> Any:
        """Its result, read back into its type; ``None`` where the summary has none."""
        from robustrank.storage.typed import convert

        held = summary.results.get(self.name)
        return None if held is None or self.result is None else convert(held, self.result)
