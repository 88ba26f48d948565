"""What a defense buys, in a sentence made from its figures: nothing is told beyond what their intervals bear."""

from __future__ import annotations

from collections.abc import Sequence

from robustrank.core.types import Estimate
from robustrank.protocols.defenses.results import ADAPTIVE, BASE, CLEAN, AgainstAttack, Defended, Difference

NAMED = 3
"""Attacks that a sentence names."""


def sentence(row: Defended) -> str:
    """``"it lowers the worst case over attacks from 0.80 to 0.31 (...), at a clean cost of 0.004 [...] nDCG@10"``."""
    cost = _cost(row.differences.get(CLEAN))
    if row.missing:
        return f"Not told what it does against attacks: {row.missing}. It stands {cost}."
    change = row.differences.get(ADAPTIVE)
    levels = [row.levels[name].estimate for name in (BASE, ADAPTIVE)]
    if change is None or None in levels:
        why = row.levels[ADAPTIVE].tally.sentence("targets") or "no attack was decided on both"
        return f"Not told what it does against attacks: {why}. It stands {cost}."
    if row.hindered and row.hindrance is not None:
        return (
            "Not told what it does against attackers who know of it: texts made against its base do more than attacks "
            f"on it, by {_signed(row.hindrance.estimate)}, so that these are hindered (masking). It stands {cost}."
        )
    parts = [f"{_worst(change, *levels)}, {cost}", *_attacks(row.by_attack)]
    if row.left_out:
        parts.append(f"only by their texts for its base was it met by {_listed(row.left_out)}")
    undecided = row.levels[ADAPTIVE].tally.sentence("targets")
    return "; ".join([*parts, *([undecided] if undecided else [])]) + "."


def _worst(change: Difference, base: Estimate | None, adaptive: Estimate | None) -> str:
    assert base is not None, "a difference has both sides"
    assert adaptive is not None, "a difference has both sides"
    levels = f"from {base.value:.2f} to {adaptive.value:.2f}, difference {_signed(change.estimate)}"
    if not change.shown:
        return f"It is not shown to change the worst case over attacks ({levels})"
    verb = "lowers" if change.estimate.value < 0 else "raises"
    return f"It {verb} the worst case over attacks ({levels})"


def _cost(change: Difference | None) -> str:
    if change is None:
        return "at a clean cost that is not measured"
    value, low, high, n, _ = change.estimate
    paid = f"at a clean cost of {_zero(-value):.3f} [{_zero(-high):.3f}, {_zero(-low):.3f}] nDCG@10 (n={n})"
    return f"{paid}, {change.undecided} lists undecided" if change.undecided else paid


def _attacks(rows: Sequence[AgainstAttack]) -> list[str]:
    """Attacks whose success is shown to fall or to rise, and the strongest of those that still succeed as before."""
    fell = [row for row in rows if row.difference.shown and row.difference.estimate.value < 0]
    rose = [row for row in rows if row.difference.shown and row.difference.estimate.value > 0]
    rest = [row for row in rows if row not in fell and row not in rose and (row.base.value or row.adaptive.value)]
    named = (("falls", fell), ("rises", rose), ("is not shown to change", rest))
    return [f"success {what} of {_strongest(group)}" for what, group in named if group]


def _strongest(rows: Sequence[AgainstAttack]) -> str:
    ordered = sorted(rows, key=lambda row: (-max(row.base.value, row.adaptive.value), row.attack))
    return _listed([
        f"{row.attack} ({row.base.value:.2f} to {row.adaptive.value:.2f}, {_signed(row.difference.estimate)})"
        for row in ordered
    ])  # fmt: skip


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def _signed(estimate: Estimate) -> str:
    value, low, high = (f"{_zero(x):+.2f}" for x in estimate[:3])
    return f"{value} [{low}, {high}], n={estimate.n}"


def _zero(value: float) -> float:
    """Without a negative zero."""
    return value + 0.0
