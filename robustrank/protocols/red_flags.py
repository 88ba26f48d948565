"""Red flags: reasons to doubt the evaluation itself, found in records, as AutoAttack does for classifiers."""

from __future__ import annotations

from collections.abc import Sequence

from robustrank.core.flags import Check
from robustrank.core.types import SpeaksOf, Status
from robustrank.perturbations import operations
from robustrank.protocols import certified, order_flags, ranker_flags
from robustrank.protocols.defenses.flags import hindered
from robustrank.protocols.interface import Evidence
from robustrank.protocols.masking import masked
from robustrank.protocols.ranker_flags import NOISE, SERIOUS, flag
from robustrank.results.outcomes import undecided
from robustrank.results.red_flags import RedFlag, Severity
from robustrank.results.select import lead
from robustrank.results.summary import AttackResult, Effectiveness
from robustrank.work.check_records import CheckRecord
from robustrank.work.plant_records import PlantRecord
from robustrank.work.records import AttackRecord, CertificateRecord, RankingRecord, TaskRecord, VariationRecord

ROUNDING = 1e-5
"""Share of a score by which two calls in single precision may differ, in batches of other lengths."""


def red_flags(evidence: Evidence) -> list[RedFlag]:
    """All flags that hold, serious ones first."""
    records: Sequence[TaskRecord] = evidence.tasks
    effectiveness: Sequence[Effectiveness] = evidence.results["effectiveness"]
    attacks: Sequence[AttackResult] = evidence.results["attacks"]
    certificates = [r for r in records if isinstance(r, CertificateRecord)]
    attacked = [r for r in records if isinstance(r, AttackRecord)]
    done = [r for r in records if r.status is Status.OK]
    rankings = [r for r in done if isinstance(r, RankingRecord)]
    checks = [r for r in done if isinstance(r, CheckRecord)]
    of_rankers = ranker_flags.of_rankers(evidence, rankings, checks)
    flags = [
        *_broken_certificates(certificates, attacked),
        *_miscounted(attacked),
        *_unconfirmed(attacked),
        *_did_nothing(attacked),
        *_added_nothing([r for r in records if isinstance(r, PlantRecord)]),
        *of_rankers,
        *order_flags.of_orders(evidence, rankings, of_rankers),
        *masked(attacked),
        *hindered(evidence),
        *_without_effect(attacks),
        *_no_better_than_control(attacks),
        *_illegal(attacks),
        *_unjudged(effectiveness),
        *_identity([r for r in done if isinstance(r, VariationRecord)]),
        *_ceiling(rankings),
    ]
    return sorted(flags, key=lambda each: each.severity is not Severity.SERIOUS)


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
        flag(Check.CERTIFICATE, Severity.SERIOUS, title, detail, ranker=ranker)
        for ranker in dict.fromkeys(r.ranker for r, _ in broken)
    ]


def _miscounted(attacked: Sequence[AttackRecord]) -> list[RedFlag]:
    """Attacks with cases whose counts do not add up; these cases are invalid."""
    groups: dict[tuple[str, str], list[AttackRecord]] = {}
    for record in attacked:
        if record.miscounted:
            groups.setdefault((record.ranker, record.attack), []).append(record)
    return [
        flag(
            Check.COUNTS,
            Severity.SERIOUS,
            f"{attack} on {ranker}: its counts do not add up",
            f"{len(group)} case(s), first (query {group[0].query_id}): {group[0].miscounted}",
            ranker=ranker,
            attack=attack,
        )
        for (ranker, attack), group in groups.items()
    ]


