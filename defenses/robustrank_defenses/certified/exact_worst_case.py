"""Certificates of a ranker that counts terms, such as BM25, as it is: the true worst case of every document.

No sampling and no smoothing: the scores are those of the base ranker.
:mod:`robustrank.certificates.bm25_worst_case` says what is computed and for which rankers it is exact; the proof is in
docs/certificates.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from math import isfinite

from robustrank.certificates import allowed
from robustrank.certificates.bm25_worst_case import CountsTerms, worst_case
from robustrank.certificates.rules import Bounds
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
    SubstituteTable,
    checked_scores,
    load_table,
    order,
    words,
)


@dataclass(frozen=True, kw_only=True)
class ExactWorstCase:
    """Certify the lists of BM25 against synonyms, without changing them.

    Args:
        substitutes: Name of the table of synonyms that attackers may use.
    """

    substitutes: str = "wordnet"

    def wrap(self, ranker: Ranker, /) -> ExactlyCertified:
        """The same ranker, which certifies.

        Raises:
            PluginError: The ranker does not count terms.
        """
        if not isinstance(ranker, CountsTerms):
            raise PluginError(f"exact_worst_case: {ranker.card.name} does not count terms; it takes bm25 only")
        return ExactlyCertified(ranker, ranker, load_table(self.substitutes))


@dataclass(frozen=True)
class ExactlyCertified:
    """A ranker that counts terms, with certificates; ``base`` and ``counting`` are the same ranker."""

    base: Ranker
    counting: CountsTerms
    table: SubstituteTable

    @property
    def card(self) -> RankerCard:
        """The ranker's own card, under another name."""
        base = self.base.card
        state = f"{base.fingerprint} {self.table.digest} {UNIT}"
        return RankerCard(
            name=f"exact_worst_case({base.name})",
            fingerprint=sha256(state.encode()).hexdigest()[:16],
            max_length=base.max_length,
            note=f"scores unchanged, certified against {self.table.name}; {base.note}",
        )

    @property
    def edits(self) -> AttackSet:
        """Substitution by the table's direct synonyms."""
        return AttackSet(operation="substitute", substitutes=self.table.name)

    def score(self, query: Query, docs: Sequence[Document], /) -> list[float]:
        """The scores of the base ranker."""
        return self.base.score(query, docs)

    def certify(
        self, query: Query, docs: Sequence[Document], ks: Sequence[int], radii: Sequence[float], /
    ) -> list[Certificate]:
        """One certificate per distinct (k, radius), all of them certain.

        Raises:
            PluginError: A k below 1 or a negative radius.
        """
        if any(k < 1 for k in ks) or any(radius < 0 for radius in radii):
            raise PluginError(f"certificates need k of at least 1 and radii of at least 0, got {ks} and {radii}")
        by_id = {doc.doc_id: doc for doc in docs}
        scores = dict(zip(by_id, checked_scores(self.base, query, list(by_id.values())), strict=True))
        ranking = order(list(scores.items()))
        certificates = []
        for radius in sorted(set(radii)):
            worst = [self._worst(query, by_id[doc_id].text, radius) for doc_id in ranking]
            for k in sorted(set(ks)):
                bounds = Bounds(0.0, 1.0)
                if k < len(ranking):
                    bounds = Bounds(scores[ranking[k - 1]], max(worst[k:]))
                certificates.append(self._certificate(query, k, radius, bounds, len(ranking)))
        return sorted(certificates, key=lambda claim: (claim.k, claim.radius))

    def _worst(self, query: Query, text: str, radius: float) -> float:
        return worst_case(self.counting, query, text, self.table.of, allowed(radius, len(words(text))))

    def _certificate(self, query: Query, k: int, radius: float, bounds: Bounds, documents: int) -> Certificate:
        assumed = [
            "the ranker as it is, with the collection's statistics frozen",
            f"words as in {UNIT}",
            f"synonyms {self.table.name} (sha256 {self.table.digest[:12]})",
            f"of the {documents} documents of the list, no others; query and top-k documents unchanged",
        ]
        return Certificate(
            query_id=query.query_id,
            k=k,
            radius=radius,
            edits=self.edits,
            certified=bounds.certified,
            alpha=0.0,
            samples=1,
            method="exact",
            lower=bounds.lower,
            upper=bounds.upper if isfinite(bounds.upper) else None,
            assumes="; ".join(assumed),
            ranker=SpeaksOf.DEPLOYED,
            unit=UNIT,
            table=self.table.digest,
        )
