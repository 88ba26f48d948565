"""A sentence of another document of the same list put into a document."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from robustrank.plugin import PluginError, sentences


@dataclass(frozen=True, kw_only=True)
class OtherSentences:
    """Copy a sentence of another text of the list into a share of the documents, before one of their sentences.

    Args:
        share: Probability that a document is edited.

    Raises:
        PluginError: ``share`` is no probability.
    """

    share: float = 0.5

    def __post_init__(self) -> None:
        """Check the parameters."""
        if not 0.0 <= self.share <= 1.0:
            raise PluginError("sentences: share must be from 0 to 1")

    def edited(self, query: str, texts: Sequence[str], rng: Random, /) -> tuple[str, list[str]]:
        """The same query, and the texts with sentences of each other."""
        cut = [sentences(text) for text in texts]
        edited = []
        for own, text in enumerate(texts):
            foreign = [sentence.text for number, part in enumerate(cut) if number != own for sentence in part]
            if not foreign or rng.random() >= self.share:
                edited.append(text)
                continue
            place = rng.choice([*(sentence.start for sentence in cut[own]), len(text)])
            edited.append(" ".join(part for part in (text[:place].rstrip(), rng.choice(foreign), text[place:]) if part))
        return query, edited
