"""Charts of gates over several audits: the figure with its interval, its limit, and what the gate came to each time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from robustrank.judging.trends import Point, Trend
from robustrank.report.canvas import FAIL, INK, MUTED, OPEN, PASS, RULE, Canvas, round_values
from robustrank.report.charts import Chart
from robustrank.report.filters import figure, number
from robustrank.results.verdicts import Outcome

TALL, TOP, BOTTOM = 190.0, 20.0, 10.0
NAMED = 5
"""The most dates under a chart."""


class _Look(NamedTuple):
    colour: str
    marker: str
    hollow: bool


_LOOKS = {
    Outcome.PASS: _Look(PASS, "o", hollow=False),
    Outcome.FAIL: _Look(FAIL, "X", hollow=False),
    Outcome.INCONCLUSIVE: _Look(OPEN, "D", hollow=True),
    Outcome.INVALID: _Look(FAIL, "s", hollow=True),
}
"""Only a gate that passed looks as one that did."""


def draw(trend: Trend) -> Chart:
    """Audits from left to right; an audit without a figure is a dashed line over the whole height."""
    points = trend.points
    last = len(points) - 1
    scale = _Scale(points)
    canvas = Canvas(TALL, (-0.6, last + 0.6), "audits, from the first to the last", ticks=())
    for value in round_values(scale.low, scale.high, 4):
        canvas.line([-0.6, last + 0.6], [scale.at(value)] * 2, RULE, width=0.8)
        canvas.text(0, scale.at(value) - 6, number(value).rstrip("0").rstrip("."), MUTED, size=9)
    every = max(1, -(-len(points) // NAMED))
    for x, point in enumerate(points):
        if x % every == 0:
            canvas.tick(x, point.when[:10])
        _limit(canvas, scale, x, points)
        _point(canvas, scale, x, point, points[x - 1] if point.alike else None)
    values = "; ".join(f"{point.audit}, {point.when[:10]}: {_words(point)}" for point in points)
    return Chart(
        title=trend.name,
        svg=canvas.svg(f"{trend.name}: {trend.measure} over {len(points)} audits. {values}."),
        head=["Audit", "Ended", "Gate", f"{trend.measure} with its interval", "Wanted", "Why"],
        rows=[
            [
                point.audit,
                point.when[:10] if point.finished else f"{point.when[:10]}, not finished",
                str(point.verdict.outcome),
                figure(point.verdict.estimate, 3),
                point.verdict.limit,
                point.verdict.reason,
            ]
            for point in points
        ],
    )


def _words(point: Point) -> str:
    return f"{point.verdict.outcome}, {figure(point.verdict.estimate, 3)}, wanted {point.verdict.limit}"


class _Scale:
    """The vertical scale over all intervals and limits."""

    def __init__(self, points: Sequence[Point]) -> None:
        estimates = [point.verdict.estimate for point in points if point.verdict.estimate]
        limits = [point.verdict.at for point in points if point.verdict.at is not None]
        low = min([*(e.low for e in estimates), *limits], default=0.0)
        high = max([*(e.high for e in estimates), *limits], default=1.0)
        pad = (high - low or 1.0) * 0.08
        self.low, self.high = low - pad, high + pad

    def at(self, value: float) -> float:
        """The height of a value, from the top."""
        share = (value - self.low) / (self.high - self.low)
        return TALL - BOTTOM - share * (TALL - BOTTOM - TOP)


def _limit(canvas: Canvas, scale: _Scale, x: int, points: Sequence[Point]) -> None:
    at = points[x].verdict.at
    if at is None:
        return
    y = scale.at(at)
    canvas.line([x - 0.5, x + 0.5], [y, y], INK, width=1.3, dash="--")
    if x == len(points) - 1:
        canvas.text(1, 6, f"dashed: {points[x].verdict.limit}", INK, size=9)


def _point(canvas: Canvas, scale: _Scale, x: int, point: Point, before: Point | None) -> None:
    estimate, look = point.verdict.estimate, _LOOKS[point.verdict.outcome]
    if estimate is None:
        canvas.line([x, x], [TOP, TALL - BOTTOM], look.colour, width=1.5, dash=":")
        canvas.mark(x, TOP, look.colour, look.marker, size=8, hollow=look.hollow)
        return
    if before is not None and before.verdict.estimate is not None:
        ends = [scale.at(before.verdict.estimate.value), scale.at(estimate.value)]
        canvas.line([x - 1, x], ends, MUTED, width=1)
    canvas.line([x, x], [scale.at(estimate.low), scale.at(estimate.high)], look.colour, width=2, layer=2)
    canvas.mark(x, scale.at(estimate.value), look.colour, look.marker, size=8, hollow=look.hollow)
