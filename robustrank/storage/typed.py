"""Typed values to JSON and back, strictly: an unknown key or a value of another type is an error that says where.

A file holds one object with its schema's version number under ``schema``; text is ASCII, so that invisible characters
are visible and lone surrogates can be written.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec


class WrongForm(ValueError):
    """Data that is not JSON, of another schema, or not of the type; the message says what and where inside."""


def plain(value: Any) -> Any:
    """A value of a struct, dataclass, named tuple or enumeration as what JSON holds."""
    return msgspec.to_builtins(value)


def dumps(value: Any, schema: int, *, indent: int | None = None) -> str:
    """A value and its schema's version number, as JSON.

    Raises:
        ValueError: A number in it is NaN or infinite.
    """
    return json.dumps({"schema": schema, **plain(value)}, indent=indent, allow_nan=False)


def loads(text: str | bytes, kind: Any, schema: int) -> Any:
    """The value that :func:`dumps` wrote.

    Args:
        text: JSON.
        kind: A type, or a union of tagged ones.
        schema: The schema number that this version reads.

    Raises:
        WrongForm: It is not JSON, of another schema, or not of the type.
    """
    return convert(object_of(text, schema), kind)


def object_of(text: str | bytes, schema: int) -> dict[str, Any]:
    """The object that :func:`dumps` wrote, without its schema number and not yet of any type.

    Raises:
        WrongForm: It is not JSON or of another schema.
    """
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise WrongForm(f"not JSON: {error}") from error
    written = data.get("schema") if isinstance(data, dict) else None
    if written != schema or not isinstance(written, int):
        raise WrongForm(f"schema {written!r}, this version reads {schema}")
    del data["schema"]
    value: dict[str, Any] = data
    return value


def convert(data: Any, kind: Any) -> Any:
    """Plain data as a type.

    Raises:
        WrongForm: An unknown key, a missing one, or a value of another type, with its path such as ``$.attacks[0]``.
    """
    try:
        value = msgspec.convert(data, kind)
    except (msgspec.ValidationError, UnicodeEncodeError) as error:  # the latter: a lone surrogate in place of a name
        raise WrongForm(str(error)) from error
    unread = _unread(data, plain(value), "$")
    if unread:
        raise WrongForm(f"Object contains unknown field - at `{unread}`")
    return value


def _unread(data: Any, kept: Any, path: str) -> str:
    """The path of the first key that the value made of the data has dropped, as dataclasses drop what they lack."""
    if isinstance(data, dict) and isinstance(kept, dict):
        pairs = [(f"{path}.{key}", item, kept.get(key, _DROPPED)) for key, item in data.items()]
    elif isinstance(data, list | tuple) and data and isinstance(data[0], dict | list | tuple):
        pairs = [(f"{path}[{i}]", a, b) for i, (a, b) in enumerate(zip(data, kept, strict=True))]
    else:
        return ""
    for place, item, left in pairs:
        if left is _DROPPED:
            return place
        deeper = _unread(item, left, place) if isinstance(item, dict | list | tuple) else ""
        if deeper:
            return deeper
    return ""


_DROPPED = object()
