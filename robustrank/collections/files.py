"""Lines out of plain and gzipped text files, with every fault named by file and line."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from robustrank.errors import DataError


def lines(path: Path) -> Iterator[tuple[int, str]]:
    """Line number and text of every non-empty line.

    Raises:
        DataError: The file is missing, not UTF-8, or a torn gzip.
    """
    if not path.is_file():
        raise DataError("no such file", path=path)
    with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
        number = 0
        try:
            for number, raw in enumerate(file, start=1):  # noqa: B007 - the handler below needs the last one
                text = raw.decode("utf-8").rstrip("\r\n")
                if text.strip():
                    yield number, text
        except UnicodeDecodeError as error:
            mend = "convert the file to UTF-8"
            raise DataError(f"not UTF-8 at byte {error.start} of the line; {mend}", path=path, line=number) from error
        except (EOFError, OSError, zlib.error) as error:
            raise DataError(f"torn or not gzip after this line: {error}", path=path, line=number) from error


def objects(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Line number and JSON object of every line.

    Raises:
        DataError: As :func:`lines`, and a line that is not a JSON object.
    """
    for number, text in lines(path):
        try:
            value = json.loads(text)
        except ValueError as error:
            raise DataError(f"not JSON: {error}", path=path, line=number) from error
        if not isinstance(value, dict):
            raise DataError(f"a JSON object expected, not {type(value).__name__}", path=path, line=number)
        yield number, value


def field(value: dict[str, Any], name: str, path: Path, line: int) -> str:
    """A field as text; numbers are accepted as ids.

    Raises:
        DataError: It is missing, or neither text nor number.
    """
    if name not in value:
        raise DataError(f"no field {name!r} (has: {', '.join(value)})", path=path, line=line)
    found = value[name]
    if isinstance(found, bool) or not isinstance(found, str | int):
        raise DataError(f"field {name!r} must be text, not {type(found).__name__}", path=path, line=line)
    return str(found)
