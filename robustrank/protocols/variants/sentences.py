"""What is shown of a variant, in a sentence made from its figures."""

from __future__ import annotations

from robustrank.core.types import Estimate
from robustrank.protocols.variants.results import CLEAN, LOST, LOWER_IS_BETTER, ROBUST, Endpoint, VariantRow

NAMES = {CLEAN: "effectiveness", ROBUST: "effectiveness under attack", LOST: "the share of lost targets"}


def sentence(row: VariantRow) -> str:
    """How it orders, then what is shown to be worse or better; of effectiveness, what would have been seen."""
    parts = []
    if row.order is not None:
        first, top = row.order.other_first, row.order.other_top
        parts.append(
            f"It puts another document first for {_percent(first.value)} of queries, and other documents into the top "
            f"ten for {_percent(top.value)} (n={first.n})"
        )
    shown = [(name, each) for name, each in row.endpoints.items() if each.difference and each.difference.shown]
    worse = [_said(name, each) for name, each in shown if _worse(name, each)]
    better = [_said(name, each) for name, each in shown if not _worse(name, each)]
    if worse:
        parts.append(f"worse: {'; '.join(worse)}")
    if better:
        parts.append(f"better: {'; '.join(better)}")
    clean = row.endpoints.get(CLEAN)
    if row.missing:
        parts.append(f"not measured on it: {', '.join(row.missing)}")
    if row.left_out:
        parts.append(f"not met by all, so left out: {', '.join(row.left_out)}")
    if row.endpoints and not shown:
        seen = (
            f" (a difference of {clean.detectable:.2f} nDCG@10 would have been)" if clean and clean.detectable else ""
        )
        parts.append(f"nothing is shown to be worse or better{seen}")
    open_ = sum(each.difference.undecided for each in row.endpoints.values() if each.difference)
    if open_:
        parts.append(f"{open_} queries undecided")
    return f"{'. '.join(part[:1].upper() + part[1:] for part in parts)}." if parts else "Nothing was measured on both."


def _worse(name: str, each: Endpoint) -> bool:
    assert each.difference is not None, "it is shown"
    return (each.difference.estimate.value > 0) == (name in LOWER_IS_BETTER)


def _said(name: str, each: Endpoint) -> str:
    assert each.difference is not None, "it is shown"
    return f"{NAMES.get(name, name)} {_signed(each.difference.estimate)}"


def _signed(estimate: Estimate) -> str:
    return f"{estimate.value:+.3f} [{estimate.low:+.3f}, {estimate.high:+.3f}], n={estimate.n}"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
