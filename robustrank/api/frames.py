"""Data frames of any library, read as rows and made of columns, through narwhals."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import isnan
from typing import Any, Literal

import narwhals.stable.v2 as nw

from robustrank.core.errors import ConfigError, DataError, MissingExtra

Library = Literal["pandas", "polars", "pyarrow"]
LIBRARIES: tuple[Library, ...] = ("pandas", "polars", "pyarrow")


def rows(frame: Any, what: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Number and fields of every row, without those that have no value; whole numbers that a gap made floats are whole.

    Args:
        frame: Of pandas, polars, Arrow or another library that narwhals reads; or mappings, one a row.
        what: Its name, for messages.

    Raises:
        DataError: It is none of these.
    """
    if isinstance(frame, Iterable) and not hasattr(frame, "columns") and not isinstance(frame, str | bytes | Mapping):
        records: Iterable[Any] = frame
    else:
        try:
            records = nw.from_native(frame, eager_only=True).iter_rows(named=True)
        except TypeError as error:
            raise DataError(f"{what} is a {type(frame).__name__}, not a data frame or a list of mappings") from error
    for number, row in enumerate(records, start=1):
        if not isinstance(row, Mapping):
            raise DataError(f"row {number} of {what} is a {type(row).__name__}, not a mapping of columns to values")
        yield number, {str(name): _plain(value) for name, value in row.items() if not _missing(value)}


def _missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and isnan(value)) or type(value).__name__ in ("NAType", "NaTType")


def _plain(value: Any) -> Any:
    """A value of numpy's as Python's; a whole float as an integer."""
    value = value.item() if hasattr(value, "item") and not isinstance(value, str) else value
    return int(value) if isinstance(value, float) and value.is_integer() else value


def frame(columns: Mapping[str, Sequence[Any]], library: Library | None) -> Any:
    """A data frame.

    Args:
        columns: Name to values, all of one length; ``None`` where there is no value.
        library: Whose; default the first one installed of :data:`LIBRARIES`.

    Raises:
        ConfigError: Another library.
        MissingExtra: It is not installed.
    """
    if library is not None and library not in LIBRARIES:
        raise ConfigError(f"no data frames of {library!r}; choose one of {', '.join(LIBRARIES)}")
    for name in (library,) if library else LIBRARIES:
        try:
            return nw.from_dict(dict(columns), _schema(columns), backend=name).to_native()
        except ModuleNotFoundError:
            continue
    wanted = library or "pandas"
    raise MissingExtra("a data frame", extra="frames", package=wanted)


def _schema(columns: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
    """The type of every column, so that one without values has one too."""
    return {name: _type([value for value in values if value is not None]) for name, values in columns.items()}


def _type(values: Sequence[Any]) -> Any:
    if values and all(isinstance(value, bool) for value in values):
        return nw.Boolean
    if values and all(isinstance(value, int) and not isinstance(value, bool) for value in values):
        return nw.Int64
    if values and all(isinstance(value, int | float) for value in values):
        return nw.Float64
    return nw.String
