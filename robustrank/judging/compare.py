"""Two audits side by side, or two rankers of one: what changed, query by query, and what that proves.

Figures of the same name are paired over the queries of both; a query counts only where its text, candidates and
judgments are the same. p values invert the interval of the difference, and are corrected after Holm over all figures
compared.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace

from robustrank.config.tables import check_name
from robustrank.core.errors import ConfigError
from robustrank.core.types import Estimate
from robustrank.judging import figures
from robustrank.protocols import unjudged
from robustrank.results.figures import Figure
from robustrank.results.select import lead
from robustrank.results.summary import Summary
from robustrank.stats.comparisons import holm, paired
from robustrank.stats.planning import detectable

LEVEL = 0.05
"""A change counts as shown where its corrected p value is below."""


@dataclass(frozen=True, kw_only=True)
class QueryChange:
    """One query's value, before and after."""

    query_id: str
    old: float
    new: float


@dataclass(frozen=True, kw_only=True)
class Change:
    """A figure's mean, new minus old, paired over the queries of both."""

    measure: str
    labels: Mapping[str, str]
    higher_is_better: bool
    old: float
    new: float
    difference: Estimate
    p: float
    p_holm: float
    """Holm-corrected over all changes listed."""
    regressions: Sequence[QueryChange]
    """Queries that became worse, worst first."""
    improvements: Sequence[QueryChange]
    """Queries that became better, best first."""
    seen: float
    """About the smallest true change that so many queries show in four of five audits, after the correction."""
    invalid: str = ""
    """Why it may hide a loss: cases without an answer could make one; empty where they could not."""

    @property
    def worse(self) -> bool:
        """Whether a loss is shown."""
        return self.p_holm < LEVEL and (self.difference.value < 0) == self.higher_is_better

    @property
    def better(self) -> bool:
        """Whether a gain is shown."""
        return self.p_holm < LEVEL and not self.worse

    @property
    def what(self) -> str:
        """Its labels without the ranker, for people."""
        return ", ".join(str(value) for key, value in self.labels.items() if key != "ranker" and value != "all")


def changes(old: Summary, new: Summary, ranker: str | None = None) -> list[Change]:
    """Changes of every figure that is a mean over queries, with at least two queries in common.

    Of attacks the success they are judged by, and the ranks their targets gained.

    Args:
        old: The first audit.
        new: The second.
        ranker: Of this ranker only; default of all.
    """
    before = {_name(figure): figure for figure in _compared(old)}
    keys = [{c.name: c.query_keys for c in summary.collections} for summary in (old, new)]
    pairs = []
    for after in _compared(new):
        was = before.get(_name(after))
        if was is not None and ranker in (None, after.labels.get("ranker")):
            pair = _Pair(was, after, _common(was, after, keys[0], keys[1]))
            if len(pair.queries) > 1:
                pairs.append(pair)
    tested = [paired(pair.new, pair.old, bounds=pair.bounds) for pair in pairs]
    corrected = holm([each.p for each in tested])
    return [
        Change(
            measure=pair.after.measure, labels=dict(pair.after.labels), higher_is_better=pair.after.higher_is_better,
            old=sum(pair.old) / len(pair.old), new=sum(pair.new) / len(pair.new), difference=each.estimate, p=each.p,
            p_holm=p_holm,
            regressions=_moved(pair.queries, pair.old, pair.new, -1 if pair.after.higher_is_better else 1),
            improvements=_moved(pair.queries, pair.old, pair.new, 1 if pair.after.higher_is_better else -1),
            seen=detectable(each, among=len(tested)), invalid=pair.invalid,
        )
        for pair, each, p_holm in zip(pairs, tested, corrected, strict=True)
    ]  # fmt: skip


class _Pair:
    """One figure of two audits, paired over the queries that are decided in both.

    Args:
        was: The figure of the first audit.
        after: That of the second.
        common: Queries of both, undecided ones included.
    """

    def __init__(self, was: Figure, after: Figure, common: Sequence[str]) -> None:
        self.was, self.after, self.common = was, after, common
        width = after.bounds[1] - after.bounds[0]
        self.bounds = (-width, width)
        decided = [q for q in common if q in was.per_query and q in after.per_query]
        self.undecided = [q for q in common if q in was.open or q in after.open]
        if len(decided) > 1:
            self.queries, values = decided, (was.per_query, after.per_query)
        else:  # nothing to go by: what the undecided ones could make of it
            self.queries, values = (list(common) if self.undecided else []), self._worst()
        self.old, self.new = ([side[q] for q in self.queries] for side in values)
        self.measured = len(decided) > 1

    def _worst(self) -> tuple[Mapping[str, float], Mapping[str, float]]:
        """Every undecided query at its best in the first audit and at its worst in the second."""
        best, worst = (1, 0) if self.after.higher_is_better else (0, 1)
        return (
            {**self.was.per_query, **{q: ends[best] for q, ends in self.was.open.items()}},
            {**self.after.per_query, **{q: ends[worst] for q, ends in self.after.open.items()}},
        )

    @property
    def invalid(self) -> str:
        """Why the change may hide a loss: cases that errors left undecided; empty where it cannot."""
        if not self.undecided:
            return ""
        old, new = self._worst()
        worst = paired([new[q] for q in self.common], [old[q] for q in self.common], bounds=self.bounds)
        lost = worst.p < LEVEL and (worst.estimate.value < 0) == self.after.higher_is_better
        if self.measured and not lost:
            return ""
        cases = "cases" if "attack" in self.after.labels else "lists"
        sides = [(name, side.tally.sentence(cases)) for name, side in (("first", self.was), ("second", self.after))
                 if side.tally]  # fmt: skip
        return "; ".join(f"{name} audit: {why}" for name, why in sides if why)


