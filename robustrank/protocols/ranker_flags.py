"""Red flags on rankers: reasons to doubt that what was audited ranks at all, or is what its card says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from robustrank.core.flags import Check
from robustrank.core.ranking import order
from robustrank.core.types import Status
from robustrank.measures import effectiveness
from robustrank.measures.bounds import difference_bounds
from robustrank.protocols.interface import Evidence
from robustrank.protocols.presented import sorts
from robustrank.results.red_flags import RedFlag, Severity
from robustrank.stats import intervals
from robustrank.stats.comparisons import paired
from robustrank.work.check_records import CheckRecord
from robustrank.work.records import RankingRecord, TaskRecord

NOISE = 1e-4
"""Differences of scores below this share of a list's spread are those of floating point and of padding in batches."""

SERIOUS = 0.01
"""Above this share they change ranks."""

TOP = 20
"""Ranks whose ties matter to measures and to the targets of attacks."""

ALIKE = 0.9
"""A ranker returns the first stage's order where it does on this share of lists."""

CLOSE = 0.65
"""Share of pairs in the right order up to which a ranker is close to chance; half of them is chance."""

FEW = 3
"""Fewer documents (or lists) than this have the same order by chance too often."""

_INVARIANCES = {"order": "the order of words", "case": "upper and lower case"}


def flag(check: Check, severity: Severity, title: str, detail: str, **about: str) -> RedFlag:
    """A red flag; ``about`` names its ranker, attack or collection."""
    return RedFlag(check=check, severity=severity, title=title, detail=detail, **about)


