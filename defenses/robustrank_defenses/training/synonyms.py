"""Words of documents replaced by synonyms, drawn at random."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from robustrank.plugin import PluginError, load_table, substitute


@dataclass(frozen=True, kw_only=True)
class Synonyms:
    """Replace words of a share of the documents.

    Args:
        share: Probability that a document is edited.
        words: Most words that are replaced in it; from one to as many are, where it has them.
        substitutes: The table of synonyms.

    Raises:
        PluginError: ``share`` is no probability, or ``words`` below 1.
    """

    share: float = 0.5
    words: int = 10
    substitutes: str = "counterfitted"

    def __post_init__(self) -> None:
        """Check the parameters."""
        if not 0.0 <= self.share <= 1.0 or self.words < 1:
            raise PluginError("synonyms: share must be from 0 to 1, and words at least 1")

    def edited(self, query: str, texts: Sequence[str], rng: Random, /) -> tuple[str, list[str]]:
        """The same query, and the texts with synonyms."""
        return query, [self._reworded(text, rng) if rng.random() < self.share else text for text in texts]

    def _reworded(self, text: str, rng: Random) -> str:
        candidates = load_table(self.substitutes).within(text)
        positions = rng.sample(sorted(candidates), min(rng.randint(1, self.words), len(candidates)))
        return substitute(text, {position: rng.choice(candidates[position]) for position in positions})
