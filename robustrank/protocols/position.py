"""Position: how far a ranking depends on the order in which the documents were shown, and on where a sentence stands.

Every list is shown in several orders, each in a fresh call. What a ranker answers to one document at a time does not
depend on them: its figures are 0, exactly.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from robustrank.core.types import Estimate
from robustrank.protocols.interface import AuditProtocol, Evidence, Section
from robustrank.protocols.presented import MEASURE, Value, kind, lists, value
from robustrank.results.outcomes import undecided
from robustrank.work.presentation_records import How, PresentationRecord

if TYPE_CHECKING:
    from robustrank.results.summary import Summary
    from robustrank.work.base import Place, Task
    from robustrank.work.records import Record
    from robustrank.work.workbench import Workbench

TAU, FLIPS, SLOT, SENTENCE = "tau between orders", "top-1 flips", "slot advantage", "sentence place"
EXPECTED, SPREAD = f"{MEASURE} over orders", f"{MEASURE} spread over orders"
SLOTS = {"first": 0, "last": -1}
SENTENCE_PLACES = ("start", "middle", "end")


def tasks(bench: Workbench, records: Mapping[str, Record], places: Sequence[Place]) -> Sequence[Task]:
    """One for every list; the protocol ``validity`` reads its record too."""
    from robustrank.work import presentation

    return presentation.tasks(bench, records, places)


@dataclass(frozen=True, kw_only=True)
class RankerPosition:
    """One ranker.

    Args:
        ranker: Its name.
        collection: Whose lists.
        orders: In how many a list was shown.
        cyclic: Whether they are all its cyclic shifts.
        pointwise: Whether it scores one document at a time.
        values: Its figures.
        first_stage: Mean nDCG@10 of the lists as they are shown everywhere else in the audit.
        by_slot: Mean rank of the document shown in each place, over the lists of the commonest length.
        scores: Of rankers of single documents, place of the moved sentence to the document's score minus its mean over
            the places.
    """

    ranker: str
    collection: str
    orders: int
    cyclic: bool
    pointwise: bool
    values: Sequence[Value]
    first_stage: Estimate | None = None
    by_slot: Sequence[float] = ()
    scores: Mapping[str, Estimate] | None = None

    def figure(self, name: str, **labels: str) -> Value | None:
        """One of its figures."""
        return next((v for v in self.values if v.name == name and dict(v.labels) == labels), None)


@dataclass(frozen=True, kw_only=True)
class Position:
    """Of an audit."""

    rows: Sequence[RankerPosition] = ()


def summarise(evidence: Evidence) -> Position | None:
    """One row for every ranker."""
    rows = [_row(ranker, records) for ranker, records in lists(evidence).items()]
    return Position(rows=rows) if rows else None


def _row(ranker: str, records: Sequence[PresentationRecord]) -> RankerPosition:
    from robustrank.stats import intervals

    rankings: dict[str, list[list[int]]] = {}
    lost: dict[str, str] = {}
    answered: list[PresentationRecord] = []
    for record in records:
        orders = record.of(How.ORDER)
        error = record.error or next((asking.error for asking in orders if asking.error), "")
        if undecided(record) or error or len(orders) < 2:
            lost[record.query_id] = error or "it was shown in one order alone"
            continue
        answered.append(record)
        rankings[record.query_id] = [list(asking.ranking) for asking in orders]
    longest = max((len(record.doc_ids) for record in records), default=1)
    span = (float(1 - longest), float(longest - 1)) if longest > 1 else (-float("inf"), float("inf"))
    measures = {r.query_id: [asking.measure for asking in r.of(How.ORDER)] for r in answered}
    first_stage = [r.of(How.AGAIN)[0].measure for r in answered if not r.of(How.AGAIN)[0].error]
    values = [
        value(TAU, {q: tau(each) for q, each in rankings.items()}, lost, bounds=(-1, 1), higher_is_better=True),
        value(FLIPS, {q: flips(each) for q, each in rankings.items()}, lost),
        value(EXPECTED, {q: sum(each) / len(each) for q, each in measures.items()}, lost, higher_is_better=True),
        value(SPREAD, {q: _deviation(each) for q, each in measures.items()}, lost),
        *(
            value(SLOT, {r.query_id: slot_advantage(r, place) for r in answered}, lost, bounds=span, slot=slot)
            for slot, place in SLOTS.items()
        ),
        *_sentence(records, span),
    ]
    sample = (answered or list(records))[0]
    return RankerPosition(
        ranker=ranker,
        collection=sample.collection,
        orders=len(sample.of(How.ORDER)),
        cyclic=sample.cyclic,
        pointwise=sample.pointwise,
        values=values,
        first_stage=intervals.mean(first_stage, bounds=(0, 1)) if first_stage else None,
        by_slot=_by_slot(answered),
        scores=_scores(records),
    )


def tau(rankings: Sequence[Sequence[int]]) -> float:
    """Mean of Kendall's tau over all pairs of rankings of the same documents, each best first."""
    import numpy as np

    places = np.argsort(np.array(rankings), axis=1)
    count, length = places.shape
    first, second = np.triu_indices(length, 1)
    above = np.sign(places[:, second] - places[:, first])  # of each pair of documents, which one stands above
    both = float((above.sum(axis=0) ** 2).sum()) - count * len(first)  # twice the sum over pairs of rankings
    return float(both / (count * (count - 1) * len(first)))


