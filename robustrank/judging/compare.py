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


def changes(old: Summary, new: Summary) -> list[Change]:
    """Changes of every figure that is a mean over queries, with at least two queries in common.

    Of attacks the success they are judged by, and the ranks their targets gained.
    """
    before = {_name(figure): figure for figure in _compared(old)}
    keys = [{c.name: c.query_keys for c in summary.collections} for summary in (old, new)]
    compared = []
    for after in _compared(new):
        was = before.get(_name(after))
        common = [] if was is None else _common(was, after, keys[0], keys[1])
        if was is not None and len(common) > 1:
            a, b = ([side.per_query[query_id] for query_id in common] for side in (after, was))
            width = after.bounds[1] - after.bounds[0]
            compared.append((was, after, common, b, a, paired(a, b, bounds=(-width, width))))
    corrected = holm([tested.p for *_, tested in compared])
    return [
        Change(
            measure=after.measure, labels=dict(after.labels), higher_is_better=after.higher_is_better,
            old=sum(b) / len(b), new=sum(a) / len(a), difference=tested.estimate, p=tested.p, p_holm=p_holm,
            regressions=_moved(common, b, a, -1 if after.higher_is_better else 1),
            improvements=_moved(common, b, a, 1 if after.higher_is_better else -1),
        )
        for (was, after, common, b, a, tested), p_holm in zip(compared, corrected, strict=True)
    ]  # fmt: skip


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
            "shown": "worse" if c.worse else "better" if c.better else "",
        }
        for c in changed
    ]
    return {"schema": 2, "notes": list(notes), "changes": rows}


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
    leading = {(r.ranker, r.attack, r.stratum): lead(r) for r in summary.attacks if r.success}
    kept = []
    for figure in figures.measured(summary):
        attacked = figure.labels.get("ranker", ""), figure.labels.get("attack", ""), figure.labels.get("stratum", "")
        if figure.per_query and ("attack" not in figure.labels or figure.measure in (leading.get(attacked), "boost")):
            kept.append(figure)
    return kept


def _common(
    was: Figure, now: Figure, old: Mapping[str, Mapping[str, str]], new: Mapping[str, Mapping[str, str]]
) -> list[str]:
    before, after = old.get(was.collection, {}), new.get(now.collection, {})
    same = [q for q in was.per_query if q in now.per_query and before.get(q, "") in ("", after.get(q, before.get(q)))]
    return sorted(same)


def _moved(queries: Sequence[str], old: Sequence[float], new: Sequence[float], sign: int) -> list[QueryChange]:
    """The queries that moved in one direction, the furthest first."""
    moved = [
        QueryChange(query_id=query_id, old=before, new=after)
        for query_id, before, after in zip(queries, old, new, strict=True)
        if sign * (after - before) > 1e-12
    ]
    return sorted(moved, key=lambda change: (-abs(change.new - change.old), change.query_id))
