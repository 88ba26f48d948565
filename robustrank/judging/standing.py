"""Where a ranker stands among the audits that RobustRank comes with, on equal terms only.

``data/standing.json`` is written by ``tools/write_standing.py`` from ``reports/*/summary.json``. Two figures are on
equal terms where collection, queries, candidates and judgments are the same, and of attacks the plug-in with its
parameters, the budget and the strata of targets too.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from robustrank.core.types import Estimate
from robustrank.judging import gate
from robustrank.results.figures import Figure
from robustrank.results.select import audited, lead, strongest
from robustrank.results.summary import AttackResult, Summary
from robustrank.storage import typed
from robustrank.storage.hashing import digest

SCHEMA = 1
"""Of the table."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One figure of one ranker of one audit."""

    terms: str
    """A hash of all that must be equal."""
    audit: str
    date: str
    ranker: str
    estimate: Estimate


@dataclass(frozen=True, kw_only=True)
class Table:
    """The figures of the audits that RobustRank comes with."""

    rows: Sequence[Row]


@dataclass(frozen=True, kw_only=True)
class Standing:
    """One figure of the audited ranker beside those of others."""

    what: str
    higher_is_better: bool
    mine: Estimate
    others: Sequence[Row]
    """From the best."""

    @property
    def better(self) -> int:
        """Others whose interval lies wholly on the better side of this one's."""
        return sum(self._beyond(row.estimate, self.mine) for row in self.others)

    @property
    def worse(self) -> int:
        """Others whose interval lies wholly on the worse side."""
        return sum(self._beyond(self.mine, row.estimate) for row in self.others)

    def _beyond(self, one: Estimate, other: Estimate) -> bool:
        return one.low > other.high if self.higher_is_better else one.high < other.low


def rows(summary: Summary) -> list[Row]:
    """The figures of an audit's undefended rankers that have a value without doubt."""
    return [row for ranker in summary.rankers if ranker.base is None for row, *_ in _figures(summary, ranker.name)]


def standings(summary: Summary) -> list[Standing]:
    """Effectiveness at home and the strongest attack of the audited ranker; empty where no audit is on equal terms.

    Rankers of the audit itself stand in its own tables and are left out.
    """
    name = audited(summary)
    if name is None or summary.finished is None:
        return []
    worst = strongest(summary.attacks, ranker=name)
    found = []
    for mine, what, higher, attack in _figures(summary, name):
        if attack is not worst if attack is not None else not what.endswith(f" on {summary.home}"):
            continue
        others = [
            row for row in table().rows if row.terms == mine.terms and (row.audit, row.date) != (mine.audit, mine.date)
        ]
        if others:
            others.sort(key=lambda row: (-row.estimate.value if higher else row.estimate.value, row.ranker))
            found.append(Standing(what=what, higher_is_better=higher, mine=mine.estimate, others=others))
    return found


def _figures(summary: Summary, ranker: str) -> Iterable[tuple[Row, str, bool, AttackResult | None]]:
    keys = {c.name: [c.digest, c.query_keys] for c in summary.collections if c.query_keys}
    date = (summary.finished or "")[:10]
    if gate.binding(Figure(measure="", labels={"ranker": ranker}), summary):
        return
    for e in summary.effectiveness:
        if (e.ranker, e.measure, e.slice) == (ranker, summary.measure, None) and not e.tally.undecided:
            terms = digest("effectiveness", e.measure, keys.get(e.collection))
            row = Row(terms=terms, audit=summary.name, date=date, ranker=ranker, estimate=e.mean)
            if keys.get(e.collection):
                yield row, f"{e.measure} on {e.collection}", True, None
    for a in summary.attacks:
        if a.ranker != ranker or a.stratum != "all" or a.control or not a.success or a.tally.undecided:
            continue
        if gate.binding(Figure(measure="", labels={"ranker": ranker, "attack": a.attack}), summary):
            continue
        strata = sorted(r.stratum for r in summary.attacks if (r.ranker, r.attack) == (ranker, a.attack))
        budget = {name: limit for name, limit in a.budget.items() if limit is not None}
        terms = digest("attack", lead(a), a.plugin, budget, strata, keys.get(a.collection or summary.home))
        row = Row(terms=terms, audit=summary.name, date=date, ranker=ranker, estimate=a.success[lead(a)])
        if keys.get(a.collection or summary.home):
            yield row, f"{lead(a)} of “{a.attack}”", False, a


@cache
def table() -> Table:
    """The table that RobustRank comes with."""
    text = files("robustrank").joinpath("data", "standing.json").read_text(encoding="utf-8")
    result: Table = typed.loads(text, Table, SCHEMA)
    return result
