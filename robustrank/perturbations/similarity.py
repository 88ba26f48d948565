"""Cosine similarity of two texts by a bi-encoder."""

from __future__ import annotations

from collections.abc import Callable

from robustrank.core.interfaces import Ranker
from robustrank.core.types import Document, Query

DIGITS = 6
"""A cosine is rounded: the last digits of an embedding depend on the batch it was computed in."""


def cosine(encoder: Ranker | None) -> Callable[[str, str], float] | None:
    """The cosine of two texts by a bi-encoder, in [-1, 1]; ``None`` where there is no encoder."""
    if encoder is None:
        return None
    return lambda before, after: round(encoder.score(Query("", before), [Document("", after)])[0], DIGITS)
