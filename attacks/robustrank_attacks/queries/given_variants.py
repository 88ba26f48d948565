"""Query variations from files: typos, human-checked variations, a user's own."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from random import Random

from robustrank.plugin import DataError, PluginError, Query, Variant

Row = Mapping[str, object]


@dataclass(frozen=True, kw_only=True)
class GivenVariants:
    """Query variations from a file, or from every file of a folder.

    Args:
        path: A table with a heading (``.csv``, ``.tsv``), JSON lines (``.jsonl``), or, where ``id`` is empty, lines of
            id, tab, text without a heading. A folder is read file by file, in the order of names.
        id: Column of the query's id, or of its text where ``by`` is ``"text"``; empty where there is no heading.
        text: Columns that hold variations.
        operation: Column with the name of the operation; without it, the column's or the file's name.
        valid: Column that must say true; without it every line is taken.
        by: Whether lines are matched to queries by ``"id"`` or by ``"text"``.
    """

    path: str
    id: str = ""
    text: Sequence[str] = field(default=("variation",))
    operation: str = ""
    valid: str = ""
    by: str = "id"

    def __post_init__(self) -> None:
        if self.by not in ("id", "text"):
            raise PluginError(f"given_variants: by must be 'id' or 'text', not {self.by!r}")

    def variants(self, query: Query, rng: Random, /) -> list[Variant]:
        """The file's variations of this query that differ from it, in file order."""
        table = _table(self.path, self.id, tuple(self.text), self.operation, self.valid)
        key = query.query_id if self.by == "id" else _plain(query.text)
        given = dict.fromkeys(v for k, v in table if (k if self.by == "id" else _plain(k)) == key)
        return [variant for variant in given if _plain(variant.text) != _plain(query.text)]


def _plain(text: str) -> str:
    return " ".join(text.split())


@lru_cache(maxsize=16)
def _table(path: str, id_: str, text: tuple[str, ...], operation: str, valid: str) -> tuple[tuple[str, Variant], ...]:
    place = Path(path)
    files = sorted(place.iterdir()) if place.is_dir() else [place]
    variants = []
    for file in files:
        for line, row in _rows(file, id_):
            for column in filter(None, (id_, operation, valid)):
                if column not in row:
                    have = ", ".join(map(str, row))
                    raise DataError(f"no column {column!r} (has: {have})", path=file, line=line)
            if valid and str(row[valid]).lower() not in ("true", "1", "yes"):
                continue
            columns = [name for name in text if name in row] if id_ else ["text"]
            texts_by_column = [(name, _plain(str(row[name] or ""))) for name in columns]
            for name, variation_text in texts_by_column:
                operation_name = str(row[operation]) if operation else name if id_ else file.stem
                if variation_text:
                    variants.append((str(row[id_]), Variant(operation_name, variation_text)))
    if not variants:
        raise DataError("no variants there", path=path)
    return tuple(variants)


def _rows(path: Path, id_: str) -> Iterator[tuple[int, Row]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            if not id_:
                for number, line in enumerate(file, start=1):
                    query_id, tab, text = line.rstrip("\r\n").partition("\t")
                    if not tab:
                        raise DataError("expected an id, a tab and a text", path=path, line=number)
                    yield number, {"": query_id, "text": text}
            elif path.suffix == ".jsonl":
                yield from ((number, json.loads(line)) for number, line in enumerate(file, start=1))
            else:
                dialect = "excel-tab" if path.suffix == ".tsv" else "excel"
                reader = csv.DictReader(file, dialect=dialect)
                yield from ((reader.line_num, row) for row in reader)
    except (OSError, ValueError, csv.Error) as error:
        raise DataError(f"cannot be read as variants of queries: {error}", path=path) from error
