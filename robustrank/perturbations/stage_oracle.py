"""The metered first stage given to corpus attacks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from robustrank.core import interrupts
from robustrank.core.errors import AccessDenied, OracleError, PluginFailed, TimeLimitPassed, reason
from robustrank.core.interfaces import OpenEncoder, PieceGradients
from robustrank.core.types import Access, Budget, Document, Query, ThreatModel
from robustrank.perturbations.oracle import Meter
from robustrank.retrieval.dense import Dense, encoded
from robustrank.retrieval.searching import Searcher

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    import numpy as np
    from numpy.typing import NDArray

    Answer = TypeVar("Answer")

SHOWN = 10
"""Documents of a list that its readers see."""


def lends(searcher: Searcher, access: Access) -> bool:
    """Whether a first stage lends what an access level needs: word pieces and gradients, where that is weights."""
    return access is not Access.WEIGHTS or (isinstance(searcher, Dense) and isinstance(searcher.encoder, OpenEncoder))


class MeteredStage:
    """A first stage within an attack's access and budget (:class:`robustrank.core.corpus_types.StageOracle`).

    Args:
        searcher: The first stage.
        documents: Of the corpus.
        group: The queries that the attacker knows.
        threat: Sets the access level.
        budget: Sets the limit on encodes.
    """

    def __init__(
        self,
        searcher: Searcher,
        documents: Mapping[str, Document],
        group: Sequence[Query],
        threat: ThreatModel,
        budget: Budget,
    ) -> None:
        self._searcher, self._documents, self._group = searcher, documents, tuple(group)
        self._threat, self._budget = threat, budget
        self._meter = Meter(budget.encodes, "encodes")
        self._failure = ""

    @property
    def budget(self) -> Budget:
        """The limits of this attack."""
        return self._budget

    @property
    def spent(self) -> int:
        """Texts encoded so far."""
        return self._meter.spent

    @property
    def failure(self) -> str:
        """The first error of the first stage under this attack, also where the attack caught it; empty for none."""
        return self._failure

    def affordable(self) -> int | None:
        """How many more texts may be encoded."""
        return self._meter.affords(1)

    def top(self, query: Query, depth: int = SHOWN, /) -> list[Document]:
        """What a reader of the query's list sees."""
        self._need(Access.RANKS)
        if query not in self._group:
            raise AccessDenied("asks for the list of a query that is not of its group")
        (scored,) = self._noting(lambda: self._searcher.search([query.text], min(depth, SHOWN)))
        return [self._documents[doc_id] for doc_id, _ in scored]

    def thresholds(self, depth: int, /) -> NDArray[np.float64]:
        """The scores to beat; minus infinity for a list that is shorter."""
        import numpy as np

        self._need(Access.SCORES)
        found = self._noting(lambda: self._searcher.search(self._texts, depth))
        return np.array([scored[depth - 1][1] if len(scored) >= depth else -np.inf for scored in found])

    def scores(self, texts: Sequence[str], /) -> NDArray[np.float64]:
        """Queries of the group x texts."""
        self._need(Access.SCORES)
        self._meter.charge(len(texts))
        return self._noting(lambda: self._searcher.scores(self._texts, list(texts)))

    def encode(self, texts: Sequence[str], /, *, query: bool = False) -> NDArray[np.float32]:
        """Embeddings."""
        encoder = self._encoder()
        self._meter.charge(len(texts))
        return self._noting(lambda: encoded(encoder, list(texts), query=query))

    def piece_gradients(self, texts: Sequence[str], direction: NDArray[np.float32], /) -> list[PieceGradients]:
        """Of the inner products of the texts' embeddings with a direction."""
        encoder = self._encoder()
        self._meter.charge(len(texts))
        return self._noting(lambda: encoder.piece_gradients(list(texts), direction))

    def pieces(self, text: str, /) -> Sequence[int]:
        """Ids of a text's word pieces."""
        return self._encoder().pieces(text)

    def text(self, pieces: Sequence[int], /) -> str:
        """A text of word pieces."""
        return self._encoder().text(pieces)

    @property
    def vocabulary(self) -> Sequence[str]:
        """Word pieces by id."""
        return self._encoder().vocabulary

    @property
    def embeddings(self) -> NDArray[np.float32]:
        """Input embeddings by id."""
        return self._encoder().embeddings

    @property
    def _texts(self) -> list[str]:
        return [query.text for query in self._group]

    def _encoder(self) -> OpenEncoder:
        self._need(Access.WEIGHTS)
        if not isinstance(self._searcher, Dense) or not isinstance(self._searcher.encoder, OpenEncoder):
            self._failure = self._failure or "first stage: it has no word pieces with gradients to lend"
            raise PluginFailed(self._failure)
        return self._searcher.encoder

    def _need(self, access: Access) -> None:
        if self._threat.stage.level < access.level:
            raise AccessDenied(
                f"needs access {access.value!r} to the first stage, declared {self._threat.stage.value!r}"
            )

    def _noting(self, step: Callable[[], Answer]) -> Answer:
        """An answer of the first stage; its first error is kept, also where the attack catches it.

        Raises:
            PluginFailed: It raised something.
        """
        try:
            return step()
        except (OracleError, TimeLimitPassed):
            raise
        except BaseException as problem:
            interrupts.check()
            self._failure = self._failure or f"first stage: {reason(problem)}"
            raise PluginFailed(f"first stage: {reason(problem)}") from problem
