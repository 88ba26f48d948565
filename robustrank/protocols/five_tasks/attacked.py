"""Task 5, attacks of the suite: successes and cases of every query, and what undecided cases leave open of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from robustrank.protocols.adversarial import successes
from robustrank.results.outcomes import undecided
from robustrank.results.select import leading
from robustrank.work.records import AttackRecord

Columns = Sequence[Mapping[str, Sequence[float]]]
"""One group of queries: query id to successes and cases."""


@dataclass(frozen=True, kw_only=True)
class Attacked:
    """What document attacks achieved.

    Args:
        figure: What is measured.
        rows: Ranker to its decided cases.
        ends: Of rankers with undecided cases all of them, the undecided ones as failures, and as successes.
    """

    figure: str
    rows: Mapping[str, Columns]
    ends: tuple[Mapping[str, Columns], Mapping[str, Columns]]


def attacked(records: Sequence[AttackRecord]) -> Attacked | None:
    """Rankers on which every attack was run, controls left out; ``None`` where there is none with a decided case."""
    real = [r for r in records if r.on_document and not r.control]
    names = {r.attack for r in real}
    cases: dict[str, dict[str, list[AttackRecord]]] = {}
    for record in real:
        cases.setdefault(record.ranker, {}).setdefault(record.query_id, []).append(record)
    complete = {r: g for r, g in cases.items() if {x.attack for each in g.values() for x in each} == names}
    ways = successes([x for group in complete.values() for each in group.values() for x in each]) if complete else {}

    def rows(group: Mapping[str, Sequence[AttackRecord]], end: float | None) -> Columns:
        values = {
            q: [float(test(x)) if undecided(x) is None else end for x in each if end is not None or not undecided(x)]
            for q, each in group.items()
        }
        return [{q: [sum(v or 0.0 for v in each), float(len(each))] for q, each in values.items() if each}]

    if not ways:
        return None
    way = leading(ways)
    test = ways[way]
    decided = {r: columns for r, group in complete.items() if (columns := rows(group, None))[0]}
    open_ = [r for r in decided if any(undecided(x) for each in complete[r].values() for x in each)]
    return (
        Attacked(
            figure=f"{way} of document attacks, mean over {len(names)}",
            rows=decided,
            ends=({r: rows(complete[r], 0.0) for r in open_}, {r: rows(complete[r], 1.0) for r in open_}),
        )
        if decided
        else None
    )
