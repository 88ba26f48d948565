"""Corpus attacks: documents that an attacker adds, retrieved or not, and where a ranker puts them.

Success at the first stage is not success end to end, so both are told, and what the ranker shows of what it is given.
Queries that the attacker knew and those held out are never mixed. How often a natural document is found for the same
queries says what is unusual.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from robustrank.core.plugin_spec import parse
from robustrank.core.ranking import order
from robustrank.core.types import Estimate, Status
from robustrank.protocols import floor
from robustrank.protocols.interface import AuditProtocol, Evidence, Section
from robustrank.results.figures import END, HELD_OUT, KNOWN, STAGE, Figure, FigureKind
from robustrank.results.outcomes import Ends, Open, Tally
from robustrank.results.summary import Summary
from robustrank.work.plant_records import TOP, Places, PlantedQuery, PlantRecord

if TYPE_CHECKING:
    from robustrank.config.specs import AuditSpec
    from robustrank.work.base import Place, Task
    from robustrank.work.records import RankingRecord, Record
    from robustrank.work.workbench import Workbench

RETRIEVED, SHOWN, FIRST = "plants retrieved", f"plants shown@{TOP}", "plants first"
SLOTS, HARM = f"plants slots@{TOP}", "plants harm"
SHARES = (RETRIEVED, SHOWN, FIRST)
MEASURES = (*SHARES, SLOTS, HARM)


def tasks(bench: Workbench, records: Mapping[str, Record], places: Sequence[Place]) -> Sequence[Task]:
    """One for every attacked ranker and corpus attack."""
    from robustrank.work import planting

    return planting.tasks(bench, records, places)


@dataclass(frozen=True, kw_only=True)
class Planted:
    """What one attack's documents did to the known queries or to those held out, at the first stage or end to end."""

    ranker: str
    attack: str
    queries: str
    at: str
    collection: str
    control: bool = False
    means: Mapping[str, Estimate] = field(default_factory=dict)
    """By measure; none where no query is decided."""
    given: Estimate | None = None
    """Of the queries for which a document was retrieved, the share that shows one; end to end only."""
    of_floor: Estimate | None = None
    """The harm as a share of the worst that so many documents could do; end to end, of point-wise rankers."""
    ideal: Estimate | None = None
    """Share of queries that would show the centroids of the known queries, as vectors; of a dense first stage."""
    lost: float = 0.0
    """Relevant documents of a list that are no candidates any more, on average."""
    per_query: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    tally: Tally = field(default_factory=Tally)
    ends: Mapping[str, Ends] = field(default_factory=dict)
    open: Mapping[str, Open] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Written:
    """What an attack added, and what that cost."""

    ranker: str
    attack: str
    plugin: str
    stage: str
    """Access to the first stage."""
    limit: int
    """Documents that it could add."""
    plants: int
    words: int
    """Of all of them."""
    encodes: int
    pairs: int
    """Scored by the ranker."""
    examples: Sequence[str]
    error: str = ""
    control: bool = False
    payload: bool = True


@dataclass(frozen=True, kw_only=True)
class Hubs:
    """In how many top-ten lists of some queries the documents of the collection stand."""

    ranker: str
    """Empty for the first stage."""
    queries: str
    lists: int
    most: int
    """Lists of the document that is in most."""
    documents: Sequence[tuple[int, int]]
    """Number of lists to documents that are in so many."""


@dataclass(frozen=True, kw_only=True)
class Corpus:
    """Of an audit."""

    rows: Sequence[Planted] = ()
    written: Sequence[Written] = ()
    hubs: Sequence[Hubs] = ()


def summarise(evidence: Evidence) -> Corpus | None:
    """Rows for every ranker and attack; natural hubs of the same queries."""
    records = _in_order(evidence)
    if not records:
        return None
    lists = {(r.ranker, r.collection, r.query_id): r for r in evidence.rankings if r.status is Status.OK}
    depths = {c.name: c.depth for c in evidence.setup.collections}
    dense = {c.name for c in evidence.setup.collections if parse(c.first_stage).use == "dense"}
    pointwise = floor.pointwise_rankers(evidence)
    rows = []
    for record in records:
        for queries, held_out in ((KNOWN, False), (HELD_OUT, True)):
            group = [each for each in record.queries if each.held_out is held_out]
            if group:
                clean = {q.query_id: lists.get((record.ranker, record.collection, q.query_id)) for q in group}
                worst = _worst(record, clean, depths[record.collection]) if record.ranker in pointwise else {}
                vectors = record.collection in dense
                rows += [_row(record, group, queries, at, worst, vectors) for at in (STAGE, END)]
    return Corpus(rows=rows, written=[_written(r) for r in records], hubs=_hubs(records, lists))


def _in_order(evidence: Evidence) -> list[PlantRecord]:
    """The records, rankers and attacks as the audit file has them."""
    spec = evidence.spec
    attacks = [attack.name for attack in spec.corpus.attacks] if spec.corpus else []
    current = [record for record in evidence.of(PlantRecord) if record.attack in attacks]
    rankers = [victim.name for victim in spec.victims]
    return sorted(current, key=lambda r: (rankers.index(r.ranker), attacks.index(r.attack)))


