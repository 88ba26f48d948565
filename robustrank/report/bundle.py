"""A folder of pages about several audits that any web server, or none, shows: index, reports, trends, comparisons.

Nothing in it loads anything from elsewhere. Names of files are made of numbers and plain letters, whatever audits are
called.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from robustrank.core.errors import ConfigError, StoreError
from robustrank.judging import compare
from robustrank.judging.compare import Change
from robustrank.judging.trends import Trend, in_time, trends, when
from robustrank.report import comparison, html, pages, several, trend_charts, view
from robustrank.report.charts import Chart
from robustrank.report.view import View
from robustrank.results.summary import Summary
from robustrank.storage import files

INDEX, REPORTS, COMPARISONS = "index.html", "reports", "comparisons"
OURS = re.compile(r"\d+[a-z0-9-]*\.html")
"""Names of pages in the two folders of a bundle; older ones go when it is written again."""
MARK = '<meta name="generator" content="RobustRank bundle">'
"""In the index of every bundle."""


@dataclass(frozen=True, kw_only=True)
class Compared:
    """A page that compares two audits."""

    address: str
    with_audit: str
    when: str
    worse: int
    better: int
    invalid: int
    figures: int


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One audit of the index."""

    summary: Summary
    view: View
    when: str
    address: str
    earlier: Sequence[Compared]
    """Comparisons with audits before it, the latest first."""


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """A trend with its chart."""

    trend: Trend
    chart: Chart


@dataclass(frozen=True, kw_only=True)
class Written:
    """What a bundle holds."""

    index: Path
    audits: int
    trends: int
    comparisons: int
    left_out: Sequence[several.LeftOut]


def write(
    places: Sequence[Path],
    folder: Path,
    read: several.Read,
    *,
    back: int | None = None,
    note: Callable[[str], None] = lambda line: None,
) -> Written:
    """Write or renew a bundle.

    Args:
        places: Audit folders, folders of such, and files of summaries.
        folder: Of the pages.
        read: From the path of a summary to the figures.
        back: With how many audits before it each is compared; ``None`` for all.
        note: Is given a line about every page.

    Raises:
        ConfigError: There is no audit in a place, or the folder holds something else.
        StoreError: A page cannot be written.
    """
    _check(folder)
    found, left_out = several.gather(places, read, lambda audit, _: (audit, view.build(audit)))
    if not found:
        reasons = "; ".join(f"{each.path}: {each.reason}" for each in left_out[:3])
        raise ConfigError(f"no audit can be read: {reasons}")
    _make(folder)
    ordered = in_time([audit for audit, _ in found])
    views = {id(audit): made for audit, made in found}
    names = [f"{n:0{len(str(len(ordered)))}}" for n in range(1, len(ordered) + 1)]
    entries, kept = [], set()
    for place, audit in enumerate(ordered):
        path = folder / REPORTS / f"{names[place]}{_slug(audit.name)}.html"
        note(f"{path.relative_to(folder)}: {audit.name}")
        last = next((each for each in reversed(ordered[:place]) if each.name == audit.name and each.finished), None)
        files.replace(path, html.render(audit, earlier=last, index=f"../{INDEX}"))
        kept.add(path)
        earlier = []
        for before in range(place - 1, -1 if back is None else max(-1, place - 1 - back), -1):
            changes = compare.changes(ordered[before], audit)
            if changes:
                page = folder / COMPARISONS / f"{names[before]}-{names[place]}.html"
                note(f"{page.relative_to(folder)}: {ordered[before].name}, {audit.name}")
                notes = compare.caveats(ordered[before], audit)
                files.replace(page, comparison.render(ordered[before], audit, changes, notes, index=f"../{INDEX}"))
                kept.add(page)
                earlier.append(_compared(ordered[before], changes, f"{COMPARISONS}/{page.name}"))
        entries.append(
            Entry(
                summary=audit,
                view=views[id(audit)],
                when=when(audit),
                address=f"{REPORTS}/{path.name}",
                earlier=earlier,
            )
        )
    drawn = [Drawn(trend=trend, chart=trend_charts.draw(trend)) for trend in trends(ordered)]
    index = folder / INDEX
    files.replace(index, pages.render("bundle", entries=entries[::-1], trends=drawn, left_out=left_out))
    for each in (REPORTS, COMPARISONS):
        for old in (folder / each).glob("*.html"):
            if old not in kept and OURS.fullmatch(old.name):
                old.unlink()
    return Written(
        index=index,
        audits=len(entries),
        trends=len(drawn),
        comparisons=sum(len(entry.earlier) for entry in entries),
        left_out=left_out,
    )


def _check(folder: Path) -> None:
    """A folder with other content is not written into."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise ConfigError(f"{folder}: a file; give a folder for the pages")
    index = folder / INDEX
    if any(folder.iterdir()) and not (index.is_file() and MARK in index.read_text(encoding="utf-8", errors="replace")):
        raise ConfigError(f"{folder}: holds something that is no bundle; give a new or empty folder")


def _make(folder: Path) -> None:
    for each in (REPORTS, COMPARISONS):
        try:
            (folder / each).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"{folder / each}: cannot be made: {error}") from error


def _slug(name: str) -> str:
    """A part of a file's name that no name of an audit can turn into anything else."""
    plain = "-".join(re.findall(r"[a-z0-9]+", name.lower()))[:40].strip("-")
    return f"-{plain}" if plain else ""


def _compared(old: Summary, changes: Sequence[Change], address: str) -> Compared:
    return Compared(
        address=address,
        with_audit=old.name,
        when=when(old),
        worse=sum(change.worse for change in changes),
        better=sum(change.better and not change.invalid for change in changes),
        invalid=sum(bool(change.invalid) for change in changes),
        figures=len(changes),
    )
