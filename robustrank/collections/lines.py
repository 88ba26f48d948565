"""Lines and rows of files, plain or compressed, in bounded memory; errors name file and line."""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import zlib
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from robustrank.core.errors import DataError, MissingExtra

LONGEST = 16 << 20
"""Bytes of a line. The longest documents of test collections have a few megabytes; a file without line ends, or a
gzipped file of zeros, ends here and not in memory."""

GZIP, ZSTD, PARQUET = b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"PAR1"

COMPRESSED = (".gz", ".zst")
"""Endings of compressed files; what counts are their first bytes."""

_GRADE = re.compile(r"[+-]?[0-9]{1,9}(?:\.0*)?", re.ASCII)

GRADES = 1000
"""Greatest absolute value of a grade. Measures of other libraries use memory in proportion to the greatest grade."""


def lines(path: Path) -> Iterator[tuple[int, str]]:
    """Line number and text of every non-empty line; a byte order mark at the start is dropped.

    A file compressed by gzip or zstd is recognised by its first bytes, whatever its name.

    Raises:
        DataError: The file is missing or unreadable, not UTF-8, compressed in another way, or truncated; a line is
            longer than :data:`LONGEST`.
    """
    number = 0
    with opened(path) as file:
        try:
            while raw := file.readline(LONGEST + 1):
                number += 1
                if len(raw) > LONGEST:
                    raise DataError(
                        f"a line of more than {LONGEST >> 20} MB; is this a text file with one entry a line?",
                        path=path, line=number,
                    )  # fmt: skip
                text = raw.removeprefix(BOM_UTF8 if number == 1 else b"").decode("utf-8").rstrip("\r\n")
                if text.strip():
                    yield number, text
        except UnicodeDecodeError as error:
            fix = "convert the file to UTF-8"
            raise DataError(f"not UTF-8 at byte {error.start} of the line; {fix}", path=path, line=number) from error
        except (EOFError, OSError, zlib.error) as error:
            reached = f"cannot be read any further than line {number}"
            raise DataError(f"{reached}: {error}; copy or download it again", path=path) from error


@contextmanager
def opened(path: Path) -> Iterator[IO[bytes] | gzip.GzipFile | io.BufferedReader]:
    """A file for reading, decompressed where its first bytes are those of gzip or zstd.

    Raises:
        DataError: Missing, no file (a folder or device), unreadable, UTF-16, or a Parquet file.
        MissingExtra: Compressed by zstd, and pyarrow is not installed.
    """
    if not path.exists():
        raise DataError("no such file", path=path)
    if not path.is_file():
        raise DataError("not a file; give the path of a text file", path=path)
    try:
        with path.open("rb") as file:
            start = file.peek(4)[:4]
            if start == PARQUET:
                raise DataError("a Parquet file, which the loader jsonl reads, and this one not", path=path)
            if start[:2] in (BOM_UTF16_LE, BOM_UTF16_BE):
                fix = "convert it with: iconv -f UTF-16 -t UTF-8 FILE > NEW"
                raise DataError(f"in UTF-16; {fix}", path=path)
            if start == ZSTD:
                arrow = _arrow(f"{path}, compressed by zstd,")
                with io.BufferedReader(arrow.CompressedInputStream(file, "zstd"), 1 << 20) as plain:
                    yield plain
            elif start[:2] == GZIP:
                with gzip.open(file, "rb") as plain:
                    yield plain
            else:
                yield file
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror or error}", path=path) from error


def _arrow(what: str) -> Any:
    try:
        import pyarrow
        import pyarrow.parquet  # a part that is not imported with the whole
    except ImportError as error:
        raise MissingExtra(what, extra="data", package="pyarrow") from error
    return pyarrow


def plain_name(path: Path) -> str:
    """The name without the ending of a compressed file."""
    return path.name.removesuffix(COMPRESSED[0]).removesuffix(COMPRESSED[1])


def tabular(path: Path) -> bool:
    """Whether a file is a table with a header by its name: ``.csv`` or ``.tsv``, perhaps compressed."""
    return plain_name(path).endswith((".csv", ".tsv"))


def parquet(path: Path) -> bool:
    """Whether a file is a Parquet file, by its name or its first bytes."""
    if path.name.endswith(".parquet") or not path.is_file():
        return path.name.endswith(".parquet")
    with path.open("rb") as file:
        return file.read(len(PARQUET)) == PARQUET


