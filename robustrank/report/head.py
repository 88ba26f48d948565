"""What the first screen shows of single cases: one example of the worst attack, and the worst clean queries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from robustrank.results.select import strongest
from robustrank.results.summary import Summary, WorstCase
from robustrank.results.verdicts import Verdict

WORDS, CHANGES, QUERIES = 40, 4, 10
"""The most words of one change, changes of one example, and queries of the list of the worst."""


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
class WeakQuery:
    """A clean query that was served badly."""

    query_id: str
    value: float
    query: str
    """Empty where no case of the audit holds its text."""
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


def case_of(verdict: Verdict, summary: Summary) -> str:
    """The key of the largest move among the cases that a gate is about; empty where it is about none."""
    if "attack" not in verdict.where and not verdict.measure.startswith("ASR@"):
        return ""
    ranker = str(verdict.where.get("ranker", "")) or None
    attack = verdict.where.get("attack")
    if attack is None:
        worst = strongest(summary.attacks, ranker=ranker)
        attack = worst.attack if worst else None
    mine = [c for c in summary.worst_cases if ranker in (None, c.ranker) and c.attack == attack]
    largest = max(mine, key=lambda c: abs(c.rank_before - c.rank_after), default=None)
    return largest.key[:16] if largest else ""


def weakest(summary: Summary, ranker: str | None) -> list[WeakQuery]:
    """The queries of the home collection with the least of the leading measure, from the worst."""
    led = (summary.home, summary.measure, None)
    values = next(
        (
            e.per_query
            for e in summary.effectiveness
            if e.ranker == ranker and (e.collection, e.measure, e.slice) == led
        ),
        {},
    )
    rows = [row for row in summary.cases.rows if (row.ranker, row.collection) == (ranker, summary.home)]
    texts = {row.query_id: summary.cases.texts[row.query] for row in rows}
    return [
        WeakQuery(
            query_id=query_id,
            value=values[query_id],
            query=texts.get(query_id, ""),
            cases=sum(row.query_id == query_id for row in rows),
            case=next((row.key for row in rows if row.query_id == query_id), ""),
        )
        for query_id in sorted(values, key=lambda query_id: (values[query_id], query_id))[:QUERIES]
    ]


def _changed(case: WorstCase) -> list[tuple[str, str, str]]:
    return [piece for piece in case.diff if piece[0] != "equal"]


def _cut(text: str) -> str:
    words = text.split(" ")
    return text.strip() if len(words) <= WORDS else " ".join(words[:WORDS]).strip() + " …"
