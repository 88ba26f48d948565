"""Validity: what is wrong in the answers of a ranker, how often they are no answer, and what a repair makes of them.

Read are the calls of :mod:`robustrank.protocols.position`, each of them fresh. A ranker that writes orders may leave
documents out, repeat them, refuse, or give back the order that it was shown: code around it makes a list of all that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import combinations
from typing import TYPE_CHECKING

from robustrank.core.answers import Answering, Answers, Faults, Repair
from robustrank.core.errors import PluginFailed
from robustrank.core.types import Estimate
from robustrank.protocols.interface import AuditProtocol, Evidence, Section
from robustrank.protocols.position import tau
from robustrank.protocols.presented import MEASURE, Value, kind, lists, value
from robustrank.results.outcomes import undecided
from robustrank.work.presentation_records import Asking, How, PresentationRecord

if TYPE_CHECKING:
    from robustrank.results.summary import Summary
    from robustrank.work.workbench import Workbench

INVALID, COPIED, TIES, DISAGREEMENT = "invalid answers", "copied answers", "tied comparisons", "repeat disagreement"
REPAIRED = f"{MEASURE} repaired"
FAULTS = ("any", *(each.name.replace("_", " ") for each in fields(Faults)))
SHOWN = ("first stage", "other")
"""Orders in which lists are shown: that of the audit, and others."""
VALID_ONLY = "valid only"
REPAIRS = (*map(str, Repair), VALID_ONLY)
SILENT = "the ranker does not say what was wrong in its answers"


@dataclass(frozen=True, kw_only=True)
class RankerValidity:
    """One ranker.

    Args:
        ranker: Its name.
        collection: Whose lists.
        repair: What it makes of invalid answers, as deployed; empty where it does not say.
        answers: What it answered in all; ``None`` where it does not say.
        valid_lists: Share of lists, asked once as everywhere in the audit, with valid answers alone.
        values: Its figures.
    """

    ranker: str
    collection: str
    repair: str
    answers: Answers | None
    valid_lists: Estimate | None
    values: Sequence[Value]

    def figure(self, name: str, **labels: str) -> Value | None:
        """One of its figures."""
        return next((v for v in self.values if v.name == name and dict(v.labels) == labels), None)


@dataclass(frozen=True, kw_only=True)
class Validity:
    """Of an audit."""

    rows: Sequence[RankerValidity] = ()


def summarise(evidence: Evidence) -> Validity | None:
    """One row for every ranker."""
    rows = [_row(ranker, records) for ranker, records in lists(evidence).items()]
    return Validity(rows=rows) if rows else None


def _row(ranker: str, records: Sequence[PresentationRecord]) -> RankerValidity:
    from robustrank.stats import intervals

    lost = {r.query_id: why for r in records if (why := _failed(r))}
    asked = {r.query_id: _deployed(r) for r in records if r.query_id not in lost}
    answers = sum((a.answers for each in asked.values() for a in each if a.answers), Answers())
    once = {r.query_id: r.of(How.AGAIN)[0] for r in records if r.query_id in asked}
    speaks = answers.lists > 0
    repairs = {r.query_id: r.of(How.REPAIR) for r in records if r.query_id in asked}
    return RankerValidity(
        ranker=ranker,
        collection=records[0].collection,
        repair=next((a.repair for a in once.values() if a.repair), ""),
        answers=answers if speaks else None,
        valid_lists=intervals.share([a.valid for a in once.values()]) if speaks else None,
        values=[
            *(_invalid(fault, asked, lost, speaks=speaks) for fault in FAULTS),
            *(_copied(shown, asked, lost) for shown in SHOWN),
            _ties(asked, lost),
            _disagreement(records, lost),
            *(_repaired(repair, repairs, once, lost) for repair in REPAIRS),
        ],
    )


def _failed(record: PresentationRecord) -> str:
    """Why a list says nothing: a call failed for another reason than an invalid answer."""
    if undecided(record):
        return record.error or "it failed"
    broken = (a.error for a in record.askings if a.error and not (a.answers and a.answers.lost_lists))
    return next(broken, "" if record.of(How.AGAIN) else "it was not asked")


def _deployed(record: PresentationRecord) -> list[Asking]:
    """The calls of the ranker as it is deployed, each once: the first of all cyclic shifts is a repeat too."""
    return [*record.of(How.AGAIN), *record.of(How.ORDER)[1 if record.cyclic else 0 :]]


def _shares(asked: Mapping[str, Sequence[Asking]], count: Callable[[Asking], tuple[float, float]]) -> dict[str, float]:
    """For each list what share of something its calls have; lists without any are left out.

    Args:
        asked: Query id to calls.
        count: How many of a call have it, and of how many.
    """
    shares = {}
    for query_id, calls in asked.items():
        some, every = (sum(column) for column in zip(*map(count, calls), strict=True)) if calls else (0.0, 0.0)
        if every:
            shares[query_id] = some / every
    return shares


def _invalid(fault: str, asked: Mapping[str, Sequence[Asking]], lost: Mapping[str, str], *, speaks: bool) -> Value:
    def count(call: Asking) -> tuple[float, float]:
        answers = call.answers or Answers()  # of a lost list it is known that one answer was invalid, not how
        some = answers.invalid + answers.lost_lists if fault == "any" else getattr(answers.faults, _field(fault))
        every = answers.answers + (answers.lost_lists if fault == "any" else 0)
        return some, every

    missing = "no answer has been read to its end" if speaks else SILENT
    if fault == FAULTS[0]:
        return value(INVALID, _shares(asked, count), lost, missing=missing, fault=fault)
    unknown = {q: calls for q, calls in asked.items() if any(call.error for call in calls)}
    told = {query_id: calls for query_id, calls in asked.items() if query_id not in unknown}
    without = {query_id: next(call.error for call in calls if call.error) for query_id, calls in unknown.items()}
    return value(INVALID, _shares(told, count), {**lost, **without}, missing=missing, fault=fault)


def _field(fault: str) -> str:
    return fault.replace(" ", "_")


def _copied(shown: str, asked: Mapping[str, Sequence[Asking]], lost: Mapping[str, str]) -> Value:
    """Answers that give back the order shown; whole lists of a ranker that does not say of its answers."""

    def count(call: Asking) -> tuple[float, float]:
        if (call.how is How.AGAIN) != (shown == SHOWN[0]) or call.error:
            return 0, 0
        return (float(call.copied), 1) if call.answers is None else (call.answers.unchanged, call.answers.orderings)

    missing = "none of its answers is an order of two documents or more"
    return value(COPIED, _shares(asked, count), lost, missing=missing, shown=shown)


def _ties(asked: Mapping[str, Sequence[Asking]], lost: Mapping[str, str]) -> Value:
    def count(call: Asking) -> tuple[float, float]:
        answers = call.answers or Answers()
        return answers.ties, answers.comparisons

    return value(TIES, _shares(asked, count), lost, missing="it makes no comparisons, or does not say")


def _disagreement(records: Sequence[PresentationRecord], lost: Mapping[str, str]) -> Value:
    """Share of the pairs of documents that two calls with the same question put into another order."""
    shares, without = {}, dict(lost)
    for record in records:
        if record.query_id in lost:
            continue
        again = record.of(How.AGAIN)
        error = next((asking.error for asking in again if asking.error), "")
        if error:
            without[record.query_id] = error
        else:
            pairs = [(1 - tau([a.ranking, b.ranking])) / 2 for a, b in combinations(again, 2)]
            shares[record.query_id] = sum(pairs) / len(pairs)
    return value(DISAGREEMENT, shares, without)


def _repaired(
    repair: str, repairs: Mapping[str, Sequence[Asking]], once: Mapping[str, Asking], lost: Mapping[str, str]
) -> Value:
    """nDCG@10 under one repair, a list without a result counted as 0; or over the lists with valid answers alone."""
    told = {query_id: calls for query_id, calls in repairs.items() if calls}
    missing = "" if told else "the ranker, as deployed, has one repair only, or none"
    if repair == VALID_ONLY:
        values = {q: once[q].measure for q in told if once[q].valid}
        missing = missing or "no list has valid answers alone"
        return value(REPAIRED, values, lost, higher_is_better=True, missing=missing, repair=repair)
    values = {q: call.measure for q, calls in told.items() for call in calls if call.repair == repair}
    return value(REPAIRED, values, lost, higher_is_better=True, missing=missing, repair=repair)


def _speaks(bench: Workbench, ranker: str) -> bool:
    """Whether a ranker, or the one behind a defended one, says what was wrong in its answers."""
    return _alone(bench, bench.spec.victim(ranker).ranker.name)


def _alone(bench: Workbench, ranker: str) -> bool:
    """Whether it can be given other repairs: behind a defense it cannot."""
    try:
        return isinstance(bench.victim(ranker, bench.spec.home.name).ranker.ranker, Answering)
    except PluginFailed:  # its tasks will say so, and its gates have no figure
        return True


def _result(summary: Summary) -> Validity | None:
    result: Validity | None = PROTOCOL.result_in(summary)
    return result


PROTOCOL = AuditProtocol(
    name="validity",
    about="What is wrong in a ranker's answers: invalid, copied, tied or changing ones, and what repairs make of them.",
    result=Validity,
    summarise=summarise,
    figures=(
        kind(INVALID, "share of a ranker's answers that are no order of the documents, or have one kind of fault",
             _result, {"fault": FAULTS}, defaults={"fault": "any"}, fits=_speaks, robustness=False),
        kind(COPIED, "share of answers that give the documents back in the order shown", _result, {"shown": SHOWN},
             robustness=False),
        kind(TIES, "share of comparisons that tell no winner", _result, fits=_speaks, robustness=False),
        kind(DISAGREEMENT, "share of pairs of documents that a repeat of the same question orders otherwise", _result,
             robustness=False),
        kind(REPAIRED, "nDCG@10 under each repair of invalid answers (a list without a result is 0), or of lists with "
             "valid answers only", _result, {"repair": REPAIRS}, fits=_alone, robustness=False),
    ),
    sections=(Section(anchor="validity", title="Validity of answers", place=76),),
)  # fmt: skip
