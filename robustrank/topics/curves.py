"""Charts of a topic study: success by share of queries, boost by ranked lists requested, boost after each event."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from robustrank.report.canvas import INK, LINES, MUTED, RULE, Canvas, round_values, style

TOP, ROW, PLOT = 10, 15, 200
"""Pixels above the first line, of a line of the legend, and of the plot."""

SHARES = 100
"""Steps of the curves over the share of queries."""


class Curve(NamedTuple):
    """One curve of a chart: its name, its points, and (low, high) at each where there are intervals."""

    name: str
    points: Sequence[tuple[float, float]]
    ends: Sequence[tuple[float, float]] = ()


def draw(summary: Mapping[str, Any]) -> dict[str, str]:
    """File name to SVG, the same bytes for the same summary.

    For each victim ``success-N.svg`` and ``boost-N.svg``, and where the dynamic setting was run ``events-N.svg`` and
    ``reactions-N.svg``.
    """
    figures = {}
    for number, ranker in enumerate(dict.fromkeys(row["ranker"] for row in summary["rows"]), start=1):
        rows = [row for row in summary["rows"] if row["ranker"] == ranker]
        figures[f"success-{number}.svg"] = _success(rows, ranker)
        figures[f"boost-{number}.svg"] = _boost(rows, ranker)
        if played := [curve for curve in summary["dynamic"] if curve["ranker"] == ranker]:
            figures[f"events-{number}.svg"] = _events(played, ranker)
            figures[f"reactions-{number}.svg"] = _reactions(played, ranker)
    return figures


def _label(row: Mapping[str, Any], what: str = "") -> str:
    return f"{row['attack']}{what} (n={row['documents']})"


def _success(rows: Sequence[Mapping[str, Any]], ranker: str) -> str:
    shares = [(step + 1) / SHARES for step in range(SHARES)]
    curves = [
        Curve(
            _label(row),
            [(share, sum(p >= share - 1e-12 for p in row["promoted"]) / len(row["promoted"])) for share in shares],
        )
        for row in rows
    ]
    return _chart(f"{ranker}: targets that rise", "share of held-out queries", curves, least=(0.0, 1.0), every=10)


def _boost(rows: Sequence[Mapping[str, Any]], ranker: str) -> str:
    curves = [Curve(_label(row), [(x, y) for x, y in row["answered"]]) for row in rows]
    return _chart(f"{ranker}: best mean boost seen, attacked queries", "ranked lists requested", curves)


def _events(played: Sequence[Mapping[str, Any]], ranker: str) -> str:
    curves = [
        Curve(
            _label(curve, f", {what}"),
            [(place + aside, estimate["value"]) for place, estimate in enumerate(curve[what])],
            [(estimate["low"], estimate["high"]) for estimate in curve[what]],
        )
        for curve in played
        for what, aside in (("kept", -0.06), ("reacted", 0.06))
    ]
    names = {float(place): name for place, name in enumerate(played[0]["events"])}
    return _chart(f"{ranker}: mean held-out boost", "after the event", curves, names=names)


def _reactions(played: Sequence[Mapping[str, Any]], ranker: str) -> str:
    curves = [
        Curve(
            _label(curve),
            [(lists, estimate["value"]) for lists, estimate in zip(curve["lists"], curve["reacted"], strict=True)],
            [(estimate["low"], estimate["high"]) for estimate in curve["reacted"]],
        )
        for curve in played
    ]
    return _chart(f"{ranker}: mean held-out boost, reacted", "ranked lists requested since the attack", curves)


def _chart(
    title: str,
    axis: str,
    curves: Sequence[Curve],
    *,
    least: tuple[float, float] = (0.0, 0.0),
    names: Mapping[float, str] | None = None,
    every: int = 1,
) -> str:
    """Curves over one scale, with a legend above them.

    Args:
        title: What the vertical axis measures.
        axis: Name of the horizontal axis.
        curves: The curves.
        least: Values that the vertical axis has to hold: 0 for gains.
        names: Names of places on the horizontal axis, in place of round values.
        every: How many points go to one mark.
    """
    xs = [x for curve in curves for x, _ in curve.points]
    ys = [
        *least,
        *(y for curve in curves for _, y in curve.points),
        *(y for c in curves for pair in c.ends for y in pair),
    ]
    low, high = min(ys), max(ys)
    high = high if high > low else low + 1.0
    left, right = (min(names) - 0.3, max(names) + 0.3) if names else (min([0.0, *xs]), max([*xs, 1e-9]))
    left -= 0.09 * (right - left)  # room for the names of the vertical axis
    top = TOP + ROW * (1 + len(curves))
    height = top + PLOT

    def at(value: float) -> float:
        return height - 6 - (value - low) / (high - low) * (PLOT - 16)

    canvas = Canvas(height, (left, right), axis, ticks=())
    canvas.text(0, TOP, title, INK, bold=True)
    for value in round_values(low, high):
        canvas.line([left, right], [at(value)] * 2, RULE, width=0.8)
        canvas.text(0, at(value) - 6, f"{value:g}", MUTED, size=9)
    for place in names or [value for value in round_values(max(left, 0.0), right) if value <= right]:
        canvas.tick(place, names[place] if names else f"{place:g}")
    for index, curve in enumerate(curves):
        colour, marker = style(index)
        canvas.entry(TOP + ROW * (index + 1), curve.name, colour, marker)
        across, up = [x for x, _ in curve.points], [at(y) for _, y in curve.points]
        canvas.line(across, up, colour, width=1.6, dash=LINES[index % len(LINES)])
        for (x, _), (lower, upper) in zip(curve.points, curve.ends or [], strict=False):
            canvas.line([x, x], [at(lower), at(upper)], colour, width=1.2)
        for x, y in curve.points[every - 1 :: every]:
            canvas.mark(x, at(y), colour, marker, size=5)
    last_values = "; ".join(f"{curve.name} ends at {curve.points[-1][1]:.2f}" for curve in curves)
    return str(canvas.svg(f"{title}, over {axis}. {last_values}.", standalone=True))
