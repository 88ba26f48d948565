"""``robustrank leaderboard``: one page out of many audits, the ranker with the lowest worst-case success first.

As in RobustBench (Croce et al., NeurIPS 2021), claimed figures, figures of the audit, and the strongest attack known
from any audit are columns of their own, and the last one orders the table. Only audits of the same home collection (by
the digest of its content, not by its name), the same kind of success and the same standard suite share a table, because
success rates of others are not comparable. Under a suite the table is ordered by robust nDCG@10: what the worst of all
its attacks leaves, at the most access that every ranker of the table was attacked with.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from robustrank.core.types import Access, Estimate
from robustrank.protocols.ensembles import ANY, PROTOCOL, WORST, Ensembles
from robustrank.report import pages, several
from robustrank.report.filters import budget, radius
from robustrank.results import summary
from robustrank.results.outcomes import Tally, together
from robustrank.results.select import lead, strongest
from robustrank.results.summary import AttackResult, RankerSummary, Summary
from robustrank.results.verdicts import Outcome
from robustrank.storage import files


@dataclass(frozen=True, kw_only=True)
class StrongestAttack:
    """The strongest attack of one audit against one ranker."""

    attack: str
    access: str
    budget: str
    audit: str
    success: Estimate


TARGETS = 200
"""Below so many targets two rankers whose worst cases differ by ten points are as likely as not in the wrong order."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One ranker of one audit."""

    home: str
    ranker: str
    fingerprint: str
    audit: str
    finished: str | None
    report: str | None
    """Address relative to the page."""
    gates: str
    effectiveness: Estimate | None
    claimed_effectiveness: float | None
    doubts: Sequence[str]
    """Serious red flags on it that its audit file does not accept, undecided cases, and too few targets for a suite."""
    own: StrongestAttack | None
    strongest_known: StrongestAttack | None
    claimed_success: float | None
    certified: Estimate | None
    certificate: str
    robust: Mapping[str, Estimate] = field(default_factory=dict)
    """Access to robust nDCG@10 under a suite."""


@dataclass(frozen=True, kw_only=True)
class Board:
    """Rankers that can be compared."""

    home: str
    digest: str
    measure: str
    success: str
    suite: str
    """Empty where audits chose their attacks."""
    access: str
    """At which robust nDCG@10 orders the table."""
    rows: Sequence[Row]


class _Key(NamedTuple):
    """Equal for audits that share a table."""

    digest: str
    measure: str
    success: str
    suite: str


def write(folder: Path, path: Path, read: several.Read = summary.read) -> int:
    """Write the page; the number of rankers on it.

    Args:
        folder: Searched for audit folders at any depth.
        path: The page.
        read: From where the ``summary.json`` of an audit is, or would be, to the figures.

    Raises:
        ConfigError: There is no audit in the folder.
        StoreError: The page cannot be written.
    """
    found, left_out = several.gather([folder], read, lambda audit, at: _rows(audit, at, path))
    boards = _boards([row for rows in found for row in rows])
    files.replace(path, pages.render("leaderboard", boards=boards, left_out=left_out))
    return sum(len(board.rows) for board in boards)


def _rows(audit: Summary, path: Path, page: Path) -> list[tuple[_Key, Row]]:
    home = next(c for c in audit.collections if c.name == audit.home)
    report = path.with_name("report.html")
    address = quote(os.path.relpath(report, page.parent)) if report.exists() else None
    counts = {o: sum(v.outcome is o for v in audit.verdicts) for o in reversed(Outcome)}
    gates = ", ".join(f"{n} {outcome}" for outcome, n in counts.items() if n)
    rows = []
    ensembles = PROTOCOL.result_in(audit)
    suite = str(ensembles.suite) if ensembles else ""
    for ranker in audit.rankers:
        worst = strongest(audit.attacks, ranker=ranker.name)
        success = lead(worst) if worst else _success(audit.attacks)
        key = _Key(digest=str(home.digest)[:10], measure=str(audit.measure), success=success, suite=suite)
        robust = {
            str(row.access): _sound(row.robust)
            for row in (ensembles.rows if suite else ())
            if (row.ranker, row.operation) == (ranker.name, ANY) and row.robust is not None
        }
        row = _row(ranker, audit, worst, success, address, gates)
        few = [doubt for doubt in (_few(ensembles, ranker.name),) if suite and doubt]
        rows.append((key, replace(row, robust=robust, doubts=[*row.doubts, *few])))
    return rows


def _few(ensembles: Ensembles | None, ranker: str) -> str:
    """Why too few targets were attacked to place a ranker under a suite; empty where there are enough."""
    mine = [row.tallies[WORST].planned for row in (ensembles.rows if ensembles else ()) if row.ranker == ranker]
    if not mine or max(mine) >= TARGETS:
        return ""
    return f"{max(mine)} targets below the top 10; fewer than {TARGETS} do not order rankers under a suite"


