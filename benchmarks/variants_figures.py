"""The plots of ``reports/variants``: robustness against effectiveness and against size, from ``study.json``."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

from variants_report import NOISE, OUT, PARAMETERS, signed, stored

from robustrank.core.types import Estimate
from robustrank.protocols.variants.results import CLEAN, LOST
from robustrank.report.canvas import INK, MARGIN, MUTED, RULE, WIDTH, Canvas, round_values, style

HEIGHT = 300.0
UPWARDS = "share of lost targets, minus the parent's (less is better)"
LETTER, APART = 6.2, 36.0
"""Units of the drawing: of a letter of a name, about; and between two points that have room for a name."""
PARENT = "parent"
KINDS = (PARENT, NOISE, "compressed, not trained", "compressed and trained", "adapter or mask", "weights trained")


class Point(NamedTuple):
    """One arm: its place across, its place upwards, both with intervals, and the kind of what was done to it."""

    name: str
    kind: str
    across: Estimate
    upwards: Estimate


def cost() -> str:
    """Lost targets against clean nDCG@10 at home, both minus the parent's."""
    rows = _rows()
    points = [Point(PARENT, PARENT, _exact(0.0), _exact(0.0)), *(_point(row, _change(row, CLEAN)) for row in rows)]
    return scatter("Lost targets against nDCG@10 at home", "nDCG@10 on nfcorpus, minus the parent's", points, more=True)


def size() -> str:
    """Lost targets, minus the parent's, against the size of the weights as they could be stored."""
    rows = _rows()
    sizes = stored(rows)
    points = [_point(row, _exact(sizes[row["variant"]])) for row in rows if row["variant"] in sizes]
    points.insert(0, Point(PARENT, PARENT, _exact(PARAMETERS * 16 / 8e6), _exact(0.0)))
    return scatter("Lost targets against size", "MB of weights as they could be stored", points, more=False)


def scatter(title: str, across: str, points: Sequence[Point], *, more: bool) -> str:
    """Points with error bars both ways, and the line of those that no other is better than in both.

    Args:
        title: What is drawn, for readers who do not see it.
        across: Name of the horizontal scale.
        points: The points.
        more: Whether more is better across.
    """
    legend = 15.0 * len(KINDS) + 38
    span = _span([point.across for point in points])
    low, high = _span([point.upwards for point in points])
    canvas = Canvas(legend + HEIGHT, span, across, ticks=())

    def down(value: float) -> float:
        return legend + HEIGHT * (high - value) / (high - low)

    for place, kind in enumerate(KINDS):
        canvas.key(8 + 15.0 * place, kind, place)
    canvas.text(0, legend - 28, "dashed: no other is better in both", MUTED, size=9)
    canvas.text(0, legend - 14, UPWARDS, MUTED, size=9)
    for tick in round_values(*span):
        canvas.line([tick, tick], [legend, legend + HEIGHT], RULE, width=0.8)
        canvas.tick(tick, f"{tick:g}")
    for tick in round_values(low, high):
        canvas.line(span, [down(tick)] * 2, RULE, width=0.8)
        canvas.text(0, down(tick) - 6, f"{tick:+g}" if tick else "0", MUTED, size=9)
    front = _front(points, more=more)
    edge = [(point.across.value, down(point.upwards.value)) for point in sorted(front, key=_across)]
    canvas.line([x for x, _ in edge], [y for _, y in edge], INK, width=1.2, dash="--", layer=2)
    for point in points:
        colour, marker = style(KINDS.index(point.kind))
        x, y = point.across, point.upwards
        canvas.line([x.value] * 2, [down(y.low), down(y.high)], colour, width=0.7, layer=1.5)
        canvas.line([x.low, x.high], [down(y.value)] * 2, colour, width=0.7, layer=1.5)
        canvas.mark(x.value, down(y.value), colour, marker)
    _name(canvas, span, [(point.name, point.across.value, down(point.upwards.value)) for point in points])
    words = "; ".join(f"{p.name}: {_words(p.across)} and {_words(p.upwards)}" for p in points)
    best = "; ".join(point.name for point in front)
    return str(canvas.svg(f"{title}. {words}. No other is better in both than: {best}.", standalone=True)) + "\n"


def _across(point: Point) -> float:
    return point.across.value


def _name(canvas: Canvas, span: tuple[float, float], every: Sequence[tuple[str, float, float]]) -> None:
    """The names of those points that stand apart from all others, above them."""
    unit = (span[1] - span[0]) / (WIDTH - 2 * MARGIN)
    for name, x, y in every:
        near = [abs(other_x - x) < APART * unit and abs(other_y - y) < APART for _, other_x, other_y in every]
        if sum(near) == 1:
            canvas.name(max(span[0], min(x + 4 * unit, span[1] - LETTER * len(name) * unit)), y - 9, name, MUTED)


def _front(points: Sequence[Point], *, more: bool) -> list[Point]:
    """Those that no other is at least as good as in both, and better in one (Pareto)."""
    goods = [((p.across.value if more else -p.across.value), -p.upwards.value) for p in points]
    return [
        point
        for point, own in zip(points, goods, strict=True)
        if not any(other != own and other[0] >= own[0] and other[1] >= own[1] for other in goods)
    ]


def _rows() -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads((OUT / "study.json").read_text(encoding="utf-8"))["rows"]
    return rows


def _point(row: Mapping[str, Any], across: Estimate) -> Point:
    return Point(row["variant"], kinds()[row["variant"]], across, _change(row, LOST))


def _change(row: Mapping[str, Any], endpoint: str) -> Estimate:
    return Estimate(*row["endpoints"][endpoint]["difference"]["estimate"])


def _exact(value: float) -> Estimate:
    return Estimate(value, value, value, 0)


def _span(estimates: Sequence[Estimate]) -> tuple[float, float]:
    low, high = min(each.low for each in estimates), max(each.high for each in estimates)
    room = 0.04 * (high - low)
    return low - room, high + room


def _words(estimate: Estimate) -> str:
    value = signed(estimate.value)
    return value if estimate.low == estimate.high else f"{value} [{signed(estimate.low)}, {signed(estimate.high)}]"


@cache
def kinds() -> dict[str, str]:
    """Arm of the study to what is done to it."""
    arms = tomllib.loads((OUT / "study.variants.toml").read_text(encoding="utf-8"))["variant"]
    return {arm["name"]: _kind(arm) for arm in arms}


def _kind(arm: Mapping[str, Any]) -> str:
    stage = arm.get("stage", {})
    if arm["name"] == NOISE:
        return NOISE
    if not arm.get("learns", True):
        return "compressed, not trained"
    if "compress" in stage:
        return "compressed and trained"
    return "adapter or mask" if "adapter" in stage or "training" in arm else "weights trained"
