"""The audit before an audit: an earlier run of the same folder, or the last one of the same name beside it."""

from __future__ import annotations

import re
from pathlib import Path

from robustrank.core.errors import StoreError
from robustrank.results import summary
from robustrank.results.summary import Summary

SUMMARY = "summary.json"
BEFORE = "summary-before.json"
"""Where a folder keeps the summary of its last finished audit of other rankers or collections."""

_FOLDER = re.compile(r"(?P<name>.*)-[0-9a-f]{10}", re.DOTALL)


def keep(where: Path, new: Summary) -> None:
    """Put a finished summary aside that a new one is about to replace, where it is of another setup.

    An audit file stays the same where a model folder has new weights: then the same folder holds both audits.
    """
    kept = _read(where / SUMMARY)
    if kept is not None and kept.finished is not None and kept.started != new.started:
        (where / SUMMARY).replace(where / BEFORE)


def earlier(where: Path, new: Summary) -> Summary | None:
    """The last finished audit of the same name before this one, of its folder or one beside it; ``None`` without.

    Summaries that cannot be read, because another version wrote them, are passed over.
    """
    if new.finished is None:
        return None
    found = [_read(where / BEFORE)]
    match = _FOLDER.fullmatch(where.name)
    if match is not None:
        beside = [
            path
            for path in where.parent.glob(f"*/{SUMMARY}")
            if path.parent != where
            and (other := _FOLDER.fullmatch(path.parent.name))
            and other["name"] == match["name"]
        ]
        for path in sorted(beside, key=lambda path: path.stat().st_mtime, reverse=True):
            each = _read(path)
            if each is not None and _before(each, new):
                found.append(each)
                break  # later files end later
    audits = [each for each in found if each is not None and _before(each, new)]
    return max(audits, key=lambda each: each.finished or "", default=None)


def _before(old: Summary, new: Summary) -> bool:
    return old.name == new.name and old.finished is not None and old.finished <= (new.finished or "")


def _read(path: Path) -> Summary | None:
    try:
        return summary.read(path)
    except StoreError:
        return None
