"""The exact floor: the worst that planted documents can do to a list, computed from clean scores without any attack.

A ranker that scores a document without regard to the others keeps the order of what is there, so k documents that an
attacker adds to the corpus can do two things to a list: stand anywhere in it, and push candidates off its end. Every
attacked list is the clean ranking without the last k' candidates of the first stage, with k' <= k planted documents
anywhere in it, and every such list can be reached. The least value of a measure over these lists is its floor. Scores
of the first stage must not change by what is added, as with frozen statistics or vectors.

A document that is edited can only move to another place, so the worst that an attack on one document can do is known
too, and its harm is told as a share of that.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

from robustrank.core.ranking import order
from robustrank.core.types import Estimate, Goal, Surface
from robustrank.protocols.figures.effectiveness import ranked
from robustrank.protocols.interface import AuditProtocol, Evidence, Section
from robustrank.results.figures import Figure, FigureKind
from robustrank.results.outcomes import Ends, Open, Tally, tally, undecided
from robustrank.results.summary import Summary

if TYPE_CHECKING:
    from robustrank.work.records import AttackRecord, RankingRecord
    from robustrank.work.workbench import Workbench

PLANTED = (1, 3, 5)
"""Documents that the attacker adds."""
HARM = "nDCG@10"
"""The measure of attacks' harm."""


@dataclass(frozen=True, kw_only=True)
class Floor:
    """A measure's mean over queries with so many documents planted, each list at its worst."""

    ranker: str
    collection: str
    measure: str
    planted: int
    mean: Estimate
    clean: float
    """The mean without any."""
    per_query: Mapping[str, float] = field(default_factory=dict)
    tally: Tally = field(default_factory=Tally)
    """Of the lists; one that could not be ranked counts as an empty one."""
    ends: Ends | None = None
    open: Open = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Realised:
    """The harm that an attack on one document did, as a share of what any edit of it could do."""

    ranker: str
    attack: str
    harm: float
    """Mean over the decided cases."""
    worst: float
    """The mean of the worst."""
    share: Estimate | None
    """``None`` where no edit could do harm."""
    tally: Tally = field(default_factory=Tally)


@dataclass(frozen=True, kw_only=True)
class Floors:
    """Of an audit."""

    floors: Sequence[Floor] = ()
    realised: Sequence[Realised] = ()
    without: Sequence[str] = ()
    """Rankers without: their scores depend on the other documents of a call, or nothing showed that they do not."""


def summarise(evidence: Evidence) -> Floors:
    """Floors of every point-wise ranker, and the shares of its attacks."""
    from robustrank.work.records import AttackRecord

    pointwise = pointwise_rankers(evidence)
    lists = [record for record in evidence.rankings if record.ranker in pointwise]
    depths = {c.name: c.depth for c in evidence.setup.collections}
    every = dict.fromkeys(record.ranker for record in evidence.rankings)
    return Floors(
        floors=_floors(lists, depths, evidence.spec.measures),
        realised=_realised([r for r in evidence.of(AttackRecord) if r.ranker in pointwise], lists),
        without=[ranker for ranker in every if ranker not in pointwise],
    )


def pointwise_rankers(evidence: Evidence) -> frozenset[str]:
    """Rankers that say so and whose answers before the audit did not show otherwise."""
    from robustrank.work.check_records import CheckRecord

    checks = [r for r in evidence.of(CheckRecord) if r.differences is not None]
    against = {r.ranker for r in checks if r.listwise or not r.pointwise or r.unsteady or not r.deterministic}
    return frozenset({r.ranker for r in checks} - against)


def _floors(lists: Sequence[RankingRecord], depths: Mapping[str, int], measures: Sequence[str]) -> list[Floor]:
    from robustrank.stats import intervals

    computed = _computed(measures)
    groups: dict[tuple[str, str], list[RankingRecord]] = {}
    for record in lists:
        groups.setdefault((record.ranker, record.collection), []).append(record)
    rows = []
    for (ranker, collection), group in groups.items():
        worst = least(group, depths[collection], computed)
        open_ = {r.query_id: (0.0, 1.0) for r in group if undecided(r)}
        every = {
            f"{measure} {planted}": {q: values[planted] for q, values in worst[measure].items()}
            for measure in computed
            for planted in PLANTED
        }
        means = intervals.means({name: (list(data.values()), (0.0, 1.0)) for name, data in every.items()})
        for measure in computed:
            for planted in PLANTED:
                data = every[f"{measure} {planted}"]
                rows.append(
                    Floor(
                        ranker=ranker,
                        collection=collection,
                        measure=measure,
                        planted=planted,
                        mean=means[f"{measure} {planted}"],
                        clean=sum(r.measures[measure] for r in group) / len(group),
                        per_query=data,
                        tally=tally(group),
                        ends=_ends(data, open_),
                        open=open_,
                    )
                )
    return rows


