"""Formats of numbers and texts in the report. A value that was not measured is written so, not as zero."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from markupsafe import Markup

from robustrank.core import catalogues
from robustrank.core.escaping import reveal, visible
from robustrank.core.types import Estimate
from robustrank.perturbations import operations

MISSING = "not measured"


def number(value: float | None, digits: int = 2, *, sign: bool = False) -> str:
    """``0.42``, ``1,234.50``, ``+0.10`` or, with a real minus, ``−0.10``; zero carries no sign."""
    if value is None or not math.isfinite(value):
        return MISSING
    text = f"{value:+,.{digits}f}" if sign else f"{value:,.{digits}f}"
    if float(text.replace(",", "")) == 0:
        text = text.lstrip("+-")
    return text.replace("-", "\N{MINUS SIGN}")


def interval(estimate: Estimate, digits: int = 2, *, sign: bool = False) -> str:
    """``[0.35, 0.49], n=40``."""
    low, high = (number(bound, digits, sign=sign) for bound in (estimate.low, estimate.high))
    return f"[{low}, {high}], n={estimate.n}"


def figure(estimate: Estimate | None, digits: int = 2, *, sign: bool = False) -> str:
    """``0.42 [0.35, 0.49], n=40``."""
    if estimate is None or not math.isfinite(estimate.value):
        return MISSING
    return f"{number(estimate.value, digits, sign=sign)} {interval(estimate, digits, sign=sign)}"


def p_value(value: float) -> str:
    """``p<0.001`` or ``p=0.012``."""
    return "p<0.001" if value < 0.001 else f"p={value:.3f}"


def duration(seconds: Any) -> str:
    """``0.42 s``, ``48 s``, ``9 min 41 s`` or ``2 h 5 min``."""
    if not isinstance(seconds, int | float) or not math.isfinite(seconds):
        return MISSING
    if seconds < 10:
        return f"{seconds:.2f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def moment(text: str) -> str:
    """``2025-11-21 09:14 UTC``; other texts stay as they are."""
    match = re.fullmatch(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d):\d\d\+00:00", text)
    return f"{match[1]} {match[2]} UTC" if match else text


def count(value: Any) -> str:
    """``12,345``."""
    return f"{value:,}" if isinstance(value, int | float) else MISSING


def budget(limits: Mapping[str, float | int | None]) -> str:
    """``at most 10 edits, at most 60 calls``."""
    limits_in_words = [
        f"{key} at least {limit}" if key == "similarity" else f"at most {limit} {key}"
        for key, limit in limits.items()
        if limit is not None
    ]
    return ", ".join(limits_in_words) or "no limit"


def extent(radius: float) -> str:
    """A certificate's radius alone: ``5``, or below 1 ``5 %``."""
    return f"{100 * radius:g} %" if 0 < radius < 1 else f"{radius:g}"


def radius(value: float) -> str:
    """A certificate's radius in words: ``1 word``, ``5 words`` or, below 1, ``5 % of the words``."""
    unit = " of the words" if 0 < value < 1 else " word" if value == 1 else " words"
    return extent(value) + unit


def plain(value: Any) -> Any:
    """Applied to every printed expression: invisible characters become ``⟨U+XXXX⟩``; markup is unchanged."""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def show(text: str) -> Markup:
    """A text of unknown origin for reading: isolated from the text around it, invisible characters as labelled chips.

    The first chip of a kind carries its name, later ones the code point alone.
    """
    seen: set[str] = set()
    parts = []
    for run, label in reveal(text):
        if label is None:
            parts.append(Markup("{}").format(run))
            continue
        code = label.partition(" ")[0] if label.startswith("U+") else "MIXED"
        times = f" ×{len(run)}" if label.startswith("U+") and len(run) > 1 else ""
        kept = Markup() if label.startswith("U+") else Markup("<span class=mixed>{}</span>").format(run)
        shown = code if label in seen else label
        seen.add(label)
        parts.append(Markup('{}<span class="chip" title="{}">{}{}</span>').format(kept, label, shown, times))
    return Markup("<bdi>{}</bdi>").format(Markup().join(parts))


FILTERS: Mapping[str, Callable[..., str | list[str]]] = {
    "number": number,
    "interval": interval,
    "figure": figure,
    "p_value": p_value,
    "duration": duration,
    "moment": moment,
    "count": count,
    "budget": budget,
    "operation": operations.phrase,
    "extent": extent,
    "radius": radius,
    "known_as": catalogues.named,
    "show": show,
}
