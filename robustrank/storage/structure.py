"""Plain data (what JSON holds) back to the dataclasses it was made from, by their declared types."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import is_dataclass
from enum import Enum
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints


def revive(kind: Any, value: Any) -> Any:
    """Plain data as the declared type: dataclasses and named tuples rebuilt, sequences as tuples."""
    origin, arguments = get_origin(kind), get_args(kind)
    if value is None:
        return None
    if origin in (Union, UnionType):
        return revive(next(a for a in arguments if a is not type(None)), value)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind(value)
    if isinstance(kind, type) and issubclass(kind, tuple) and hasattr(kind, "_fields"):
        return kind(*value)
    if isinstance(kind, type) and is_dataclass(kind):
        hints = get_type_hints(kind)
        return kind(**{key: revive(hints[key], item) for key, item in value.items()})
    if origin is Mapping:
        return {key: revive(arguments[1], item) for key, item in value.items()}
    if origin is Sequence or (origin is tuple and arguments[-1] is Ellipsis):
        return tuple(revive(arguments[0], item) for item in value)
    return tuple(value) if origin is tuple else value
