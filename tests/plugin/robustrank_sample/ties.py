"""Ties: how many documents of a list share their score with another one, so that the tie rule decides their order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from robustrank.plugin import AuditProtocol, Estimate, Evidence, Figure, FigureKind, Section, Summary, Workbench, mean

MEASURE = "tied documents"


@dataclass(frozen=True, kw_only=True)
class Ties:
    """The share of documents with the score of another one, by ranker; on the home collection."""

    shares: Mapping[str, Estimate]


def summarise(evidence: Evidence) -> Ties:
    """The mean over the lists of each ranker."""
    shares: dict[str, dict[str, float]] = {}
    for record in evidence.rankings:
        if record.collection == evidence.spec.home.name:
            times = Counter(record.scores)
            tied = sum(times[score] > 1 for score in record.scores)
            shares.setdefault(record.ranker, {})[record.query_id] = tied / len(record.scores)
    return Ties(shares={ranker: mean(list(by_query.values()), bounds=(0, 1)) for ranker, by_query in shares.items()})


def expected(bench: Workbench) -> Iterator[Figure]:
    """One figure for every ranker, before anything is scored."""
    return (Figure(measure=MEASURE, labels={"ranker": victim.name}) for victim in bench.spec.victims)


def measured(summary: Summary) -> Iterator[Figure]:
    """The same, with their estimates."""
    result = PROTOCOL.result_in(summary)
    for ranker, share in result.shares.items() if result else ():
        yield Figure(measure=MEASURE, labels={"ranker": ranker}, estimate=share, higher_is_better=False)


SECTION = """
{% import 'macros.html.j2' as m %}
{% call m.section('ties', 'Ties', 'Documents that share a score with another one: the tie rule decides their order.') %}
{% for ranker, share in (result.shares.items() if result else ()) %}
<p>{{ ranker|show }}: {{ m.fig(share) }}</p>
{% endfor %}
{% endcall %}
"""

PROTOCOL = AuditProtocol(
    name="ties",
    about="How often the tie rule decides the order of documents.",
    result=Ties,
    summarise=summarise,
    figures=(
        FigureKind(
            name=MEASURE,
            about="share of documents with the score of another one",
            where=("ranker",),
            names=lambda spec: (MEASURE,),
            expected=expected,
            measured=measured,
            not_a_mean="its values by query are not kept",
        ),
    ),
    sections=(Section(anchor="ties", title="Ties", template=SECTION),),
)
