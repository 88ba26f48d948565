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


def indented(value: Any) -> str:
    """Plain data as ``json.dumps(value, indent=1)`` writes it, many times faster."""
    try:
        return msgspec.json.format(json.dumps(value), indent=1)
    except msgspec.DecodeError:  # of a lone surrogate, or an infinite number
        return json.dumps(value, indent=1)


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
        data = _parsed(text)
    except (ValueError, RecursionError) as error:
        raise WrongForm(f"not JSON: {error}") from error
    written = data.get("schema") if isinstance(data, dict) else None
    if written != schema or not isinstance(written, int):
        raise WrongForm(f"schema {written!r}, this version reads {schema}")
    del data["schema"]
    value: dict[str, Any] = data
    return value


def _parsed(text: str | bytes) -> Any:
    try:
        return msgspec.json.decode(text)  # twice as fast
    except (msgspec.DecodeError, UnicodeEncodeError):
        return json.loads(text)  # takes lone surrogates and infinite numbers, and words its errors as its users know


def convert(data: Any, kind: Any) -> Any:
    """Plain data as a type.

    Raises:
        WrongForm: An unknown key, a missing one, or a value of another type, with its path such as ``$.attacks[0]``.
    """
    try:
        value = msgspec.convert(data, kind)
    except (msgspec.ValidationError, UnicodeEncodeError) as error:  # the latter: a lone surrogate in place of a name
        raise WrongForm(str(error)) from error
    unread = "" if _all_read(data, value) else _unread(data, plain(value))
    if unread:
        raise WrongForm(f"Object contains unknown field - at `${unread}`")
    return value


def _all_read(data: Any, value: Any) -> bool:
    """Whether the value written again is the data: the quick answer for nearly all of our own files."""
    try:
        return bool(msgspec.json.decode(msgspec.json.encode(value)) == data)
    except UnicodeEncodeError:  # a lone surrogate
        return False


def _unread(data: Any, kept: Any) -> str:
    """The path of the first key that the value made of the data has dropped, as dataclasses drop what they lack."""
    if isinstance(data, dict) and isinstance(kept, dict):
        for key, item in data.items():
            left = kept.get(key, _DROPPED)
            if left is _DROPPED:
                return f".{key}"
            if item != left and (deeper := _unread(item, left)):  # what is equal has dropped nothing
                return f".{key}{deeper}"
    elif isinstance(data, (list, tuple)) and data and isinstance(data[0], (dict, list, tuple)):
        for i, (item, left) in enumerate(zip(data, kept, strict=True)):
            if item != left and (deeper := _unread(item, left)):
                return f"[{i}]{deeper}"
    return ""


_DROPPED = object()
