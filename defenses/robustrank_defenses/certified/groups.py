"""A list is asked in small groups, and a document's place is its mean share of them: one document moves few others.

Isolate, then aggregate (Xiang et al., "Certifiably Robust RAG against Retrieval Corruption" (RobustRAG), 2024), for
rankers of lists. Theorem 12 of docs/certificates.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import NamedTuple

from robustrank.certificates import isolation
from robustrank.plugin import Document, PluginError, Query, Ranker, RankerCard, checked_scores, order

TYPICAL = 20
"""Documents of the list whose number of pairs a card names."""


class Lowest(NamedTuple):
    """The lowest place that a document of a list can come to, while it is not altered itself.

    Args:
        doc_id: The document.
        place: Its place in the clean list, from 1.
        documents: How many others an attacker alters in any way, or adds.
        altered: The lowest place if so many are altered.
        added: If so many are added; ``None`` where that is not bounded: groups of more than two.
    """

    doc_id: str
    place: int
    documents: int
    altered: int
    added: int | None


@dataclass(frozen=True, kw_only=True)
class Groups:
    """Ask a ranker of lists in groups that follow from the documents' ids, and rank by mean place in them.

    What an altered document can do to the order of the others is bounded (`lowest`); it may come to stand anywhere
    itself. That is not what certificates in audits say, so none is issued.

    Args:
        size: Documents of a group; 2 is all pairs.
        rounds: How many groups every document is in, of more than two.
        seed: Other groups.
    """

    size: int = 2
    rounds: int = 5
    seed: int = 0

    def __post_init__(self) -> None:
        for name, least in (("size", 2), ("rounds", 1)):
            if getattr(self, name) < least:
                raise PluginError(f"groups: {name} must be at least {least}, got {getattr(self, name)!r}")

    def wrap(self, ranker: Ranker, /) -> GroupedRanker:
        """The ranker, asked in groups.

        Raises:
            PluginError: Its scores depend on chance.
        """
        if not ranker.card.deterministic:
            raise PluginError(f"groups: {ranker.card.name} does not answer alike twice, so no order of it can be kept")
        return GroupedRanker(ranker, self)


@dataclass(frozen=True)
class GroupedRanker:
    """A ranker by mean Borda share over groups."""

    base: Ranker
    groups: Groups

    @property
    def card(self) -> RankerCard:
        """List-wise: a share is one among the others."""
        base, groups = self.base.card, self.groups
        each = TYPICAL - 1 if groups.size == 2 else groups.rounds
        kind = f"all pairs, {each} a document in a list of {TYPICAL}" if groups.size == 2 else f"{each} a document"
        return replace(
            base,
            name=f"groups({base.name})",
            fingerprint=sha256(f"{base.fingerprint} {groups}".encode()).hexdigest()[:16],
            pointwise=False,
            rank_only=True,
            pairs_per_score=base.pairs_per_score * each,
            note=f"mean share of groups of {groups.size} ({kind}); {base.note}".rstrip("; "),
            gradients=False,
            invariant=(),
            whole_numbers=True,
        )

    def score(self, query: Query, docs: Sequence[Document], /) -> list[float]:
        """Mean shares, from 0 to 1."""
        share = isolation.shares(self.votes(query, docs), [doc.doc_id for doc in docs])
        return [share[doc.doc_id] for doc in docs]

    def votes(self, query: Query, docs: Sequence[Document]) -> list[dict[str, float]]:
        """Each group's shares."""
        by_id = {doc.doc_id: doc for doc in docs}
        made = []
        for group in isolation.groups(by_id, self.groups.size, self.groups.rounds, self.groups.seed):
            shown = [by_id[doc_id] for doc_id in group]
            made.append(isolation.votes(order(list(zip(group, checked_scores(self.base, query, shown), strict=True)))))
        return made

    def lowest(self, query: Query, docs: Sequence[Document], documents: Sequence[int]) -> list[Lowest]:
        """How far every document can fall, in the order of the list; certain, by theorem 12 of docs/certificates.md.

        Raises:
            PluginError: A negative number of documents.
        """
        if any(number < 0 for number in documents):
            raise PluginError(f"groups: so many documents cannot be altered: {documents}")
        votes = self.votes(query, docs)
        ranking = order(list(isolation.shares(votes, [doc.doc_id for doc in docs]).items()))
        pairs = self.groups.size == 2
        return [
            Lowest(
                doc_id,
                place,
                number,
                isolation.lowest_place(votes, ranking, doc_id, number),
                isolation.lowest_place(votes, ranking, doc_id, number, added=True) if pairs else None,
            )
            for number in sorted(set(documents))
            for place, doc_id in enumerate(ranking, 1)
        ]
