"""Gates that cannot be judged, and defenses around no ranker, refused before anything is scored."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from robustrank.config.specs import AuditSpec, Bound, GateSpec
from robustrank.config.tables import check_name
from robustrank.core.errors import ConfigError
from robustrank.judging import figures
from robustrank.judging.selection import pick
from robustrank.results.figures import FigureKind

if TYPE_CHECKING:
    from robustrank.work.workbench import Workbench


def check(spec: AuditSpec) -> None:
    """Find the gates whose names are wrong, and the defenses that would defend nothing, before anything is loaded.

    Raises:
        ConfigError: An unknown measure, key or name, with the nearest known one; a figure that cannot be judged in the
            way the gate says; or a defense that names no ranker.
    """
    for defense in spec.defenses:
        if not defense.rankers:
            raise ConfigError(
                f"[[defense]] {defense.name!r} is around no ranker, so nothing would be defended or certified; name "
                f"some, such as rankers = [{spec.rankers[0].name!r}]"
            )
    victims = [victim.name for victim in spec.victims]
    names = {
        "ranker": victims,
        "collection": [collection.name for collection in spec.collections],
        "attack": [attack.name for attack in (*spec.attacks, *(spec.corpus.attacks if spec.corpus else ()))],
        "stratum": ["all", *(spec.cases.strata if len(spec.cases.strata) > 1 else ())],
        "radius": [str(radius) for radius in spec.certify.radius],
        "of": list(spec.measures),
    }
    measures = figures.named(spec) if spec.gates else {}
    for gate in spec.gates:
        check_name(gate.measure, list(measures), f"gate {gate.name!r}: measure")
        kind = measures[gate.measure]
        for key, value in gate.where.items():
            check_name(key, kind.where, f"gate {gate.name!r}: `where` key")
            if key in names:
                check_name(str(value), names[key], f"gate {gate.name!r}: {key}")
        if kind.needs_baseline and spec.baseline is None:
            raise ConfigError(f"gate {gate.name!r}: the audit file sets no `baseline`")
        _check_limit(gate, kind, spec)
        _check_means(gate, kind, spec)


def check_planned(gates: Sequence[GateSpec], bench: Workbench) -> None:
    """Find the gates that no figure of an audit will answer, or several, before anything is scored.

    Raises:
        ConfigError: As :func:`judge` would raise it after the audit.
    """
    if gates:
        every = figures.expected(bench)
        for gate in gates:
            pick(gate, every, bench.spec.home.name, bench.spec.measures[0])


def _check_limit(gate: GateSpec, kind: FigureKind, spec: AuditSpec) -> None:
    """A limit that no value crosses, or none keeps, is a mistake: a percentage for a share, a rate of at most 1."""
    least, greatest = kind.bounds(spec, gate.measure)
    if gate.worse_by is not None:
        least, greatest = 0, greatest - least
    for name, limit in (("max", gate.max), ("min", gate.min), ("worse_by", gate.worse_by)):
        if limit is not None and not least <= limit <= greatest:
            percent = f"; did you mean {limit / 100:g}?" if (least, greatest) == (0, 1) and 1 < limit <= 100 else ""
            raise ConfigError(
                f"gate {gate.name!r}: {name} = {limit:g}, but {gate.measure} lies between {least:g} and {greatest:g}"
                f"{percent}"
            )
        if limit is not None and limit == (least if name == "min" else greatest):
            what = {"min": "never lower", "max": "never higher", "worse_by": "never worse by more"}[name]
            raise ConfigError(
                f"gate {gate.name!r}: {name} = {limit:g} cannot fail, because {gate.measure} is {what}; "
                "set a limit that a ranker could miss"
            )


def _check_means(gate: GateSpec, kind: FigureKind, spec: AuditSpec) -> None:
    """Only figures that are means of one value per query can be compared by query or judged at any time."""
    why = kind.not_a_mean or ("a slice keeps no values of its queries" if "slice" in gate.where else "")
    way = "worse_by" if gate.worse_by is not None else "[sequential]" if spec.sequential else None
    if way and spec.sequential:
        why = kind.unbounded or why
        if gate.bound is Bound.VALUE:
            why = "bound = 'value' looks at no interval, and would be decided by the first batch"
    if way and why:
        raise ConfigError(f"gate {gate.name!r}: {gate.measure} does not support {way}: {why}")
