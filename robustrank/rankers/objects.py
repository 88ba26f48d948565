"""Rankers of other libraries, by the import path of an object: what they answer becomes scores, or is refused."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from hashlib import sha256
from typing import Any, NamedTuple

from robustrank.core import import_path
from robustrank.core.errors import ConfigError, ContractError, PluginError, reason
from robustrank.core.types import RankerCard

MISSING = ("refuse", "last")
"""What becomes of documents that an answer leaves out."""


class Placed(NamedTuple):
    """A document of an answer: its number in the list asked, and its score, if it has one."""

    number: int
    score: float | None


def load(path: str, what: str, methods: Sequence[str]) -> Any:
    """The object at an import path, or what the function or class there makes without arguments.

    Raises:
        PluginError: It cannot be imported or made, or has none of the methods.
    """
    value = import_path.load(path, f"{what}: object")
    if inspect.isclass(value) or (callable(value) and not any(hasattr(value, name) for name in methods)):
        try:
            value = value()
        except Exception as error:
            raise PluginError(f"{what}: {path!r} cannot be made without arguments: {reason(error)}") from error
    if not any(callable(getattr(value, name, None)) for name in methods):
        needed = " or ".join(f"`{name}`" for name in methods)
        raise PluginError(f"{what}: {path!r} is a {type(value).__name__} without {needed}")
    return value


def card(kind: str, path: str, version: str, parameters: Sequence[object], *, pointwise: bool) -> RankerCard:
    """The card of an object: its path, its version and the parameters are what can be seen of it."""
    shown = import_path.shown(path)
    return RankerCard(
        name=f"{kind}({shown})",
        fingerprint=sha256(repr((kind, shown, version, *parameters)).encode()).hexdigest()[:16],
        pointwise=pointwise,
        note="a ranker of another library; what it loads cannot be seen: raise `version` where that changes",
        whole_numbers=True,
        can_change=True,
    )


def scores(answer: Sequence[Placed], count: int, what: str, missing: str) -> list[float]:
    """A score for each document asked: the answer's own, or where it has none those of its order.

    Args:
        answer: Best first.
        count: Documents asked.
        what: The ranker, for messages.
        missing: Of :data:`MISSING`: ``"last"`` puts them below all others, in the order asked.

    Raises:
        ContractError: A document is there twice, or was not asked, or is missing.
    """
    numbers = [placed.number for placed in answer]
    if any(not 0 <= number < count for number in numbers):
        raise ContractError(f"{what}: answered with a document that was not asked; does a stage retrieve by itself?")
    if len({*numbers}) < len(numbers):
        raise ContractError(f"{what}: answered with a document twice")
    if len(numbers) < count and missing == "refuse":
        raise ContractError(
            f"{what}: answered with {len(numbers)} of {count} documents; raise its cut-off (top_n, top_k, % k) to the "
            '`depth` of the audit, or say missing = "last"'
        )
    given = [placed.score for placed in answer]
    if any(score is None for score in given):
        given = [float(count - place) for place in range(len(answer))]
    by_number = {number: float(score) for number, score in zip(numbers, given, strict=True) if score is not None}
    below = min(by_number.values(), default=0.0)
    rest = [number for number in range(count) if number not in by_number]
    by_number |= {number: below - place for place, number in enumerate(rest, start=1)}
    return [by_number[number] for number in range(count)]


def check_missing(missing: str, what: str) -> None:
    """Refuse another value than those of :data:`MISSING`.

    Raises:
        ConfigError: It is one.
    """
    if missing not in MISSING:
        raise ConfigError(f'{what}: missing is "refuse" or "last", not {missing!r}')
