"""Two audits side by side: what changed from one version of a ranker, or of an audit, to the next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from robustrank import stats
from robustrank.protocols.adversarial import lead
from robustrank.summary import Summary
from robustrank.types import Estimate


@dataclass(frozen=True, kw_only=True)
class Change:
    """A measure's mean, new minus old, paired over the queries of both audits."""

    ranker: str
    collection: str
    measure: str
    old: float
    new: float
    difference: Estimate
    p: float
    p_holm: float
    """Holm-corrected over all changes listed."""


@dataclass(frozen=True, kw_only=True)
class AttackChange:
    """Success of one attack in both audits; their targets may differ, hence no paired test."""

    ranker: str
    attack: str
    stratum: str
    measure: str
    old: Estimate
    new: Estimate


def effectiveness(old: Summary, new: Summary) -> list[Change]:
    """Changes for every ranker, collection and measure with at least two queries in common."""
    before, after = _per_query(old), _per_query(new)
    found = []
    for where in before:
        common = sorted(set(before[where]) & set(after.get(where, ())))
        if len(common) > 1:
            a, b = ([side[where][query] for query in common] for side in (after, before))
            found.append((where, sum(b) / len(b), sum(a) / len(a), *stats.paired(a, b)))
    corrected = stats.holm([p for *_, p in found])
    return [
        Change(
            ranker=where[0], collection=where[1], measure=where[2], old=was, new=now, difference=difference, p=p,
            p_holm=p_holm,
        )
        for (where, was, now, difference, p), p_holm in zip(found, corrected, strict=True)
    ]  # fmt: skip


def attacks(old: Summary, new: Summary) -> list[AttackChange]:
    """The success each attack is judged by, where both audits have it."""
    before = {(r.ranker, r.attack, r.stratum): r.success for r in old.attacks}
    found = []
    for result in new.attacks:
        was = before.get((result.ranker, result.attack, result.stratum), {})
        measure = lead(result)
        if measure in was:
            found.append(
                AttackChange(
                    ranker=result.ranker, attack=result.attack, stratum=result.stratum, measure=measure,
                    old=was[measure], new=result.success[measure],
                )
            )  # fmt: skip
    return found


def caveats(old: Summary, new: Summary) -> list[str]:
    """Why the two may not be comparable."""
    lines = []
    digests = {c.name: c.digest for c in old.collections}
    for collection in new.collections:
        if digests.get(collection.name, collection.digest) != collection.digest:
            lines.append(f"{collection.name} is not the same collection in both; queries are matched by their id")
    prints = {r.name: r.fingerprint for r in old.rankers}
    same = [r.name for r in new.rankers if prints.get(r.name) == r.fingerprint]
    if same:
        lines.append(f"unchanged between the two: {', '.join(same)}")
    for side, audit in (("first", old), ("second", new)):
        if audit.finished is None:
            lines.append(f"the {side} audit is not finished")
    for name in sorted({r.name for r in old.rankers} ^ {r.name for r in new.rankers}):
        lines.append(f"only in one of the two: {name}")
    return lines


def _per_query(summary: Summary) -> dict[tuple[str, str, str], Mapping[str, float]]:
    return {(e.ranker, e.collection, e.measure): e.per_query for e in summary.effectiveness if e.slice is None}
