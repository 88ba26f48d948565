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

from robustrank.core.types import Access, Estimate, Goal, Surface
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
    print("| attack | edit | access | targets | top 10 | first | pairs a target |\n|---|---|---|---|---|---|---|")
    for name, group in {**suite, **references}.items():
        best, pairs = union({name: group})
        threat = group[0].threat
        print(f"| {name} | {threat.edits.operation} | {threat.access.value} | {share(best)} | {pairs:.0f} |")
    tables: dict[str, list[str]] = {"suite": [], "closest": [], "references": []}
    ps: list[float] = []
    for edit in ("any", *dict.fromkeys(str(group[0].threat.edits.operation) for group in suite.values())):
        mine = {n: g for n, g in suite.items() if edit in ("any", str(g[0].threat.edits.operation))}
        for access in sorted({g[0].threat.access for g in mine.values()}, key=lambda each: each.level):
            members = {n: g for n, g in mine.items() if g[0].threat.access.level <= access.level}
            won, pairs = union(members)
            where = f"{edit} | {access.value}"
            tables["suite"].append(f"| {where} | {len(members)} | {share(won)} | {pairs:.0f} |")
            gains = {name: beyond(won, union({name: group})[0]) for name, group in members.items()}
            name = min(gains, key=lambda each: gains[each].low)  # all that an attack wins, the suite wins too
            e = gains[name]
            tables["closest"].append(f"| {where} | {name} | {e.value:+.3f} [{e.low:+.3f}, {e.high:+.3f}] |")
            for name, group in references.items() if access.level >= Access.SCORES.level else ():
                alone, cost = union({name: group})
                common = sorted(won.keys() & alone.keys())
                sides = ([float(side[t] <= TOP) for t in common] for side in (won, alone))
                e, p, *_ = paired(*sides, clusters=[query for query, _ in common])
                ps.append(p)
                spent = union(members, set(common))[1]
                tables["references"].append(
                    f"| {where} | {name} | {len(common)} | {e.value:+.2f} [{e.low:+.2f}, {e.high:+.2f}] | "
                    f"{spent:.0f} / {cost:.0f} | "
                )
    print("\n| edit | access | attacks | targets | top 10 | first | pairs a target |\n|---|---|---|---|---|---|---|")
    print("\n".join(tables["suite"]))
    print("\n| edit | access | closest attack | share of targets that the suite wins beyond it |\n|---|---|---|---|")
    print("\n".join(tables["closest"]))
    print(
        "\n| edit | access | minus | targets | difference | pairs, ours / theirs | p |\n|---|---|---|---|---|---|---|"
    )
    for row, p in zip(tables["references"], holm(ps) if ps else [], strict=True):
        print(f"{row}{p:.2g} |")


def beyond(won: Mapping[Target, int], alone: Mapping[Target, int]) -> Estimate:
    """Share of the targets that the suite wins and one of its attacks does not."""
    both = sorted(won.keys() & alone.keys())
    more = [won[target] <= TOP and alone[target] > TOP for target in both]
    return intervals.share(more, clusters=[query for query, _ in both])


def attacks(folder: Path) -> dict[str, list[AttackRecord]]:
    """Attack to its records, of those that promote documents and are no controls."""
    grouped: dict[str, list[AttackRecord]] = {}
    for record in journal.read(folder, record_format()).values():
        if not isinstance(record, AttackRecord) or record.control:
            continue
        if record.threat.surface is Surface.DOCUMENT and record.threat.goal is Goal.PROMOTE:
            grouped.setdefault(record.attack, []).append(record)
    return grouped


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


def share(best: Mapping[Target, int]) -> str:
    """Targets, the share of them in the top ten with its interval, and the share at rank 1, as cells of a table."""
    e = intervals.share([rank <= TOP for rank in best.values()], clusters=[query for query, _ in best])
    first = mean(rank == 1 for rank in best.values())
    return f"{len(best)} ({e.n}) | {e.value:.2f} [{e.low:.2f}, {e.high:.2f}] | {first:.2f}"


if __name__ == "__main__":
    main()