def _ends(data: Mapping[str, float], open_: Open) -> Ends | None:
    from robustrank.stats import intervals

    if not open_:
        return None
    return Ends(
        *(
            intervals.mean([open_[q][side] if q in open_ else v for q, v in data.items()], bounds=(0, 1))
            for side in (0, 1)
        )
    )


def least(
    lists: Sequence[RankingRecord], depth: int, measures: Sequence[str], numbers: Sequence[int] = PLANTED
) -> dict[str, dict[str, dict[int, float]]]:
    """Measure to query to number of planted documents to the least value of the measure.

    Args:
        lists: Of one ranker on one collection; documents as the first stage ordered them.
        depth: Candidates that the first stage hands on. A shorter list has room for planted documents.
        measures: Computed by :mod:`robustrank.measures.arrays`.
        numbers: Of planted documents.
    """
    from robustrank.measures import arrays

    cuts = [cut.k for name in measures if (cut := arrays.parse(name)) is not None]
    read = None if None in cuts else max((k for k in cuts if k is not None), default=None)  # what counts of a list
    runs: dict[str, dict[str, list[str]]] = {}
    for record in lists:
        ranking = order(list(zip(record.doc_ids, record.scores, strict=True)))
        room = max(0, (record.depth or depth) - len(ranking))
        for inside in range(max(numbers) + 1):  # planted documents that are handed on
            pushed_off = set(record.doc_ids[max(0, len(ranking) - max(0, inside - room)) :])
            kept = [doc_id for doc_id in ranking[: None if read is None else read + inside] if doc_id not in pushed_off]
            for above in range(inside + 1):
                attacked = [*map(_plant, range(above)), *kept]
                runs.setdefault(f"{inside} {above}", {})[record.query_id] = attacked[:read]
    relevant = {record.relevant_from for record in lists}
    values: dict[str, dict[str, dict[str, float]]] = {run: {} for run in runs}
    for level in relevant:
        qrels = {r.query_id: r.qrels for r in lists if r.relevant_from == level}
        for run, by_measure in arrays.per_query(measures, runs, qrels, level).items():
            for measure, by_query in by_measure.items():
                values[run].setdefault(measure, {}).update(by_query)
    return {
        measure: {
            r.query_id: {
                planted: min(
                    values[f"{inside} {above}"][measure][r.query_id]
                    for inside in range(planted + 1)
                    for above in range(inside + 1)
                )
                for planted in numbers
            }
            for r in lists
        }
        for measure in measures
    }


@cache
def _plant(number: int) -> str:
    """An id that no judgment has, as ids have no control characters."""
    return f"\x00planted {number}"


def _realised(attacked: Sequence[AttackRecord], lists: Sequence[RankingRecord]) -> list[Realised]:
    """One row for every ranker and attack that promotes a document."""
    at = {(r.ranker, r.collection, r.query_id): r for r in lists if not undecided(r)}
    groups: dict[tuple[str, str], list[AttackRecord]] = {}
    for record in attacked:
        promotes = record.threat.surface is Surface.DOCUMENT and record.threat.goal is Goal.PROMOTE
        if promotes and (record.ranker, record.collection, record.query_id) in at:
            groups.setdefault((record.ranker, record.attack), []).append(record)
    rows = []
    least_of = worst_places(
        {
            (r.ranker, r.collection, r.query_id, r.doc_id): at[r.ranker, r.collection, r.query_id]
            for group in groups.values()
            for r in group
        }
    )
    for (ranker, attack), group in groups.items():
        decided = [r for r in group if not undecided(r)]
        if not decided:
            continue
        worst = [r.harm_before - least_of[r.ranker, r.collection, r.query_id, r.doc_id] for r in decided]
        harm = [r.harm_before - r.harm_after for r in decided]
        rows.append(
            Realised(
                ranker=ranker,
                attack=attack,
                harm=sum(harm) / len(harm),
                worst=sum(worst) / len(worst),
                share=share_of(harm, worst, [r.query_id for r in decided]),
                tally=tally(group),
            )
        )
    return rows


