"""The protocols that plug-ins satisfy, structurally: a frozen dataclass with the methods, without inheritance."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeGuard, TypeVar, runtime_checkable

from robustrank.core.types import (
    AttackSet,
    Budget,
    Case,
    Certificate,
    Collection,
    Document,
    Perturbation,
    Query,
    RankerCard,
    ThreatModel,
    Variant,
    WordGradients,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Item = TypeVar("Item")
Result = TypeVar("Result")


@runtime_checkable
class Ranker(Protocol):
    """Scores documents for a query; higher is better. Scores need only be comparable within one call."""

    @property
    def card(self) -> RankerCard:
        """What the ranker declares about itself."""

    def score(self, query: Query, docs: Sequence[Document], /) -> list[float]:
        """One finite score per document, in order."""


@runtime_checkable
class WhiteBox(Protocol):
    """A ranker that provides gradients; needed by attacks with ``Access.WEIGHTS``."""

    def gradients(self, query: Query, document: Document, candidates: Mapping[int, Sequence[str]], /) -> WordGradients:
        """Importance of every word of the document, and first-order gains of the candidates."""


@runtime_checkable
class Encoder(Protocol):
    """Embeds texts; the relevance of a document to a query is the inner product of their embeddings."""

    @property
    def fingerprint(self) -> str:
        """Changes whenever its embeddings may."""

    def encode(self, texts: Sequence[str], /, *, query: bool) -> NDArray[np.float32]:
        """Texts x dimensions, of queries or of documents."""


@dataclass(frozen=True, kw_only=True)
class PieceGradients:
    """First-order information about one text of an encoder, from one backward pass.

    Args:
        pieces: Ids of the word pieces of the text, without special ones and those beyond the length that is read.
        gradient: Pieces x dimensions of input embeddings: of the inner product of the text's embedding and a direction.
    """

    pieces: Sequence[int]
    gradient: NDArray[np.float32]


@runtime_checkable
class OpenEncoder(Encoder, Protocol):
    """An encoder of documents that provides its vocabulary and gradients."""

    @property
    def vocabulary(self) -> Sequence[str]:
        """The word piece of every id; empty for ids that no text may have, such as special pieces."""

    @property
    def embeddings(self) -> NDArray[np.float32]:
        """Ids x dimensions: the input embedding of every word piece."""

    def pieces(self, text: str, /) -> Sequence[int]:
        """The ids of a text's word pieces, without special ones, however long it is."""

    def text(self, pieces: Sequence[int], /) -> str:
        """A text of these word pieces; reading it again may give other ones."""

    def piece_gradients(self, texts: Sequence[str], direction: NDArray[np.float32], /) -> list[PieceGradients]:
        """One backward pass for each text, as a document."""


class WhiteBoxRanker(Ranker, WhiteBox, Protocol):
    """Scores and gradients."""


def lends_gradients(ranker: Ranker) -> TypeGuard[WhiteBoxRanker]:
    """Whether attacks with ``Access.WEIGHTS`` can ask a ranker: its class has the method, and its card denies none."""
    return isinstance(ranker, WhiteBox) and ranker.card.gradients


@runtime_checkable
class Certifier(Protocol):
    """A ranker that certifies its own ranked lists."""

    @property
    def edits(self) -> AttackSet:
        """The attack set its certificates cover."""

    def certify(
        self, query: Query, docs: Sequence[Document], ks: Sequence[int], radii: Sequence[float], /
    ) -> list[Certificate]:
        """One certificate per (k, radius); all of them hold together with probability ``1 - alpha``."""


