"""The page of reports/certified-insertion: ``python benchmarks/certified_insertion.py AUDIT_FOLDER ... [--cases N]``.

Each AUDIT_FOLDER is what ``robustrank audit`` left of an audit file there. Prints Markdown: what each defended ranker
certifies against one inserted block, its effectiveness and paired cost against the base, what attacks within the
certified set did, and how many blocks the certificate auditor enumerated (N spaces for each bound).
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any

from robustrank.certificates.auditor.run import claim
from robustrank.certificates.auditor.search import draw
from robustrank.certificates.auditor.search import violated as broken_in
from robustrank.perturbations.operations import phrase
from robustrank.protocols import certified
from robustrank.storage import journal
from robustrank.work.record_format import FORMAT
from robustrank.work.records import AttackRecord, CertificateRecord

BOUNDS = ("erase", "erase-plain", "windows", "windows-ordered")
SEED = 29


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--cases", type=int, default=3000)
    options = parser.parse_args()
    for folder in options.folders:
        summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
        print("\n".join([*shares(summary), *falsified(folder)]))
    print("\n".join(soundness(options.cases)))


def shares(summary: Mapping[str, Any]) -> Iterator[str]:
    """One table for every base: nDCG@10, cost and certified shares."""
    clean = {e["ranker"]: e["mean"] for e in summary["effectiveness"] if e["slice"] is None}
    rows = summary["results"]["defenses"]["rows"]
    for base in dict.fromkeys(row["base"] for row in rows):
        mine = [row for row in rows if row["base"] == base]
        radii = sorted({cell["radius"] for row in mine for cell in row["certified"]})
        ks = sorted({cell["k"] for row in mine for cell in row["certified"]})
        yield from (f"## {base} on {mine[0]['collection']}, {clean[base][3]} queries", "")
        yield f"nDCG@10 of the base {interval(clean[base])}. Certified shares are CRQ@{' / '.join(map(str, ks))}."
        yield ""
        head = ["defense", "one block", "nDCG@10", "cost, paired", "pairs for one", *(f"R = {r:g}" for r in radii)]
        cells = []
        for row in mine:
            by = {(cell["radius"], cell["k"]): cell["share"] for cell in row["certified"]}
            latency = row["latency"]
            many = latency["pairs"] / latency["base_pairs"] if latency.get("base_pairs") else None
            cells.append([
                row["ranker"].removesuffix(f" + {base}"), phrase(row["certified"][0]["edits"]).removeprefix("words "),
                interval(clean[row["ranker"]]), interval(cost_of(row)), "–" if many is None else f"{many:.0f}",
                *(" / ".join(f"{by[radius, k][0]:.2f}" for k in ks) for radius in radii),
            ])  # fmt: skip
        yield from table(head, cells)


def cost_of(row: Mapping[str, Any]) -> Sequence[float] | None:
    """nDCG@10 that the defense loses on the same lists: its value minus the base's, turned round."""
    difference = row["differences"].get("clean")
    if difference is None:
        return None
    value, low, high, *rest = difference["estimate"]
    return [-value, -high, -low, *rest]


def falsified(folder: Path) -> Iterator[str]:
    """What attacks within the certificates did where they hold, and where nothing is certified."""
    records = list(journal.read(folder, FORMAT).values())
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
    made = {(record.ranker, record.attack) for record in attacks}
    yield from ("### Attacks within the certificates", "")
    yield "Every attack counts once for each K and R whose certificate covers what it did to a target below K."
    yield ""
    head = ["ranker", "attack", "on certified", "succeeded", "where not certified", "succeeded "]
    yield from table(head, [[*pair, *map(str, counts.get(pair, [0] * 4))] for pair in sorted(made)])
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


def interval(estimate: Sequence[float] | None) -> str:
    """Value and interval."""
    return "–" if estimate is None else f"{estimate[0]:.3f} [{estimate[1]:.3f}, {estimate[2]:.3f}]"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return [*(f"| {' | '.join(cells)} |" for cells in lines), ""]


if __name__ == "__main__":
    main()
