"""Any Python function as a ranker."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from importlib import import_module
from inspect import getsource
from typing import Any

from robustrank.core.errors import ContractError, PluginError
from robustrank.core.types import Document, Query, RankerCard

Scorer = Callable[[str, list[str]], Sequence[float]]


@dataclass(frozen=True)
class FunctionRanker:
    """A function ``(query, documents) -> scores`` as a ranker.

    Args:
        function: Takes the query's text and a list of document texts; one number each, higher is better.
        name: Name in reports, and part of the fingerprint.
        pointwise: Set ``False`` where a document's score depends on the others of the call.
    """

    function: Scorer
    name: str
    pointwise: bool = True

    @cached_property
    def card(self) -> RankerCard:
        """The fingerprint is that of the function's source, where Python can find it."""
        try:
            source = getsource(self.function)
        except (OSError, TypeError):
            source = self.name
        fingerprint = sha256(f"{self.name} {source}".encode()).hexdigest()[:16]
        note = "a Python function; its fingerprint covers its own source, not what it calls"
        return RankerCard(name=self.name, fingerprint=fingerprint, pointwise=self.pointwise, note=note)

    def score(self, query: Query, docs: Sequence[Document], /) -> list[float]:
        """The function's scores as floats.

        Raises:
            ContractError: It returned something other than numbers.
        """
        scores: Any = self.function(query.text, [doc.text for doc in docs])
        try:
            return [float(score) for score in scores]
        except (TypeError, ValueError) as error:
            raise ContractError(
                f"ranker {self.name}: returned {type(scores).__name__}, not numbers: {error}"
            ) from error


@dataclass(frozen=True, kw_only=True)
class CallableRanker:
    """A Python function by its import path.

    Args:
        function: ``"package.module:name"`` of a function ``(query: str, documents: list[str]) -> list[float]``.
        pointwise: Set ``false`` where a document's score depends on the others of the call.
    """

    function: str
    pointwise: bool = True

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
        return FunctionRanker(function, f"callable({self.function})", self.pointwise)

    @property
    def card(self) -> RankerCard:
        """That of the function."""
        return self._ranker.card

    def score(self, query: Query, docs: Sequence[Document], /) -> list[float]:
        """The function's scores."""
        return self._ranker.score(query, docs)