def of_rankers(old: Summary, new: Summary, names: tuple[str, str]) -> tuple[Summary, Summary]:
    """Only the figures of one ranker of each, under one name, so that they are compared with each other.

    Raises:
        ConfigError: No such ranker.
    """
    together = f"{names[0]} → {names[1]}"
    picked = []
    for summary, name in zip((old, new), names, strict=True):
        check_name(name, [r.name for r in summary.rankers], "ranker")
        picked.append(
            replace(
                summary,
                name=f"{name} ({summary.name})",
                rankers=[replace(r, name=together) for r in summary.rankers if r.name == name],
                effectiveness=[replace(e, ranker=together) for e in summary.effectiveness if e.ranker == name],
                attacks=[replace(a, ranker=together) for a in summary.attacks if a.ranker == name],
                certificates=[replace(c, ranker=together) for c in summary.certificates if c.ranker == name],
                shifts=[],
            )
        )
    return picked[0], picked[1]


def caveats(old: Summary, new: Summary) -> list[str]:
    """Why the two may not be comparable."""
    lines = []
    for collection in new.collections:
        was = next((c for c in old.collections if c.name == collection.name), None)
        other = [q for q, key in collection.query_keys.items() if was and was.query_keys.get(q, key) != key]
        if other:
            lines.append(
                f"{collection.name}: {len(other)} queries differ in text, candidates or judgments between "
                "the two and are left out"
            )
        if was and not (was.query_keys and collection.query_keys):
            lines.append(f"{collection.name}: an older summary without hashes of its queries; they are matched by id")
    prints = {r.name: r.fingerprint for r in old.rankers}
    same = [r.name for r in new.rankers if prints.get(r.name) == r.fingerprint]
    if same:
        lines.append(f"unchanged between the two: {', '.join(same)}")
    for side, audit in (("first", old), ("second", new)):
        if audit.finished is None:
            lines.append(f"the {side} audit is not finished")
        lines += [
            f"the {side} audit: {r.attack} on {r.ranker}: {r.tally.sentence()}"
            for r in audit.attacks
            if r.stratum == "all" and r.tally.undecided
        ]
        if audit.attacks and not any(a.per_query for a in audit.attacks):
            lines.append(f"the {side} audit has no per-query values under attack; run its command again")
    for name in sorted({r.name for r in old.rankers} ^ {r.name for r in new.rankers}):
        lines.append(f"only in one of the two: {name}")
    return lines + _may_reverse(old, new)


def _may_reverse(old: Summary, new: Summary) -> list[str]:
    """Changes of effectiveness that may reverse with further judgments; conservative: each audit's are graded alone."""
    before = {(e.ranker, e.collection, e.measure): e for e in old.effectiveness if e.slice is None}
    lines = []
    for after in (e for e in new.effectiveness if e.slice is None):
        was = before.get((after.ranker, after.collection, after.measure))
        if was is None or was.mean.value == after.mean.value or not (was.judged and after.judged):
            continue
        if unjudged.may_change(after.mean.value - was.mean.value, unjudged.change(was.unjudged, after.unjudged)):
            lines.append(
                f"{after.ranker} on {after.collection}: the change of {after.measure} may reverse with further "
                f"judgments (judged@10 {was.judged.value:.2f}, then {after.judged.value:.2f})"
            )
    return lines


def as_data(changed: Sequence[Change], notes: Sequence[str]) -> dict[str, object]:
    """Everything as plain data, for scripts."""
    rows = [
        {
            **asdict(c),
            "difference": c.difference._asdict(),
            "shown": "worse" if c.worse else "invalid" if c.invalid else "better" if c.better else "",
        }
        for c in changed
    ]
    return {"schema": 4, "notes": list(notes), "changes": rows}


def check_any(changed: Sequence[Change]) -> None:
    """Two audits that share nothing are not compared in silence.

    Raises:
        ConfigError: Nothing to compare.
    """
    if not changed:
        raise ConfigError(
            "nothing to compare: no ranker of the same name has a figure over two of the same queries in both; "
            "--rankers A B compares rankers of different names"
        )


def _name(figure: Figure) -> tuple[str, tuple[tuple[str, str], ...]]:
    return figure.measure, tuple(sorted(figure.labels.items()))


def _compared(summary: Summary) -> list[Figure]:
    """Means over queries; of an attack's ways of success the leading one, and the ranks gained."""
    leading = {(r.ranker, r.attack, r.stratum): lead(r) for r in summary.attacks if r.success or r.ends}
    kept = []
    for figure in figures.measured(summary):
        attacked = figure.labels.get("ranker", ""), figure.labels.get("attack", ""), figure.labels.get("stratum", "")
        if (figure.per_query or figure.open) and (
            "attack" not in figure.labels or figure.measure in (leading.get(attacked), "boost")
        ):
            kept.append(figure)
    return kept


def _common(
    was: Figure, now: Figure, old: Mapping[str, Mapping[str, str]], new: Mapping[str, Mapping[str, str]]
) -> list[str]:
    before, after = old.get(was.collection, {}), new.get(now.collection, {})
    both = {*was.per_query, *was.open} & {*now.per_query, *now.open}
    return sorted(q for q in both if before.get(q, "") in ("", after.get(q, before.get(q))))


def _moved(queries: Sequence[str], old: Sequence[float], new: Sequence[float], sign: int) -> list[QueryChange]:
    """The queries that moved in one direction, the furthest first."""
    moved = [
        QueryChange(query_id=query_id, old=before, new=after)
        for query_id, before, after in zip(queries, old, new, strict=True)
        if sign * (after - before) > 1e-12
    ]
    return sorted(moved, key=lambda change: (-abs(change.new - change.old), change.query_id))
