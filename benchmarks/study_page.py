"""What a script writes into the page of a study: ``README.md`` for people, with a table of its own; ``tables.md``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from robustrank.core.types import Estimate

END = "<!-- end -->\n"
FIGURE = re.compile(r"([+-]?\d*\.?\d+)%? \[([+-]?\d*\.?\d+)%?, ([+-]?\d*\.?\d+)%?\]")


def put(page: Path, script: str, lines: Sequence[str]) -> None:
    """Replace what ``script`` wrote between its markers in ``page``; the words around it are of people.

    Raises:
        ValueError: The page has no such markers.
    """
    page.write_text(placed(page, script, lines), encoding="utf-8")


def placed(page: Path, script: str, lines: Sequence[str]) -> str:
    """The text of ``page`` with other lines between the markers of ``script``.

    Raises:
        ValueError: The page has no such markers.
    """
    begin = f"<!-- tables: written by {script} -->\n"
    before, found, rest = page.read_text(encoding="utf-8").partition(begin)
    _, ended, after = rest.partition(END)
    if not (found and ended):
        raise ValueError(f"{page}: no {begin.strip()} with {END.strip()} after it")
    return before + begin + "\n" + "\n".join(lines).strip() + "\n\n" + END + after


def rows(page: Path, key: str, section: str = "") -> list[dict[str, str]]:
    """The rows of a table: the first one whose first column is ``key``, of the page or below the heading ``section``.

    Raises:
        ValueError: The page has no such table.
    """
    lines = iter(page.read_text(encoding="utf-8").splitlines())
    for line in lines if section else ():
        if line.startswith("#") and line.lstrip("# ") == section:
            break
    head: list[str] | None = None
    found: list[dict[str, str]] = []
    for line in lines:
        cells = [cell.strip() for cell in line.strip("|").split("|")] if line.startswith("|") else []
        if head is None:
            head = cells if cells and cells[0] == key else None
        elif not cells:
            return found
        elif not set(line) <= set("|- "):
            found.append(dict(zip(head, cells, strict=True)))
    if not found:
        raise ValueError(f"{page}: no table of {key!r} under {section!r}")
    return found


def figure(cell: str) -> Estimate | None:
    """The figure that a cell begins with; None where it has none."""
    match = FIGURE.match(cell)
    return Estimate(*(float(part) for part in match.groups()), n=0) if match else None