def flips(rankings: Sequence[Sequence[int]]) -> float:
    """Share of all pairs of rankings with another document at the top."""
    count = len(rankings)
    same = sum(n * (n - 1) for n in Counter(ranking[0] for ranking in rankings).values())
    return 1 - same / (count * (count - 1))


def slot_advantage(record: PresentationRecord, place: int) -> float:
    """How many ranks higher a document stands when it is shown in one place than elsewhere, over the list's orders.

    With all cyclic shifts elsewhere is everywhere, so a ranker that copies has ``(N - 1) / 2`` in the first place. With
    drawn orders it is the other orders: the mean is the same, and a ranking that does not depend on the order gives 0.
    """
    orders = record.of(How.ORDER)
    ranks = [{number: rank for rank, number in enumerate(asking.ranking, start=1)} for asking in orders]
    gains = []
    for at, asking in enumerate(orders):
        document = asking.shown[place]
        others = [each[document] for n, each in enumerate(ranks) if record.cyclic or n != at]
        gains.append(sum(others) / len(others) - ranks[at][document])
    return sum(gains) / len(gains)


def _deviation(values: Sequence[float]) -> float:
    from statistics import stdev

    return 0.0 if len(set(values)) == 1 else stdev(values)


def _by_slot(records: Sequence[PresentationRecord]) -> list[float]:
    """Mean rank of the document shown in each place."""
    if not records:
        return []
    length = Counter(len(r.doc_ids) for r in records).most_common(1)[0][0]
    alike = [asking for r in records if len(r.doc_ids) == length for asking in r.of(How.ORDER)]
    return [
        sum(list(asking.ranking).index(asking.shown[place]) + 1 for asking in alike) / len(alike)
        for place in range(length)
    ]


def _sentence(records: Sequence[PresentationRecord], span: tuple[float, float]) -> list[Value]:
    """Ranks gained, against the mean over the places, by a relevant sentence that stands in each of them."""
    ranks = {r.query_id: {s.where: float(s.rank) for s in r.sentences} for r in records if _moved(r)}
    lost = {r.query_id: r.sentence_error for r in records if r.sentence_of and not _moved(r)}
    if not ranks and not lost:
        why = "no relevant document of a list has three sentences and one with a word of the query"
        return [value(SENTENCE, {}, {}, bounds=span, missing=why, place=where) for where in SENTENCE_PLACES]
    means = {q: sum(each.values()) / len(each) for q, each in ranks.items()}
    return [
        value(SENTENCE, {q: means[q] - each[where] for q, each in ranks.items()}, lost, bounds=span, place=where)
        for where in SENTENCE_PLACES
    ]


def _moved(record: PresentationRecord) -> bool:
    return bool(record.sentences) and not record.sentence_error


def _scores(records: Sequence[PresentationRecord]) -> dict[str, Estimate] | None:
    from robustrank.stats import intervals

    mine = [{s.where: s.score for s in r.sentences} for r in records if r.pointwise and _moved(r)]
    if not mine:
        return None
    means = [sum(each.values()) / len(each) for each in mine]
    free = (-float("inf"), float("inf"))
    return {
        where: intervals.mean([each[where] - mean for each, mean in zip(mine, means, strict=True)], bounds=free)
        for where in SENTENCE_PLACES
    }


def _result(summary: Summary) -> Position | None:
    result: Position | None = PROTOCOL.result_in(summary)
    return result


LENGTH = "how many documents a list has is not known beforehand"
PROTOCOL = AuditProtocol(
    name="position",
    about="How far rankings depend on the order in which documents are shown, and on where a sentence stands in one.",
    result=Position,
    summarise=summarise,
    records=(PresentationRecord,),
    tasks=tasks,
    figures=(
        kind(TAU, "mean of Kendall's tau between the rankings of a list shown in several orders", _result,
             bounds=(-1, 1)),
        kind(FLIPS, "share of pairs of orders with another document at the top", _result),
        kind(EXPECTED, "mean nDCG@10 over the orders in which a list is shown", _result),
        kind(SPREAD, "standard deviation of nDCG@10 over these orders, mean over lists", _result),
        kind(SLOT, "ranks gained by being shown first, or last, instead of elsewhere", _result,
             {"slot": tuple(SLOTS)}, unbounded=LENGTH),
        kind(SENTENCE, "ranks gained by a relevant document whose most query-like sentence stands at its start, middle "
             "or end, against the mean of the three", _result,
             {"place": SENTENCE_PLACES}, unbounded=LENGTH,
             possible=lambda spec: spec.presentation is not None and spec.presentation.sentence),
    ),
    sections=(Section(anchor="positions", title="Position", place=74),),
)  # fmt: skip
