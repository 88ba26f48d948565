"""The data of the case explorer: every case of a summary as JSON that is small and safe inside a page.

A column holds its distinct values and an index per row, because rankers, texts and changes repeat. The JSON is ASCII
and without ``<``, ``>`` and ``&``, so that nothing in it can end the element that holds it. Runs of characters that
must not be shown unescaped (:mod:`robustrank.core.escaping`) are sent along with their labels.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from robustrank.core.escaping import label, reveal
from robustrank.core.types import Status
from robustrank.results.attack_cases import AttackedCase
from robustrank.results.outcomes import Ending
from robustrank.results.summary import Summary
from robustrank.storage.hashing import digest

_COLUMNS = (
    "key", "ranker", "attack", "collection", "stratum", "status", "error", "query_id", "query", "doc_id", "document",
    "changes", "query_changed", "rank_before", "rank_after", "list_length", "score_before", "score_after", "harm",
    "edits", "similarity", "calls", "reached", "success", "fell", "proofs",
)  # fmt: skip
_DIGITS = 4


def audit_id(summary: Summary) -> str:
    """The id under which a browser stores review marks: equal for equal audit files, gates aside."""
    return digest(str(summary.environment.get("spec_hash") or summary.source))[:16]


def embed(summary: Summary, marks: Mapping[str, Mapping[str, str]]) -> str:
    """The JSON for a ``<script type="application/json">``.

    Args:
        summary: Of the audit.
        marks: Review marks that come with the report, by case.
    """
    rows = summary.cases.rows
    columns = {name: _column(rows, name) for name in _COLUMNS}
    data = {
        "audit": audit_id(summary),
        "name": summary.name,
        "n": len(rows),
        "controls": sorted({r.attack for r in summary.attacks if r.control}),
        "characters": sorted({r.attack for r in summary.attacks if r.unit == "characters"}),
        "texts": summary.cases.texts,
        "columns": columns,
        "odd": _odd(_strings([summary.name, summary.cases.texts, *(column["values"] for column in columns.values())])),
        "marks": marks,
    }
    written = json.dumps(data, separators=(",", ":"))
    return written.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _column(rows: Sequence[AttackedCase], name: str) -> dict[str, Any]:
    """The distinct values of a column, and each row's index among them unless all differ."""
    cells = [_ended(row) if name == "status" else getattr(row, name) for row in rows]
    if any(isinstance(cell, list) for cell in cells):
        cells = [tuple(cell) for cell in cells]  # which can be looked up
    places = {cell: place for place, cell in enumerate(dict.fromkeys(cells))}
    values = [round(cell, _DIGITS) if isinstance(cell, float) else cell for cell in places]
    return {"values": values} if len(values) == len(cells) else {"values": values, "at": [places[c] for c in cells]}


def _ended(row: AttackedCase) -> str:
    """How a case ended: its status, or why it says nothing though its task ended well."""
    undecided = row.status is Status.OK and row.ending not in (Ending.SUCCEEDED, Ending.FAILED)
    return str(row.ending if undecided else row.status)


def _strings(value: Any) -> Iterator[str]:
    """All strings in nested sequences."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _strings(item)


def _odd(texts: Iterable[str]) -> dict[str, str]:
    """Every run of characters that must be escaped, with its label; also its single characters, as a run may be cut."""
    label_of: dict[str, str] = {}
    for text in dict.fromkeys(texts):
        for run, name in reveal(text):
            if name is not None:
                label_of[run] = name
                label_of.update((char, one) for char in run if (one := label(char)) is not None)
    return label_of
