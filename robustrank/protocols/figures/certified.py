"""Figures of certificates: the share of queries whose list is certified."""

from __future__ import annotations

from collections.abc import Iterator

from robustrank.core.interfaces import Certifier
from robustrank.protocols.figures.effectiveness import ranked
from robustrank.results.figures import Figure, FigureKind
from robustrank.results.summary import Summary
from robustrank.storage.hashing import digest
from robustrank.work.workbench import Workbench


def _expected(bench: Workbench) -> Iterator[Figure]:
    for labels in ranked(bench):
        if isinstance(bench.victim(labels["ranker"], labels["collection"]).ranker.ranker, Certifier):
            for k in bench.spec.certify.k:
                for radius in bench.spec.certify.radius:
                    yield Figure(measure=f"CRQ@{k}", labels={**labels, "radius": str(radius)})


def _measured(summary: Summary) -> Iterator[Figure]:
    for row in summary.certificates:
        yield Figure(
            measure=f"CRQ@{row.k}",
            labels={"ranker": row.ranker, "radius": str(row.radius), "collection": row.collection},
            estimate=row.crq,
            collection=row.collection,
            per_query=row.per_query,
            tally=row.tally,
            ends=row.ends,
            open=row.open,
            made=digest(row.k, row.radius, row.edits)[:12],
        )


KINDS = (
    FigureKind(
        name="CRQ@5",
        about="share of queries whose list is certified for the top 5 (any `k` of `[certify]`)",
        where=("ranker", "radius", "collection"),
        defaults={"collection": "home"},
        names=lambda spec: [f"CRQ@{k}" for k in spec.certify.k if spec.defenses],
        expected=_expected,
        measured=_measured,
        bounds=lambda spec, measure: (0, 1),
    ),
)
