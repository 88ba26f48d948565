"""What the figure of a gate is made of: its attacked cases, or its clean queries, those that count against it first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from robustrank.config.specs import GateSpec
from robustrank.core.errors import ConfigError
from robustrank.judging.selection import pick
from robustrank.results.attack_cases import AttackedCase
from robustrank.results.figures import Figure
from robustrank.results.outcomes import Ending
from robustrank.results.summary import Summary
from robustrank.results.verdicts import Verdict

MOST = 40
"""Lines of a gate; the explorer has every case."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """One case or query of a figure."""

    key: str
    """Of the case in the page; empty where it is a clean query without attacked cases."""
    query: str
    """Its text, or its id where the summary has no text of it."""
    value: str
    """What happened, or the value of the measure."""
    against: bool = False
    """Whether it is a success of the attack."""
    undecided: bool = False


@dataclass(frozen=True, kw_only=True)
class GateCases:
    """The parts of one gate's figure."""

    what: str
    """``"cases"`` or ``"queries"``."""
    of: str
    """The attack of the cases; empty for queries."""
    total: int
    against: int
    undecided: int
    parts: Sequence[Part]


def of_gate(verdict: Verdict, summary: Summary, every: Sequence[Figure]) -> GateCases | None:
    """The parts of a verdict's figure; ``None`` where the summary does not hold them.

    Args:
        verdict: On a gate; where it names no attack, the one with its estimate is taken.
        summary: Of the audit.
        every: The figures of the summary.
    """
    spec = GateSpec(name=verdict.gate, measure=verdict.measure, where=verdict.where)
    try:
        named = pick(spec, every, summary.home, summary.measure)
    except ConfigError:
        return None
    figure = next((each for each in named if each.estimate == verdict.estimate), named[0])
    cases = [row for row in summary.cases.rows if _is_of(row, figure)] if "attack" in figure.labels else []
    return _of_cases(cases, figure, summary) if cases else _of_queries(figure, summary)


def _is_of(row: AttackedCase, figure: Figure) -> bool:
    labels, stratum = figure.labels, figure.labels.get("stratum", "all")
    return (
        (row.ranker, row.attack) == (labels.get("ranker"), labels["attack"])
        and stratum in ("all", row.stratum)
        and figure.collection in ("", row.collection)
    )


def _of_cases(rows: Sequence[AttackedCase], figure: Figure, summary: Summary) -> GateCases:
    by_size = sorted(rows, key=lambda row: (-abs(row.rank_before - row.rank_after), row.key))
    parts = [_case(row, figure.measure, summary.cases.texts[row.query]) for row in by_size]
    parts.sort(key=lambda part: (not part.against, not part.undecided))
    return GateCases(
        what="cases",
        of=figure.labels["attack"],
        total=len(parts),
        against=sum(part.against for part in parts),
        undecided=sum(part.undecided for part in parts),
        parts=parts[:MOST],
    )


def _case(row: AttackedCase, measure: str, query: str) -> Part:
    undecided = row.ending not in (Ending.SUCCEEDED, Ending.FAILED)
    moved = f"rank {row.rank_before} → {row.rank_after} of {row.list_length}"
    return Part(
        key=row.key,
        query=query,
        value=f"undecided: {row.error or row.ending}" if undecided else moved,
        against=not undecided and measure in row.reached,
        undecided=undecided,
    )


def _of_queries(figure: Figure, summary: Summary) -> GateCases | None:
    if not figure.per_query and not figure.open:
        return None
    texts = {query.query_id: query.query for query in summary.weakest} if figure.collection == summary.home else {}
    keys: dict[str, str] = {}
    for row in summary.cases.rows:
        if row.collection == figure.collection:
            texts.setdefault(row.query_id, summary.cases.texts[row.query])
            if row.ranker == figure.labels.get("ranker"):
                keys.setdefault(row.query_id, row.key)
    sign = 1 if figure.higher_is_better else -1
    ordered = sorted(figure.per_query, key=lambda q: (q not in figure.open, sign * figure.per_query[q], q))
    missing = [query_id for query_id in figure.open if query_id not in figure.per_query]
    return GateCases(
        what="queries",
        of="",
        total=len(ordered) + len(missing),
        against=0,
        undecided=len(figure.open),
        parts=[
            Part(
                key=keys.get(query_id, ""),
                query=texts.get(query_id) or query_id,
                value="undecided" if query_id in figure.open else f"{figure.per_query[query_id]:.3f}",
                undecided=query_id in figure.open,
            )
            for query_id in [*missing, *ordered][:MOST]
        ],
    )
