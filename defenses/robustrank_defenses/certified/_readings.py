"""A ranker that reads several parts of a text and certifies its lists against a block of inserted words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from math import isfinite

from robustrank.certificates import ROUNDING, allowed
from robustrank.certificates.insertion import Reading, Run
from robustrank.plugin import (
    UNIT,
    AttackSet,
    Certificate,
    Document,
    PluginError,
    Query,
    Ranker,
    RankerCard,
    SpeaksOf,
    checked_scores,
    order,
    words,
)

TYPICAL = 100
"""Words of the text whose number of parts a card names."""

Parts = tuple[tuple[str, ...], Sequence[Run]]
"""The words of a text, and the runs of them that are read."""


def pointwise(name: str, ranker: Ranker) -> Ranker:
    """The ranker itself.

    Raises:
        PluginError: Its scores depend on the other documents of a call, or on chance.
    """
    if not (ranker.card.pointwise and ranker.card.deterministic):
        raise PluginError(
            f"{name}: {ranker.card.name} does not give a document one score of its own (its card says not pointwise, "
            "or not deterministic); wrap a pointwise ranker"
        )
    return ranker


@dataclass(frozen=True)
class ReadingRanker:
    """The words of a text, without what stands between them, are read in parts; their scores become one.

    Args:
        base: Scores every part; it cuts off what is too long for it.
        name: Of the defense.
        reading: Which parts, and how their scores become one.
        edits: What its certificates cover.
        note: For the card.
    """

    base: Ranker
    name: str
    reading: Reading
    edits: AttackSet
    note: str = field(compare=False)

    @property
    def card(self) -> RankerCard:
        """The base ranker's card, with what the parts change."""
        base = self.base.card
        parts = len(self.reading.runs(TYPICAL))
        note = f"{self.note}; {parts} texts for one of {TYPICAL} words"
        return RankerCard(
            name=f"{self.name}({base.name})",
            fingerprint=sha256(f"{base.fingerprint} {self.name} {self.reading} {UNIT}".encode()).hexdigest()[:16],
            max_length=base.max_length,
            pairs_per_score=parts * base.pairs_per_score,
            note=f"{note}; {base.note}" if base.note else note,
            can_change=base.can_change,
            rank_only=base.rank_only,
        )

    def score(self, query: Query, docs: Sequence[Document], /) -> list[float]:
        """One score per document from those of its parts; equal parts are scored once, and all in one call."""
        parts = [self._parts(doc, 0) for doc in docs]
        scores = self._scored(query, docs, parts)
        return [
            self.reading.score(len(text), {run: scores[self.reading.text(text, run)] for run in runs})
            for text, runs in parts
        ]

    def certify(
        self, query: Query, docs: Sequence[Document], ks: Sequence[int], radii: Sequence[float], /
    ) -> list[Certificate]:
        """One certificate per distinct (k, radius), all of them certain. A list of at most k documents has none.

        Raises:
            PluginError: A k below 1, a negative radius, or one above 1 that is not whole.
        """
        if any(k < 1 for k in ks) or any(radius < 0 for radius in radii):
            raise PluginError(f"certificates need k of at least 1 and radii of at least 0, got {ks} and {radii}")
        if any(radius >= 1 and radius != int(radius) for radius in radii):
            raise PluginError(f"a radius is a whole number of words, or below 1 a share of them; got {radii}")
        ks, radii = sorted(set(ks)), sorted(set(radii))
        docs = list({doc.doc_id: doc for doc in docs}.values())
        lengths = [len(words(doc.text)) for doc in docs]
        most = [max((allowed(radius, length) for radius in radii), default=0) for length in lengths]
        parts = [self._parts(doc, inserted) for doc, inserted in zip(docs, most, strict=True)]
        scored = self._scored(query, docs, parts)
        rows = {
            doc.doc_id: {run: scored[self.reading.text(text, run)] for run in runs}
            for doc, (text, runs) in zip(docs, parts, strict=True)
        }
        of = dict(zip(rows, lengths, strict=True))
        score = {doc_id: self.reading.score(of[doc_id], row) for doc_id, row in rows.items()}
        ranking = order(list(score.items()))
        claims = []
        for radius in radii:
            upper = [self.reading.bound(of[d], allowed(radius, of[d]), rows[d]) for d in ranking]
            claims += [
                self._certificate(query, k, radius, score[ranking[k - 1]], max(upper[k:]), len(ranking))
                if k < len(ranking)
                else self._certificate(query, k, radius, 0.0, float("inf"), len(ranking))
                for k in ks
            ]
        return sorted(claims, key=lambda claim: (claim.k, claim.radius))

    def _parts(self, doc: Document, inserted: int) -> Parts:
        text = tuple(word.text for word in words(doc.text))
        return text, self.reading.needed(len(text), inserted) if inserted else self.reading.runs(len(text))

    def _scored(self, query: Query, docs: Sequence[Document], parts: Sequence[Parts]) -> dict[str, float]:
        """The base ranker's score of every part, once for equal ones."""
        texts = {
            self.reading.text(text, run): doc for doc, (text, runs) in zip(docs, parts, strict=True) for run in runs
        }
        asked = [doc._replace(text=text) for text, doc in texts.items()]
        return dict(zip(texts, checked_scores(self.base, query, asked), strict=True))

    def _certificate(
        self, query: Query, k: int, radius: float, lower: float, upper: float, documents: int
    ) -> Certificate:
        # Scores of any range: float noise of batches is in proportion to them.
        apart = isfinite(upper) and lower - upper > ROUNDING * max(1.0, abs(lower), abs(upper))
        assumed = [
            "the deployed ranker",
            f"words as in {UNIT}; nothing between words is read",
            f"of the {documents} documents of the list, no others; query and top-k documents unchanged",
        ]
        return Certificate(
            query_id=query.query_id,
            k=k,
            radius=radius,
            edits=self.edits,
            certified=apart,
            alpha=0.0,
            samples=1,
            method=self.name,
            lower=lower,
            upper=upper if isfinite(upper) else None,
            assumes="; ".join(assumed),
            ranker=SpeaksOf.DEPLOYED,
            unit=UNIT,
        )