def _worst(record: PlantRecord, clean: Mapping[str, RankingRecord | None], depth: int) -> dict[str, float]:
    """Query to the worst loss of nDCG@10 that so many documents could cause."""
    known = [each for each in clean.values() if each is not None]
    planted = min(record.budget.plants or 0, TOP)  # with ten of them on top the measure is 0
    values = floor.least(known, depth, [floor.HARM], [planted])[floor.HARM] if known and planted else {}
    before = {q.query_id: q.final.before for q in record.queries if q.final is not None}
    return {query_id: before[query_id] - least[planted] for query_id, least in values.items() if query_id in before}


def _places(query: PlantedQuery, at: str) -> Places | None:
    return query.stage if at == STAGE else query.final


def _values(places: Places) -> dict[str, float]:
    best = places.best
    return {
        RETRIEVED: float(best is not None),
        SHOWN: float(best is not None and best <= TOP),
        FIRST: float(best == 1),
        SLOTS: float(places.slots),
        HARM: places.before - places.after,
    }


def _limits(plants: int) -> dict[str, tuple[float, float]]:
    """Least and greatest value of one query."""
    return {**dict.fromkeys(SHARES, (0.0, 1.0)), SLOTS: (0.0, float(min(plants, TOP))), HARM: (-1.0, 1.0)}


def _row(
    record: PlantRecord, group: Sequence[PlantedQuery], queries: str, at: str, worst: Mapping[str, float], vectors: bool
) -> Planted:
    from robustrank.stats import intervals

    decided = {q.query_id: _values(places) for q in group if (places := _places(q, at)) is not None}
    undecided = [q for q in group if q.query_id not in decided]
    limits = _limits(record.budget.plants or 0)
    per_query = {m: {q: values[m] for q, values in decided.items()} for m in MEASURES}
    open_ = {m: {q.query_id: limits[m] for q in undecided} for m in MEASURES if undecided}

    def means(of: Mapping[str, Mapping[str, float]]) -> dict[str, Estimate]:
        return intervals.means({m: (list(v.values()), None if m in SHARES else limits[m]) for m, v in of.items()})

    sides = [
        means({m: {**per_query[m], **{q: ends[side] for q, ends in open_[m].items()}} for m in MEASURES})
        for side in ((0, 1) if undecided else ())
    ]
    retrieved = [q for q in decided if per_query[RETRIEVED][q]]
    harmed = [q for q in decided if q in worst]
    ideal = [q.ideal is not None and q.ideal <= TOP for q in group if at == STAGE and q.stage is not None]
    return Planted(
        ranker=record.ranker,
        attack=record.attack,
        queries=queries,
        at=at,
        collection=record.collection,
        control=record.control,
        means=means(per_query) if decided else {},
        given=intervals.share([bool(per_query[SHOWN][q]) for q in retrieved]) if retrieved and at == END else None,
        of_floor=floor.share_of([per_query[HARM][q] for q in harmed], [worst[q] for q in harmed], harmed)
        if harmed and at == END
        else None,
        ideal=intervals.share(ideal) if ideal and vectors else None,
        lost=sum(q.lost for q in group if q.query_id in decided) / len(decided) if decided and at == END else 0.0,
        per_query=per_query,
        tally=_tally(record, group, [q.query_id for q in undecided]),
        ends={m: Ends(*(side[m] for side in sides)) for m in MEASURES if undecided},
        open=open_,
    )


def _tally(record: PlantRecord, group: Sequence[PlantedQuery], undecided: Sequence[str]) -> Tally:
    reasons = [query.error or record.error for query in group if query.query_id in undecided]
    first, invalid = next(iter(reasons), ""), record.status is Status.INVALID
    return Tally(
        planned=len(group),
        errors=0 if invalid else len(reasons),
        invalid=len(reasons) if invalid else 0,
        error="" if invalid else first,
        breach=first if invalid else "",
    )


EXAMPLES, LONGEST = 2, 600
"""Documents of an attack that the summary quotes, and characters of each."""


def _written(record: PlantRecord) -> Written:
    return Written(
        ranker=record.ranker,
        attack=record.attack,
        plugin=record.plugin,
        stage=record.threat.stage.value,
        limit=record.budget.plants or 0,
        plants=len(record.texts),
        words=record.words,
        encodes=record.encodes,
        pairs=record.pairs,
        examples=[text[:LONGEST] for text in record.texts[:EXAMPLES]],
        error=record.error,
        control=record.control,
        payload=record.threat.payload,
    )


