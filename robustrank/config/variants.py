"""The table of a ranker that is a variant of another."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class VariantOf:
    """``variant`` of a ``[[ranker]]``: which ranker it was made from, and what was done to it.

    Args:
        parent: Name of the ranker that it is compared with.
        name: Of the variant; rankers with the same name are its seeds, whose values are averaged query by query.
            Default: the ranker's own.
        trained: Number of parameters that were trained.
        stored_bytes: Size of its weights on disk.
        zeros: Share of zeros among the weights of its linear maps.
    """

    parent: str
    name: str | None = None
    trained: int | None = None
    stored_bytes: int | None = None
    zeros: float | None = None
