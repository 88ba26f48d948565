"""What the standard suite is worth: its worst case beside each of its attacks and beside TextAttack's searches.

``python benchmarks/suite_value.py SUITE [REFERENCE ...]``: audit folders of the same collection, ranker and targets
(``reports/suite/*.toml``). Prints Markdown: at each access the share of targets that are lifted into the top 10 by any
attack of the suite, by each attack alone and by each reference; what the suite wins beyond each of its attacks, which
is a share of targets because it wins all that they win; paired differences to the references with p values corrected
by Holm over all of them; and pairs a target until it is won (the suite's attacks cheapest first).
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean

from robustrank.core.types import Access, Goal, Surface
from robustrank.protocols.ensembles import TOP, _cheapest_first, _pairs
from robustrank.protocols.installed import record_format
from robustrank.results.outcomes import undecided
from robustrank.stats import intervals
from robustrank.stats.comparisons import holm, paired
from robustrank.storage import journal
from robustrank.work.records import AttackRecord

Target = tuple[str, str]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("suite", type=Path)
    parser.add_argument("references", type=Path, nargs="*")
    options = parser.parse_args()
    suite = {name: group for name, group in attacks(options.suite).items() if name.startswith("standard: ")}
    references = {name: group for folder in options.references for name, group in attacks(folder).items()}
    rows: list[tuple[str, str, str, int, str, float, float]] = []
    tests: list[tuple[str, str, str, float | None]] = []
    for label, operation in (("any", None), ("insert", "insert"), ("substitute", "substitute"), ("render", "render")):
        mine = {n: g for n, g in suite.items() if operation in (None, str(first(g).threat.edits.operation))}
        for access in sorted({first(g).threat.access for g in mine.values()}, key=lambda each: each.level):
            members = {n: g for n, g in mine.items() if first(g).threat.access.level <= access.level}
            won, pairs = union(members)
            rows.append((label, access.value, f"**suite ({len(members)} attacks)**", *share(won), pairs))
            rivals = dict(members) | (references if access.level >= Access.SCORES.level else {})
            for name, group in rivals.items():
                alone, cost = union({name: group})
                common = sorted(won.keys() & alone.keys())
                clusters = [query for query, _ in common]
                gained = [(won[t] <= TOP, alone[t] <= TOP) for t in common]
                p = None
                if name in members:  # all that a member wins, the suite wins too
                    e = intervals.share([a and not b for a, b in gained], clusters=clusters)
                else:
                    ours, theirs = ([float(each[side]) for each in gained] for side in (0, 1))
                    e, p, *_ = paired(ours, theirs, clusters=clusters)
                spent = union(members, set(common))[1]
                figure = f"{e.value:+.3f} [{e.low:+.3f}, {e.high:+.3f}], n={len(common)}"
                figure += f", pairs {spent:.0f} against {cost:.0f}"
                tests.append((f"{label}, {access.value}", name, figure, p))
                rows.append((label, access.value, name, *share(alone), cost))
    print(
        "| edit | access | attack | targets | top 10 | of them first | pairs a target |\n|---|---|---|---|---|---|---|"
    )
    for edit, level, name, n, figure, top1, cost in rows:
        print(f"| {edit} | {level} | {name} | {n} | {figure} | {top1:.2f} | {cost:.0f} |")
    print("\n| suite | minus | difference | p, corrected |\n|---|---|---|---|")
    corrected = iter(holm([p for *_, p in tests if p is not None]))
    for where, name, figure, p in tests:
        print(f"| {where} | {name} | {figure} | {'nested' if p is None else format(next(corrected), '.2g')} |")


def attacks(folder: Path) -> dict[str, list[AttackRecord]]:
    """Attack to its records, of those that promote documents and are no controls."""
    grouped: dict[str, list[AttackRecord]] = {}
    for record in journal.read(folder, record_format()).values():
        if not isinstance(record, AttackRecord) or record.control:
            continue
        if record.threat.surface is Surface.DOCUMENT and record.threat.goal is Goal.PROMOTE:
            grouped.setdefault(record.attack, []).append(record)
    return grouped


def first(group: Sequence[AttackRecord]) -> AttackRecord:
    """They share their threat model."""
    return group[0]


def union(
    members: Mapping[str, Sequence[AttackRecord]], only: set[Target] | None = None
) -> tuple[dict[Target, int], float]:
    """The best rank that any member gives each target below the top ten, and mean pairs until it is in it."""
    by_target: dict[Target, dict[str, AttackRecord]] = {}
    for name, group in members.items():
        for record in group:
            target = (record.query_id, record.doc_id)
            if record.rank_before > TOP and (only is None or target in only):
                by_target.setdefault(target, {})[name] = record
    order = _cheapest_first([record for group in members.values() for record in group])
    best, spent = {}, []
    for target, records in by_target.items():
        ranks = {name: r.rank_after for name, r in records.items() if not undecided(r)}
        wins = {name for name, rank in ranks.items() if rank <= TOP}
        pairs = 0
        for name in order:
            pairs += _pairs(records[name]) if name in records else 0
            if name in wins:
                break
        best[target] = min(ranks.values(), default=TOP + 1)
        spent.append(pairs)
    return best, mean(spent)


def share(best: Mapping[Target, int]) -> tuple[int, str, float]:
    """Targets, the share of them in the top ten with its interval, and the share at rank 1."""
    e = intervals.share([rank <= TOP for rank in best.values()], clusters=[query for query, _ in best])
    return len(best), f"{e.value:.2f} [{e.low:.2f}, {e.high:.2f}]", mean(rank == 1 for rank in best.values())


if __name__ == "__main__":
    main()
