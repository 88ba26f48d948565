"""Any Python function as a ranker."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from hashlib import sha256
from importlib import import_module
from inspect import getsource
from typing import Any

from robustrank.core.errors import ConfigError, ContractError, PluginError
from robustrank.core.types import Document, Query, RankerCard

Scorer = Callable[[str, list[str]], Sequence[float]]


class Returns(StrEnum):
    """What the numbers are that a function returns for n documents."""

    SCORES = "scores"
    """One for each document, higher is better."""
    ORDER = "order"
    """The documents' indexes, best first, from 0 or from 1."""
    RANKS = "ranks"
    """The rank of each document, from 0 or from 1."""


@dataclass(frozen=True)
class FunctionRanker:
    """A function ``(query, documents) -> scores`` as a ranker.

    Args:
        function: Takes the query's text and a list of document texts; one number each, higher is better.
        name: Name in reports, and part of the fingerprint.
        pointwise: Set ``False`` where a document's score depends on the others of the call.
        returns: What the numbers are (:class:`Returns`); without it scores, but not if they look like an order.
        version: Of what the function calls; another one is another ranker.
    """

    function: Scorer
    name: str
    pointwise: bool = True
    returns: Returns | None = None
    version: str = ""

    @cached_property
    def card(self) -> RankerCard:
        """The fingerprint is that of the function's source, where Python can find it, and of the version."""
        try:
            source = getsource(self.function)
        except (OSError, TypeError):
            source = self.name
        fingerprint = sha256(f"{self.name} {source} {self.returns} {self.version}".encode()).hexdigest()[:16]
        note = "a Python function; its fingerprint covers its own source and `version`, not what it calls"
        return RankerCard(
            name=self.name,
            fingerprint=fingerprint,
            pointwise=self.pointwise and self.returns in (None, Returns.SCORES),
            note=note,
            whole_numbers=self.returns is not None,
            can_change=True,
        )

    def score(self, query: Query, docs: Sequence[Document], /) -> list[float]:
        """The function's scores as floats.

        Raises:
            ContractError: It returned something other than numbers.
        """
        scores: Any = self.function(query.text, [doc.text for doc in docs])
        try:
            numbers = [float(score) for score in scores]
        except (TypeError, ValueError) as error:
            raise ContractError(
                f"ranker {self.name}: returned {type(scores).__name__}, not numbers: {error}"
            ) from error
        if self.returns in (None, Returns.SCORES):
            return numbers
        return self._from_order(numbers, len(docs))

    def _from_order(self, numbers: list[float], count: int) -> list[float]:
        """Scores that give the order or the ranks.

        Raises:
            ContractError: They are no permutation of 0 to n-1 or 1 to n.
        """
        first = next((f for f in (0, 1) if sorted(numbers) == [float(f + n) for n in range(count)]), None)
        if first is None:
            raise ContractError(
                f"ranker {self.name}: returns = {str(self.returns)!r}, but its {len(numbers)} numbers for {count} "
                "documents are not 0 to n-1 or 1 to n, each once"
            )
        if self.returns is Returns.RANKS:
            return [-number for number in numbers]
        ranks = {int(number) - first: rank for rank, number in enumerate(numbers)}
        return [-float(ranks[document]) for document in range(count)]


@dataclass(frozen=True, kw_only=True)
class CallableRanker:
    """A Python function by its import path.

    Args:
        function: ``"package.module:name"`` of a function ``(query: str, documents: list[str]) -> list[float]``.
        pointwise: Set ``false`` where a document's score depends on the others of the call.
        returns: ``"scores"``, ``"order"`` (the documents' indexes, best first) or ``"ranks"`` (the rank of each
            document); without it scores, but numbers that look like an order are refused.
        version: Of the service or model behind the function; raise it with every change, so that no record of the old
            one counts for the new one.
    """

    function: str
    pointwise: bool = True
    returns: str | None = None
    version: str = ""

    def __post_init__(self) -> None:
        if self.returns is not None and self.returns not in list(Returns):
            ways = ", ".join(repr(str(each)) for each in Returns)
            raise ConfigError(f"callable: returns must be one of {ways}, not {self.returns!r}")

    @cached_property
    def _ranker(self) -> FunctionRanker:
        module, colon, name = self.function.partition(":")
        if not colon:
            raise PluginError(f"callable: function must be 'package.module:name', not {self.function!r}")
        try:
            function = getattr(import_module(module), name)
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            raise PluginError(f"callable: {self.function!r} cannot be imported: {reason}") from error
        if not callable(function):
            raise PluginError(f"callable: {self.function!r} is a {type(function).__name__}, not a function")
        returns = None if self.returns is None else Returns(self.returns)
        return FunctionRanker(function, f"callable({self.function})", self.pointwise, returns, str(self.version))

    @property
    def card(self) -> RankerCard:
        """That of the function."""
        return self._ranker.card

    def score(self, query: Query, docs: Sequence[Document], /) -> list[float]:
        """The function's scores."""
        return self._ranker.score(query, docs)
