"""Variants of a ranker (adapted, compressed, merged, trained anew) against their parent, paired, in one Holm family."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

from robustrank.core.types import Estimate
from robustrank.protocols.defenses.results import Difference
from robustrank.protocols.interface import AuditProtocol, Evidence, Section
from robustrank.protocols.variants.results import CLEAN, LOST, LOWER_IS_BETTER, ROBUST, VariantRow, Variants
from robustrank.results.figures import EVERY, Figure, FigureKind
from robustrank.results.summary import Summary

if TYPE_CHECKING:
    from robustrank.config.specs import AuditSpec
    from robustrank.work.workbench import Workbench

MEASURES: Mapping[str, str] = MappingProxyType({
    "variant cost": CLEAN, "variant robust cost": ROBUST, "variant lost targets": LOST,
})  # fmt: skip
"""Measure to endpoint."""


def summarise(evidence: Evidence) -> Variants | None:
    """One row for every variant."""
    from robustrank.protocols.variants import rows

    return rows.rows(evidence)


def _names(spec: AuditSpec) -> list[str]:
    return list(dict.fromkeys(r.variant.name or r.name for r in spec.rankers if r.variant is not None))


def _expected(measure: str) -> Callable[[Workbench], Iterator[Figure]]:
    def expected(bench: Workbench) -> Iterator[Figure]:
        if names := _names(bench.spec):
            for name in (*names, EVERY):
                yield Figure(measure=measure, labels={"variant": name})

    return expected


def _measured(measure: str) -> Callable[[Summary], Iterator[Figure]]:
    endpoint = MEASURES[measure]

    def measured(summary: Summary) -> Iterator[Figure]:
        result = PROTOCOL.result_in(summary)
        if result is None:
            return
        losses = []
        for row in result.rows:
            loss = _loss(row, endpoint)
            losses.append((row, loss))
            yield _figure(measure, row.variant, [row], loss, row, endpoint)
        yield _figure(measure, EVERY, result.rows, _worst(losses), None, endpoint)

    return measured


def _loss(row: VariantRow, endpoint: str) -> Difference | None:
    """How much worse it is: its difference, turned round where more is better."""
    each = row.endpoints.get(endpoint)
    if each is None or each.difference is None or endpoint in LOWER_IS_BETTER:
        return each.difference if each else None
    change = each.difference
    return Difference(
        estimate=_turned(change.estimate),
        p=change.p,
        p_holm=change.p_holm,
        per_query={query: -value for query, value in change.per_query.items()},
        undecided=change.undecided,
        open={query: (-high, -low) for query, (low, high) in change.open.items()},
    )


def _turned(estimate: Estimate) -> Estimate:
    return estimate._replace(value=-estimate.value + 0.0, low=-estimate.high + 0.0, high=-estimate.low + 0.0)


def _worst(losses: Sequence[tuple[VariantRow, Difference | None]]) -> Difference | None:
    """The greatest loss of all variants, for a limit that every variant must keep.

    Its high end is the highest of all, each at its own level: that all keep a limit is shown where each is shown to
    (intersection-union), without a correction. Its low end is the highest of those variants that Holm's correction
    leaves, else the lowest of all: that one exceeds a limit may be a chance find among many.
    """
    every = [loss for _, loss in losses if loss is not None]
    if not every or len(every) < len(losses):
        return None
    shown = [loss.estimate.low for loss in every if loss.shown]
    worst = max(every, key=lambda loss: loss.estimate.value)
    estimate = worst.estimate._replace(
        low=max(shown) if shown else min(loss.estimate.low for loss in every),
        high=max(loss.estimate.high for loss in every),
        n=min(loss.estimate.n for loss in every),
    )
    undecided = sum(loss.undecided for loss in every)
    return Difference(estimate=estimate, p=worst.p, p_holm=worst.p_holm, undecided=undecided)


def _figure(
    measure: str, name: str, rows: Sequence[VariantRow], loss: Difference | None, row: VariantRow | None, endpoint: str
) -> Figure:
    others = sorted({each for one in rows for each in (*one.rankers, one.parent)})
    missing = "" if loss is not None else "it is not measured of every variant and its parent"
    if loss is not None and loss.undecided:
        missing = f"{loss.undecided} queries could not be decided"
    return Figure(
        measure=measure,
        labels={"variant": name},
        estimate=loss.estimate if loss is not None and not missing else None,
        missing=missing,
        per_query=loss.per_query if loss is not None and row is not None else {},
        bounds=(-1, 1),
        higher_is_better=False,
        robustness=False,
        tally=row.endpoints[endpoint].variant.tally if row is not None and endpoint in row.endpoints else None,
        others=others,
    )


def _kind(measure: str, about: str) -> FigureKind:
    return FigureKind(
        name=measure,
        about=about,
        where=("variant",),
        defaults={"variant": EVERY},
        names=lambda spec: (measure,) if _names(spec) else (),
        expected=_expected(measure),
        measured=_measured(measure),
        bounds=lambda spec, name: (-1, 1),
        not_a_mean="the worst of all variants is no mean over queries",
    )


PROTOCOL = AuditProtocol(
    name="variants",
    about="Adapted, compressed, merged or newly trained variants of a ranker against their parent, paired.",
    result=Variants,
    summarise=summarise,
    figures=(
        _kind("variant cost", "mean nDCG@10 that a variant loses against its parent on the same clean lists"),
        _kind("variant robust cost", "mean of the least nDCG@10 of attacked lists that it loses against its parent"),
        _kind("variant lost targets", "share of targets lost to attacks that it adds to its parent's"),
    ),
    sections=(Section(anchor="variants", title="Variants", place=89),),
    after=("certified",),
)
