"""What attacks did to certified lists: ``python benchmarks/certificates_falsified.py AUDIT_FOLDER ...``.

Each AUDIT_FOLDER is what ``robustrank audit`` left of one of ``reports/certificates/falsification*.toml``. Writes
``reports/certificates/falsification.json``: per defended ranker, K and radius how many lists are certified, how many
attacks within the certificate were tried on them and how many succeeded; then every attack and every list once, with
the exact one-sided 95 % bound on the share of successes, and as a control what the same attacks do where nothing is
certified.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from certificates_sweep import OUT
from statsmodels.stats.proportion import proportion_confint

from robustrank.protocols import certified
from robustrank.storage import journal
from robustrank.work.record_format import FORMAT
from robustrank.work.records import AttackRecord, CertificateRecord


def main() -> None:
    rows, totals, attacks = [], [], set()
    for folder in map(Path, sys.argv[1:]):
        summary = json.loads((folder / "summary.json").read_text())
        rows += [cells(found) for found in summary["certificates"] if found["attacks_on_certified"]]
        attacks |= {found["attack"] for found in summary["attacks"]}
        totals += distinct(folder)
    told = (
        f"Audits `falsification*.toml` beside this page: {', '.join(sorted(attacks))}. "
        "Counted are attacks on documents\nbelow K whose edits the certificate covers, on lists certified at that K "
        "and R. Allowed: alpha times these attacks, an\nupper bound on the expected number of false certificates among "
        "them; nothing for the deployed ranker."
    )
    found = {"told": told, "rows": rows, "totals": [*totals, together(totals)]}
    (OUT / "falsification.json").write_text(json.dumps(found, indent=1) + "\n")


def cells(found: dict[str, Any]) -> list[Any]:
    """A row of the table: one defended ranker, K and radius."""
    return [
        found["ranker"],
        f"`{found['method']}`",
        found["speaks_of"],
        found["k"],
        f"{found['radius']:g}",
        f"{sum(map(round, found['per_query'].values()))} of {len(found['per_query'])}",
        found["attacks_on_certified"],
        found["certificates_broken"],
        f"{found['alpha'] * found['attacks_on_certified']:.2f}",
        f"{found['uncertified_broken']} of {found['attacks_on_uncertified']}",
    ]


def distinct(folder: Path) -> list[list[Any]]:
    """Per defended ranker each attack once, and each attacked list once, whatever the K and radii that cover it."""
    records = list(journal.read(folder, FORMAT).values())
    certificates = [r for r in records if isinstance(r, CertificateRecord)]
    attacked = [r for r in records if isinstance(r, AttackRecord)]
    held, open_ = (tried(certificates, attacked, held=side) for side in (True, False))
    return [
        [
            ranker,
            *bounded(list(found.values())),
            *bounded(list(by_list(found).values())),
            control(open_.get(ranker, {})),
        ]
        for ranker, found in sorted(held.items())
    ]


def together(totals: Sequence[Sequence[Any]]) -> list[Any]:
    """All defended rankers at once."""
    tried, won, _, lists, fell, _ = (sum(column) for column in list(zip(*totals, strict=True))[1:7])
    counts = ((won, tried), (fell, lists))
    bounds = [each for wins, n in counts for each in bounded([True] * wins + [False] * (n - wins))]
    control_ = [sum(int(row[-1].split(" of ")[place]) for row in totals) for place in (0, 1)]
    return ["all", *bounds, " of ".join(map(str, control_))]


Tried = dict[tuple[str, ...], bool]
"""Query, document and attack to whether it succeeded at any K and radius."""


def tried(
    certificates: Sequence[CertificateRecord], attacked: Sequence[AttackRecord], *, held: bool
) -> dict[str, Tried]:
    """Per ranker every attack that a certificate covers, once; or would cover, were the list certified."""
    found: dict[str, Tried] = {}
    for record, claim in certified.tests(certificates, attacked, held=held):
        own, place = found.setdefault(record.ranker, {}), (record.query_id, record.doc_id, record.attack)
        own[place] = own.get(place, False) or record.rank_after <= claim.k
    return found


def control(found: Tried) -> str:
    """Successes of attacks where nothing is certified."""
    return f"{sum(found.values())} of {len(found)}"


def by_list(found: Tried) -> dict[str, bool]:
    """Query to whether any attack on its list succeeded: attacks on one list share its certificate."""
    lists: dict[str, bool] = {}
    for (query, *_), success in found.items():
        lists[query] = lists.get(query, False) or success
    return lists


def bounded(successes: Sequence[bool]) -> tuple[int, int, float]:
    """Tried, succeeded, and the one-sided 95 % Clopper-Pearson bound on the share of successes."""
    n, wins = len(successes), sum(successes)
    return n, wins, round(float(proportion_confint(wins, n, alpha=0.1, method="beta")[1]), 3)


if __name__ == "__main__":
    main()