def of_rankers(evidence: Evidence, rankings: Sequence[RankingRecord], checks: Sequence[CheckRecord]) -> list[RedFlag]:
    """All flags on rankers.

    Args:
        evidence: Of the audit.
        rankings: The records of lists that were ranked without an error.
        checks: Of checks that ended without an error.
    """
    plain = [record for record in rankings if record.base is None]
    return [
        *_failures(evidence.tasks),
        *(each for record in checks for each in _unstable(record)),
        *_ties(rankings),
        *_positions(rankings),
        *_first_stage(evidence, plain),
        *_chance(evidence, rankings),
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
            flags.append(flag(Check.ERRORS, severity, title, detail, ranker=ranker))
    return flags


def _unstable(record: CheckRecord) -> list[RedFlag]:
    seen, ranker, collection = record.differences, record.ranker, record.collection
    if seen is None:
        return []
    spread = seen.spread
    if spread == 0:
        detail = f"every document of query {record.query_id} has the same score; ranks come from the tie rule alone"
        title = f"{ranker}: constant scores"
        return [flag(Check.CONSTANT, Severity.SERIOUS, title, detail, ranker=ranker)]
    flags = []
    for check, what, difference, declared in (
        (Check.REPEAT, "scores differ between two identical calls", seen.repeat, not record.deterministic),
        (Check.ORDER, "scores depend on the order of the documents", seen.order, not record.pointwise),
        (Check.BATCH, "scores depend on the other documents of the batch", seen.batch, not record.pointwise),
    ):
        share = difference / spread
        if check is Check.BATCH and declared:
            continue  # what list-wise means
        if share > NOISE:
            corrected = record.listwise and check in (Check.ORDER, Check.BATCH)
            severity = Severity.SERIOUS if share > SERIOUS and not (declared or corrected) else Severity.WARNING
            title = f"{ranker}: {what}"
            title += ", though its card says pointwise; it was audited as list-wise" if corrected else ""
            detail = f"largest difference {share:.2%} of the spread of the list ({collection}, query {record.query_id})"
            flags.append(flag(check, severity, title, detail, ranker=ranker))
    for what, distance in seen.invariant.items():
        if distance / spread > NOISE:
            detail = f"its card says it ignores {_INVARIANCES[what]}, but scores change by {distance / spread:.2%} of "
            detail += f"the spread of the list ({collection}, query {record.query_id}): an error in ranker or card"
            title = f"{ranker}: {_INVARIANCES[what]} changes its scores"
            flags.append(flag(Check.INVARIANT, Severity.SERIOUS, title, detail, ranker=ranker))
    if seen.query == 0:
        detail = "every document has the same score for an unrelated query; query attacks cannot affect such a ranker"
        title = f"{ranker}: ignores the query"
        flags.append(flag(Check.QUERY_BLIND, Severity.SERIOUS, title, detail, ranker=ranker))
    return flags


def _ties(records: Sequence[RankingRecord]) -> list[RedFlag]:
    flags = []
    for ranker in sorted({r.ranker for r in records}):
        lists = [sorted(r.scores, reverse=True) for r in records if r.ranker == ranker]
        total, tied = sum(map(len, lists)), sum(map(_tied, lists))
        top, top_tied = sum(len(scores[:TOP]) for scores in lists), sum(_tied(scores[:TOP]) for scores in lists)
        if total and max(tied / total, top_tied / top) > 0.2:
            decides = len(lists) >= FEW and top_tied / top > 0.2
            detail = f"{tied} of {total} scores equal another score of their list; ranks among them follow the tie rule"
            if decides:
                detail += (
                    f". So do {top_tied} of {top} scores of the first {TOP} ranks: they are saturated or rounded, and "
                    "ties decide what measures and attacks see. Return them before they are rounded or squashed"
                )
            severity = Severity.SERIOUS if decides else Severity.WARNING
            flags.append(flag(Check.TIES, severity, f"{ranker}: many tied scores", detail, ranker=ranker))
    return flags


def _tied(scores: Sequence[float]) -> int:
    return len(scores) - len(set(scores))


def _positions(records: Sequence[RankingRecord]) -> list[RedFlag]:
    """Scores that are 0 to n-1, or 1 to n, on every list: positions of an order, in which the best comes first."""
    flags = []
    for ranker in sorted({r.ranker for r in records}):
        mine = [r for r in records if r.ranker == ranker and not r.rank_only]  # whose scores are meant to be places
        lists = [sorted(r.scores) for r in mine if len(r.scores) >= FEW]
        first = {scores[0] for scores in lists}
        counts = [scores == [scores[0] + n for n in range(len(scores))] for scores in lists]
        if len(lists) >= FEW and all(counts) and first in ({0}, {1}):
            detail = (
                f"the scores of each of {len(lists)} lists are {first.pop():g} to the number of its documents, each "
                "once. If they are positions of an order with the best first, every list is read upside down or "
                "shuffled: return scores of which a higher one is better"
            )
            title = f"{ranker}: scores look like positions of an order"
            flags.append(flag(Check.POSITIONS, Severity.SERIOUS, title, detail, ranker=ranker))
    return flags


def _first_stage(evidence: Evidence, records: Sequence[RankingRecord]) -> list[RedFlag]:
    """Rankers of the home collection that return the order they were given, or a worse one."""
    home, measure = evidence.spec.home, evidence.leading
    flags = []
    for ranker in evidence.spec.rankers:
        mine = [r for r in records if (r.ranker, r.collection) == (ranker.name, home.name) and len(r.doc_ids) >= FEW]
        if len(mine) < FEW or ranker.plugin.use == home.first_stage.use:
            continue
        same = sum(order(list(zip(r.doc_ids, r.scores, strict=True))) == list(r.doc_ids) for r in mine)
        if same >= ALIKE * len(mine) and not sorts(evidence, ranker.name):
            detail = (
                f"on {same} of {len(mine)} lists of {home.name}; figures of it are those of {home.first_stage}. A "
                "service that gives up often returns what it was given"
            )
            title = f"{ranker.name}: returns the order of the first stage"
            flags.append(flag(Check.FIRST_STAGE, Severity.SERIOUS, title, detail, ranker=ranker.name))
            continue
        before = first_stage_values(mine, measure)
        after = [r.measures[measure] for r in mine]
        difference = paired(after, before, bounds=difference_bounds(measure)).estimate
        if difference.high < 0:
            detail = (
                f"{measure} on {home.name} minus that of {home.first_stage}: {difference.value:+.3f} "
                f"[{difference.low:+.3f}, {difference.high:+.3f}], n={difference.n}; a ranker that loses to its first "
                "stage is seldom the one that is deployed"
            )
            title = f"{ranker.name}: ranks worse than the first stage"
            flags.append(flag(Check.FIRST_STAGE, Severity.SERIOUS, title, detail, ranker=ranker.name))
    return flags


def first_stage_values(records: Sequence[RankingRecord], measure: str) -> list[float]:
    """The measure of the lists in first-stage order."""
    values = []
    for record in records:
        lists, qrels = {record.query_id: list(record.doc_ids)}, {record.query_id: dict(record.qrels)}
        by_measure = effectiveness.per_query([measure], lists, qrels, record.relevant_from)
        values.append(by_measure[measure][record.query_id])
    return values


def _chance(evidence: Evidence, records: Sequence[RankingRecord]) -> list[RedFlag]:
    """Rankers, defended ones too, that do not put relevant documents above the others more often than a coin would.

    A defense that destroys the ranking leaves attacks nothing to gain, which is no robustness.
    """
    home = evidence.spec.home.name
    flags: list[RedFlag] = []
    for ranker in evidence.spec.victims:
        mine = [r for r in records if (r.ranker, r.collection) == (ranker.name, home)]
        shares = [share for r in mine if (share := _ordered(r)) is not None]
        serious = {each.ranker for each in flags if each.severity is Severity.SERIOUS}
        if len(shares) < FEW or (ranker.defense and ranker.ranker.name in serious):  # which binds the defended one too
            continue
        above = intervals.mean(shares, bounds=(0, 1))
        if above.low <= 0.5:
            far = above.value > CLOSE
            detail = (
                f"of the pairs of a relevant and another document of a list of {home} it puts {above.value:.0%} "
                f"[{above.low:.0%}, {above.high:.0%}] in the right order, n={above.n}; chance 50 %"
            )
            title = f"{ranker.name}: {'not shown to rank' if far else 'ranks no'} better than chance"
            severity = Severity.WARNING if far else Severity.SERIOUS
            flags.append(flag(Check.CHANCE, severity, title, detail, ranker=ranker.name))
    return flags


def _ordered(record: RankingRecord) -> float | None:
    """Share of pairs of a relevant and another document in the right order, ties as half; ``None`` without a pair."""
    grades: Mapping[str, int] = record.qrels
    scored = list(zip(record.doc_ids, record.scores, strict=True))
    good = [score for doc_id, score in scored if grades.get(doc_id, 0) >= record.relevant_from]
    rest = [score for doc_id, score in scored if grades.get(doc_id, 0) < record.relevant_from]
    if not good or not rest:
        return None
    right = sum((a > b) + (a == b) / 2 for a in good for b in rest)
    return float(right / (len(good) * len(rest)))
