"""What the protocols of lists that were shown several times have in common: their lists, and one value of a gate."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from math import inf, isfinite
from typing import TYPE_CHECKING, Protocol

from robustrank.core.types import Estimate, Status
from robustrank.protocols.interface import Evidence
from robustrank.results.figures import Figure, FigureKind
from robustrank.results.outcomes import Ends, Open, Tally, undecided
from robustrank.storage.hashing import digest
from robustrank.work.presentation_records import Asking, How, PresentationRecord

if TYPE_CHECKING:
    from robustrank.config.specs import AuditSpec
    from robustrank.results.summary import Summary
    from robustrank.work.workbench import Workbench

MEASURE = "nDCG@10"
LONG = 5
"""Documents of a list that comes back as shown by chance less than once in a hundred times."""


@dataclass(frozen=True, kw_only=True)
class Value:
    """One figure of one ranker.

    Args:
        name: Of the figure.
        labels: Beside the ranker.
        estimate: Its mean over lists; ``None`` where no list has a value.
        bounds: Of one list's value.
        higher_is_better: Whether a robust ranker has a high value.
        per_query: Query id to value.
        tally: Of its lists.
        ends: With all lists without an answer at one end.
        open: Of these lists.
        missing: Why there is no value.
    """

    name: str
    labels: Mapping[str, str] = field(default_factory=dict)
    estimate: Estimate | None = None
    bounds: tuple[float, float] = (0, 1)
    higher_is_better: bool = False
    per_query: Mapping[str, float] = field(default_factory=dict)
    tally: Tally = field(default_factory=Tally)
    ends: Ends | None = None
    open: Open = field(default_factory=dict)
    missing: str = ""


class Row(Protocol):
    """The figures of one ranker."""

    @property
    def ranker(self) -> str:
        """Its name."""

    @property
    def collection(self) -> str:
        """Whose lists."""

    @property
    def values(self) -> Sequence[Value]:
        """Its figures."""


class Rows(Protocol):
    """Of all rankers."""

    @property
    def rows(self) -> Sequence[Row]:
        """One for each."""


def value(
    name: str,
    by_query: Mapping[str, float],
    lost: Mapping[str, str],
    *,
    bounds: tuple[float, float] = (0, 1),
    higher_is_better: bool = False,
    missing: str = "",
    **labels: str,
) -> Value:
    """The mean over lists, with what lists without an answer leave open.

    Args:
        name: Of the figure.
        by_query: Query id to the value of its list.
        lost: Query id to why its list has none.
        bounds: Of one list's value.
        higher_is_better: Whether a robust ranker has a high value.
        missing: Why no list has a value, where none has.
        labels: Beside the ranker.
    """
    from robustrank.stats import intervals

    decided = list(by_query.values())
    ends = None
    if lost and all(map(isfinite, bounds)):
        sides = [intervals.mean([*decided, *[end] * len(lost)], bounds=bounds) for end in bounds]
        ends = Ends(*sides)
    return Value(
        name=name,
        labels=labels,
        estimate=intervals.mean(decided, bounds=bounds) if decided else None,
        bounds=bounds,
        higher_is_better=higher_is_better,
        per_query=dict(sorted(by_query.items())),
        tally=Tally(planned=len(decided) + len(lost), errors=len(lost), error=next(iter(lost.values()), "")),
        ends=ends,
        open=dict.fromkeys(sorted(lost), bounds),
        missing="" if decided else missing,
    )


def lists(evidence: Evidence) -> dict[str, list[PresentationRecord]]:
    """Ranker to the records of its lists; those that could not be ranked at all are records of errors."""
    from robustrank.work.records import RankingRecord

    wanted = evidence.spec.presentation
    by_ranker: dict[str, list[PresentationRecord]] = {}
    for record in evidence.of(PresentationRecord):
        by_ranker.setdefault(record.ranker, []).append(record)
    if wanted is None:
        return by_ranker
    home = evidence.spec.home.name
    keys = next((c.query_keys for c in evidence.setup.collections if c.name == home), {})
    planned = set(list(keys)[: wanted.queries])
    for ranking in evidence.of(RankingRecord):
        mine = by_ranker.setdefault(ranking.ranker, [])
        if not undecided(ranking) or ranking.collection != home or ranking.query_id not in planned:
            continue
        if ranking.candidates > 1 and ranking.query_id not in {record.query_id for record in mine}:
            mine.append(
                PresentationRecord(
                    ranker=ranking.ranker, collection=home, query_id=ranking.query_id, doc_ids=(), pointwise=False,
                    cyclic=wanted.cyclic, status=Status.ERROR, error=ranking.error,
                )
            )  # fmt: skip
    return {ranker: records for ranker, records in by_ranker.items() if records}


def sorts(evidence: Evidence, ranker: str) -> bool:
    """Whether calls in other orders show that a ranker does not copy: most long lists do not come back as shown."""
    mine = [r for r in evidence.of(PresentationRecord) if r.ranker == ranker and len(r.doc_ids) >= LONG]
    calls = [each for record in mine if (each := shuffled(record))]
    return bool(calls) and sum(map(copied, calls)) <= len(calls) / 2


def shuffled(record: PresentationRecord) -> list[Asking]:
    """The answered calls in other orders than the first stage's."""
    numbers = list(range(len(record.doc_ids)))
    return [a for a in record.of(How.ORDER) if not a.error and list(a.shown) != numbers]