def sentence(result: Corpus) -> str:
    """The attack, controls left out, whose documents are shown for most queries, held-out ones first."""
    shown = [r for r in result.rows if r.at == END and not r.control and SHOWN in r.means]
    if not shown:
        return "What documents that were added do could not be measured."
    worst = max(shown, key=lambda r: (r.means[SHOWN].low, r.queries == HELD_OUT, r.means[SHOWN].value))
    share = worst.means[SHOWN]
    which = "held-out queries" if worst.queries == HELD_OUT else "queries that it knew"
    return (
        f"Behind {worst.ranker}, documents that “{worst.attack}” added stand in the top {TOP} for {share.value:.0%} of "
        f"the {which} [{share.low:.0%}, {share.high:.0%}], n={share.n}."
        + (f" {worst.tally.undecided} of {worst.tally.planned} queries are undecided." if worst.tally.undecided else "")
    )


def _hubs(records: Sequence[PlantRecord], lists: Mapping[tuple[str, str, str], RankingRecord]) -> list[Hubs]:
    """Of the first stage, and of every ranker."""
    rows = []
    of_ranker = {record.ranker: record for record in records}
    for number, (ranker, record) in enumerate(of_ranker.items()):
        for queries, held_out in ((KNOWN, False), (HELD_OUT, True)):
            ids = [q.query_id for q in record.queries if q.held_out is held_out]
            ranked = [r for q in ids if (r := lists.get((ranker, record.collection, q))) is not None]
            if not ranked:
                continue
            if number == 0:  # every ranker has the same candidates
                rows.append(_counted("", queries, [list(r.doc_ids) for r in ranked]))
            rows.append(_counted(ranker, queries, [order(list(zip(r.doc_ids, r.scores, strict=True))) for r in ranked]))
    return rows


def _counted(ranker: str, queries: str, rankings: Sequence[Sequence[str]]) -> Hubs:
    counts = Counter(doc_id for ranking in rankings for doc_id in ranking[:TOP])
    documents = sorted(Counter(counts.values()).items())
    return Hubs(
        ranker=ranker, queries=queries, lists=len(rankings), most=max(counts.values(), default=0), documents=documents
    )


def _bounds(spec: AuditSpec, measure: str) -> tuple[float, float]:
    most = max((attack.budget.plants or 0 for attack in spec.corpus.attacks), default=0) if spec.corpus else 0
    return _limits(most)[measure]


def _expected(bench: Workbench) -> Iterator[Figure]:
    from robustrank.perturbations.stage_oracle import lends
    from robustrank.work import planting

    if bench.spec.corpus is None:
        return
    groups = planting.group(bench)
    for ranker in (victim.name for victim in bench.spec.victims if victim.attacked):
        for attack in bench.spec.corpus.attacks:
            threat = bench.corpus_attack(attack.name).threat
            if ranker not in (attack.rankers or (ranker,)):
                continue
            if attack.if_possible and not lends(bench.searcher(planting.where(bench)), threat.stage):
                continue
            for queries in (KNOWN, *((HELD_OUT,) if groups.held_out else ())):
                for at in (STAGE, END):
                    labels = {"ranker": ranker, "attack": attack.name, "queries": queries, "at": at}
                    for measure in MEASURES:
                        yield Figure(measure=measure, labels=labels, control=threat.control)


def _measured(summary: Summary) -> Iterator[Figure]:
    result: Corpus | None = PROTOCOL.result_in(summary)
    plants = {(w.ranker, w.attack): w.limit for w in result.written} if result else {}
    for row in result.rows if result else ():
        for measure in MEASURES:
            yield Figure(
                measure=measure,
                labels={"ranker": row.ranker, "attack": row.attack, "queries": row.queries, "at": row.at},
                estimate=row.means.get(measure),
                missing="" if measure in row.means or measure in row.ends else "no query was decided",
                control=row.control,
                collection=row.collection,
                per_query=row.per_query[measure],
                bounds=_limits(plants[row.ranker, row.attack])[measure],
                higher_is_better=False,
                tally=row.tally,
                ends=row.ends.get(measure),
                open=row.open.get(measure, {}),
            )


def _kind(name: str, about: str) -> FigureKind:
    return FigureKind(
        name=name,
        about=about,
        where=("ranker", "attack", "queries", "at"),
        defaults={"attack": "the strongest that is not a control", "queries": HELD_OUT, "at": END},
        names=lambda spec: (name,) if spec.corpus else (),
        expected=lambda bench: (figure for figure in _expected(bench) if figure.measure == name),
        measured=lambda summary: (figure for figure in _measured(summary) if figure.measure == name),
        bounds=_bounds,
    )


PROTOCOL = AuditProtocol(
    name="corpus",
    about="Documents that an attacker adds to the corpus: whether they are retrieved, shown, and what they displace.",
    result=Corpus,
    summarise=summarise,
    records=(PlantRecord,),
    tasks=tasks,
    figures=(
        _kind(RETRIEVED, "share of queries for which a document that was added is among the candidates"),
        _kind(SHOWN, "share of queries that show one among the first 10"),
        _kind(FIRST, "share of queries that show one first"),
        _kind(SLOTS, "mean number of the first 10 places that documents have that were added"),
        _kind(HARM, "mean nDCG@10 lost by the list to documents that were added"),
    ),
    sections=(Section(anchor="corpus", title="Added documents", place=78),),
)
