"""Any Python function as a ranker."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache, cached_property
from hashlib import sha256
from inspect import getsource, isawaitable
from threading import Thread
from typing import Any

from robustrank.core import import_path
from robustrank.core.errors import ConfigError, ContractError, PluginError
from robustrank.core.types import Document, Query, RankerCard

Scorer = Callable[[str, list[str]], Sequence[float]] | Callable[[str, list[str]], Awaitable[Sequence[float]]]
"""Of a list."""

PairScorer = Callable[[str, str], float] | Callable[[str, str], Awaitable[float]]
"""Of one document."""

AT_ONE_TIME = 16
"""Calls of an asynchronous function of pairs."""


class Call(StrEnum):
    """What a function is called with."""

    LIST = "list"
    """The query and a list of documents."""
    PAIR = "pair"
    """The query and one document."""


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

    An asynchronous function runs in one event loop of the process, so that clients it keeps stay usable.

    Args:
        function: Takes the query's text and a list of document texts; one number each, higher is better.
        name: Name in reports, and part of the fingerprint.
        pointwise: Set ``False`` where a document's score depends on the others of the call.
        returns: What the numbers are (:class:`Returns`); without it scores, but not if they look like an order.
        version: Of what the function calls; another one is another ranker.
        call: Whether the function takes a list of documents, or one document and returns one number.
        deterministic: Set ``False`` where the same call may give other scores.
    """

    function: Scorer | PairScorer
    name: str
    pointwise: bool = True
    returns: Returns | None = None
    version: str = ""
    call: Call = Call.LIST
    deterministic: bool = True

    @cached_property
    def card(self) -> RankerCard:
        """The fingerprint is that of the function's source, where Python can find it, and of the version."""
        try:
            source = getsource(self.function)
        except (OSError, TypeError):
            source = self.name
        fingerprint = sha256(f"{self.name} {source} {self.returns} {self.version} {self.call}".encode()).hexdigest()[
            :16
        ]
        note = "a Python function; its fingerprint covers its own source and `version`, not what it calls"
        return RankerCard(
            name=self.name,
            fingerprint=fingerprint,
            pointwise=self.pointwise and self.returns in (None, Returns.SCORES),
            deterministic=self.deterministic,
            note=note,
            whole_numbers=self.returns is not None,
            can_change=True,
        )

    def score(self, query: Query, docs: Sequence[Document], /) -> list[float]:
        """The function's scores as floats.

        Raises:
            ContractError: It returned something other than numbers.
        """
        scores: Any = self._called(query.text, [doc.text for doc in docs])
        try:
            numbers = [float(score) for score in scores]
        except (TypeError, ValueError) as error:
            raise ContractError(
                f"ranker {self.name}: returned {type(scores).__name__}, not numbers: {error}"
            ) from error
        if self.returns in (None, Returns.SCORES):
            return numbers
        return self._from_order(numbers, len(docs))

    def _called(self, query: str, texts: list[str]) -> Any:
        function: Any = self.function
        if self.call is Call.LIST:
            answer = function(query, texts)
            return _finished(answer) if isawaitable(answer) else answer
        answers: list[Any] = []
        for number, text in enumerate(texts):
            answer = function(query, text)
            if isawaitable(answer):
                others = texts[number + 1 :]
                return [*answers, *_finished(_gathered(answer, lambda other: function(query, other), others))]
            answers.append(answer)
        return answers

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


async def _gathered(
    first: Awaitable[Any], function: Callable[[str], Awaitable[Any]], texts: Sequence[str]
) -> list[Any]:
    """The answers for one text and for others, some at work at one time; the rest is given up where one fails."""
    some = asyncio.Semaphore(AT_ONE_TIME)

    async def one(text: str) -> Any:
        async with some:
            return await function(text)

    async def begun() -> Any:
        return await first

    tasks = [asyncio.ensure_future(begun()), *(asyncio.ensure_future(one(text)) for text in texts)]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _finished(answer: Awaitable[Any]) -> Any:
    """What an awaitable gives, from the event loop of this process."""

    async def whole() -> Any:
        return await answer

    future = asyncio.run_coroutine_threadsafe(whole(), _event_loop())
    try:
        return future.result()
    except BaseException:  # also where a time limit or Ctrl-C ends the wait
        future.cancel()
        raise


@cache
def _event_loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    Thread(target=loop.run_forever, name="robustrank-async", daemon=True).start()
    return loop


@dataclass(frozen=True, kw_only=True)
class CallableRanker:
    """A Python function by its import path; it may be asynchronous.

    Args:
        function: ``"package.module:name"`` of a function ``(query: str, documents: list[str]) -> list[float]``. The
            module is installed, or lies beside the audit file.
        pointwise: Set ``false`` where a document's score depends on the others of the call.
        returns: ``"scores"``, ``"order"`` (the documents' indexes, best first) or ``"ranks"`` (the rank of each
            document); without it scores, but numbers that look like an order are refused.
        version: Of the service or model behind the function; raise it with every change, so that no record of the old
            one counts for the new one.
        call: ``"pair"`` for a function ``(query: str, document: str) -> float``.
        deterministic: Set ``false`` where the same call may give other scores.
    """

    function: str
    pointwise: bool = True
    returns: str | None = None
    version: str = ""
    call: str = "list"
    deterministic: bool = True

    def __post_init__(self) -> None:
        if self.call not in list(Call):
            raise ConfigError(f"callable: call must be 'list' or 'pair', not {self.call!r}")
        if self.call == Call.PAIR and (not self.pointwise or self.returns not in (None, Returns.SCORES)):
            raise ConfigError(
                'callable: a function of pairs gives scores that do not depend on a list; leave out call = "pair", or '
                "`pointwise` and `returns`"
            )
        if self.returns is not None and self.returns not in list(Returns):
            ways = ", ".join(repr(str(each)) for each in Returns)
            raise ConfigError(f"callable: returns must be one of {ways}, not {self.returns!r}")

    @cached_property
    def _ranker(self) -> FunctionRanker:
        function = import_path.load(self.function, "callable: function")
        if not callable(function):
            raise PluginError(f"callable: {self.function!r} is a {type(function).__name__}, not a function")
        returns = None if self.returns is None else Returns(self.returns)
        name = f"callable({import_path.shown(self.function)})"
        return FunctionRanker(
            function, name, self.pointwise, returns, str(self.version), Call(self.call), self.deterministic
        )

    @property
    def card(self) -> RankerCard:
        """That of the function."""
        return self._ranker.card

    def score(self, query: Query, docs: Sequence[Document], /) -> list[float]:
        """The function's scores."""
        return self._ranker.score(query, docs)