def _row(
    ranker: RankerSummary, audit: Summary, worst: AttackResult | None, success: str, report: str | None, gates: str
) -> Row:
    own = None
    if worst is not None:
        own = StrongestAttack(
            attack=str(worst.attack), access=str(worst.access), budget=budget(worst.budget), audit=str(audit.name),
            success=_sound(worst.success[success]),
        )  # fmt: skip
    home = [
        e.mean
        for e in audit.effectiveness
        if (e.ranker, e.collection, e.measure, e.slice) == (ranker.name, audit.home, audit.measure, None)
    ]
    proven = max(
        (c for c in audit.certificates if c.ranker == ranker.name),
        key=lambda c: (_sound(c.crq).value, c.radius, -c.k),
        default=None,
    )
    return Row(
        home=str(audit.home),
        ranker=str(ranker.name),
        fingerprint=str(ranker.fingerprint),
        audit=str(audit.name),
        finished=None if audit.finished is None else str(audit.finished),
        report=report,
        gates=gates,
        effectiveness=_sound(home[0]) if home else None,
        claimed_effectiveness=_claim(ranker.claimed, audit.measure),
        doubts=_doubts(ranker, audit),
        own=own,
        strongest_known=own,
        claimed_success=_claim(ranker.claimed, success),
        certified=None if proven is None else _sound(proven.crq),
        certificate="" if proven is None else f"CRQ@{proven.k}, {radius(proven.radius)}",
    )


def _doubts(ranker: RankerSummary, audit: Summary) -> list[str]:
    names = (ranker.name, ranker.base)
    flags = [f"{f.title}: {f.detail}" for f in audit.red_flags if f.binds and f.ranker in names]
    counts = together(ranker.tasks.get(kind, Tally()) for kind in ("ranking", "attack", "certificate"))
    return [str(doubt) for doubt in (*flags, *filter(None, [counts.sentence("tasks")]))]


def _success(attacks: Sequence[AttackResult]) -> str:
    """The success measure for a ranker that was not attacked: that of the audit's other rankers."""
    worst = strongest(attacks)
    return lead(worst) if worst else "no attack"


def _claim(claimed: Mapping[str, float], measure: str) -> float | None:
    value = claimed.get(measure)
    return None if value is None else float(value)


def _sound(estimate: Estimate) -> Estimate:
    """The estimate, with its types checked.

    Raises:
        ValueError: The value or a bound is not finite.
    """
    value, low, high = (float(number) for number in estimate[:3])
    if not all(map(math.isfinite, (value, low, high))):
        raise ValueError(f"an estimate that is no number: {estimate}")
    return Estimate(value, low, high, int(estimate.n), float(estimate.confidence))


def _boards(rows: Sequence[tuple[_Key, Row]]) -> list[Board]:
    boards = []
    for key in sorted({key for key, _ in rows}):
        mine = [row for each, row in rows if each == key]
        latest: dict[tuple[str, str], Row] = {}
        for row in sorted(mine, key=lambda r: (r.finished or "", r.audit)):
            latest[row.ranker, row.fingerprint] = row
        full = [replace(row, strongest_known=_strongest_known(row, mine)) for row in latest.values()]
        home = ", ".join(sorted({row.home for row in full}))
        access = max(
            (a for a in Access if all(a in row.robust for row in full if row.own)),
            key=lambda each: each.level,
            default=Access.NONE,
        )
        ordered = sorted(full, key=partial(_place, access=access if key.suite else None))
        boards.append(Board(home=home, **key._asdict(), access=access, rows=ordered))
    return sorted(boards, key=lambda board: (board.home, board.success))


def _strongest_known(row: Row, rows: Sequence[Row]) -> StrongestAttack | None:
    """The attack on the same ranker with the highest lower bound of success, over all audits of the table."""
    strongest_attacks = [r.own for r in rows if r.own is not None and r.fingerprint == row.fingerprint]
    return max(strongest_attacks, key=lambda k: (k.success.low, k.success.value, k.audit), default=None)


def _place(row: Row, access: Access | None) -> tuple[bool, bool, float, float, str]:
    """Sort key: lowest success (highest robust nDCG@10) first; rankers in doubt come after, unattacked ones last."""
    if row.strongest_known is None:
        return (True, bool(row.doubts), 0.0, 0.0, row.ranker)
    if access is not None and access in row.robust:
        return (False, bool(row.doubts), -row.robust[access].value, -row.robust[access].low, row.ranker)
    return (False, bool(row.doubts), row.strongest_known.success.value, row.strongest_known.success.high, row.ranker)
