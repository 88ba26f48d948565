"""Red flags: reasons to doubt the evaluation itself, found in records, as AutoAttack does for classifiers."""

from __future__ import annotations

from collections.abc import Sequence

from robustrank.core.flags import Check
from robustrank.core.types import SpeaksOf, Status
from robustrank.protocols import certified
from robustrank.results.red_flags import RedFlag, Severity
from robustrank.results.select import lead
from robustrank.results.summary import AttackResult, Effectiveness
from robustrank.work.records import (
    AttackRecord,
    CertificateRecord,
    CheckRecord,
    RankingRecord,
    TaskRecord,
    VariationRecord,
)

SAME = 1e-6
"""Relative to the spread of a list's scores: differences below this are float noise."""


_INVARIANCES = {"order": "the order of words", "case": "upper and lower case"}


def red_flags(
    records: Sequence[TaskRecord], effectiveness: Sequence[Effectiveness], attacks: Sequence[AttackResult]
) -> list[RedFlag]:
    """All flags that hold, serious ones first."""
    certificates = [r for r in records if isinstance(r, CertificateRecord)]
    attacked = [r for r in records if isinstance(r, AttackRecord)]
    done = [r for r in records if r.status is Status.OK]
    rankings = [r for r in done if isinstance(r, RankingRecord)]
    flags = [
        *_broken_certificates(certificates, attacked),
        *_failures(records),
        *(flag for record in done if isinstance(record, CheckRecord) for flag in _unstable(record)),
        *_ties(rankings),
        *_no_better_than_control(attacks),
        *_illegal(attacks),
        *_unjudged(effectiveness),
        *_identity([r for r in done if isinstance(r, VariationRecord)]),
        *_ceiling(rankings),
    ]
    return sorted(flags, key=lambda flag: flag.severity is not Severity.SERIOUS)


def _flag(check: Check, severity: Severity, title: str, detail: str, **about: str) -> RedFlag:
    return RedFlag(check=check, severity=severity, title=title, detail=detail, **about)


def _broken_certificates(certificates: Sequence[CertificateRecord], attacks: Sequence[AttackRecord]) -> list[RedFlag]:
    broken = certified.broken(certificates, attacks)
    if not broken:
        return []
    record, claim = broken[0]
    lists = {(r.ranker, r.collection, r.query_id, r.doc_id) for r, _ in broken}
    tried = certified.falsification(certificates, attacks)
    detail = (
        f"{len(lists)} target(s) in certified lists, of {max(len(found) for found in tried.values())} attacks at the "
        f"most tested K and radius; for example top {claim.k} of {record.ranker}: {record.attack} lifted "
        f"{record.doc_id} to rank {record.rank_after} for query {record.query_id}. "
    )
    if claim.ranker is SpeaksOf.DEPLOYED:
        detail += "It is a certain claim about the deployed ranker: it is wrong, or the ranker is not deterministic"
    else:
        detail += (
            "It is a claim about the exact smoothed ranker, and the attack was on its samples: repeat with more "
            "samples before rejecting it"
        )
    title = "An attack succeeded on a certified list"
    return [
        _flag(Check.CERTIFICATE, Severity.SERIOUS, title, detail, ranker=ranker)
        for ranker in dict.fromkeys(r.ranker for r, _ in broken)
    ]


def _failures(records: Sequence[TaskRecord]) -> list[RedFlag]:
    flags = []
    for ranker in sorted({r.ranker for r in records}):
        mine = [r for r in records if r.ranker == ranker]
        failed = [r for r in mine if r.status is Status.ERROR]
        if failed:
            lost = sum(isinstance(r, RankingRecord) for r in failed)
            detail = (
                f"{len(failed)} of {len(mine)} tasks failed with an error, {lost} of them queries that count as "
                f"0; the first: {failed[0].error}"
            )
            severity = Severity.SERIOUS if lost or len(failed) > len(mine) / 10 else Severity.WARNING
            title = f"{ranker}: some tasks failed"
            flags.append(_flag(Check.ERRORS, severity, title, detail, ranker=ranker))
    return flags


def _unstable(record: CheckRecord) -> list[RedFlag]:
    seen, ranker, collection = record.differences, record.ranker, record.collection
    if seen is None:
        return []
    spread = seen.spread
    if spread == 0:
        detail = f"every document of query {record.query_id} has the same score; ranks come from the tie rule alone"
        title = f"{ranker}: constant scores"
        return [_flag(Check.CONSTANT, Severity.SERIOUS, title, detail, ranker=ranker)]
    flags = []
    for check, what, difference in (
        (Check.REPEAT, "scores differ between two identical calls", seen.repeat),
        (Check.ORDER, "scores depend on the order of the documents", seen.order),
        (Check.BATCH, "scores depend on the other documents of the batch", seen.batch),
    ):
        share = difference / spread
        if share > SAME:
            severity = Severity.SERIOUS if share > 0.01 else Severity.WARNING
            detail = f"largest difference {share:.2%} of the spread of the list ({collection}, query {record.query_id})"
            flags.append(_flag(check, severity, f"{ranker}: {what}", detail, ranker=ranker))
    for what, distance in seen.invariant.items():
        if distance / spread > SAME:
            detail = f"its card says it ignores {_INVARIANCES[what]}, but scores change by {distance / spread:.2%} of "
            detail += f"the spread of the list ({collection}, query {record.query_id}): an error in ranker or card"
            title = f"{ranker}: {_INVARIANCES[what]} changes its scores"
            flags.append(_flag(Check.INVARIANT, Severity.SERIOUS, title, detail, ranker=ranker))
    if seen.query == 0:
        detail = "every document has the same score for an unrelated query; query attacks cannot affect such a ranker"
        title = f"{ranker}: ignores the query"
        flags.append(_flag(Check.QUERY_BLIND, Severity.SERIOUS, title, detail, ranker=ranker))
    return flags


