"""Which figures a gate names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from robustrank.config.specs import GateSpec
from robustrank.config.tables import suggest
from robustrank.core.errors import ConfigError
from robustrank.results.figures import END, EVERY, HELD_OUT, Figure


class NoFigureError(ConfigError):
    """A gate names no figure."""


def pick(gate: GateSpec, every: Sequence[Figure], home: str, leading: str) -> list[Figure]:
    """The figures a gate names: one, or one for every attack.

    Args:
        gate: Of the audit file.
        every: The figures of an audit.
        home: Name of the home collection, taken where the gate names none.
        leading: The first measure of the audit file, taken where ``of`` is left out.

    Raises:
        NoFigureError: None; the message lists near ones.
        ConfigError: Several that differ in more than the attack.
    """
    where = {key: str(value) for key, value in gate.where.items()}
    of_measure = [figure for figure in every if figure.measure == gate.measure]
    matching = [figure for figure in of_measure if _matches(figure, where, home, leading)]
    if not matching:
        raise NoFigureError(f"gate {gate.name!r}: no figure {_wanted(gate)}{_near(gate, of_measure, every, where)}")
    if len({_apart_from_attack(figure) for figure in matching}) > 1:
        listed = "; ".join(map(str, matching[:6]))
        raise ConfigError(f"gate {gate.name!r}: {len(matching)} figures match {_wanted(gate)}; say which: {listed}")
    return matching


def _matches(figure: Figure, where: Mapping[str, str], home: str, leading: str) -> bool:
    """Whether a figure has all labels of ``where``, and the defaults for the keys that ``where`` leaves out."""
    if ("attack" not in where and figure.control) or ("slice" in figure.labels and "slice" not in where):
        return False
    defaults = {"stratum": "all", "of": leading, "queries": HELD_OUT, "at": END, "fault": "any", "variant": EVERY}
    if figure.home_is_default:
        defaults["collection"] = home
    wanted = {**{key: value for key, value in defaults.items() if key in figure.labels}, **where}
    return all(figure.labels.get(key) == value for key, value in wanted.items())


def _apart_from_attack(figure: Figure) -> tuple[tuple[str, str], ...]:
    return tuple((key, value) for key, value in figure.labels.items() if key != "attack")


def _wanted(gate: GateSpec) -> str:
    where = ", ".join(f"{key} {value!r}" for key, value in gate.where.items())
    return f"{gate.measure}{f' ({where})' if where else ''}"


def _near(gate: GateSpec, alike: Sequence[Figure], figures: Sequence[Figure], where: Mapping[str, str]) -> str:
    if not alike:
        measures = list(dict.fromkeys(figure.measure for figure in figures))
        return f"{suggest(gate.measure, measures)} (have: {', '.join(measures) or 'none'})"
    distance = {
        str(f): sum((key not in f.labels) + (f.labels.get(key) != value) for key, value in where.items()) for f in alike
    }
    return f"; near: {'; '.join(sorted(distance, key=lambda text: (distance[text], text))[:5])}"
