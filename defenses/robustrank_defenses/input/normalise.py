"""Queries and documents are normalised before they are ranked: unseen characters, look-alikes and reversed letters go.

It takes from an attacker what readers do not see, and nothing else: words put in, copied or replaced stay. The price is
the share of clean texts that it changes, and what clean effectiveness loses by it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from unicodedata import unidata_version

from robustrank.plugin import Document, Query, Ranker, RankerCard
from robustrank_defenses.input._unicode import clean

VERSION = 1


@dataclass(frozen=True, kw_only=True)
class Normalise:
    """Rank normalised texts."""

    def wrap(self, ranker: Ranker, /) -> Normalised:
        """The ranker behind the normaliser."""
        return Normalised(ranker)


@dataclass(frozen=True)
class Normalised:
    """A ranker that sees normalised texts."""

    base: Ranker

    @property
    def card(self) -> RankerCard:
        """The ranker's own card, under another name."""
        base = self.base.card
        state = f"{base.fingerprint} {VERSION} {unidata_version}"
        return replace(
            base,
            name=f"normalise({base.name})",
            fingerprint=sha256(state.encode()).hexdigest()[:16],
            gradients=False,
        )

    def score(self, query: Query, docs: Sequence[Document], /) -> list[float]:
        """The scores of the normalised texts."""
        asked = query._replace(text=clean(query.text))
        return self.base.score(asked, [doc._replace(text=clean(doc.text)) for doc in docs])