class Oracle(Protocol):
    """An attack's access to the ranker: metered in pairs, and limited to the declared access level.

    An oracle is bound to one case. A new target text costs one pair, a new query text one pair per candidate (as does
    any change where the ranker is not pointwise). Cached scores cost the same; the clean case costs nothing.
    """

    @property
    def budget(self) -> Budget:
        """The limits of this attack."""

    @property
    def spent(self) -> int:
        """Pairs requested so far."""

    def affordable(self, *, queries: bool = False) -> int | None:
        """How many more perturbations the budget pays for, of the query or else of the target; ``None``: no limit."""

    def rank(self, perturbations: Sequence[Perturbation], /) -> list[int]:
        """The target's 1-based rank under each perturbation; needs ``Access.RANKS``."""

    def score(self, perturbations: Sequence[Perturbation], /) -> list[float]:
        """The target's score under each perturbation; needs ``Access.SCORES``."""

    def outcomes(self, perturbations: Sequence[Perturbation], /) -> list[tuple[int, float]]:
        """Both rank and score, for the price of one; needs ``Access.SCORES``."""

    def gradients(self, perturbation: Perturbation, candidates: Mapping[int, Sequence[str]], /) -> WordGradients:
        """One backward pass at a perturbed target; needs ``Access.WEIGHTS``; costs one pair."""


@runtime_checkable
class Attack(Protocol):
    """Perturbs a document or a query; the harness measures the effect."""

    @property
    def threat(self) -> ThreatModel:
        """The access it needs and the edits it may make."""

    def perturb(self, case: Case, oracle: Oracle, rng: Random, /) -> Perturbation:
        """The best perturbation of its search. All randomness comes from ``rng``; no state survives the call."""


@runtime_checkable
class Variation(Protocol):
    """Generates query variations as users type them, such as misspellings; not optimised against a ranker."""

    def variants(self, query: Query, rng: Random, /) -> Sequence[Variant]:
        """Variations of the query; operations that change nothing are left out. All randomness comes from ``rng``."""


@runtime_checkable
class TrainingEdit(Protocol):
    """Edits what a student reads in training; it learns the targets of the unedited texts."""

    def edited(self, query: str, texts: Sequence[str], rng: Random, /) -> tuple[str, list[str]]:
        """The query and the texts of a list, in their order; all randomness comes from ``rng``."""


@runtime_checkable
class Defense(Protocol):
    """Turns a ranker into a defended ranker, which is again a ranker."""

    def wrap(self, ranker: Ranker, /) -> Ranker:
        """The defended ranker; it may also be a :class:`Certifier`."""


@runtime_checkable
class Replacement(Defense, Protocol):
    """A defense whose ranker never asks the base: one that was trained in another way, for example."""

    @property
    def replaces(self) -> Literal[True]:
        """What makes it one."""


@runtime_checkable
class ReadsJudgments(Defense, Protocol):
    """A defense that reads judgments; those of queries that it is audited on are refused."""

    @property
    def judged_queries(self) -> Sequence[Query]:
        """The queries whose judgments it may read."""


@dataclass(frozen=True, kw_only=True)
class Lost:
    """An item without a result: its worker ended, or it passed the time limit.

    Args:
        item: As the executor was given it.
        reason: For people, without the name of the plug-in.
        seconds: From its start to its end.
    """

    item: Any
    reason: str
    seconds: float


class Executor(Protocol):
    """Runs a picklable function over items."""

    def run(
        self, function: Callable[[Item], Result], items: Iterable[Item], /, *, limit: float | None = None
    ) -> Iterator[Result | Lost]:
        """Results as they finish, in any order; a :class:`Lost` for an item that has none.

        Args:
            function: From an item to its result; a plug-in's failure is a result, not an exception.
            items: Each is done once.
            limit: Seconds that one item may take; ``None`` is no limit.
        """

    def close(self) -> None:
        """End the processes and threads that were started; another :meth:`run` starts new ones."""


@runtime_checkable
class CollectionLoader(Protocol):
    """Reads one test collection."""

    def load(self) -> Collection:
        """The collection, checked.

        Raises:
            DataError: Names file, line and fix.
        """


@runtime_checkable
class CollectionRanker(Protocol):
    """A ranker that needs statistics of a collection, such as BM25's document frequencies."""

    def fit(self, collection: Collection, /) -> Ranker:
        """The ranker with the collection's statistics, frozen: perturbing a document changes none of them."""
