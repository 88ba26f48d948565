"""Lines of plain and gzipped text files; errors name file and line."""

from __future__ import annotations

import gzip
import json
import zlib
from codecs import BOM_UTF8
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from robustrank.core.errors import DataError


def lines(path: Path) -> Iterator[tuple[int, str]]:
    """Line number and text of every non-empty line; a byte order mark at the start is dropped.

    Raises:
        DataError: The file is missing or unreadable, not UTF-8, or a truncated gzip file.
    """
    if not path.is_file():
        raise DataError("no such file", path=path)
    number = 0
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
            for number, raw in enumerate(file, start=1):
                text = raw.removeprefix(BOM_UTF8 if number == 1 else b"").decode("utf-8").rstrip("\r\n")
                if text.strip():
                    yield number, text
    except UnicodeDecodeError as error:
        fix = "convert the file to UTF-8"
        raise DataError(f"not UTF-8 at byte {error.start} of the line; {fix}", path=path, line=number) from error
    except (EOFError, OSError, zlib.error) as error:
        reached = f"cannot be read any further than line {number}"
        raise DataError(f"{reached}: {error}; copy or download it again", path=path) from error


def objects(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Line number and JSON object of every line.

    Raises:
        DataError: As :func:`lines`, and a line that is not a JSON object.
    """
    for number, text in lines(path):
        try:
            value = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise DataError(f"not JSON: {error}", path=path, line=number) from error
        if not isinstance(value, dict):
            raise DataError(f"a JSON object expected, not {type(value).__name__}", path=path, line=number)
        yield number, value


def field(value: dict[str, Any], name: str, path: Path, line: int) -> str:
    """A field as text; whole numbers are accepted, as ids often are.

    Raises:
        DataError: It is missing, neither text nor whole number, or a lone surrogate.
    """
    if name not in value:
        raise DataError(f"no field {name!r} (has: {', '.join(value)})", path=path, line=line)
    content = value[name]
    if isinstance(content, bool) or not isinstance(content, str | int):
        raise DataError(
            f"field {name!r} must be text or a whole number, not {type(content).__name__}", path=path, line=line
        )
    text = str(content)
    try:
        text.encode()
    except UnicodeEncodeError as error:
        half = f"field {name!r} holds half a surrogate pair, {text[error.start]!a}, which no UTF-8 can hold"
        raise DataError(half, path=path, line=line) from error
    return text


def grade(text: str, path: Path, line: int) -> int:
    """A grade; ``1.0`` is accepted for 1.

    Raises:
        DataError: Not a whole number.
    """
    try:
        value = float(text)
        if value == int(value):
            return int(value)
    except (ValueError, OverflowError):
        pass
    raise DataError(f"grade {text!r} is not a whole number", path=path, line=line)
