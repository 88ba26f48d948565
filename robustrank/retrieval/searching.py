"""What a first stage that searches a collection can do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Scored = list[tuple[str, float]]
"""Document ids and scores, best first."""


class Searcher(Protocol):
    """A first stage over one collection. What it knows of the collection stays as it is when documents are added."""

    @property
    def identity(self) -> str:
        """Changes whenever its scores may, the collection apart."""

    def search(self, queries: Sequence[str], depth: int, /) -> list[Scored]:
        """For each query the best documents, at most ``depth``, in the order of :mod:`robustrank.core.ranking`."""

    def scores(self, queries: Sequence[str], texts: Sequence[str], /) -> NDArray[np.float64]:
        """Queries x texts: the score that each text would have as a document; minus infinity without any match."""
