"""Runs of several systems out of TREC run files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from robustrank.collections import trec
from robustrank.core.errors import DataError


def read(paths: Sequence[str]) -> dict[str, dict[str, tuple[str, ...]]]:
    """System to query id to document ids, best first; a system is named after its file, up to the first dot.

    Args:
        paths: Files, or folders whose files are all runs.

    Raises:
        DataError: A missing or wrong file, an empty folder, or two files of one name.
    """
    runs: dict[str, dict[str, tuple[str, ...]]] = {}
    for path in map(Path, paths):
        files = (
            sorted(f for f in path.iterdir() if f.is_file() and not f.name.startswith(".")) if path.is_dir() else [path]
        )
        if not files:
            raise DataError("no run in this folder", path=path)
        for file in files:
            name = file.name.partition(".")[0]
            if name in runs:
                raise DataError(f"a second run named {name!r}; rename one of them", path=file)
            runs[name] = trec.rankings(file)
    return runs
