"""Queries as users mistype or reword them, by a plug-in that generates query variations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from robustrank.plugin import PluginError, Query, Variation


@dataclass(frozen=True, kw_only=True)
class QueryVariation:
    """Show the documents of a share of the lists with a variation of their query.

    Together with ``[stage.invariance]`` and ``detach = true`` this is the typo-aware self-teaching of CharacterBERT-DR
    (Zhuang and Zuccon 2022) for lists.

    Args:
        variation: The plug-in, such as ``{ use = "query_operations", operations = ["swap", "delete"] }``; one of its
            variations is drawn.
        share: Probability that a list's query is replaced.

    Raises:
        PluginError: ``share`` is no probability, or ``variation`` is none.
    """

    variation: Variation
    share: float = 0.5

    def __post_init__(self) -> None:
        """Check the parameters."""
        if not 0.0 <= self.share <= 1.0 or not callable(getattr(self.variation, "variants", None)):
            raise PluginError("query_variation: share must be from 0 to 1, and variation a table with `use`")

    def edited(self, query: str, texts: Sequence[str], rng: Random, /) -> tuple[str, list[str]]:
        """A variation of the query, or the query where there is none, and the same texts."""
        if rng.random() >= self.share:
            return query, list(texts)
        variants = self.variation.variants(Query("", query), rng)
        return rng.choice(variants).text if variants else query, list(texts)
