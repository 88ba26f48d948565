"""Batches of similar length, so that little is computed on padding."""

from __future__ import annotations

from collections.abc import Iterator, Sequence


def by_length(lengths: Sequence[int], size: int) -> Iterator[list[int]]:
    """Indices in batches of at most ``size``, longest first, so that a lack of memory shows in the first batch."""
    ordered = sorted(range(len(lengths)), key=lambda i: -lengths[i])
    for start in range(0, len(ordered), size):
        yield ordered[start : start + size]
