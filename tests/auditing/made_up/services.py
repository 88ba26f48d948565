"""Functions as rankers, with the faults that services have."""

from __future__ import annotations

from collections.abc import Callable

STATE: dict[str, float] = {"shift": 0.0, "calls": 0.0}


def good(query: str, documents: list[str]) -> list[float]:
    return [len(document) + STATE["shift"] * len(query) for document in documents]


def order(query: str, documents: list[str]) -> list[int]:
    return sorted(range(len(documents)), key=lambda n: len(documents[n]))


def ranks(query: str, documents: list[str]) -> list[int]:
    best = order(query, documents)
    return [best.index(n) + 1 for n in range(len(documents))]


def listwise(query: str, documents: list[str]) -> list[float]:
    longest = max(map(len, documents))
    return [len(document) / longest for document in documents]


def _failing(error: Exception) -> Callable[[str, list[str]], list[float]]:
    def fail(query: str, documents: list[str]) -> list[float]:
        STATE["calls"] += 1
        raise error

    return fail


wrong_key = _failing(PermissionError("401: the API key is wrong"))
down = _failing(ConnectionError("connection refused"))


def one_short(query: str, documents: list[str]) -> list[float]:
    STATE["calls"] += 1
    return [1.0] * (len(documents) - 1)


def unsteady(query: str, documents: list[str]) -> list[float]:
    STATE["calls"] += 1
    return [len(document) + 10 * (STATE["calls"] % 2) for document in documents]


def rounding(query: str, documents: list[str]) -> list[float]:
    STATE["calls"] += 1
    return [len(document) + 1e-7 * (STATE["calls"] % 2) for document in documents]
