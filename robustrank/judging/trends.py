"""The same gate over several audits, in the order of time: what its figure was, and what the gate came to each time.

Gates are the same where they limit the same figure: measure, ``where``, home collection, and whether the figure is a
value or a loss against the ratchet file. Their names and limits may change from audit to audit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from robustrank.config.specs import GateSpec
from robustrank.core.errors import ConfigError
from robustrank.judging import figures
from robustrank.judging.selection import pick
from robustrank.results.summary import Summary
from robustrank.results.verdicts import Verdict
from robustrank.storage.hashing import digest


@dataclass(frozen=True, kw_only=True)
class Point:
    """One audit's verdict on a gate."""

    place: int
    """Of the audit among those given, in the order of time."""
    audit: str
    when: str
    finished: bool
    verdict: Verdict
    alike: bool
    """Whether the figure is measured as in the audit before it: the same attacks and budgets, on the same queries."""


@dataclass(frozen=True, kw_only=True)
class Trend:
    """A gate over several audits."""

    measure: str
    where: str
    """The figure's labels, in words; names in it may be hostile."""
    collection: str
    points: Sequence[Point]
    """From the first to the last; at least two."""
    absent: Sequence[str]
    """Later audits of the same name that do not set it."""

    @property
    def name(self) -> str:
        """As the last audit names the gate."""
        return self.points[-1].verdict.gate


def when(summary: Summary) -> str:
    """When an audit ended, or began where it has not."""
    return summary.finished or summary.started


def in_time(summaries: Sequence[Summary]) -> list[Summary]:
    """From the first to the last."""
    return sorted(summaries, key=lambda summary: (when(summary), summary.name))


def trends(summaries: Sequence[Summary]) -> list[Trend]:
    """Gates that two or more audits set.

    Args:
        summaries: In the order of time.
    """
    found: dict[Identity, list[tuple[int, Verdict]]] = {}
    for place, summary in enumerate(summaries):
        for verdict in summary.verdicts:
            found.setdefault(identity(verdict, summary), []).append((place, verdict))
    made = []
    for key, each in found.items():
        if len({place for place, _ in each}) < 2:
            continue
        bases = [_basis(summaries[place], verdict) for place, verdict in each]
        points = [
            Point(
                place=place,
                audit=summaries[place].name,
                when=when(summaries[place]),
                finished=summaries[place].finished is not None,
                verdict=verdict,
                alike=n > 0 and bases[n] == bases[n - 1] != "",
            )
            for n, (place, verdict) in enumerate(each)
        ]
        names = {point.audit for point in points}
        there = {point.place for point in points}
        absent = [
            f"{summary.name} ({when(summary)[:10]})"
            for place, summary in enumerate(summaries)
            if place > points[0].place and place not in there and summary.name in names
        ]
        made.append(Trend(measure=key.measure, where=key.where, collection=key.home, points=points, absent=absent))
    return made


class Identity(NamedTuple):
    """Equal for gates on the same figure."""

    measure: str
    where: str
    home: str
    loss: bool
    """Whether it limits how much worse the figure is than in the ratchet file."""


def identity(verdict: Verdict, summary: Summary) -> Identity:
    """What makes a gate the same in two audits."""
    where = ", ".join(f"{key} {value}" for key, value in sorted(verdict.where.items()))
    return Identity(verdict.measure, where, summary.home, verdict.limit.startswith("worse"))


def _basis(summary: Summary, verdict: Verdict) -> str:
    """A hash of how and on which queries a gate's figure is measured; empty where the summary has no such figure."""
    try:
        named = pick(
            GateSpec(name=verdict.gate, measure=verdict.measure, where=verdict.where),
            figures.measured(summary),
            summary.home,
            summary.measure,
        )
    except ConfigError:
        return ""
    keys = {collection.name: (collection.digest, collection.query_keys) for collection in summary.collections}
    return digest(
        sorted((sorted(figure.labels.items()), figure.made) for figure in named),
        [keys.get(figure.collection or summary.home) for figure in named],
    )
