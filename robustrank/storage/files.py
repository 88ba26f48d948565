"""Atomic file writes."""

from __future__ import annotations

from pathlib import Path

from robustrank.core.errors import StoreError


def replace(path: Path, text: str) -> None:
    """Write a text file atomically: readers see the old file or the complete new one.

    Raises:
        StoreError: It cannot be written.
    """
    part = path.with_name(path.name + ".part")
    try:
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    except OSError as error:
        raise StoreError(f"{path}: cannot be written: {error}") from error
