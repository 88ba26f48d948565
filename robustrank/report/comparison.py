"""The page of a comparison: its table, and charts of the changes, query by query."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from markupsafe import Markup

from robustrank.judging.compare import Change
from robustrank.report import pages
from robustrank.report.canvas import ATTACK, MUTED, SERIES, Canvas
from robustrank.report.filters import figure
from robustrank.results.summary import Summary
from robustrank.storage import files

MOST = 12
"""Charts on a page; the figures with the smallest p values are drawn, without binary ones."""
TALL = 150.0


class Drawing(NamedTuple):
    """A chart and the heading above it."""

    title: str
    svg: Markup


def write(old: Summary, new: Summary, changes: Sequence[Change], notes: Sequence[str], path: Path) -> None:
    """Write the page.

    Raises:
        StoreError: It cannot be written.
    """
    files.replace(path, render(old, new, changes, notes))


def render(
    old: Summary, new: Summary, changes: Sequence[Change], notes: Sequence[str], index: str | None = None
) -> str:
    """The page as HTML.

    Args:
        old: The first audit.
        new: The second.
        changes: Between the two.
        notes: Why they may not be comparable.
        index: Address of a page of all audits; ``None`` where there is none.
    """
    moved = [change for change in changes if not set(_values(change)) <= {0.0, 1.0}]
    charts = [_chart(change) for change in sorted(moved, key=lambda change: change.p)[:MOST]]
    return pages.render(
        "comparison", old=old.name, new=new.name, changes=changes, notes=notes, charts=charts, index=index
    )


def _values(change: Change) -> list[float]:
    return [value for query in (*change.regressions, *change.improvements) for value in (query.old, query.new)]


def _chart(change: Change) -> Drawing:
    """Every query's move from old to new as a line, those that lost most at the top; queries that stayed are left out.

    For ranks gained under attack this shows the rank change of each target, in the old and in the new audit.
    """
    queries = [*change.regressions, *reversed(change.improvements)]
    low, high = min(_values(change)), max(_values(change))
    pad = (high - low or 1.0) * 0.04
    axis = "ranks gained by the target" if change.measure == "boost" else f"{change.measure} of a query"
    canvas = Canvas(TALL, (low - pad, high + pad), axis)
    step = (TALL - 10) / len(queries)
    for place, query in enumerate(queries):
        y = 5 + step * (place + 0.5)
        colour = ATTACK if place < len(change.regressions) else SERIES[2]
        canvas.line([query.old, query.new], [y, y], colour, width=max(0.6, min(3.0, step * 0.6)))
        canvas.mark(query.old, y, MUTED, "|", size=max(2.0, min(7.0, step)))
        canvas.mark(query.new, y, colour, "o", size=max(1.5, min(6.0, step * 0.8)))
    title = f"{change.labels['ranker']}, {change.what}, {change.measure}"
    description = (
        f"{title}: old (bar) to new (dot) of the {len(queries)} queries that changed, "
        f"{len(change.regressions)} of them worse; mean difference {figure(change.difference, 3, sign=True)}."
    )
    return Drawing(title=title, svg=canvas.svg(description))
