"""The table's cells: a task's figure for each ranker, minus the baseline's, with its test and its power."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import product
from math import sqrt

import numpy as np

from robustrank.results.five_tasks import Cell, Comparative
from robustrank.stats.comparisons import holm
from robustrank.stats.contrasts import Contrast, contrast
from robustrank.stats.planning import detectable
from robustrank.stats.resampling import Floats, Statistic
from robustrank.work.records import RankingRecord

SURE = 0.05

Rows = Sequence[Sequence[Sequence[float]]]
Rankers = Mapping[str, Sequence[Mapping[str, Sequence[float]]]]
"""Ranker to groups of queries, query id to columns."""
Alternatives = Sequence[tuple[float, ...]]
"""Rows that one query could have."""


def table(
    tasks: Sequence[Task], rankings: Sequence[RankingRecord], baseline: str | None, groups: Mapping[str, str]
) -> list[Cell]:
    """A row per ranker and per group of several, on every task; Holm over all of them."""
    rankers = list(dict.fromkeys(r.ranker for r in rankings))
    rows = [(ranker, [ranker]) for ranker in rankers]
    for group in dict.fromkeys(groups.values()):
        rows.append((group, [r for r in rankers if groups.get(r) == group and r != baseline]))
    cells = []
    for name, members in rows:
        for task in tasks:
            cell = task.cell(name, members, None if name == baseline else baseline)
            if cell is not None:
                cells.append(cell)
    tested = [i for i, cell in enumerate(cells) if cell.p is not None]
    for i, p in zip(tested, holm([cells[i].p or 0.0 for i in tested]), strict=True):
        cells[i] = replace(cells[i], p_holm=p, verdict=_verdict(cells[i], p))
    return cells


def _verdict(cell: Cell, p: float) -> Comparative:
    if cell.undecided:
        return Comparative.UNDECIDED
    if p >= SURE or cell.versus_baseline is None:
        return Comparative.INCONCLUSIVE
    return Comparative.LESS if cell.versus_baseline.value > 0 else Comparative.MORE


class Task:
    """One column of the table.

    Args:
        task: Its name.
        figure: What is measured.
        rows: Ranker to groups of queries, query id to columns; a figure is a statistic of the columns' means.
        statistic: Of one ranker's means, one array per group.
        unseen: Per group the rows of one ranker that a query could have, as alternatives of each other: what a query
            is, in each row what a ranker makes of it.
        kind: Of the records that the rows come from.
        ends: The rows of rankers with undecided cases, with each of these at its least, and at its greatest value.
        parts: Of the row that was not seen, for :func:`robustrank.stats.contrasts.contrast`.
    """

    def __init__(
        self,
        task: str,
        figure: str,
        rows: Rankers,
        statistic: Statistic,
        unseen: Sequence[Sequence[Alternatives]],
        kind: str = "ranking",
        parts: Sequence[float] = (1.0,),
        ends: tuple[Rankers, Rankers] = ({}, {}),
    ) -> None:
        self.task, self.figure, self.rows, self.statistic, self.kind = task, figure, rows, statistic, kind
        self.unseen, self.parts, self.ends = unseen, parts, ends

    def cell(self, name: str, members: Sequence[str], baseline: str | None) -> Cell | None:
        """The mean figure of one or more rankers, and its difference to the baseline's over the queries of all.

        Args:
            name: Of the ranker, or of the group.
            members: The rankers; of a group those count that have the task's records, at least two.
            baseline: Who is compared with.
        """
        present = [ranker for ranker in members if ranker in self.rows]
        if not present or (len(present) < 2 and present != [name]):
            return None
        own = self._contrast(present, None)
        if own is None:
            return None
        against = self._contrast(present, baseline) if baseline in self.rows else None
        difference = against.estimate if against else None
        return Cell(
            task=self.task, ranker=name, members=present if present != [name] else (), figure=self.figure,
            kind=self.kind, value=own.estimate, versus_baseline=difference, effect=_effect(against),
            p=against.p if against else None, p_holm=None,
            detectable=detectable(against) if against else None,
            verdict=Comparative.NONE, undecided=against is not None and self._could_differ(against, present, baseline),
        )  # fmt: skip

    def _could_differ(self, against: Contrast, members: Sequence[str], baseline: str | None) -> bool:
        """Whether undecided cases, all at one end for the members and at the other for the baseline, change it."""
        least, greatest = self.ends
        if not ({*members, baseline} & {*least}):
            return False
        for ours, theirs in ((least, greatest), (greatest, least)):
            rows = {r: (theirs if r == baseline else ours).get(r, self.rows[r]) for r in self.rows}
            end = self._contrast(members, baseline, rows)
            if end is None or _shows(end) != _shows(against):
                return True
        return False

    def _contrast(
        self, members: Sequence[str], baseline: str | None, rows_of: Rankers | None = None
    ) -> Contrast | None:
        """The mean of the members' figures, minus the baseline's where there is one, with its interval."""
        sides = [(rows_of or self.rows)[ranker] for ranker in (*members, *([] if baseline is None else [baseline]))]
        if len({len(groups) for groups in sides}) > 1:
            return None
        rows = [
            [[x for ranker in group for x in ranker[q]] for q in sorted(set.intersection(*map(set, group)))]
            for group in zip(*sides, strict=True)
        ]
        if baseline is not None and min(map(len, rows)) < 2:
            return None

        def figure(*means: Floats) -> Floats:
            parts = [np.split(m, len(sides), axis=1) for m in means]
            each = [self.statistic(*(part[i] for part in parts)) for i in range(len(sides))]
            mean: Floats = np.mean(each[: len(members)], axis=0)
            return mean if baseline is None else mean - each[-1]

        others = 0 if baseline is None else 1
        unseen = [
            [(*ours * len(members), *theirs * others) for alike in group for ours, theirs in _pairs(alike, others)]
            for group in self.unseen
        ]
        return contrast(rows, figure, unseen=unseen, parts=self.parts)


def _pairs(alike: Alternatives, others: int) -> Iterator[tuple[tuple[float, ...], tuple[float, ...]]]:
    """What the members and the baseline make of one query, at the extremes; of the members alone, each once."""
    return product(alike, alike) if others else ((row, ()) for row in alike)


def _shows(contrast_: Contrast) -> int:
    """The sign of a difference that is significant by itself, else 0."""
    return 0 if contrast_.p >= SURE else 1 if contrast_.estimate.value > 0 else -1


def _effect(against: Contrast | None) -> float | None:
    if against is None:
        return None
    return against.estimate.value / (against.error * sqrt(against.estimate.n)) if against.error > 0 else None
