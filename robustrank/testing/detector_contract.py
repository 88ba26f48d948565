"""Contract checks for detectors."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from multiprocessing.reduction import ForkingPickler

from robustrank.core.detector_types import Detector, shown
from robustrank.core.errors import ContractError
from robustrank.core.interfaces import Ranker
from robustrank.core.types import Document, Query


def check_detector(detector: object, ranker: Ranker, query: Query, docs: Sequence[Document]) -> None:
    """Check a detector's contract on one list.

    Args:
        detector: The plug-in.
        ranker: A ranker that lends gradients.
        query: A query.
        docs: At least two documents.

    Raises:
        ContractError: It has no card or no ``suspicion``, cannot be pickled, gives another number to the same document
            or one that is not finite, or fails on an empty text.
    """
    name = type(detector).__name__
    if not isinstance(detector, Detector):
        raise ContractError(f"{name} has no `card` or no `suspicion`, so it is no detector")
    try:
        ForkingPickler.dumps(detector)
    except Exception as error:
        raise ContractError(f"{name} cannot be pickled, so no process can be sent it: {error}") from error
    background = tuple(doc.text for doc in docs)
    for doc in (*docs, Document("empty", ""), Document("blank", " \n")):
        seen = shown(detector.card, doc, query=query, documents=docs, background=background, ranker=ranker)
        values = [detector.suspicion(doc, seen) for _ in range(2)]
        if values[0] != values[1]:
            raise ContractError(f"{name} gives document {doc.doc_id!r} {values[0]!r}, and then {values[1]!r}")
        if values[0] is not None and not isfinite(values[0]):
            raise ContractError(f"{name} gives document {doc.doc_id!r} {values[0]!r}, which is no finite number")
