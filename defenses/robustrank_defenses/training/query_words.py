"""Words of the query put into documents, as spammers do, in forms that are drawn at random."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from robustrank.plugin import Edits, PluginError, with_edits, words


@dataclass(frozen=True, kw_only=True)
class QueryWords:
    """Put the query, or some of its words, into a share of the documents.

    A document gets the whole query in one block (at its start, its end or between two words), or one to ``most`` words
    of the query at places of their own, each form with probability 1/2. No ranker is asked, so it is no attack at its
    strongest.

    Args:
        share: Probability that a document is edited.
        most: Most words at places of their own.

    Raises:
        PluginError: ``share`` is no probability, or ``most`` below 1.
    """

    share: float = 0.5
    most: int = 8

    def __post_init__(self) -> None:
        """Check the parameters."""
        if not 0.0 <= self.share <= 1.0 or self.most < 1:
            raise PluginError("query_words: share must be from 0 to 1, and most at least 1")

    def edited(self, query: str, texts: Sequence[str], rng: Random, /) -> tuple[str, list[str]]:
        """The same query, and the texts with words of it."""
        added = [word.text for word in words(query)]
        return query, [self._with(text, added, rng) if added and rng.random() < self.share else text for text in texts]

    def _with(self, text: str, added: Sequence[str], rng: Random) -> str:
        starts = [match.start() for match in re.finditer(r"\S+", text)] or [0]
        if rng.random() < 0.5:
            place = rng.choice([starts[0], len(text), rng.choice(starts)])
            return with_edits(text, Edits(insertions=tuple((place, word) for word in added)))
        chosen = [(rng.choice([*starts, len(text)]), rng.choice(added)) for _ in range(rng.randint(1, self.most))]
        return with_edits(text, Edits(insertions=tuple(sorted(chosen))))
