"""Thresholds and curves of detectors, from numbers alone; higher is more suspicious, and detected is above a threshold.

A threshold is an order statistic of clean values (conformal): of clean documents drawn like these, at most the rate
lies above it, whatever their distribution, ties included.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, inf
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

RATES = (0.01, 0.05)
"""Rates of false alarms."""
ENOUGH = 1000
"""Clean documents that thresholds are told for."""


def threshold(clean: Sequence[float | None], rate: float) -> float:
    """The value above which a clean document lies with a probability of at most ``rate``.

    Args:
        clean: Values of clean documents; one that has none counts as the most suspicious of all.
        rate: Of false alarms.

    Returns:
        The ⌈(n + 1)(1 - rate)⌉-th smallest; infinite where there are too few, so that nothing is detected.
    """
    place = ceil((len(clean) + 1) * (1 - rate) - 1e-9)
    ordered = sorted(inf if value is None else value for value in clean)
    return ordered[place - 1] if 0 < place <= len(ordered) else inf


def placements(values: Sequence[float], clean: Sequence[float]) -> list[float]:
    """Of each value, the share of clean ones below it, those that are equal counted half; their mean is the AUC."""
    import numpy as np

    ordered = np.sort(np.asarray(clean, dtype=np.float64))
    wanted = np.asarray(values, dtype=np.float64)
    both = np.searchsorted(ordered, wanted, side="left") + np.searchsorted(ordered, wanted, side="right")
    return [float(each) for each in both / (2 * len(ordered))]


def roc(values: Sequence[float], clean: Sequence[float]) -> list[tuple[float, float]]:
    """False alarms and detections at every threshold, rising from (0, 0) to (1, 1); steps between equal values."""
    alarms, detected = _above(values, clean)
    return [(0.0, 0.0), *zip(alarms.tolist(), detected.tolist(), strict=True)]


def precision_recall(values: Sequence[float], clean: Sequence[float], base: float) -> list[tuple[float, float]]:
    """Recall and precision at every threshold, at a base rate of attacked documents; thresholds that detect none left
    out."""
    alarms, detected = _above(values, clean)
    return [(float(d), precision(float(d), float(a), base)) for a, d in zip(alarms, detected, strict=True) if a or d]


def average_precision(values: Sequence[float], clean: Sequence[float], base: float) -> float:
    """Area under the steps of :func:`precision_recall`."""
    area, before = 0.0, 0.0
    for recall, share in precision_recall(values, clean, base):
        area += (recall - before) * share
        before = recall
    return area


def precision(detected: float, alarms: float, base: float) -> float:
    """Share of the alarms that are attacked documents; 0 where there is no alarm.

    Args:
        detected: Share of the attacked documents that are detected.
        alarms: Share of the clean ones that are.
        base: Share of the documents that are attacked.
    """
    right = base * detected
    return right / (right + (1 - base) * alarms) if detected or alarms else 0.0


def thinned(curve: Sequence[tuple[float, float]], most: int = 60) -> list[tuple[float, float]]:
    """At most so many points of a rising curve of false alarms, evenly on a logarithmic scale; its ends among them."""
    import numpy as np

    if len(curve) <= most:
        return list(curve)
    wanted = np.geomspace(5e-4, 1.0, most - 1)
    places = np.searchsorted([alarms for alarms, _ in curve], wanted, side="right") - 1
    return [curve[at] for at in sorted({0, len(curve) - 1, *(int(each) for each in places)})]


def _above(values: Sequence[float], clean: Sequence[float]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Shares of clean and of attacked values at or above each distinct value, from the greatest down."""
    import numpy as np

    ordered, attacked = (np.sort(np.asarray(each, dtype=np.float64)) for each in (clean, values))
    cuts = np.unique(np.concatenate([ordered, attacked]))[::-1]
    return tuple(  # type: ignore[return-value]  # two of them
        1 - np.searchsorted(each, cuts, side="left") / len(each) for each in (ordered, attacked)
    )
