"""The least and greatest value that a measure can have for one query."""

from __future__ import annotations

import re
from math import inf

_WORK_SAVED = re.compile(r"WSS@(\d+)")
_SHARES = re.compile(
    r"(nDCG|RR|MRR|AP|MAP|P|Precision|R|Recall|Success|Bpref|Rprec|infAP|IPrec|SetP|SetR|SetF|SetAP|SetRelP|Judged)"
    r"(\((?!.*gains).*\))?(@.*)?",
    re.IGNORECASE,
)
"""ir-measures' names of measures whose values are shares; not with gains of one's own, which may be negative."""
# Counts have no upper bound; intervals then take the convention of `robustrank.stats.resampling.finite`.
_COUNTS = re.compile(r"(NumRet|NumRel|NumRelRet|NumQ)(\(.*\))?(@.*)?")


def measure_bounds(name: str) -> tuple[float, float]:
    """Least and greatest value for one query; infinite where the measure has none or is not listed here.

    Args:
        name: A measure by its ir-measures name, or work saved over sampling (``"WSS@95"``).
    """
    saved = _WORK_SAVED.fullmatch(name)
    if saved:
        recall = int(saved[1]) / 100
        return recall - 1, recall
    if _SHARES.fullmatch(name):
        return 0.0, 1.0
    return (0.0, inf) if _COUNTS.fullmatch(name) else (-inf, inf)


def difference_bounds(name: str) -> tuple[float, float]:
    """The same of the difference of two values of a measure."""
    least, greatest = measure_bounds(name)
    return least - greatest, greatest - least
