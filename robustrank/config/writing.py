"""Tables as the text of an audit file."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from robustrank.core.errors import ConfigError


def as_toml(tables: Mapping[str, Any]) -> str:
    """Tables as the text of an audit file; lists of tables are written as ``[[name]]``.

    Raises:
        ConfigError: A value that no audit file can hold.
    """
    plain = {key: value for key, value in tables.items() if not _is_tables(value) and not isinstance(value, Mapping)}
    parts = ["".join(f"{key} = {_value(value)}\n" for key, value in plain.items())]
    for key, value in tables.items():
        if isinstance(value, Mapping):
            parts.append(f"[{key}]\n" + "".join(f"{_key(k)} = {_value(v)}\n" for k, v in value.items()))
        elif _is_tables(value):
            parts += [f"[[{key}]]\n" + "".join(f"{_key(k)} = {_value(v)}\n" for k, v in each.items()) for each in value]
    return "\n".join(parts)


def _is_tables(value: Any) -> bool:
    return isinstance(value, list | tuple) and bool(value) and all(isinstance(each, Mapping) for each in value)


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_key(key)} = {_value(each)}" for key, each in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_value, value)) + "]"
    if isinstance(value, Path):
        return _value(str(value))
    if not isinstance(value, str | int | float | bool):
        raise ConfigError(f"an audit file cannot hold a {type(value).__name__}: {str(value)[:60]!r}")
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _key(name: Any) -> str:
    return str(name) if re.fullmatch(r"[A-Za-z0-9_-]+", str(name)) else json.dumps(str(name))