def _ties(records: Sequence[RankingRecord]) -> list[RedFlag]:
    flags = []
    for ranker in sorted({r.ranker for r in records}):
        lists = [r.scores for r in records if r.ranker == ranker]
        total = sum(map(len, lists))
        tied = sum(len(scores) - len(set(scores)) for scores in lists)
        if total and tied / total > 0.2:
            detail = f"{tied} of {total} scores equal another score of their list; ranks among them follow the tie rule"
            title = f"{ranker}: many tied scores"
            flags.append(_flag(Check.TIES, Severity.WARNING, title, detail, ranker=ranker))
    return flags


def _no_better_than_control(attacks: Sequence[AttackResult]) -> list[RedFlag]:
    """One flag per attack and control, with the rankers on which their success does not differ significantly."""
    not_shown: dict[tuple[str, str], list[str]] = {}
    for result in attacks:
        for against in result.against_controls if result.stratum == "all" else ():
            success, difference = result.success[lead(result)], against.difference
            if difference.low <= 0:
                not_shown.setdefault((result.attack, against.control), []).append(
                    f"{result.ranker} ({lead(result)} {success.value:.2f}, minus the control {difference.value:+.2f} "
                    f"[{difference.low:+.2f}, {difference.high:+.2f}], n={difference.n})"
                )
    return [
        RedFlag(
            check=Check.CONTROL,
            severity=Severity.WARNING,
            title=f"{attack}: not significantly better than “{control}”",
            attack=attack,
            detail=f"on {'; '.join(rankers)}",
        )
        for (attack, control), rankers in not_shown.items()
    ]


def _illegal(attacks: Sequence[AttackResult]) -> list[RedFlag]:
    flags = []
    for result in attacks:
        bad = sum(count for status, count in result.statuses.items() if status is not Status.OK)
        total = sum(result.statuses.values())
        if result.stratum == "all" and bad > total / 2:
            ends = ", ".join(f"{count} {status}" for status, count in result.statuses.items())
            detail = f"{bad} of {total} cases failed ({ends}); its success rate is not informative"
            title = f"{result.attack} on {result.ranker}: most cases failed"
            about = {"ranker": result.ranker, "attack": result.attack}
            flags.append(_flag(Check.INVALID, Severity.WARNING, title, detail, **about))
    return flags


def _unjudged(effectiveness: Sequence[Effectiveness]) -> list[RedFlag]:
    """One flag per collection, for the ranker with the lowest judged@10."""
    least: dict[str, tuple[float, Effectiveness]] = {}
    for figure in effectiveness:
        if figure.slice is None and figure.judged is not None:
            share = figure.judged.value
            least.setdefault(figure.collection, (share, figure))
            least[figure.collection] = min(least[figure.collection], (share, figure), key=lambda pair: pair[0])
    return [
        RedFlag(
            check=Check.JUDGED,
            severity=Severity.WARNING,
            title=f"{collection}: few judgments",
            collection=collection,
            detail=f"of the top 10 of {figure.ranker} only {share:.0%} is judged; measures count the rest as not "
            "relevant, which favours rankers close to the ones that were pooled",
        )
        for collection, (share, figure) in least.items()
        if share < 0.2
    ]


def _identity(records: Sequence[VariationRecord]) -> list[RedFlag]:
    """The unchanged query as a variation must give exactly the clean figure."""
    flags = []
    for ranker in dict.fromkeys(r.ranker for r in records):
        moved = [
            (record, variant)
            for record in records
            for variant in record.variants
            if record.ranker == ranker and variant.text == record.query
            if variant.fixed != record.clean
        ]
        if moved:
            detail = f"{len(moved)} queries; for example {moved[0][0].query_id} ({moved[0][0].collection})"
            title = f"{ranker}: an unchanged query has a different effectiveness"
            flags.append(_flag(Check.IDENTITY, Severity.SERIOUS, title, detail, ranker=ranker))
    return flags


def _ceiling(records: Sequence[RankingRecord]) -> list[RedFlag]:
    flags = []
    for collection in dict.fromkeys(r.collection for r in records):
        queries = {r.query_id: r.relevant for r in records if r.collection == collection and r.base is None}
        empty = sum(count == 0 for count in queries.values())
        if empty > len(queries) / 4:
            detail = f"{empty} of {len(queries)} candidate lists have no relevant document; re-ranking cannot help"
            title = f"{collection}: the first stage misses many relevant documents"
            flags.append(
                RedFlag(
                    check=Check.CEILING, severity=Severity.WARNING, title=title, detail=detail, collection=collection
                )
            )
    return flags
