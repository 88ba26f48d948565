"""Tables of a TOML file, checked: an unknown key or a wrong type is an error that names the mend."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import MISSING
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from robustrank.core.errors import ConfigError


def suggest(name: str, among: Sequence[str]) -> str:
    """``"; did you mean 'x'?"``, or nothing where no name is near."""
    near = get_close_matches(name, among, n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def known(name: str, names: Sequence[str], what: str) -> None:
    """Check a name.

    Raises:
        ConfigError: It is none of ``names``; the message has the nearest and all of them.
    """
    if name not in names:
        raise ConfigError(f"{what} {name!r} is not defined{suggest(name, names)} (have: {', '.join(names) or 'none'})")


def read(path: Path | str, what: str, mend: str = "") -> str:
    """The text of a TOML file; ``what`` it is and, where it is missing, the ``mend`` are for the message.

    Raises:
        ConfigError: It is missing or cannot be read.
    """
    try:
        return Path(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such {what}{mend}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from error


def toml(text: str, where: str) -> dict[str, Any]:
    """The tables of a text.

    Raises:
        ConfigError: It is not TOML.
    """
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{where}: not valid TOML: {error}") from error


class Tables:
    """Checks tables; remembers where they came from for the messages.

    Args:
        where: The file, for messages.
        folder: Where its relative paths begin.
    """

    def __init__(self, where: str, folder: Path | None) -> None:
        self.where = where
        self.folder = folder

    def table(
        self, data: Any, what: str, *, required: Mapping[str, type], optional: Mapping[str, type], more: bool = False
    ) -> dict[str, Any]:
        """A table with every key known (unless there may be more), every type right, and nothing missing.

        Raises:
            ConfigError: It is not so.
        """
        if not isinstance(data, dict):
            raise ConfigError(f"{self.where}: {what} must be a table, not {type(data).__name__}")
        expected = {**required, **optional}
        for key, value in data.items():
            if key not in expected:
                if more:
                    continue
                raise ConfigError(f"{self.where}: {what}: unknown key {key!r}{suggest(key, list(expected))}")
            if expected[key] is float and isinstance(value, int) and not isinstance(value, bool):
                continue
            if not isinstance(value, expected[key]) or (expected[key] is int and isinstance(value, bool)):
                raise ConfigError(f"{self.where}: {what}: {key} must be {expected[key].__name__}, not {value!r}")
        for key in required:
            if key not in data:
                raise ConfigError(f"{self.where}: {what} needs {key!r}")
        return data

    def options(self, kind: type[Any], data: Any, what: str) -> Any:
        """A dataclass whose keys are the table's keys; lists become tuples."""
        types = {"int": int, "float": float, "str": str, "bool": bool}
        options = kind.__dataclass_fields__
        expected = {name: types.get(str(option.type).removesuffix(" | None"), list) for name, option in options.items()}
        required = {n: expected[n] for n, o in options.items() if o.default is MISSING and o.default_factory is MISSING}
        table = self.table(data, what, required=required, optional=expected)
        return kind(**{key: tuple(value) if isinstance(value, list) else value for key, value in table.items()})
