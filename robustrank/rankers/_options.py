"""Checks of the parameters of neural rankers."""

from __future__ import annotations

from robustrank.core.errors import PluginError

SHORTEST = 8
"""Least number of word pieces of a pair; three of them are special pieces."""


def require_sizes(ranker: str, *, max_length: int | None, batch: int) -> None:
    """Length limit and batch size must be possible.

    Raises:
        PluginError: One is not.
    """
    if max_length is not None and max_length < SHORTEST:
        raise PluginError(f"{ranker}: max_length must be at least {SHORTEST} word pieces, not {max_length}")
    if batch < 1:
        raise PluginError(f"{ranker}: batch must be at least 1, not {batch}")


def require_fits(ranker: str, max_length: int, longest: int) -> None:
    """The length limit must not exceed what the model was built for.

    Raises:
        PluginError: It does.
    """
    if max_length > longest:
        raise PluginError(f"{ranker}: max_length {max_length} exceeds the {longest} word pieces the model can read")
