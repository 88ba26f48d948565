"""What the first screen shows of single cases: one example of the worst attack, and the worst clean queries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from robustrank.results.select import strongest
from robustrank.results.summary import Summary, WorstCase
from robustrank.results.weak_queries import WeakQuery

WORDS, CHANGES = 40, 4
"""The most words of one change, and changes of one example."""


@dataclass(frozen=True, kw_only=True)
class Example:
    """The case of the strongest attack that is read fastest."""

    case: WorstCase
    key: str
    """Of its address in the page."""
    changes: Sequence[tuple[str, str]]
    """Removed and added text, cut to :data:`WORDS` words."""
    more: int
    """Changes that are left out."""


@dataclass(frozen=True, kw_only=True)
class Weak:
    """A clean query that was served badly."""

    query: WeakQuery
    cases: int
    """Attacked cases of it, which the explorer shows."""
    case: str
    """Key of the first of these; empty where there is none."""


def example(summary: Summary, ranker: str | None) -> Example | None:
    """The shortest change among successful cases of the strongest attack on a ranker; ``None`` where none succeeded."""
    attack = strongest(summary.attacks, ranker=ranker)
    if attack is None:
        return None
    won = {row.key for row in summary.cases.rows if row.success}
    cases = [c for c in summary.worst_cases if (c.ranker, c.attack) == (attack.ranker, attack.attack)]
    if summary.cases.rows:  # a summary that holds no cases has the worst ones alone
        cases = [c for c in cases if c.key in won or c.key[:16] in won]
    if not cases:
        return None
    case = min(cases, key=lambda c: (sum(len(a) + len(b) for _, a, b in _changed(c)), c.key))
    changed = _changed(case)
    return Example(
        case=case,
        key=case.key[:16],
        changes=[(_cut(before), _cut(after)) for _, before, after in changed[:CHANGES]],
        more=max(0, len(changed) - CHANGES),
    )


def weakest(summary: Summary, ranker: str | None) -> list[Weak]:
    """The clean queries that the audited ranker served worst, with their attacked cases."""
    mine: dict[str, list[str]] = {}
    for row in summary.cases.rows:
        if (row.ranker, row.collection) == (ranker, summary.home):
            mine.setdefault(row.query_id, []).append(row.key)
    return [
        Weak(query=query, cases=len(mine.get(query.query_id, ())), case=next(iter(mine.get(query.query_id, ())), ""))
        for query in summary.weakest
    ]


def _changed(case: WorstCase) -> list[tuple[str, str, str]]:
    return [piece for piece in case.diff if piece[0] != "equal"]


def _cut(text: str) -> str:
    words = text.split(" ")
    return text.strip() if len(words) <= WORDS else " ".join(words[:WORDS]).strip() + " …"