def copied(calls: Sequence[Asking]) -> bool:
    """Whether most calls came back as shown."""
    return sum(call.copied for call in calls) > len(calls) / 2


def kind(
    name: str,
    about: str,
    result: Callable[[Summary], Rows | None],
    labels: Mapping[str, Sequence[str]] | None = None,
    *,
    bounds: tuple[float, float] = (0, 1),
    unbounded: str = "",
    defaults: Mapping[str, str] | None = None,
    robustness: bool = True,
    possible: Callable[[AuditSpec], bool] = lambda spec: True,
    fits: Callable[[Workbench, str], bool] = lambda bench, ranker: True,
) -> FigureKind:
    """A kind of figure of every ranker.

    Args:
        name: Of the figure.
        about: What it is.
        result: The protocol's result in a summary.
        labels: Those beside the ranker, with the values of each.
        bounds: Of its value.
        unbounded: Why it has no bounds that are known beforehand.
        defaults: Labels that may be left out, and what is taken then.
        robustness: Whether a good value is a claim of robustness.
        possible: Whether an audit file with ``[presentation]`` has it.
        fits: Whether a ranker has it.
    """
    keys = labels or {}

    def names(spec: AuditSpec) -> Sequence[str]:
        return (name,) if spec.presentation and possible(spec) else ()

    def expected(bench: Workbench) -> Iterator[Figure]:
        for victim in bench.spec.victims if names(bench.spec) else ():
            for each in product(*keys.values()) if fits(bench, victim.name) else ():
                yield Figure(measure=name, labels={"ranker": victim.name, **dict(zip(keys, each, strict=True))})

    def measured(summary: Summary) -> Iterator[Figure]:
        held = result(summary)
        for row in held.rows if held else ():
            for each in (each for each in row.values if each.name == name):
                told = {"ranker": row.ranker, **each.labels}
                yield Figure(
                    measure=name,
                    labels=told,
                    estimate=each.estimate,
                    missing=each.missing,
                    collection=row.collection,
                    per_query=each.per_query,
                    bounds=each.bounds,
                    higher_is_better=each.higher_is_better,
                    tally=each.tally,
                    ends=each.ends,
                    open=each.open,
                    made=digest(name, told, summary.seed)[:12],
                    robustness=robustness,
                )

    return FigureKind(
        name=name,
        about=about,
        where=("ranker", *keys),
        names=names,
        expected=expected,
        measured=measured,
        defaults=defaults or {},
        unbounded=unbounded,
        bounds=lambda spec, measure: (-inf, inf) if unbounded else bounds,
    )
