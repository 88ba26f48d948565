"""The registry of figures: every kind that a gate can name, what an audit will have, and what a summary holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from robustrank.core.errors import ConfigError
from robustrank.protocols.installed import protocols
from robustrank.results.figures import Figure, FigureKind

if TYPE_CHECKING:
    from robustrank.config.specs import AuditSpec
    from robustrank.results.summary import Summary
    from robustrank.work.workbench import Workbench


def kinds() -> Sequence[FigureKind]:
    """Every kind of figure that an installed protocol declares."""
    return [kind for protocol in protocols() for kind in protocol.figures]


def named(spec: AuditSpec) -> dict[str, FigureKind]:
    """Every measure that an audit file makes possible, with its kind.

    Raises:
        ConfigError: Two kinds claim one name.
    """
    measures: dict[str, FigureKind] = {}
    for kind in kinds():
        for name in kind.names(spec):
            if measures.setdefault(name, kind) is not kind:
                raise ConfigError(f"two kinds of figures are named {name!r}: {measures[name].about}; {kind.about}")
    return measures


def expected(bench: Workbench) -> list[Figure]:
    """The figures that an audit will have; some may stay out where its data has nothing to measure."""
    return [figure for kind in kinds() for figure in kind.expected(bench)]


def measured(summary: Summary) -> list[Figure]:
    """Every figure of a summary."""
    fingerprints = {ranker.name: ranker.fingerprint for ranker in summary.rankers}
    return [
        replace(figure, fingerprint=fingerprints.get(figure.labels.get("ranker", ""), ""))
        for kind in kinds()
        for figure in kind.measured(summary)
    ]


def drawing_order(summary: Summary, collection: str) -> Mapping[str, int]:
    """Query id to its place in the order of drawing, which is the order in which queries are ranked."""
    keys = next((c.query_keys for c in summary.collections if c.name == collection), {})
    return {query_id: place for place, query_id in enumerate(keys)}
