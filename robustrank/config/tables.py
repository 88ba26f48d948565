"""TOML files as typed values: an unknown key, a missing one or a value of another type is an error with its fix.

A dataclass is a table, its fields the keys. A dataclass with a field ``plugin`` is the table of a plug-in: it has
``use``, and every key that is no field is a parameter of the plug-in.
"""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, is_dataclass
from difflib import get_close_matches
from enum import Enum
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from msgspec import Meta

from robustrank.core import import_path
from robustrank.core.errors import ConfigError
from robustrank.core.plugin_spec import Plugin
from robustrank.storage import files, typed

T = TypeVar("T")

Count = Annotated[int, Meta(ge=1)]
"""A positive whole number."""

OBJECTS = frozenset({"function", "object"})
"""Parameters of plug-ins that are import paths, whose module may lie beside the file."""

PATHS = frozenset({"path", "run", "topics", "qrels", "documents", "misspellings", "boilerplate"})
"""Parameters of plug-ins that are paths, and relative to the file."""


def suggest(name: str, among: Sequence[str]) -> str:
    """``"; did you mean 'x'?"``, or nothing where no name is near."""
    near = get_close_matches(name, among, n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def check_name(name: str, names: Sequence[str], what: str) -> None:
    """Check that a name is defined.

    Args:
        name: The name.
        names: The defined ones.
        what: What the name is of, with its place in the file, for the message.

    Raises:
        ConfigError: It is none of ``names``; the message has the nearest and all of them.
    """
    if name not in names:
        raise ConfigError(f"{what} {name!r} is not defined{suggest(name, names)} (have: {', '.join(names) or 'none'})")


def read(path: Path | str, what: str, fix: str = "") -> str:
    """The text of a TOML file; ``what`` it is and, where it is missing, the ``fix`` are for the message.

    Raises:
        ConfigError: It is missing or cannot be read.
    """
    try:
        return files.read_text(Path(path))
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such {what}{fix}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from error


def toml(text: str, where: str) -> dict[str, Any]:
    """The tables of a text.

    Raises:
        ConfigError: It is not TOML, is nested too deeply, or has a value that no file of ours can hold: a date, or a
            number that is not finite or needs more than 64 bits.
    """
    try:
        data = tomllib.loads(text)
        _check_values(data, where, "")
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{where}: not valid TOML: {error}") from error
    except ValueError as error:  # of an integer with thousands of digits
        raise ConfigError(f"{where}: a number is too long: {error}") from error
    except RecursionError:
        raise ConfigError(f"{where}: tables or lists are nested too deeply") from None
    return data


def _check_values(value: Any, where: str, place: str) -> None:
    if isinstance(value, dict):
        for name, item in value.items():
            _check_values(item, where, f"{place}.{name}".lstrip("."))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            _check_values(item, where, f"{place}[{number}]")
    elif isinstance(value, int | float) and not abs(value) < 2**63:
        raise ConfigError(f"{where}: {place} = {str(value)[:40]} is no number that can be used; give a smaller one")
    elif not isinstance(value, str | int | float):
        raise ConfigError(f"{where}: {place} is a date or time, which no key takes; write it in quotes if it is a text")


def key(name: str | None, **options: Any) -> Any:
    """A field of a table whose key is not the field's name; ``None``: not in the file. Options as of ``field``."""
    return dataclasses.field(metadata={"key": name}, **options)


def read_as(kind: type[T], data: Mapping[str, Any], where: str, folder: Path | None = None) -> T:
    """The tables of a file as a dataclass.

    Args:
        kind: The dataclass.
        data: The tables.
        where: The file, for messages.
        folder: The folder that paths in parameters of plug-ins are relative to.

    Raises:
        ConfigError: An unknown key (with the nearest valid one), a missing one, or a value of another type; the message
            names file, table and key.
    """
    value: T = _Reader(where, folder).table(kind, data, "", "the top level")
    return value


@dataclass(frozen=True)
class _Reader:
    """Turns data into values.

    Args:
        where: The file.
        folder: The folder that paths in parameters of plug-ins are relative to.
    """

    where: str
    folder: Path | None

    def table(self, kind: Any, data: Any, name: str, place: str) -> Any:
        """A table as a dataclass; ``name`` is its dotted name and ``place`` what messages call it."""
        if not isinstance(data, Mapping):
            raise ConfigError(f"{self.where}: {place} must be a table, not {data!r}")
        if kind is Plugin:
            return self._plugin(data, (), place)
        fields = _fields(kind)
        values = {}
        own = dict(data)
        if fields.get("plugin", MISSING) is Plugin:
            fields = {key: hint for key, hint in fields.items() if key != "plugin"}
            values["plugin"] = self._plugin(data, fields, place)
            own = {key: value for key, value in data.items() if key in fields}
            if "name" in fields:
                own.setdefault("name", data["use"])
        inside = "" if place == "the top level" else f"{place}: "
        for key_, value in own.items():
            if key_ not in fields:
                raise ConfigError(f"{self.where}: {place}: unknown key {key_!r}{suggest(key_, list(fields))}")
            values[key_] = self._value(fields[key_], value, f"{name}.{key_}".lstrip("."), key_, inside)
        for field in dataclasses.fields(kind):
            key_ = field.metadata.get("key", field.name)
            if key_ is not None and key_ not in values and field.default is field.default_factory is MISSING:
                raise ConfigError(f"{self.where}: {place} needs {key_!r}")
        return kind(**{f.name: values[k] for f in dataclasses.fields(kind) if (k := _key(f)) in values})

    def _value(self, hint: Any, value: Any, name: str, shown: str, inside: str) -> Any:
        """A value of a table; ``shown`` is its key in messages, ``inside`` the beginning of messages."""
        origin, arguments = get_origin(hint), get_args(hint)
        if origin in (Union, UnionType):
            tables: list[Any] = [option for option in arguments if is_dataclass(option)]
            if tables and isinstance(value, Mapping):
                hint = _nearest(tables, value)
            elif len(arguments) == 2 and NoneType in arguments:
                hint = next(option for option in arguments if option is not NoneType)
            origin, arguments = get_origin(hint), get_args(hint)
        if is_dataclass(hint):
            return self.table(hint, value, name, f"{inside}[{name}]")
        if origin is tuple:
            return self._list(arguments, value, name, shown, inside)
        if origin is Mapping and isinstance(value, Mapping):
            return {k: self._value(arguments[1], v, f"{name}.{k}", f"{shown}: {k}", inside) for k, v in value.items()}
        try:
            return typed.convert(value, hint)
        except typed.WrongForm:
            near = suggest(value, [m.value for m in hint]) if isinstance(value, str) and _is_enum(hint) else ""
            raise ConfigError(f"{self.where}: {inside}{shown} must be {_words(hint)}, not {value!r}{near}") from None

    def _list(self, items: tuple[Any, ...], value: Any, name: str, shown: str, inside: str) -> Any:
        many = items[-1] is Ellipsis
        if not isinstance(value, list) or not (many or len(value) == len(items)):
            what = "a list" if many else f"a list of {len(items)} values"
            raise ConfigError(f"{self.where}: {inside}{shown} must be {what}, not {value!r}")
        hints = [items[0]] * len(value) if many else items
        if _is_table(items[0]):
            return tuple(
                self._row(hint, item, name, f"{inside}[[{name}]] {number}")
                for number, (hint, item) in enumerate(zip(hints, value, strict=True), start=1)
            )
        return tuple(
            self._value(hint, item, name, f"{shown}[{number}]", inside)
            for number, (hint, item) in enumerate(zip(hints, value, strict=True))
        )

    def _row(self, hint: Any, item: Any, name: str, place: str) -> Any:
        """One of several tables of a name, which messages call by its number and its own name."""
        kinds = [hint] if is_dataclass(hint) else get_args(hint)
        if not isinstance(item, Mapping):
            raise ConfigError(f"{self.where}: {place} must be a table, not {item!r}")
        kind = _nearest(kinds, item)
        title = item.get("name", item.get("use"))
        return self.table(kind, item, name, f"{place} {title!r}" if isinstance(title, str) else place)

    def _plugin(self, data: Mapping[str, Any], own: Sequence[str] | Mapping[str, Any], place: str) -> Plugin:
        """The plug-in of a table, with every key that is not the table's own as a parameter."""
        if "use" not in data:
            raise ConfigError(f"{self.where}: {place} needs 'use'")
        if not isinstance(data["use"], str):
            raise ConfigError(f"{self.where}: {place}: use must be text, not {data['use']!r}")
        params = {name: value for name, value in data.items() if name not in own and name not in ("use", "name")}
        return Plugin(use=data["use"], params=params if self.folder is None else _beside(params, self.folder))


def _beside(params: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Parameters of a plug-in with their paths, and those of plug-ins among them, relative to a folder."""
    paths = {"path"} if "path" in params else PATHS  # beside a folder, other names are names inside it

    def placed(name: str, value: Any) -> Any:
        if isinstance(value, Mapping) and "use" in value:
            return _beside(value, folder)
        if isinstance(value, list | tuple):
            return type(value)(placed(name, each) if isinstance(each, Mapping) else each for each in value)
        if not isinstance(value, str):
            return value
        if name in OBJECTS:
            return import_path.beside(value, folder)
        return str(folder / value) if name in paths or value.startswith("./") else value

    return {name: placed(name, value) for name, value in params.items()}


@cache
def _fields(kind: Any) -> dict[str, Any]:
    """Key to type, of the fields that a file may have."""
    if kind is Plugin:
        return {"use": str}
    hints = get_type_hints(kind, include_extras=True)
    return {name: hints[field.name] for field in dataclasses.fields(kind) if (name := _key(field)) is not None}


def _nearest(kinds: Sequence[Any], value: Mapping[str, Any]) -> Any:
    """The kind of table that has most of the keys, and among equals the one that has the fewest others."""
    return max(kinds, key=lambda kind: (len(_fields(kind).keys() & value.keys()), -len(_fields(kind))))


def _key(field: dataclasses.Field[Any]) -> str | None:
    name: str | None = field.metadata.get("key", field.name)
    return name


def _is_table(hint: Any) -> bool:
    return is_dataclass(hint) or (get_origin(hint) in (Union, UnionType) and all(map(is_dataclass, get_args(hint))))


def _is_enum(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, Enum)


def _words(hint: Any) -> str:
    """A type of single values, for messages."""
    if get_origin(hint) is Literal:
        return " or ".join(map(repr, get_args(hint)))
    if get_origin(hint) is Annotated:
        base, limit = get_args(hint)
        return f"{_words(base)} of at least {limit.ge}"
    if hint == int | float:
        return _words(float)
    if get_origin(hint) in (Union, UnionType):
        return " or ".join(dict.fromkeys(_words(option) for option in get_args(hint) if option is not NoneType))
    if _is_enum(hint):
        return " or ".join(repr(member.value) for member in hint)
    return {int: "a whole number", float: "a number", str: "text", bool: "true or false"}.get(hint, "a table")
