"""Long documents: what one padded document does to the call that scores its list.

Every call is a first attempt: an answer that a retry brought counts as none. A call that failed has no rank in it and
leaves all other documents without one. A list that was not ranked without padding is open, here and in gates.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from statistics import median
from typing import TYPE_CHECKING

from msgspec import structs

from robustrank.core.types import Estimate, Status
from robustrank.protocols.interface import AuditProtocol, Evidence, Section
from robustrank.results.figures import Figure, FigureKind
from robustrank.results.outcomes import Ends, Open, Tally, undecided
from robustrank.results.summary import Summary
from robustrank.storage.hashing import digest
from robustrank.work.long_document_records import NOT_ANSWERED, LongDocumentRecord

if TYPE_CHECKING:
    from robustrank.config.specs import AuditSpec
    from robustrank.work.base import Place, Task
    from robustrank.work.records import Record
    from robustrank.work.workbench import Workbench

AVAILABILITY, BLAST = "availability", "blast radius"


def tasks(bench: Workbench, records: Mapping[str, Record], places: Sequence[Place]) -> Sequence[Task]:
    """One for every form of padding, and every list of the home collection that its ranker ranked."""
    from robustrank.work import long_documents

    return long_documents.tasks(bench, records, places)


@dataclass(frozen=True, kw_only=True)
class LongDocument:
    """One ranker and one form of padding."""

    ranker: str
    words: int
    where: str
    filler: str
    collection: str
    outcomes: Mapping[str, int]
    """What came of how many calls."""
    availability: Estimate | None
    """Share of the calls that were answered in the first attempt; ``None`` where no list was ranked without padding."""
    blast: Estimate | None
    """Mean number of other documents that have no score, or another place among each other."""
    others: float = 0.0
    """Mean number of other documents in the list."""
    change: Estimate | None = None
    """Mean of the document's rank before minus its rank after; of the calls that gave it one."""
    cost: Estimate | None = None
    """Mean of the seconds of the call, over those of the same call without padding."""
    median_cost: float | None = None
    unread: Mapping[str, int] = field(default_factory=dict)
    """``"start"`` or ``"end"`` to the number of lists on which that end of the padded document is not read."""
    error: str = ""
    """The first error."""
    per_query: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    tally: Tally = field(default_factory=Tally)
    ends: Mapping[str, Ends] = field(default_factory=dict)
    open: Mapping[str, Open] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class LongDocuments:
    """Of an audit."""

    rows: Sequence[LongDocument] = ()


def summarise(evidence: Evidence) -> LongDocuments | None:
    """One row for every ranker and form of padding."""
    groups: dict[tuple[str, str, str, int], list[LongDocumentRecord]] = {}
    for record in evidence.of(LongDocumentRecord):
        groups.setdefault((record.ranker, record.filler, record.where, record.words), []).append(record)
    for (ranker, *_), group in groups.items():
        group.extend(_not_ranked(evidence, ranker, group[0]))
    return LongDocuments(rows=[_row(group) for group in groups.values()]) if groups else None


def _not_ranked(evidence: Evidence, ranker: str, like: LongDocumentRecord) -> list[LongDocumentRecord]:
    """Lists that failed without padding, so that nothing was padded in them: what it would have done is open."""
    from robustrank.work.records import RankingRecord

    keys = next(c.query_keys for c in evidence.setup.collections if c.name == like.collection)
    wanted = evidence.spec.long_document
    asked = set(list(keys)[: wanted.queries]) if wanted else set()
    return [
        structs.replace(
            like, query_id=r.query_id, doc_id="", list_length=r.candidates, status=Status.ERROR, error=r.error,
            outcome=None, rank_before=None, rank_after=None, others_lost=0, others_moved=0, unread="",
        )
        for r in evidence.of(RankingRecord)
        if undecided(r) and (r.ranker, r.collection) == (ranker, like.collection) and r.query_id in asked
    ]  # fmt: skip


