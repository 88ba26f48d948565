"""Names to plug-ins, through entry points, loading only what is requested."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from dataclasses import fields
from difflib import get_close_matches
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from robustrank.config import specs
from robustrank.core import interrupts
from robustrank.core.errors import PluginError, PluginFailed, RobustRankError, TimeLimitPassed, reason
from robustrank.core.plugin_spec import Plugin

KINDS = {
    "collection": "robustrank.collections",
    "ranker": "robustrank.rankers",
    "attack": "robustrank.attacks",
    "defense": "robustrank.defenses",
    "detector": "robustrank.detectors",
    "variation": "robustrank.variations",
    "topic_attack": "robustrank.topic_attacks",
    "protocol": "robustrank.protocols",
    "executor": "robustrank.executors",
    "language_model": "robustrank.language_models",
    "training_edit": "robustrank.training_edits",
    "adapter": "robustrank.adapters",
    "compressor": "robustrank.compressors",
    "optimizer": "robustrank.optimizers",
    "weighting": "robustrank.weightings",
    "objective": "robustrank.objectives",
    "sampler": "robustrank.samplers",
    "list_maker": "robustrank.list_makers",
    "merge": "robustrank.merges",
}
"""Kind of plug-in to entry-point group."""

TABLES = {
    "collection": specs.CollectionSpec, "ranker": specs.RankerSpec, "attack": specs.AttackSpec,
    "defense": specs.DefenseSpec, "variation": specs.VariationSpec,
}  # fmt: skip
"""Kind of plug-in to its table, whose own keys stand beside the plug-in's parameters."""

NESTED = {
    "attack": "attack",
    "collection": "collection",
    "exclude": "collection",
    "detector": "detector",
    "lm": "language_model",
    "variation": "variation",
    "defenses": "defense",
}
"""Parameters whose nested plug-in is of another kind than ``"ranker"``."""


@cache
def _entries(kind: str) -> dict[str, EntryPoint]:
    by_name: dict[str, EntryPoint] = {}
    for entry in sorted(entry_points(group=KINDS[kind]), key=lambda e: (e.name, e.value)):
        if entry.name in by_name and by_name[entry.name].value != entry.value:
            raise PluginError(
                f"two packages offer a {kind} named {entry.name!r}: {by_name[entry.name].value} and {entry.value}; "
                "uninstall one of them"
            )
        by_name[entry.name] = entry
    return by_name


def names(kind: str) -> list[str]:
    """Names of all installed plug-ins of a kind; imports none of them."""
    return sorted(_entries(kind))


def target(kind: str, name: str) -> str:
    """The import path of a plug-in, as ``"module:Class"``; imports nothing."""
    return _find(kind, name).value


def version(kind: str, name: str) -> str:
    """Name and version of the distribution a plug-in comes from."""
    return _version(_find(kind, name))


@cache  # which reads the distribution's metadata anew, twice
def _version(entry: EntryPoint) -> str:
    distribution = entry.dist
    return "unknown" if distribution is None else f"{distribution.name} {distribution.version}"


def load(kind: str, name: str) -> Any:
    """The plug-in's class.

    Raises:
        PluginError: No such name (with the nearest one), or its module does not import.
    """
    entry = _find(kind, name)
    try:
        return entry.load()
    except (RobustRankError, TimeLimitPassed):
        raise
    except BaseException as error:  # sys.exit at import is no end of the audit either
        interrupts.check()
        raise PluginError(f"{kind} {name!r} ({entry.value}) does not import: {reason(error)}") from error


def build(kind: str, plugin: Plugin) -> Any:
    """The plug-in built with its parameters; a nested table with ``use`` is a nested plug-in (a ranker, or as
    :data:`NESTED` has it), and a list of such tables is a list of them.

    Raises:
        PluginError: An unknown or missing parameter, or one that the plug-in rejects.
    """
    factory = load(kind, plugin.use)
    params = {key: _nested(key, value) for key, value in plugin.params.items()}
    try:
        inspect.signature(factory).bind(**params)
    except TypeError as error:
        accepted = [p.name for p in inspect.signature(factory).parameters.values()]
        keys = [f.name for f in fields(TABLES[kind]) if f.name != "plugin"] if kind in TABLES else []
        unknown = [key for key in params if key not in accepted]
        near = [n for key in unknown for n in get_close_matches(key, [*accepted, *keys], n=1)]
        hint = f"; did you mean {near[0]!r}?" if near else ""
        what = f"unknown key {unknown[0]!r} in its table" if unknown else str(error)
        raise PluginError(
            f"{kind} {plugin.use!r}: {what}{hint} (parameters: {', '.join(accepted) or 'none'})"
        ) from error
    try:
        return factory(**params)
    except (RobustRankError, TimeLimitPassed):
        raise
    except (TypeError, ValueError) as error:
        raise PluginError(f"{kind} {plugin}: {error}") from error
    except BaseException as error:
        interrupts.check()
        raise PluginFailed(f"{kind} {plugin}: {reason(error)}") from error


def _nested(key: str, value: Any) -> Any:
    if isinstance(value, list | tuple):
        return type(value)(_nested(key, each) for each in value)
    if isinstance(value, dict) and "use" in value:
        params = {name: inner for name, inner in value.items() if name != "use"}
        return build(NESTED.get(key, "ranker"), Plugin(use=value["use"], params=params))
    return value


def _find(kind: str, name: str) -> EntryPoint:
    if name not in _entries(kind):
        near: Iterable[str] = get_close_matches(name, names(kind), n=1)
        hint = "".join(f"; did you mean {n!r}?" for n in near)
        raise PluginError(f"no {kind} named {name!r}{hint} (have: {', '.join(names(kind)) or 'none'})")
    return _entries(kind)[name]
