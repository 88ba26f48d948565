"""Audits of several places: where their summaries are, and which of them cannot be read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

from robustrank.core.errors import ConfigError, RobustRankError
from robustrank.results.summary import Summary

T = TypeVar("T")
Read = Callable[[Path], Summary]
"""From where the ``summary.json`` of an audit is, or would be, to the figures."""


class LeftOut(NamedTuple):
    """A file that is no audit, or one of another version."""

    path: str
    """Below the place that was searched."""
    reason: str


def gather(places: Sequence[Path], read: Read, use: Callable[[Summary, Path], T]) -> tuple[list[T], list[LeftOut]]:
    """What is made of every audit, and what is left out.

    Args:
        places: Folders, searched for audit folders at any depth, and files of summaries.
        read: From a path to the figures.
        use: Makes something of an audit and the path of its summary.

    Raises:
        ConfigError: There is no audit in one of the places.
    """
    made, left_out, seen = [], [], set()
    for place in places:
        found = [place] if place.is_file() else _below(place)
        if not found:
            raise ConfigError(f"{place}: no audit in it or below; `robustrank audit` writes them")
        for path in found:
            if path.resolve() in seen:
                continue
            seen.add(path.resolve())
            try:
                made.append(use(read(path), path))
            except (RobustRankError, TypeError, ValueError, KeyError, AttributeError, RecursionError) as error:
                name = path.name if path == place else str(path.relative_to(place))
                left_out.append(LeftOut(name, f"{type(error).__name__}: {error}".replace(str(path), name)))
    return made, left_out


def _below(folder: Path) -> list[Path]:
    records = {each.parent.with_name("summary.json") for each in folder.rglob("records/*.jsonl")}
    return sorted({*folder.rglob("summary.json"), *records})
