"""Strata of a ranked list, such as ``"11-20"`` or ``"last 5"``: the ranks from which targets are drawn."""

from __future__ import annotations

LONGEST = 1_000_000
"""List length for which ranks are resolved where no list is given."""


def ranks(stratum: str, length: int) -> range:
    """The 1-based ranks of a stratum in a list of ``length`` documents; empty where ``stratum`` is malformed."""
    first, dash, last = stratum.partition("-")
    if dash and first.isdigit() and last.isdigit():
        return range(int(first), min(int(last), length) + 1)
    count = stratum.removeprefix("last ")
    if stratum.startswith("last ") and count.isdigit():
        return range(max(1, length - int(count) + 1), length + 1)
    return range(0)


def first_rank(stratum: str) -> int:
    """The best rank of a stratum in a list of :data:`LONGEST` documents; 0 where ``stratum`` is malformed."""
    return next(iter(ranks(stratum, LONGEST)), 0)
