"""Types of corpus attacks (documents added for a group of queries), and the protocols that their plug-ins satisfy."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import TYPE_CHECKING, NamedTuple, Protocol

from robustrank.core.interfaces import PieceGradients
from robustrank.core.types import Budget, Document, Perturbation, Query, ThreatModel

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class CorpusCase(NamedTuple):
    """What the attacker knows. Queries that are held out are not among it.

    Args:
        group: The queries that the attacker knows.
        plants: Documents that may be added.
        words: Words that each may have; ``None`` is no limit.
        payload: A text that each must hold as it is, such as an advertisement; ``None`` for none.
        corpus: Documents of the corpus, drawn at random, that the attacker has read.
    """

    group: tuple[Query, ...]
    plants: int
    words: int | None
    payload: str | None
    corpus: tuple[Document, ...]


class StageOracle(Protocol):
    """A corpus attack's access to the first stage: metered in encoded texts, and limited to the declared access level.

    Encodes are never counted as pairs: the ranker behind the first stage is not asked.
    """

    @property
    def budget(self) -> Budget:
        """The limits of this attack."""

    @property
    def spent(self) -> int:
        """Texts encoded so far, one for each backward pass among them."""

    def affordable(self) -> int | None:
        """How many more texts may be encoded; ``None``: no limit."""

    def top(self, query: Query, depth: int = 10, /) -> list[Document]:
        """The documents that are found first for a query of the group, at most 10; needs ``Access.RANKS``; free."""

    def thresholds(self, depth: int, /) -> NDArray[np.float64]:
        """The score of the ``depth``-th document of each query of the group; needs ``Access.SCORES``; free."""

    def scores(self, texts: Sequence[str], /) -> NDArray[np.float64]:
        """Queries of the group x texts as documents; needs ``Access.SCORES``; an encode each."""

    def encode(self, texts: Sequence[str], /, *, query: bool = False) -> NDArray[np.float32]:
        """Embeddings of documents, or queries; needs ``Access.WEIGHTS`` to a dense first stage; an encode each."""

    def piece_gradients(self, texts: Sequence[str], direction: NDArray[np.float32], /) -> list[PieceGradients]:
        """Gradients of the inner products with a direction; needs ``Access.WEIGHTS``; an encode each."""

    def pieces(self, text: str, /) -> Sequence[int]:
        """The ids of a text's word pieces; needs ``Access.WEIGHTS``; free."""

    def text(self, pieces: Sequence[int], /) -> str:
        """A text of these word pieces, which read again may be others; needs ``Access.WEIGHTS``; free."""

    @property
    def vocabulary(self) -> Sequence[str]:
        """The word piece of every id, empty for special ones; needs ``Access.WEIGHTS``; free."""

    @property
    def embeddings(self) -> NDArray[np.float32]:
        """Ids x dimensions: input embeddings; needs ``Access.WEIGHTS``; free."""


class CorpusAttack(Protocol):
    """Writes documents for the corpus; the harness gives them ids, encodes them and ranks them."""

    @property
    def threat(self) -> ThreatModel:
        """Surface ``CORPUS``; ``stage`` says what it sees of the first stage. It asks the ranker nothing."""

    def perturb(self, case: CorpusCase, oracle: StageOracle, rng: Random, /) -> Perturbation:
        """Texts to add (``Perturbation(inserted=...)``). All randomness comes from ``rng``; no state survives."""