def _unconfirmed(attacked: Sequence[AttackRecord]) -> list[RedFlag]:
    """Attacks that were answered with other scores for their final text than a fresh call gives.

    Scores differ where they do by more than :data:`robustrank.protocols.ranker_flags.SERIOUS` of the change that the
    attack made and more than :data:`ROUNDING`, or by which the target's rank moves.
    """
    groups: dict[tuple[str, str], list[tuple[AttackRecord, float]]] = {}
    for record in attacked:
        if undecided(record) or record.score_seen is None or record.rank_seen is None:
            continue
        off = abs(record.score_seen - record.score_after)
        scale = max(abs(record.score_seen), abs(record.score_after), abs(record.score_before))
        if off <= ROUNDING * scale and record.rank_seen == record.rank_after:
            continue  # an edit that the ranker does not read moves a score by rounding alone
        size = max(abs(record.score_seen - record.score_before), abs(record.score_after - record.score_before))
        share = off / size if size else 0.0
        if share > SERIOUS or (record.rank_seen != record.rank_after and share > 10 * NOISE):
            groups.setdefault((record.ranker, record.attack), []).append((record, share))
    flags = []
    for (ranker, attack), group in groups.items():
        asked = sum(r.rank_seen is not None for r in attacked if (r.ranker, r.attack) == (ranker, attack))
        first, share = max(group, key=lambda pair: pair[1])
        detail = (
            f"{len(group)} of {asked} cases; for example query {first.query_id}: the attack saw rank "
            f"{first.rank_seen} (score {first.score_seen:.4g}), a fresh call gives rank {first.rank_after} (score "
            f"{first.score_after:.4g}). Figures are those of fresh calls; the ranker is not deterministic, or what "
            "the attack was answered was not the ranker's"
        )
        title = f"{attack} on {ranker}: fresh calls do not confirm what it saw"
        flags.append(flag(Check.UNCONFIRMED, Severity.SERIOUS, title, detail, ranker=ranker, attack=attack))
    return flags


def _did_nothing(attacked: Sequence[AttackRecord]) -> list[RedFlag]:
    """Attacks that left every text as it was without a search: they had no budget, or no edit to try.

    A search that asked the ranker and ended with the clean text has failed, which is a result.
    """
    groups: dict[tuple[str, str], list[AttackRecord]] = {}
    for record in attacked:
        if not undecided(record):
            groups.setdefault((record.ranker, record.attack), []).append(record)
    flags = []
    for (ranker, attack), group in groups.items():
        changed = any(r.after != r.before or r.query_after not in (None, r.query) for r in group)
        budget = group[0].budget
        limit = operations.limit(group[0].threat.edits, budget)
        if changed or (limit != 0 and any(r.calls for r in group)):
            continue
        name = "characters" if operations.unit(group[0].threat.edits) == "characters" else "edits"
        allowed = f"{name} = {limit}, calls = {budget.calls}" if 0 in (limit, budget.calls) else ""
        why = f"its budget is {allowed}" if allowed else "it found nothing to edit in texts of this kind or language"
        detail = f"no text of {len(group)} cases was changed; {why}. An attack that was not made is no failed attack"
        title = f"{attack} on {ranker}: the attack did nothing"
        flags.append(flag(Check.UNCHANGED, Severity.SERIOUS, title, detail, ranker=ranker, attack=attack))
    return flags


def _added_nothing(records: Sequence[PlantRecord]) -> list[RedFlag]:
    """Corpus attacks after which the corpus is what it was."""
    flags = []
    for record in records:
        if undecided(record) or (record.texts and record.status is not Status.BUDGET_EXHAUSTED):
            continue
        spent = record.status is Status.BUDGET_EXHAUSTED
        why = "its budget was spent before it had any" if spent else "it returned none"
        detail = f"no document was added: {why}. An attack that was not made is no failed attack"
        title = f"{record.attack} on {record.ranker}: the attack did nothing"
        flags.append(flag(Check.UNCHANGED, Severity.SERIOUS, title, detail, ranker=record.ranker, attack=record.attack))
    return flags


def _without_effect(attacks: Sequence[AttackResult]) -> list[RedFlag]:
    """Attacks on characters that the ranker does not read: it drops them, or reads those that stand for them alike."""
    flags = []
    for result in attacks:
        characters = result.unit == "characters" or result.edits_allowed in ("misspell", "look_alike")
        if result.stratum != "all" or result.control or not characters:
            continue
        if result.changed and result.same_score == result.changed:
            detail = (
                f"scores are bit-identical in {result.same_score} of {result.changed} changed texts; the ranker does "
                "not read these characters, which says nothing about its robustness to others"
            )
            title = f"{result.attack} on {result.ranker}: no effect on this ranker"
            about = {"ranker": result.ranker, "attack": result.attack}
            flags.append(flag(Check.NO_EFFECT, Severity.SERIOUS, title, detail, **about))
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
            flags.append(flag(Check.INVALID, Severity.WARNING, title, detail, **about))
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
            flags.append(flag(Check.IDENTITY, Severity.SERIOUS, title, detail, ranker=ranker))
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
