"""The charts of the report, each with a text alternative and a table of the same values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import log1p

from markupsafe import Markup

from robustrank.report.canvas import ATTACK, LINES, MUTED, RULE, Canvas, style
from robustrank.report.filters import extent, figure
from robustrank.report.filters import radius as in_words
from robustrank.results.select import lead, strongest
from robustrank.results.summary import AttackResult, CertifiedResult, Effectiveness, Shift, Summary

BINS = 20
"""Bars of a chart of per-query values."""


@dataclass(frozen=True, kw_only=True)
class Chart:
    """One chart and the heading above it."""

    title: str
    svg: Markup
    head: Sequence[str]
    """Headings of the table with the values of the chart."""
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True, kw_only=True)
class Charts:
    """All charts of a report; empty where the audit has nothing to draw."""

    spread: Sequence[Chart]
    """Effectiveness and its spread over queries, one a collection."""
    shifts: Sequence[Chart]
    """One a kind of shift."""
    attacks: Mapping[str, Chart] = field(default_factory=dict)
    """By ranker."""
    costs: Sequence[Chart] = ()
    """Success over requested pairs, one a ranker."""
    certificates: Mapping[tuple[str, str], Chart] = field(default_factory=dict)
    """By ranker and collection."""


def draw(summary: Summary) -> Charts:
    """Draw all charts for which the summary has results."""
    series = {ranker.name: n for n, ranker in enumerate(summary.rankers)}
    led = [e for e in summary.effectiveness if e.measure == summary.measure and e.slice is None and e.per_query]
    return Charts(
        spread=[
            _spread([e for e in led if e.collection == name], series)
            for name in dict.fromkeys(e.collection for e in led)
        ],
        shifts=[
            _shifts([s for s in summary.shifts if s.kind == kind], series)
            for kind in dict.fromkeys(s.kind for s in summary.shifts)
        ],
        attacks={
            name: _attacks([r for r in summary.attacks if r.ranker == name and r.stratum == "all" and r.success])
            for name in dict.fromkeys(r.ranker for r in summary.attacks if r.stratum == "all" and r.success)
        },
        costs=[
            _costs(group, [r.attack for r in summary.attacks if not r.control])
            for group in _with_curves(summary.attacks)
        ],
        certificates={
            place: _certificates([c for c in summary.certificates if (c.ranker, c.collection) == place])
            for place in dict.fromkeys((c.ranker, c.collection) for c in summary.certificates)
        },
    )


def _spread(figures: Sequence[Effectiveness], series: Mapping[str, int]) -> Chart:
    """Mean with interval, mean of the lowest decile, and below them a histogram of the per-query values."""
    row, tall = 74, 24
    canvas = Canvas(row * len(figures), (0, 1), f"{figures[0].measure} of a query")
    for index, e in enumerate(figures):
        y = row * index + 14
        colour, marker = style(series.get(e.ranker, len(series)))
        canvas.label(y, e.ranker, figure(e.mean, 3))
        counts = _binned(e)
        canvas.columns(y + 50, [tall * count / max(counts) for count in counts], colour)
        canvas.interval(y + 14, e.mean, colour, marker)
        if e.lowest_decile:
            canvas.line([e.lowest_decile.value] * 2, [y + 8, y + 20], colour, width=2)
    values = "; ".join(
        f"{e.ranker} {figure(e.mean, 3)}, lowest decile {figure(e.lowest_decile, 3)}, {len(e.per_query)} queries"
        for e in figures
    )
    title = f"{figures[0].measure} on {figures[0].collection}"
    columns = [_binned(e) for e in figures]
    return Chart(
        title=title,
        svg=canvas.svg(f"{title}: mean and spread over queries. {values}."),
        head=[figures[0].measure, *(e.ranker for e in figures)],
        rows=[
            ["mean", *(figure(e.mean, 3) for e in figures)],
            ["lowest decile", *(figure(e.lowest_decile, 3) for e in figures)],
            *(
                [f"queries at {b / BINS:.2f} to {(b + 1) / BINS:.2f}", *(str(column[b]) for column in columns)]
                for b in range(BINS)
            ),
        ],
    )


def _binned(e: Effectiveness) -> list[int]:
    """How many queries lie in each of :data:`BINS` equal parts of 0 to 1."""
    bins = [min(max(int(value * BINS), 0), BINS - 1) for value in e.per_query.values()]
    return [bins.count(b) for b in range(BINS)]


def _shifts(shifts: Sequence[Shift], series: Mapping[str, int]) -> Chart:
    """Change with zero marked: one block a target, one line a ranker; relative where defined for all."""
    line, head = 15.0, 28.0
    blocks: dict[str, list[Shift]] = {}
    for s in shifts:
        blocks.setdefault(s.target, []).append(s)
    rankers = list(dict.fromkeys(s.ranker for s in shifts))
    relative = all(s.relative for s in shifts)
    changes = [s.relative if relative and s.relative else s.change for s in shifts]
    shown = {id(s): change for s, change in zip(shifts, changes, strict=True)}
    low, high = min([0.0, *(e.low for e in changes)]), max([0.0, *(e.high for e in changes)])
    pad = (high - low or 1) * 0.03
    legend = line * len(rankers) + 6
    axis = f"{'relative change' if relative else 'change'} of {shifts[0].measure}: left of 0 is a loss"
    height = legend + sum(head + line * len(block) for block in blocks.values())
    canvas = Canvas(height, (low - pad, high + pad), axis, sign=True)
    canvas.line([0, 0], [legend, height], MUTED, width=1.2)
    for n, name in enumerate(rankers):
        canvas.key(8 + line * n, name, series.get(name, len(series)))
    y = legend
    for target, block in blocks.items():
        y += head
        canvas.label(y - 13, f"to {target}")
        for s in block:
            canvas.interval(y + 2, shown[id(s)], *style(series.get(s.ranker, len(series))))
            y += line
    values = "; ".join(f"{s.ranker} to {s.target} {figure(shown[id(s)], sign=True)}" for s in shifts)
    title = f"Change of {shifts[0].kind}"
    return Chart(
        title=title,
        svg=canvas.svg(f"{title}, {axis}. {values}."),
        head=["Ranker", "To", axis],
        rows=[[s.ranker, s.target, figure(shown[id(s)], sign=True)] for s in shifts],
    )


def _attacks(results: Sequence[AttackResult]) -> Chart:
    """Success over all strata; controls hollow and grey, the strongest of them a band behind the rest."""
    row, head = 34.0, 24.0
    groups: dict[tuple[str, str], list[AttackResult]] = {}
    for r in results:
        groups.setdefault((r.surface, r.goal), []).append(r)
    canvas = Canvas(sum(head + row * len(g) for g in groups.values()), (0, 1), "share of cases in which it succeeded")
    y = 0.0
    for (surface, goal), group in groups.items():
        canvas.text(
            0, y + 14, f"Changed {surface}, to {goal}: {', '.join(dict.fromkeys(map(lead, group)))}", MUTED, size=9
        )
        y += head
        control = max((r.success[lead(r)] for r in group if r.control), key=lambda e: e.value, default=None)
        for r in group:
            share = r.success[lead(r)]
            if control:
                ends = [y + 16, y + 30]
                canvas.band((control.low, control.high), (ends[0], ends[1]))
                canvas.line([control.value] * 2, ends, MUTED, dash=":")
            canvas.label(y + 9, r.attack, figure(share))
            canvas.interval(y + 23, share, MUTED if r.control else ATTACK, "o", hollow=r.control)
            y += row
    worst = strongest(results)
    first = f"Strongest: {worst.attack}. " if worst else ""
    values = "; ".join(
        f"{r.attack}{' (control)' if r.control else ''}, {lead(r)} {figure(r.success[lead(r)])}" for r in results
    )
    ranker = results[0].ranker
    return Chart(
        title=ranker,
        svg=canvas.svg(f"Success of attacks against {ranker}. {first}{values}."),
        head=["Attack", "Kind", "Success is", "Share of cases"],
        rows=[[r.attack, "control" if r.control else "attack", lead(r), figure(r.success[lead(r)])] for r in results],
    )


def _with_curves(results: Sequence[AttackResult]) -> list[list[AttackResult]]:
    """Attacks and controls by ranker, where an attack succeeded after more than one requested pair."""
    groups: dict[str, list[AttackResult]] = {}
    for r in results:
        if r.stratum == "all":
            groups.setdefault(r.ranker, []).append(r)
    return [group for group in groups.values() if any(pairs > 1 for r in group for pairs, _ in r.curve)]


def _costs(results: Sequence[AttackResult], attacks: Sequence[str]) -> Chart:
    """Success by requested pairs, on a logarithmic scale; an attack has one style in every chart, controls are grey."""
    height, line = 190.0, 15.0
    series = {name: n for n, name in enumerate(dict.fromkeys(attacks))}
    most = max(pairs for r in results for pairs, _ in r.curve)
    legend, bottom = line * len(results) + 16, 8
    right = log1p(max(most, 10)) * 1.04
    canvas = Canvas(legend + height, (0, right), "pairs requested by the attack", ticks=())

    def at(share: float) -> float:
        return legend + height - bottom - share * (height - 2 * bottom)

    for share in (0, 0.25, 0.5, 0.75, 1):
        canvas.line([0, right], [at(share)] * 2, RULE, width=0.8)
        canvas.text(0, at(share) - 6, f"{share:g}", MUTED, size=9)
    for pairs in (0, 1, 3, 10, 30, 100, 300, 1000, 3000, 10000):
        if pairs <= max(most, 10):
            canvas.tick(log1p(pairs), str(pairs))
    for n, r in enumerate(results):
        colour, marker = (MUTED, "o") if r.control else style(series[r.attack])
        canvas.entry(8 + line * n, f"{r.attack}{' (control)' if r.control else ''}", colour, marker)
        steps = [(0, 0.0), *r.curve]
        xs, ys = [log1p(pairs) for pairs, _ in steps] + [right], [at(share) for _, share in [*steps, steps[-1]]]
        dash = ":" if r.control else LINES[series[r.attack] % 3]
        canvas.steps(xs, ys, colour, dash=dash)
        for x, y in list(zip(xs, ys, strict=True))[1:-1]:
            canvas.mark(x, y, colour, marker, size=4)
    values = "; ".join(f"{r.attack}, {_reached(r)}" for r in results)
    title = f"{results[0].ranker}: success by requested pairs"
    return Chart(
        title=title,
        svg=canvas.svg(f"{title}. {values}."),
        head=["Attack", "Success is", "Share of cases, by requested pairs", "Pairs requested per case"],
        rows=[
            [
                r.attack,
                lead(r),
                ", ".join(f"{share:.2f} after {pairs}" for pairs, share in r.curve) or "0",
                figure(r.calls, 1),
            ]
            for r in results
        ],
    )


def _reached(result: AttackResult) -> str:
    return f"{result.curve[-1][1]:.2f} after {result.curve[-1][0]} pairs" if result.curve else "none"


def _certificates(results: Sequence[CertifiedResult]) -> Chart:
    """Certified share of queries over the radius, one line a K."""
    height, top, bottom = 200.0, 18, 8
    radii, ks = sorted({c.radius for c in results}), sorted({c.k for c in results}, reverse=True)
    canvas = Canvas(height, (-0.5, len(radii) - 0.2), "changed words per document", ticks=())

    def at(share: float) -> float:
        return height - bottom - share * (height - bottom - top)

    for share in (0, 0.25, 0.5, 0.75, 1):
        canvas.line([-0.5, len(radii) - 0.2], [at(share)] * 2, RULE, width=0.8)
        canvas.text(0, at(share) - 6, f"{share:g}", MUTED, size=9)
    for place, radius in enumerate(radii):
        canvas.tick(place, extent(radius))
    ends: list[float] = []
    for n, k in enumerate(ks):
        colour, marker = style(n)
        curve = sorted((c for c in results if c.k == k), key=lambda c: c.radius)
        xs = [radii.index(c.radius) + 0.05 * (n - (len(ks) - 1) / 2) for c in curve]
        ys = [at(c.crq.value) for c in curve]
        canvas.line(xs, ys, colour, width=1.5, dash=LINES[n % len(LINES)])
        for x, c in zip(xs, curve, strict=True):
            canvas.line([x, x], [at(c.crq.low), at(c.crq.high)], colour, width=1.2)
            canvas.mark(x, at(c.crq.value), colour, marker, size=6.5)
        end = ys[-1]
        while near := [other for other in ends if abs(other - end) < 13]:  # names of curves never overlap
            end = min(near) - 13
        ends.append(end)
        canvas.name(xs[-1] + 0.12, end, f"K={k}", colour)
    values = "; ".join(f"K={c.k}, {in_words(c.radius)} {figure(c.crq)}" for c in results)
    title = f"Certified share of queries, {results[0].ranker} on {results[0].collection}"
    return Chart(
        title=title,
        svg=canvas.svg(f"{title}, over changed words. {values}."),
        head=["K", "Changed words", "Certified share of queries"],
        rows=[[str(c.k), extent(c.radius), figure(c.crq)] for c in results],
    )