def _parquet_rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Number (from 1) and cells by column name of every row of a Parquet file.

    Raises:
        DataError: Missing, or no readable Parquet file.
        MissingExtra: pyarrow is not installed.
    """
    arrow = _arrow(f"{path}, a Parquet file,")
    if not path.is_file():
        raise DataError("no such file", path=path)
    number = 0
    try:
        with arrow.parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=1024):
                for row in batch.to_pylist():
                    number += 1
                    yield number, {name: value for name, value in row.items() if value is not None}
    except (OSError, arrow.ArrowException) as error:
        raise DataError(f"cannot be read any further than row {number}: {error}", path=path) from error


SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs"}


def _separator(path: Path) -> str:
    """The separator of a table, by its ending and its header.

    Raises:
        DataError: The header has one column, and more than one other separator would give it several.
    """
    usual = "\t" if plain_name(path).endswith(".tsv") else ","
    header = next((text for _, text in lines(path)), "")
    if usual in header:
        return usual
    others = [separator for separator in SEPARATORS if separator in header]
    if len(others) > 1:
        names = " and ".join(SEPARATORS[each] for each in others)
        raise DataError(f"the header holds {names}; separate columns by {SEPARATORS[usual]}", path=path, line=1)
    return others[0] if others else usual


def rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Line number and cells by column name of every row of a CSV file with a header (``.tsv``: with tabs).

    Where the header has one column by the separator of the file's ending, and several by one other of comma, semicolon
    and tab, that one is meant.

    Raises:
        DataError: As :func:`lines`, no header, or a row of another length than the header.
    """
    numbers: list[int] = []
    kind = _separator(path)

    def texts() -> Iterator[str]:
        for number, text in lines(path):
            numbers.append(number)
            yield text + "\n"

    csv.field_size_limit(LONGEST)
    reader = csv.reader(texts(), delimiter=kind, strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
        if not header or len(set(header)) < len(header):
            raise DataError("the first line must name the columns, each once", path=path, line=1)
        for cells in reader:
            if len(cells) != len(header):
                what = f"{len(cells)} cells separated by {SEPARATORS[kind]}, the header has {len(header)}"
                raise DataError(f"{what}; quote cells that hold the separator", path=path, line=numbers[-1])
            yield numbers[-1], dict(zip(header, cells, strict=True))
    except csv.Error as error:
        raise DataError(f"not CSV: {error}", path=path, line=numbers[-1] if numbers else 1) from error


def objects(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Line number and JSON object of every line; of a CSV or Parquet file, of every row.

    Raises:
        DataError: As :func:`lines`, and a line that is not a JSON object.
    """
    if tabular(path) or parquet(path):
        yield from rows(path) if tabular(path) else _parquet_rows(path)
        return
    for number, text in lines(path):
        try:
            value = json.loads(text, object_pairs_hook=_once)
        except (ValueError, RecursionError) as error:
            raise DataError(f"not JSON: {error}", path=path, line=number) from error
        if not isinstance(value, dict):
            raise DataError(f"a JSON object expected, not {type(value).__name__}", path=path, line=number)
        yield number, value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object, each key once: of two texts nobody could say which one is meant."""
    value = dict(pairs)
    if len(value) < len(pairs):
        twice = next(key for number, (key, _) in enumerate(pairs) if key in dict(pairs[:number]))
        raise ValueError(f"the key {twice[:40]!r} stands twice in one object")
    return value


def field(value: dict[str, Any], names: str | Sequence[str], path: Path, line: int) -> str:
    """A field as text; whole numbers are accepted, as ids often are.

    Args:
        value: The object.
        names: The field's name, or names in order of preference.
        path: For messages.
        line: For messages.

    Raises:
        DataError: It is missing, neither text nor whole number, or a lone surrogate.
    """
    every = [names] if isinstance(names, str) else names
    name = next((name for name in every if name in value), None)
    if name is None:
        others = f", or {', '.join(every[1:])}" if every[1:] else ""
        raise DataError(f"no field {every[0]!r}{others} (has: {', '.join(value)})", path=path, line=line)
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
    """A grade of at most :data:`GRADES` in absolute value; ``1.0`` is accepted for 1.

    Raises:
        DataError: Not a whole number in digits 0 to 9, or too large.
    """
    if not _GRADE.fullmatch(text.strip(" ")):
        raise DataError(f"grade {text[:40]!r} is not a whole number", path=path, line=line)
    value = int(float(text))
    if abs(value) > GRADES:
        raise DataError(f"grade {value} is not between -{GRADES} and {GRADES}", path=path, line=line)
    return value
