"""The protocols plug-ins satisfy. Nothing inherits from them; a frozen dataclass with the right methods is enough."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from random import Random
from typing import Protocol, TypeVar, runtime_checkable

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

Item = TypeVar("Item")
Result = TypeVar("Result")


@runtime_checkable
class Ranker(Protocol):
    """Scores documents for a query; higher is better. Scores need only be comparable within one call."""

    @property
    def card(self) -> RankerCard:
        """What the ranker declares of itself."""

    def score(self, query: Query, docs: Sequence[Document], /) -> list[float]:
        """One finite score per document, in order."""


@runtime_checkable
class WhiteBox(Protocol):
    """A ranker that provides gradients; needed by attacks with ``Access.WEIGHTS``."""

    def gradients(self, query: Query, document: Document, candidates: Mapping[int, Sequence[str]], /) -> WordGradients:
        """Importance of every word of the document, and first-order gains of the candidates."""


@runtime_checkable
class Certifier(Protocol):
    """A ranker that can prove something about its own lists."""

    @property
    def edits(self) -> AttackSet:
        """The attack set its certificates speak of."""

    def certify(
        self, query: Query, docs: Sequence[Document], ks: Sequence[int], radii: Sequence[float], /
    ) -> list[Certificate]:
        """One certificate per (k, radius); all of them hold together with probability ``1 - alpha``."""


class Oracle(Protocol):
    """All an attack sees of the ranker: metered, and cut down to the attack's declared access.

    An oracle is bound to one case. Asking costs one pair for a new target text and one pair per candidate for a new
    query text (or for any change, where the ranker is not pointwise), whether or not a cache answers; the clean case
    costs nothing.
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
    """Perturbs a document or a query. It acts; the harness measures."""

    @property
    def threat(self) -> ThreatModel:
        """What it needs and may do."""

    def perturb(self, case: Case, oracle: Oracle, rng: Random, /) -> Perturbation:
        """The best perturbation found. All randomness comes from ``rng``; no state survives the call."""


@runtime_checkable
class Variation(Protocol):
    """Says a query in other ways. Nobody optimises them: they are what users type."""

    def variants(self, query: Query, rng: Random, /) -> Sequence[Variant]:
        """Variations of the query; operations that change nothing are left out. All randomness comes from ``rng``."""


@runtime_checkable
class Defense(Protocol):
    """Turns a ranker into a defended ranker, which is again a ranker."""

    def wrap(self, ranker: Ranker, /) -> Ranker:
        """The defended ranker; it may also be a :class:`Certifier`."""


class Executor(Protocol):
    """Runs a picklable function over items."""

    def run(self, function: Callable[[Item], Result], items: Iterable[Item], /) -> Iterator[Result]:
        """Results as they finish, in any order."""


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
