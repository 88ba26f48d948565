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
from robustrank.results.attack_cases import AttackedCase
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
    data = {
        "audit": audit_id(summary),
        "name": summary.name,
        "n": len(rows),
        "controls": sorted({r.attack for r in summary.attacks if r.control}),
        "texts": summary.cases.texts,
        "columns": {name: _column(rows, name) for name in _COLUMNS},
        "odd": _odd(_strings([summary.name, summary.cases.texts, [_texts(row) for row in rows]])),
        "marks": marks,
    }
    written = json.dumps(data, separators=(",", ":"))
    return written.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _column(rows: Sequence[AttackedCase], name: str) -> dict[str, Any]:
    """The distinct values of a column, and each row's index among them unless all differ."""
    values = [_short(getattr(row, name)) for row in rows]
    places: dict[Any, int] = {}
    at = [places.setdefault(value, len(places)) for value in values]
    return {"values": values} if len(places) == len(values) else {"values": list(places), "at": at}


def _short(value: Any) -> Any:
    """A cell as it is written; lists as tuples, which can be looked up."""
    if isinstance(value, float):
        return round(value, _DIGITS)
    return tuple(value) if isinstance(value, list) else value


def _texts(row: AttackedCase) -> list[Any]:
    fell = [fall.doc_id for fall in row.fell]
    return [row.ranker, row.attack, row.collection, row.stratum, row.status, row.error, row.query_id, row.doc_id,
            fell, [change.text for change in row.changes], row.reached]  # fmt: skip


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    else:
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
