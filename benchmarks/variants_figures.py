"""The plots of ``reports/variants``: robustness against effectiveness and against size, from ``study.json``."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from variants_report import NOISE, OUT, PARAMETERS, stored

from robustrank.core.types import Estimate
from robustrank.report.canvas import INK, MUTED, RULE, Canvas, round_values, style

ATTACK = "substitution"
"""Of the attacks the one that asks the ranker: how far its success depends on the ranker is what a plot can show."""
HEIGHT = 300.0
PARENT = "parent"
KINDS = (PARENT, NOISE, "compressed, not trained", "compressed and trained", "adapter or mask", "weights trained")


class Point(NamedTuple):
    """One arm: its place across, its place upwards, both with intervals, and the kind of what was done to it."""

    name: str
    kind: str
    across: Estimate
    upwards: Estimate


def cost() -> str:
    """Lost targets against clean nDCG@10 at home."""
    rows = _rows()
    level = rows[0]["endpoints"]["nDCG@10"]["parent"]["estimate"]
    points = [_point(row, Estimate(*row["endpoints"]["nDCG@10"]["variant"]["estimate"])) for row in rows]
    points.append(Point("parent", PARENT, Estimate(*level), _lost(rows[0], "parent")))
    title = "Targets lost to substitution against nDCG@10 at home"
    return scatter(title, "nDCG@10 on nfcorpus", "share of targets lost to substitution", points, more=True)


def size() -> str:
    """Lost targets against the size of the weights as they could be stored."""
    rows = _rows()
    sizes = {**stored(rows), PARENT: PARAMETERS * 16 / 8e6}
    points = [_point(row, _exact(sizes[row["variant"]])) for row in rows if row["variant"] in sizes]
    points.append(Point("parent", PARENT, _exact(sizes[PARENT]), _lost(rows[0], "parent")))
    title = "Targets lost to substitution against size"
    return scatter(title, "MB of weights", "share of targets lost to substitution", points, more=False)


def scatter(title: str, across: str, upwards: str, points: Sequence[Point], *, more: bool) -> str:
    """Points with error bars both ways, and the line of those that no other is better than in both.

    Args:
        title: What is drawn, for readers who do not see it.
        across: Name of the horizontal scale.
        upwards: Name of the vertical scale, of which less is better.
        points: The points.
        more: Whether more is better across.
    """
    legend = 15.0 * len(KINDS) + 26
    span = _span([point.across for point in points])
    low, high = _span([point.upwards for point in points])
    canvas = Canvas(legend + HEIGHT, span, across, ticks=())

    def down(value: float) -> float:
        return legend + HEIGHT * (high - value) / (high - low)

    for place, kind in enumerate(KINDS):
        canvas.key(8 + 15.0 * place, kind, place)
    canvas.text(0, legend - 14, f"{upwards} (less is better)", MUTED, size=9)
    for tick in round_values(*span):
        canvas.line([tick, tick], [legend, legend + HEIGHT], RULE, width=0.8)
        canvas.tick(tick, f"{tick:g}")
    for tick in round_values(low, high):
        canvas.line(span, [down(tick)] * 2, RULE, width=0.8)
        canvas.text(0, down(tick) - 6, f"{tick:g}", MUTED, size=9)
    front = _front(points, more=more)
    edge = sorted((point.across.value, down(point.upwards.value)) for point in front)
    canvas.line([x for x, _ in edge], [y for _, y in edge], INK, width=1.2, dash="--", layer=2)
    for point in points:
        colour, marker = style(KINDS.index(point.kind))
        x, y = point.across, point.upwards
        canvas.line([x.value] * 2, [down(y.low), down(y.high)], colour, width=0.7, layer=1.5)
        canvas.line([x.low, x.high], [down(y.value)] * 2, colour, width=0.7, layer=1.5)
        canvas.mark(x.value, down(y.value), colour, marker)
    words = "; ".join(f"{p.name}: {_words(p.across)}, {_words(p.upwards)}" for p in points)
    best = ", ".join(point.name for point in front)
    return str(canvas.svg(f"{title}. {words}. No other is better in both than: {best}.", standalone=True)) + "\n"


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
    return Point(row["variant"], kinds()[row["variant"]], across, _lost(row, "variant"))


def _lost(row: Mapping[str, Any], side: str) -> Estimate:
    return Estimate(*row["by_attack"][ATTACK][side]["estimate"])


def _exact(value: float) -> Estimate:
    return Estimate(value, value, value, 0)


def _span(estimates: Sequence[Estimate]) -> tuple[float, float]:
    low, high = min(each.low for each in estimates), max(each.high for each in estimates)
    room = 0.04 * (high - low)
    return low - room, high + room


def _words(estimate: Estimate) -> str:
    value = f"{estimate.value:.3f}"
    return value if estimate.low == estimate.high else f"{value} [{estimate.low:.3f}, {estimate.high:.3f}]"


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
