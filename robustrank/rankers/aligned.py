"""Backward compatibility of encoders: a new encoder's queries are turned into the space of an old encoder's index.

After orthogonal compatible aligned representations (Ricci et al. 2024), which learns the turn while the new encoder is
trained; here it is the closed form for two encoders as they are (orthogonal Procrustes, Schönemann 1966).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from random import Random
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import orthogonal_procrustes

from robustrank.core.errors import ContractError, DataError, PluginError
from robustrank.core.interfaces import Encoder
from robustrank.core.types import Collection, Document, Query, RankerCard

Vectors = NDArray[np.float64]

STILL = 1e-4
"""Weight of the identity beside the texts: directions in which no text lies stay as they are."""


@dataclass(frozen=True, kw_only=True)
class Aligned:
    """A new bi-encoder whose vectors are turned into the space of an old one, so that the old index can stay.

    The turn is the orthogonal matrix R with the least squared distance between ``new(text) R`` and ``old(text)`` over
    texts of the collection; no judgment is read. Turned vectors have the same inner products among themselves. The
    narrower space is filled up with zeros where the widths differ, so that the first numbers of a turned vector lie in
    the old space.

    Args:
        new: A ranker with embeddings, such as ``{ use = "bi_encoder", model = "./out/new" }``; it reads queries.
        old: The one that the index was made with.
        index: Who reads documents: ``"old"``: the index stays; ``"new"``: they were read again, and turned too.
        texts: Documents of the collection that the turn is found on, at most; drawn at random. With fewer than the
            vectors have numbers, directions that no text has stay as they are.

    Raises:
        PluginError: One of the two has no embeddings, or there is no text.
    """

    new: Encoder
    old: Encoder
    index: Literal["old", "new"] = "old"
    texts: int = 1000

    def __post_init__(self) -> None:
        """Check the parameters."""
        for name, encoder in (("new", self.new), ("old", self.old)):
            if not isinstance(encoder, Encoder):
                raise PluginError(f"aligned: {name} has no `encode`; give a table of a bi-encoder")
        if self.index not in ("old", "new") or self.texts < 1:
            raise PluginError('aligned: index must be "old" or "new", and texts at least 1')

    @property
    def card(self) -> RankerCard:
        """Name and parameters; the fitted ranker's card also carries the texts."""
        return RankerCard(name=self._name, fingerprint=self._name)

    @property
    def _name(self) -> str:
        return f"aligned({_called(self.new)} to {_called(self.old)}, {self.index} index)"

    def score(self, query: Query, docs: Sequence[Document], /) -> list[float]:
        """Refused: the turn is found on a collection's texts by :meth:`fit`.

        Raises:
            ContractError: Always; call :meth:`fit` first.
        """
        raise ContractError(f"{self._name} needs a collection's texts; call fit(collection) first")

    def fit(self, collection: Collection, /) -> AlignedRanker:
        """The ranker with its turn.

        Raises:
            DataError: The collection has no text.
        """
        written = sorted({doc.text for doc in collection.documents.values() if doc.text.strip()})
        if not written:
            raise DataError(f"aligned: no document of {collection.name!r} has a text to align by")
        texts = sorted(Random("aligned").sample(written, min(self.texts, len(written))))
        new, old = (_vectors(encoder, texts, query=False) for encoder in (self.new, self.old))
        state = [self._name, self.new.fingerprint, self.old.fingerprint, STILL, texts]
        width = max(new.shape[1], old.shape[1])
        card = RankerCard(
            name=self._name, fingerprint=sha256(repr(state).encode()).hexdigest()[:16],
            note=f"turned by {len(texts)} texts of {collection.name}, in {width} dimensions",
        )  # fmt: skip
        return AlignedRanker(card, self, turn(new, old))


@dataclass(frozen=True, eq=False)
class AlignedRanker:
    """Encoders and the turn from the new space into the old one.

    Args:
        card: Its card.
        encoders: The encoders, and who reads documents.
        turn: Orthogonal, of the wider of the two widths.
    """

    card: RankerCard
    encoders: Aligned
    turn: Vectors = field(repr=False)

    @property
    def fingerprint(self) -> str:
        """That of the card."""
        return self.card.fingerprint

    def score(self, query: Query, docs: Sequence[Document], /) -> list[float]:
        """Inner products of the turned query and the documents of the index."""
        if not docs:
            return []
        (first,) = self._read([query.text], query=True)
        return [float(score) for score in self._read([doc.text for doc in docs], query=False) @ first]

    def encode(self, texts: Sequence[str], /, *, query: bool) -> NDArray[np.float32]:
        """Vectors in the old space: turned ones of queries, and those of the index."""
        return self._read(texts, query=query).astype(np.float32)

    def _read(self, texts: Sequence[str], *, query: bool) -> Vectors:
        both, width = self.encoders, len(self.turn)
        if query or both.index == "new":
            return _filled(_vectors(both.new, texts, query=query), width) @ self.turn
        return _filled(_vectors(both.old, texts, query=False), width)


def turn(new: Vectors, old: Vectors) -> Vectors:
    """The orthogonal matrix R that minimises ``|new R - old|``, with the narrower side filled up with zeros.

    Args:
        new: Texts x dimensions.
        old: The same texts x dimensions.
    """
    width = max(new.shape[1], old.shape[1])
    still = STILL * np.eye(width)
    found, _ = orthogonal_procrustes(np.vstack([_filled(new, width), still]), np.vstack([_filled(old, width), still]))
    matrix: Vectors = found
    return matrix


def _filled(vectors: Vectors, width: int) -> Vectors:
    return np.pad(vectors, ((0, 0), (0, width - vectors.shape[1])))


def _vectors(encoder: Encoder, texts: Sequence[str], *, query: bool) -> Vectors:
    return encoder.encode(texts, query=query).astype(np.float64)


def _called(encoder: Encoder) -> str:
    card = getattr(encoder, "card", None)
    return card.name if isinstance(card, RankerCard) else type(encoder).__name__
