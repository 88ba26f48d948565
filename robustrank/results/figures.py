"""Figures: the single numbers of an audit that a gate can name, and the declaration of a kind of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import TYPE_CHECKING

from robustrank.core.types import Estimate
from robustrank.results.outcomes import Ends, Open, Tally

if TYPE_CHECKING:
    from robustrank.config.specs import AuditSpec
    from robustrank.results.summary import Summary
    from robustrank.work.workbench import Workbench


CUTOFFS = (1, 3, 5, 10)
"""The k of ASR@k."""

MIN_SLICE = 5
"""Query types with fewer queries than this have no figures: no interval could say anything about them."""


KNOWN, HELD_OUT = "known", "held out"
"""Queries that an attacker who adds documents knows, and those that the attacker does not."""

EVERY = "every"
"""The variant of a figure that is about the worst of all."""

STAGE, END = "first stage", "end to end"
"""Where documents that are added stand: in the list of the first stage, and of the ranker behind it."""


def by_query(queries: Iterable[str], values: Iterable[float]) -> dict[str, float]:
    """The mean over each query's cases."""
    cases: dict[str, list[float]] = {}
    for query_id, value in zip(queries, values, strict=True):
        cases.setdefault(query_id, []).append(value)
    return {query_id: sum(each) / len(each) for query_id, each in sorted(cases.items())}


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One number of an audit, and the labels that single it out."""

    measure: str
    labels: Mapping[str, str]
    estimate: Estimate | None = None
    """``None`` while the audit has yet to run, and where it could not be computed (:attr:`missing`)."""
    control: bool = False
    collection: str = ""
    """Whose queries it is about."""
    per_query: Mapping[str, float] = field(default_factory=dict)
    """Query id to value, where the figure is their mean."""
    bounds: tuple[float, float] = (0, 1)
    """Least and greatest value that one query can have."""
    higher_is_better: bool = True
    """Whether a robust ranker has a high value."""
    made: str = ""
    """Hash of how it is measured; values of two audits are comparable only where it is the same."""
    fingerprint: str = ""
    """Of the ranker."""
    tally: Tally | None = None
    """Of the cases or lists it is made from."""
    ends: Ends | None = None
    """With every undecided case at its least, and at its greatest value; ``None`` where all are decided, or unknown."""
    open: Open = field(default_factory=dict)
    """Of ``per_query``, what undecided cases leave open."""
    missing: str = ""
    """Why it could not be computed."""
    others: Sequence[str] = ()
    """Rankers it depends on beside that of its labels."""
    home_is_default: bool = True
    """Whether a gate that names no collection means the home collection."""
    robustness: bool = True
    """Whether a good value is a claim of robustness, which a ranker that does not rank cannot have."""

    def __str__(self) -> str:
        """For messages: ``ASR@10 (ranker 'a', attack 'b')``."""
        return f"{self.measure} ({', '.join(f'{key} {value!r}' for key, value in self.labels.items())})"


@dataclass(frozen=True, kw_only=True)
class FigureKind:
    """One kind of figure, declared once: gates, their checks before a run, and the table in the docs follow from it.

    Args:
        name: As the docs show it, for example ``"ASR@10"``.
        about: What it is, in one line of Markdown, for the docs.
        where: The keys that a gate's ``where`` may have, in the order of the docs.
        names: The measures of this kind that an audit file makes possible, before anything is loaded.
        expected: The figures that an audit will have, without estimates, before anything is scored; some may stay out
            where the data has nothing to measure.
        measured: The figures of a summary.
        defaults: Keys of ``where`` that may be left out, to what the docs say is taken then.
        not_a_mean: Why a figure of this kind is no mean of one value per query, so that neither ``worse_by`` nor
            ``[sequential]`` can judge it; empty where it is such a mean.
        unbounded: Why its values per query have no bounds known beforehand, so that ``[sequential]`` cannot judge it;
            empty where they have.
        needs_baseline: Whether the audit file must name a baseline.
        bounds: Least and greatest value that a figure of an audit file can have, by its measure.
    """

    name: str
    about: str
    where: Sequence[str]
    names: Callable[[AuditSpec], Iterable[str]]
    expected: Callable[[Workbench], Iterable[Figure]]
    measured: Callable[[Summary], Iterable[Figure]]
    defaults: Mapping[str, str] = field(default_factory=dict)
    not_a_mean: str = ""
    unbounded: str = ""
    needs_baseline: bool = False
    bounds: Callable[[AuditSpec, str], tuple[float, float]] = lambda spec, name: (-inf, inf)