Moved = tuple[str, str, str, str]
"""Ranker, collection, query and the document that moves."""


def worst_places(cases: Mapping[Moved, RankingRecord]) -> dict[Moved, float]:
    """The least nDCG@10 of each list in which one document may move to any place."""
    from robustrank.measures import arrays

    lists: dict[str, list[str]] = {}
    of_case: dict[Moved, list[str]] = {}
    qrels: dict[str, Mapping[str, int]] = {}
    for case, record in cases.items():
        doc_id = case[-1]
        others = [each for each in order(list(zip(record.doc_ids, record.scores, strict=True))) if each != doc_id]
        # A document worth nothing is worst at the top; another one gains something wherever it stands.
        places = range(min(11, len(others) + 1)) if record.qrels.get(doc_id, 0) > 0 else (0,)
        for place in places:
            name = str(len(lists))
            of_case.setdefault(case, []).append(name)
            lists[name], qrels[name] = [*others[:place], doc_id, *others[place:]][:10], record.qrels
    values = arrays.per_query([HARM], {"": lists}, qrels)[""][HARM] if lists else {}
    return {case: min(values[name] for name in names) for case, names in of_case.items()}


def share_of(harm: Sequence[float], worst: Sequence[float], queries: Sequence[str]) -> Estimate | None:
    """Ratio of the sums, with queries as units."""
    import numpy as np

    from robustrank.stats.contrasts import contrast, corners
    from robustrank.stats.intervals import totals

    sums, counts = zip(*(totals(values, queries) for values in (harm, worst)), strict=True)
    most = float(counts[0].max())
    rows = np.c_[sums[0], sums[1]]
    # What is done is never more than the worst.
    unseen = [row for row in corners((-most, most), (0.0, most)) if row[0] <= row[1]] + [(most, most)]
    made = contrast([rows], lambda m: m[:, 0] / m[:, 1], unseen=[unseen], limits=(-np.inf, 1.0))
    return None if made is None else made.estimate


def _name(planted: int) -> str:
    return f"floor@{planted}"


def _names(spec: Any) -> Iterator[str]:
    return map(_name, PLANTED)


def _computed(measures: Sequence[str]) -> list[str]:
    """The measures that have a floor here."""
    from robustrank.measures import arrays
    from robustrank.measures.bounds import measure_bounds

    return [name for name in measures if arrays.supported(name) and measure_bounds(name) == (0, 1)]


def _expected(bench: Workbench) -> Iterator[Figure]:
    for labels in ranked(bench):
        if labels["ranker"] in bench.listwise:
            continue
        if not bench.victim(labels["ranker"], labels["collection"]).declared.pointwise:
            continue
        for measure in _computed(bench.spec.measures):
            for planted in PLANTED:
                yield Figure(measure=_name(planted), labels={**labels, "of": measure})


def _measured(summary: Summary) -> Iterator[Figure]:
    result = PROTOCOL.result_in(summary)
    for row in result.floors if result else ():
        yield Figure(
            measure=_name(row.planted),
            labels={"ranker": row.ranker, "collection": row.collection, "of": row.measure},
            estimate=row.mean,
            collection=row.collection,
            per_query=row.per_query,
            tally=row.tally,
            ends=row.ends,
            open=row.open,
        )


PROTOCOL = AuditProtocol(
    name="floor",
    about="The worst that 1, 3 and 5 planted documents can do, exactly, and how much of the worst attacks reach.",
    result=Floors,
    summarise=summarise,
    figures=(
        FigureKind(
            name="floor@1",
            about="least mean of a measure that 1 planted document (`floor@3`, `floor@5`: so many) can leave",
            where=("ranker", "collection", "of"),
            defaults={"collection": "home", "of": "the first measure"},
            names=_names,
            expected=_expected,
            measured=_measured,
            bounds=lambda spec, measure: (0, 1),
        ),
    ),
    sections=(Section(anchor="floor", title="Floor", place=75),),
)