def _row(group: Sequence[LongDocumentRecord]) -> LongDocument:
    from robustrank.stats import intervals

    first = group[0]
    decided = [r for r in group if r.outcome is not None]
    queries = [r.query_id for r in decided]
    answered = [r for r in decided if r.outcome not in NOT_ANSWERED]
    ranked = [r for r in answered if r.rank_after is not None]
    most = max(r.list_length for r in group) - 1
    figures = {
        AVAILABILITY: [float(r.outcome not in NOT_ANSWERED) for r in decided],
        BLAST: [float(r.others_lost + r.others_moved) for r in decided],
    }
    bounds = {AVAILABILITY: (0.0, 1.0), BLAST: (0.0, float(most))}
    ratios = [r.long_seconds / r.clean_seconds for r in answered if r.clean_seconds > 0]
    lost = [r for r in group if r.outcome is None]
    sides: dict[str, list[Estimate]] = {name: [] for name in figures}
    for name, values in figures.items():
        for end in bounds[name] if lost else ():
            sides[name].append(intervals.mean([*values, *[end] * len(lost)], bounds=bounds[name]))
    changes = [float((r.rank_before or 0) - (r.rank_after or 0)) for r in ranked]
    return LongDocument(
        ranker=first.ranker,
        words=first.words,
        where=first.where,
        filler=first.filler,
        collection=first.collection,
        outcomes=dict(Counter(str(r.outcome) for r in decided)),
        availability=intervals.share([bool(v) for v in figures[AVAILABILITY]]) if decided else None,
        blast=intervals.mean(figures[BLAST], bounds=bounds[BLAST]) if decided else None,
        others=sum(r.list_length - 1 for r in group) / len(group),
        change=intervals.mean(changes, bounds=(-float(most), float(most))) if changes else None,
        cost=intervals.mean(ratios, bounds=(0.0, float("inf"))) if ratios else None,
        median_cost=median(ratios) if ratios else None,
        unread=dict(Counter(r.unread for r in answered if r.unread)),
        error=next((r.error for r in group if r.error), ""),
        per_query={name: dict(zip(queries, values, strict=True)) for name, values in figures.items()},
        tally=Tally(planned=len(group), errors=len(lost), error=lost[0].error if lost else ""),
        ends={name: Ends(*both) for name, both in sides.items() if both},
        open={name: {r.query_id: bounds[name] for r in lost} for name in figures if lost},
    )


def _labels(ranker: str, words: int, where: str, filler: str) -> dict[str, str]:
    return {"ranker": ranker, "words": str(words), "where": where, "filler": filler}


def _names(name: str) -> Callable[[AuditSpec], Sequence[str]]:
    return lambda spec: (name,) if spec.long_document else ()


def _expected(name: str) -> Callable[[Workbench], Iterator[Figure]]:
    def expected(bench: Workbench) -> Iterator[Figure]:
        wanted = bench.spec.long_document
        forms = list(product(wanted.words, wanted.where, wanted.filler)) if wanted else []
        for victim in (victim for victim in bench.spec.victims if victim.attacked):
            for form in forms:
                yield Figure(measure=name, labels=_labels(victim.name, *form))

    return expected


def _measured(name: str) -> Callable[[Summary], Iterator[Figure]]:
    def measured(summary: Summary) -> Iterator[Figure]:
        result = PROTOCOL.result_in(summary)
        for row in result.rows if result else ():
            labels = _labels(row.ranker, row.words, row.where, row.filler)
            yield Figure(
                measure=name,
                labels=labels,
                estimate=row.availability if name == AVAILABILITY else row.blast,
                missing="" if row.availability else "no list could be ranked without padding",
                collection=row.collection,
                per_query=row.per_query[name],
                bounds=(0, 1) if name == AVAILABILITY else (0, max(1.0, row.others)),
                higher_is_better=name == AVAILABILITY,
                tally=row.tally,
                ends=row.ends.get(name),
                open=row.open.get(name, {}),
                made=digest(name, labels, summary.seed)[:12],
            )

    return measured


def _kind(name: str, about: str, unbounded: str = "") -> FigureKind:
    return FigureKind(
        name=name,
        about=about,
        where=("ranker", "words", "where", "filler"),
        names=_names(name),
        expected=_expected(name),
        measured=_measured(name),
        unbounded=unbounded,
        bounds=lambda spec, measure: (0, 1) if measure == AVAILABILITY else (0, float("inf")),
    )


PROTOCOL = AuditProtocol(
    name="long_documents",
    about="What one long document does to the call that scores its list: whether it is answered, and who moves.",
    result=LongDocuments,
    summarise=summarise,
    records=(LongDocumentRecord,),
    tasks=tasks,
    figures=(
        _kind(AVAILABILITY, "share of calls with one long document that are answered in the first attempt"),
        _kind(
            BLAST,
            "mean number of other documents that a long one leaves without a score or moves among each other",
            "how many documents a list has is not known beforehand",
        ),
    ),
    sections=(Section(anchor="long_documents", title="Long documents", place=78),),
)
