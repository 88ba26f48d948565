"""The curves of a topic study: success over the share of queries asked for, boost over lists, and what events do."""

from __future__ import annotations

import io
from typing import Any

import numpy as np

MARKERS = "osD^vPX"


def draw(found: dict[str, Any]) -> dict[str, str]:
    """File name to SVG: one static figure for each victim, one dynamic figure for each that was played; same bytes."""
    figures = {}
    for number, ranker in enumerate(dict.fromkeys(row["ranker"] for row in found["rows"]), start=1):
        figures[f"static-{number}.svg"] = _static([row for row in found["rows"] if row["ranker"] == ranker], ranker)
        if played := [curve for curve in found["dynamic"] if curve["ranker"] == ranker]:
            figures[f"dynamic-{number}.svg"] = _dynamic(played, ranker)
    return figures


def _static(rows: list[dict[str, Any]], ranker: str) -> str:
    figure, (left, right) = _axes(2)
    shares = np.linspace(0, 1, 101)[1:]
    for row, marker in zip(rows, MARKERS * len(rows), strict=False):
        label = f"{row['attack']} (n={row['documents']})"
        promoted = np.array(row["promoted"])
        left.plot(shares, [(promoted >= share - 1e-12).mean() for share in shares], label=label)
        right.plot(*zip(*row["answered"], strict=True), label=label, marker=marker, markersize=3)
    left.set(xlabel="share of held-out queries", ylabel="targets that rise for so many", title=ranker, ylim=(0, 1.02))
    right.set(xlabel="ranked lists asked", ylabel="best mean boost seen, attacked queries", title=ranker)
    left.legend(fontsize="x-small")
    return _svg(figure)


def _dynamic(played: list[dict[str, Any]], ranker: str) -> str:
    figure, (left, right) = _axes(2)
    for curve, marker in zip(played, MARKERS * len(played), strict=False):
        places = range(len(curve["events"]))
        for what, style in (("kept", "--"), ("reacted", "-")):
            values = np.array([estimate["value"] for estimate in curve[what]])
            ends = np.array([[estimate["low"], estimate["high"]] for estimate in curve[what]]).T
            label = f"{curve['attack']}, {what} (n={curve['documents']})"
            left.errorbar(places, values, np.abs(ends - values), linestyle=style, marker=marker, label=label, capsize=2)
        right.plot(curve["lists"], [estimate["value"] for estimate in curve["reacted"]], marker=marker)
    left.set_xticks(range(len(played[0]["events"])), played[0]["events"])
    left.set(ylabel="mean held-out boost after the event", title=ranker)
    right.set(xlabel="ranked lists asked since the attack", ylabel="mean held-out boost, reacted", title=ranker)
    left.legend(fontsize="x-small")
    return _svg(figure)


def _axes(count: int) -> tuple[Any, Any]:
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4), layout="constrained")
    FigureCanvasSVG(figure)
    return figure, figure.subplots(1, count)


def _svg(figure: Any) -> str:
    import matplotlib

    written = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": "robustrank", "svg.fonttype": "none"}):
        figure.savefig(written, format="svg", metadata={"Date": None, "Creator": None})
    return written.getvalue()
