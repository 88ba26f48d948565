"""What a detector is: from a document, and what its card asks for, to a number that is higher for what is suspicious.

Thresholds are not the detector's: they come from clean documents (:mod:`robustrank.protocols.detection`), or from
those who deploy it (the defense ``filter``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from robustrank.core.interfaces import Ranker, WhiteBoxRanker, lends_gradients
from robustrank.core.types import Document, Query


@dataclass(frozen=True, kw_only=True)
class DetectorCard:
    """What a detector declares about itself, and what it is shown beside the document.

    Args:
        name: As displayed.
        fingerprint: Changes whenever its numbers may.
        query: It reads the query.
        others: It reads the other documents of the list.
        background: It is fitted to clean documents of the collection.
        gradients: It asks the ranker for gradients.
        trained_on: Names of the attacks (plug-ins) that it was trained on: what it does against these is no evidence of
            what it does against others.
    """

    name: str
    fingerprint: str
    query: bool = False
    others: bool = False
    background: bool = False
    gradients: bool = False
    trained_on: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What a detector is shown beside the document; what its card does not ask for is ``None`` or empty.

    Args:
        query: The query.
        others: The other documents of the list, in first-stage order.
        background: Texts of clean documents of the collection.
        ranker: The ranker, where it lends gradients.
    """

    query: Query | None = None
    others: Sequence[Document] = ()
    background: Sequence[str] = ()
    ranker: WhiteBoxRanker | None = None


@runtime_checkable
class Detector(Protocol):
    """Tells how suspicious a document is."""

    @property
    def card(self) -> DetectorCard:
        """What it declares about itself."""

    def suspicion(self, document: Document, seen: Seen, /) -> float | None:
        """A finite number, higher for what is more suspicious; ``None`` where it cannot tell.

        A case that it cannot tell of is undecided: it neither passes nor is detected.
        """


def shown(
    card: DetectorCard,
    document: Document,
    *,
    query: Query,
    documents: Sequence[Document],
    background: Sequence[str] = (),
    ranker: Ranker | None = None,
) -> Seen:
    """What a detector with this card is shown beside a document.

    Args:
        card: Of the detector.
        document: The document.
        query: The query of the list.
        documents: The list, the document among them or not.
        background: Texts of clean documents.
        ranker: The ranker; left out where it lends no gradients.
    """
    lends = ranker if card.gradients and ranker is not None and lends_gradients(ranker) else None
    return Seen(
        query=query if card.query else None,
        others=tuple(doc for doc in documents if doc.doc_id != document.doc_id) if card.others else (),
        background=background if card.background else (),
        ranker=lends,
    )
