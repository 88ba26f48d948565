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
    return _svg(figure, left)


def _dynamic(played: list[dict[str, Any]], ranker: str) -> str:
    figure, (left, right) = _axes(2)
    for curve, marker in zip(played, MARKERS * len(played), strict=False):
        events = np.arange(len(curve["events"]))
        for what, style, aside in (("kept", "--", -0.03), ("reacted", "-", 0.03)):
            values = np.array([estimate["value"] for estimate in curve[what]])
            ends = np.array([[estimate["low"], estimate["high"]] for estimate in curve[what]]).T
            label = f"{curve['attack']}, {what} (n={curve['documents']})"
            left.errorbar(
                events + aside, values, np.abs(ends - values), linestyle=style, marker=marker, label=label, capsize=2
            )
        right.plot(curve["lists"], [estimate["value"] for estimate in curve["reacted"]], marker=marker)
    left.set_xticks(range(len(played[0]["events"])), played[0]["events"])
    left.set(ylabel="mean held-out boost after the event", title=ranker)
    right.set(xlabel="ranked lists asked since the attack", ylabel="mean held-out boost, reacted", title=ranker)
    for axes in (left, right):  # what an event takes is seen against what the attack won
        low, high = axes.get_ylim()
        axes.set_ylim(min(0.0, low), 1.05 * high)
    return _svg(figure, left)


def _axes(count: int) -> tuple[Any, Any]:
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4), layout="constrained")
    FigureCanvasSVG(figure)
    return figure, figure.subplots(1, count)


def _svg(figure: Any, labelled: Any) -> str:
    """The figure, with a legend of one of its axes below both."""
    import matplotlib

    handles, labels = labelled.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, fontsize="small", frameon=False)
    written = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": "robustrank", "svg.fonttype": "none"}):
        figure.savefig(written, format="svg", metadata={"Date": None, "Creator": None})
    return written.getvalue()
