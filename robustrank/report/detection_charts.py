"""ROC curves of detectors, one chart for each ranker and detector, a line for each attack."""

from __future__ import annotations

from collections.abc import Sequence
from math import log10

from robustrank.protocols.detection.results import AUC, AgainstDetector, Detection, detected
from robustrank.report.canvas import LINES, MUTED, RULE, Canvas, style
from robustrank.report.charts import Chart
from robustrank.report.filters import figure, number

LEAST = 0.001
"""The least rate of false alarms that is drawn."""


def draw(result: Detection | None) -> list[Chart]:
    """All of them; none where no detector had clean documents to be measured by."""
    groups: dict[tuple[str, str], list[AgainstDetector]] = {}
    for row in result.rows if result else ():
        if row.roc:
            groups.setdefault((row.ranker, row.detector), []).append(row)
    return [_chart(group) for group in groups.values()]


def _chart(rows: Sequence[AgainstDetector]) -> Chart:
    height, line, bottom = 190.0, 15.0, 8
    legend = line * len(rows) + 16
    canvas = Canvas(legend + height, (log10(LEAST), 0.0), "false alarms on clean documents elsewhere", ticks=())

    def at(share: float) -> float:
        return legend + height - bottom - share * (height - 2 * bottom)

    for share in (0, 0.25, 0.5, 0.75, 1):
        canvas.line([log10(LEAST), 0.0], [at(share)] * 2, RULE, width=0.8)
        canvas.text(0, at(share) - 6, f"{share:g}", MUTED, size=9)
    for rate in (0.001, 0.01, 0.05, 0.2, 1.0):
        canvas.line([log10(rate)] * 2, [at(0), at(1)], RULE, width=0.8)
        canvas.tick(log10(rate), f"{100 * rate:g} %")
    series = 0
    for place, row in enumerate(rows):
        colour, marker = (MUTED, "o") if row.control else style(series)
        dash = ":" if row.control else LINES[series % 3]
        series += not row.control
        canvas.entry(8 + line * place, f"{row.attack}{' (control)' if row.control else ''}", colour, marker)
        below = [share for alarms, share in row.roc if alarms <= LEAST]
        points = [(LEAST, below[-1] if below else 0.0), *((a, s) for a, s in row.roc if a > LEAST)]
        xs, ys = [log10(alarms) for alarms, _ in points], [at(share) for _, share in points]
        canvas.line(xs, ys, colour, width=1.6, dash=dash)
        canvas.mark(xs[len(xs) // 3], ys[len(ys) // 3], colour, marker, size=5)
    title = f"{rows[0].detector} on {rows[0].ranker}: detections by false alarms"
    values = "; ".join(f"{row.attack}, AUC {figure(row.means.get(AUC))}" for row in rows)
    return Chart(
        title=title,
        svg=canvas.svg(f"{title}. {values}."),
        head=["Attack", "AUC", "Detected at 1 %", "Detected at 5 %", "Average precision, 1 in 100"],
        rows=[
            [
                row.attack,
                figure(row.means.get(AUC)),
                *(figure(row.means.get(detected(rate))) for rate in ("1%", "5%")),
                number(row.average_precision),
            ]
            for row in rows
        ],
    )
