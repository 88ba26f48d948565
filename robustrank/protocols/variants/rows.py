"""One row for every variant: its figures minus its parent's, on the same lists, targets and query variations."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from statistics import median, stdev

from robustrank.config.specs import RankerSpec
from robustrank.core.ranking import order
from robustrank.core.types import Estimate
from robustrank.protocols import worst_case
from robustrank.protocols.defenses import attacked, texts
from robustrank.protocols.defenses.results import Difference
from robustrank.protocols.defenses.rows import needless
from robustrank.protocols.interface import Evidence
from robustrank.protocols.variants import sentences
from robustrank.protocols.variants.results import CLEAN, LOST, ROBUST, VARIED, Endpoint, Order, VariantRow, Variants
from robustrank.protocols.worst_case import Sides
from robustrank.results.outcomes import Tally, tally, undecided
from robustrank.stats import intervals
from robustrank.stats.comparisons import holm
from robustrank.stats.planning import expected_detectable
from robustrank.work.records import AttackRecord, CertificateRecord, RankingRecord, VariationRecord

TOP = 10
SHOWN = 10
"""Queries that are listed as those that lose most."""

Measured = tuple[Sides, Tally]
"""Query to value, and of how many lists or targets."""


def rows(evidence: Evidence) -> Variants | None:
    """Of every variant, with all differences corrected; ``None`` where no ranker is one."""
    named: dict[str, list[RankerSpec]] = {}
    for ranker in evidence.spec.rankers:
        if ranker.variant is not None:
            named.setdefault(ranker.variant.name or ranker.name, []).append(ranker)
    if not named:
        return None
    figures = _Figures(evidence)
    plain = [_row(figures, name, seeds) for name, seeds in named.items()]
    endpoints = _corrected([row.endpoints for row in plain])
    by_attack = _corrected([row.by_attack for row in plain])
    held = [
        replace(row, endpoints=whole, by_attack=single)
        for row, whole, single in zip(plain, endpoints, by_attack, strict=True)
    ]
    comparisons = sum(each.difference is not None for row in endpoints for each in row.values())
    return Variants(rows=[replace(row, sentence=sentences.sentence(row)) for row in held], comparisons=comparisons)


def _corrected(family: Sequence[Mapping[str, Endpoint]]) -> list[dict[str, Endpoint]]:
    """Endpoints of all variants, whose p values are corrected as one family."""
    differences = [each.difference for row in family for each in row.values() if each.difference]
    corrected = dict(zip(map(id, differences), holm([each.p for each in differences]), strict=True))
    return [
        {
            name: replace(each, difference=replace(change, p_holm=corrected[id(change)]))
            if (change := each.difference)
            else each
            for name, each in row.items()
        }
        for row in family
    ]


class _Figures:
    """The records of an audit by ranker."""

    def __init__(self, evidence: Evidence) -> None:
        self.spec = evidence.spec
        self.lists: dict[tuple[str, str], dict[str, RankingRecord]] = {}
        for record in evidence.of(RankingRecord):
            self.lists.setdefault((record.ranker, record.collection), {})[record.query_id] = record
        made = [r for r in evidence.of(AttackRecord) if worst_case.counts(r)]
        self._attacks = [*made, *worst_case.lost(evidence, made)]
        self._variations = evidence.of(VariationRecord)
        self._certificates = evidence.of(CertificateRecord)

    def shared(self, rankers: Sequence[str]) -> tuple[frozenset[str], list[str]]:
        """Attacks that all of some rankers met, or did not need to meet, and those that only some of them met.

        A worst case over fewer attacks would look more robust than it is.
        """
        made = {name: [r for r in self._attacks if r.ranker == name] for name in rankers}
        met = {name: {r.attack for r in mine} for name, mine in made.items()}
        if self.spec.cases.ladder:
            for name, mine in made.items():
                met[name] = met[name].union(*(needless(other, mine) for other in made.values()))
        every = {attack: None for names in met.values() for attack in sorted(names)}
        common = frozenset(attack for attack in every if all(attack in names for names in met.values()))
        return common, [attack for attack in every if attack not in common]

    def of(self, ranker: str, attacks: frozenset[str]) -> dict[str, Measured]:
        """Every endpoint of one ranker, the worst case over some attacks."""
        home = self.spec.home.name
        figures: dict[str, Measured] = {}
        for collection in (each.name for each in self.spec.collections):
            lists = self.lists.get((ranker, collection), {})
            name = CLEAN if collection == home else f"{CLEAN} on {collection}"
            figures[name] = {q: _clean(r) for q, r in sorted(lists.items())}, tally(lists.values())
        figures[VARIED] = self._varied(ranker, home)
        mine = self._made(ranker, attacks)
        figures[LOST] = _lost(mine)
        figures[ROBUST] = worst_case.least(mine), tally(worst_case.standing(mine)) if mine else Tally()
        figures.update(self._certified(ranker, home))
        return {name: each for name, each in figures.items() if each[0]}

    def by_attack(self, ranker: str, attacks: frozenset[str]) -> dict[str, Measured]:
        """The share of targets that each attack lifts into the top ten by itself, where there are several.

        None where attacks are tried in turn (``ladder``): a later one met only those targets that the others left.
        """
        alone = len(attacks) > 1 and not self.spec.cases.ladder
        by_name = {name: self._made(ranker, {name}) for name in sorted(attacks)} if alone else {}
        return {name: each for name, mine in by_name.items() if (each := _lost(mine))[0]}

    def _made(self, ranker: str, attacks: Collection[str]) -> list[AttackRecord]:
        return [r for r in self._attacks if r.ranker == ranker and r.attack in attacks]

    def _varied(self, ranker: str, home: str) -> Measured:
        mine = [r for r in self._variations if (r.ranker, r.collection) == (ranker, home)]
        by_query: dict[str, list[VariationRecord]] = {}
        for record in mine:
            by_query.setdefault(record.query_id, []).append(record)
        sides: Sides = {}
        for query, records in sorted(by_query.items()):
            values = [value.fixed for record in records for value in record.variants]
            if any(map(undecided, records)):
                sides[query] = (0.0, 1.0, False)
            elif values:
                sides[query] = (sum(values) / len(values), sum(values) / len(values), True)
        return sides, tally(mine)

    def _certified(self, ranker: str, home: str) -> dict[str, Measured]:
        """Of the first defense of a ranker that certifies; the defended ranker is named by its defense."""
        victims = [v.name for v in self.spec.victims if v.ranker.name == ranker and v.defense is not None]
        figures: dict[str, Measured] = {}
        for victim in victims:
            mine = [r for r in self._certificates if (r.ranker, r.collection) == (victim, home)]
            for k, radius in sorted({(c.k, c.radius) for r in mine for c in r.certificates}):
                held = {
                    r.query_id: any(c.certified for c in r.certificates if (c.k, c.radius) == (k, radius)) for r in mine
                }
                failed = {r.query_id for r in mine if undecided(r)}
                sides: Sides = {
                    q: (0.0, 1.0, False) if q in failed else (float(each), float(each), True)
                    for q, each in held.items()
                }
                figures[f"certified, top {k}, radius {radius:g}"] = sides, tally(mine)
            if figures:
                break
        return figures


def _row(figures: _Figures, name: str, seeds: Sequence[RankerSpec]) -> VariantRow:
    of = seeds[0].variant
    assert of is not None, "a variant has a parent"
    attacks, left_out = figures.shared([of.parent, *(ranker.name for ranker in seeds)])
    parent, mine = figures.of(of.parent, attacks), [figures.of(ranker.name, attacks) for ranker in seeds]
    endpoints = _endpoints(mine, parent)
    by_attack = _endpoints([figures.by_attack(r.name, attacks) for r in seeds], figures.by_attack(of.parent, attacks))
    home = figures.spec.home.name
    lists = [figures.lists.get((ranker.name, home), {}) for ranker in seeds]
    theirs = figures.lists.get((of.parent, home), {})
    return VariantRow(
        variant=name,
        parent=of.parent,
        rankers=[ranker.name for ranker in seeds],
        endpoints=endpoints,
        by_attack=by_attack,
        missing=[name for name in parent if name not in endpoints],
        left_out=left_out,
        lowest_decile=(
            _lowest([each[CLEAN][0] for each in mine if CLEAN in each]),
            _lowest([parent[CLEAN][0]] if CLEAN in parent else []),
        ),
        order=_order(lists, theirs, endpoints.get(CLEAN)),
        seconds=_seconds(record for each in lists for record in each.values()),
        parent_seconds=_seconds(theirs.values()),
        trained=of.trained,
        stored_bytes=of.stored_bytes,
        zeros=of.zeros,
        common=figures.spec.cases.common,
    )


def _endpoints(mine: Sequence[Mapping[str, Measured]], parent: Mapping[str, Measured]) -> dict[str, Endpoint]:
    """Of the figures that the parent and all seeds have."""
    return {
        name: _endpoint([each[name] for each in mine], parent[name])
        for name in parent
        if all(name in each for each in mine)
    }


def _lost(attacks: Sequence[AttackRecord]) -> Measured:
    """Whether some attack lifts a target that stands below the top ten into it."""
    below = [target for target in worst_case.by_target(attacks).values() if target.below]
    return worst_case.wins(below), worst_case.tally_of(below) if below else Tally()


def _clean(record: RankingRecord) -> tuple[float, float, bool]:
    if undecided(record):
        return 0.0, 1.0, False
    value = texts.worth(record, order(list(zip(record.doc_ids, record.scores, strict=True))))
    return value, value, True


def _mean_of(seeds: Sequence[Sides]) -> Sides:
    """The mean over seeds, of queries that all have; open where one is."""
    shared = [q for q in seeds[0] if all(q in each for each in seeds)]
    return {
        q: (
            sum(each[q][0] for each in seeds) / len(seeds),
            sum(each[q][1] for each in seeds) / len(seeds),
            all(each[q][2] for each in seeds),
        )
        for q in shared
    }


def _endpoint(mine: Sequence[Measured], parent: Measured) -> Endpoint:
    sides = _mean_of([each[0] for each in mine])
    change = attacked.difference(sides, parent[0])
    by_seed = [attacked.difference(each[0], parent[0]) for each in mine] if len(mine) > 1 else []
    return Endpoint(
        variant=attacked.level(sides, _added([each[1] for each in mine])),
        parent=attacked.level(parent[0], parent[1]),
        difference=change,
        detectable=_detectable(change),
        seeds=[each.estimate.value for each in by_seed if each is not None],
    )


def _added(tallies: Sequence[Tally]) -> Tally:
    def total(name: str) -> int:
        return sum(getattr(each, name) for each in tallies)

    return Tally(
        planned=total("planned"), errors=total("errors"), invalid=total("invalid"),
        invalid_answers=total("invalid_answers"), untried=total("untried"),
        error=next((each.error for each in tallies if each.error), ""),
        breach=next((each.breach for each in tallies if each.breach), ""),
    )  # fmt: skip


def _detectable(change: Difference | None) -> float | None:
    values = list(change.per_query.values()) if change else []
    return expected_detectable(len(values), stdev(values)) if len(values) > 1 else None


def _lowest(sides: Sequence[Sides]) -> Estimate | None:
    values = [low for low, _, decided in _mean_of(sides).values() if decided] if sides else []
    return intervals.lowest_decile(values, bounds=(0, 1)) if values else None


def _seconds(records: Iterable[RankingRecord]) -> float | None:
    measured = [r.call_seconds for r in records if r.call_seconds is not None and not undecided(r)]
    return median(measured) if measured else None


def _order(
    seeds: Sequence[Mapping[str, RankingRecord]], theirs: Mapping[str, RankingRecord], clean: Endpoint | None
) -> Order | None:
    by_query: dict[str, list[tuple[float, float, float, float]]] = {}
    for lists in seeds:
        for query, record in lists.items():
            other = theirs.get(query)
            if other is None or undecided(record) or undecided(other) or set(record.doc_ids) != set(other.doc_ids):
                continue
            if not record.doc_ids:  # the first stage found no candidate
                continue
            by_query.setdefault(query, []).append(_moved(_ordered(record), _ordered(other)))
    if not by_query:
        return None
    means = [[sum(column) / len(rows) for column in zip(*rows, strict=True)] for rows in by_query.values()]
    tau, overlap, first, top = ([row[i] for row in means] for i in range(4))
    changes = clean.difference.per_query if clean and clean.difference else {}
    losses = sorted((value, query) for query, value in changes.items() if value < 0)
    return Order(
        tau=intervals.mean(tau, bounds=(-1, 1)),
        overlap=intervals.mean(overlap, bounds=(0, 1)),
        other_first=_share(first),
        other_top=_share(top),
        worse=[(query, value) for value, query in losses[:SHOWN]],
    )


def _share(values: Sequence[float]) -> Estimate:
    if all(value in (0, 1) for value in values):
        return intervals.share([value == 1 for value in values])
    return intervals.mean(values, bounds=(0, 1))


def _ordered(record: RankingRecord) -> list[str]:
    return order(list(zip(record.doc_ids, record.scores, strict=True)))


def _moved(mine: Sequence[str], theirs: Sequence[str]) -> tuple[float, float, float, float]:
    """Tau, overlap of the top ten, whether another is first, and whether the top ten hold other documents."""
    place = {doc: rank for rank, doc in enumerate(theirs)}
    top = set(theirs[:TOP])
    overlap = len(top & set(mine[:TOP])) / len(top)
    return _tau([place[doc] for doc in mine]), overlap, float(mine[0] != theirs[0]), float(overlap < 1)


def _tau(places: Sequence[int]) -> float:
    """Kendall's tau of an order without ties against the natural one; 1 of a single document."""
    n = len(places)
    if n < 2:
        return 1.0
    inversions = sum(places[i] > places[j] for i in range(n) for j in range(i + 1, n))
    return 1 - 4 * inversions / (n * (n - 1))
