"""The tables of reports/certified-insertion: ``python benchmarks/certified_insertion.py AUDIT ... [--attacks AUDIT]``.

Each AUDIT is what ``robustrank audit`` left of an audit file there. Prints Markdown: what each defended ranker
certifies against one inserted block, its effectiveness and paired cost against the base, what attacks within the
certified set did (of the audits named last), and how many blocks the certificate auditor enumerated.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from random import Random

from robustrank.certificates.auditor.run import claim
from robustrank.certificates.auditor.search import draw
from robustrank.certificates.auditor.search import violated as broken_in
from robustrank.perturbations.operations import phrase
from robustrank.protocols import certified
from robustrank.stats import intervals
from robustrank.storage import journal
from robustrank.work.record_format import FORMAT
from robustrank.work.records import AttackRecord, CertificateRecord, RankingRecord

BOUNDS = ("erase", "erase-plain", "windows", "windows-ordered")
SEED, MEASURE = 29, "nDCG@10"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--attacks", type=Path, nargs="*", default=[])
    parser.add_argument("--cases", type=int, default=2500)
    options = parser.parse_args()
    for folder in options.folders:
        print("\n".join(shares(folder)))
    print("\n".join(falsified([*options.folders, *options.attacks])))
    print("\n".join(soundness(options.cases)))


def shares(folder: Path) -> Iterator[str]:
    """One table: nDCG@10, paired cost and certified shares of defended rankers for whose lists all was decided."""
    records = list(journal.read(folder, FORMAT).values())
    claims = certified.certificates([record for record in records if isinstance(record, CertificateRecord)])
    worth: dict[str, dict[str, float]] = {}
    for record in (record for record in records if isinstance(record, RankingRecord)):
        worth.setdefault(record.ranker, {})[record.query_id] = record.measures[MEASURE]
    base = next(ranker for ranker in worth if " + " not in ranker)
    done = [each for each in claims if each.tally.planned == len(worth[base]) and not each.tally.undecided]
    ks, radii = (sorted({getattr(each, name) for each in done}) for name in ("k", "radius"))
    yield from (f"## {base} on {claims[0].collection}, {len(worth[base])} queries", "")
    yield f"{MEASURE} of the base {interval(worth[base].values(), (0, 1))}. Shares are CRQ@{joined(map(str, ks))}."
    yield ""
    head = ["defense", "one block", MEASURE, "cost, paired", *(f"R = {radius:g}" for radius in radii)]
    rows = []
    for ranker in dict.fromkeys(each.ranker for each in done):
        mine = {(each.radius, each.k): each for each in done if each.ranker == ranker}
        cost = [worth[base][query] - value for query, value in worth[ranker].items()]
        rows.append([
            ranker.removesuffix(f" + {base}"), phrase(next(iter(mine.values())).edits).removeprefix("words "),
            interval(worth[ranker].values(), (0, 1)), interval(cost, (-1, 1)),
            *(joined(f"{mine[radius, k].crq.value:.2f}" for k in ks) for radius in radii),
        ])  # fmt: skip
    yield from table(head, rows)
    wide = max((each.crq for each in done), key=lambda share: share.high - share.low)
    yield f"An interval of a share is at most {wide.high - wide.low:.2f} wide."
    yield ""


def falsified(folders: Sequence[Path]) -> Iterator[str]:
    """What attacks within the certificates did where they hold, and where nothing is certified."""
    records = [record for folder in folders for record in journal.read(folder, FORMAT).values()]
    attacks = [record for record in records if isinstance(record, AttackRecord)]
    claims = [record for record in records if isinstance(record, CertificateRecord)]
    if not attacks:
        return
    counts: dict[tuple[str, str], list[int]] = {}
    for held in (True, False):
        for record, held_claim in certified.tests(claims, attacks, held=held):
            row = counts.setdefault((record.ranker, record.attack), [0, 0, 0, 0])
            row[0 if held else 2] += 1
            row[1 if held else 3] += record.rank_after <= held_claim.k
    made = Counter((record.ranker, record.attack) for record in attacks)
    yield from ("## Attacks within the certificates", "")
    yield "Every attack counts once for each K and R whose certificate covers what it did to a target below K."
    yield ""
    head = ["ranker", "attack", "targets", "on certified", "succeeded", "where not certified", "succeeded "]
    yield from table(head, [[*pair, str(made[pair]), *map(str, counts.get(pair, [0] * 4))] for pair in sorted(made)])
    total = [sum(row[i] for row in counts.values()) for i in range(4)]
    yield f"Together {total[1]} of {total[0]} on certified lists, and {total[3]} of {total[2]} on those that are not."
    yield ""


def soundness(cases: int) -> Iterator[str]:
    """Blocks enumerated by the auditor, and violations."""
    yield from ("## Enumeration", "")
    rows = []
    for name in BOUNDS:
        tried, rng, attacked, violations, finite = claim(name), Random(SEED), 0, 0, 0
        for case in range(cases):
            space = draw(tried.kind, rng, size=1 + 4 * case // cases)
            attacked += len(space.attacks())
            violations += broken_in(tried, space) is not None
            finite += tried.bound(space) < float("inf")
        rows.append([f"`{name}`", f"{cases:,}", f"{finite:,}", f"{attacked:,}", str(violations)])
    yield from table(["bound", "spaces", "with a finite bound", "attacked documents", "violations"], rows)


def interval(values: Iterable[float], bounds: tuple[float, float]) -> str:
    """Mean and interval."""
    made = intervals.mean(list(values), bounds=bounds)
    return f"{made.value:.3f} [{made.low:.3f}, {made.high:.3f}]"


def joined(parts: Iterable[str]) -> str:
    """Of the several K."""
    return " / ".join(parts)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return [*(f"| {' | '.join(cells)} |" for cells in lines), ""]


if __name__ == "__main__":
    main()
