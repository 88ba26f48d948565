"""Descriptions of the installed plug-ins, for ``robustrank list`` and ``show`` and the pages under ``docs/``."""

from __future__ import annotations

import inspect
import re
import sys
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, NamedTuple

from robustrank.core import catalogues
from robustrank.core.errors import RobustRankError
from robustrank.plugins import registry


class Parameter(NamedTuple):
    """One parameter of a plug-in."""

    name: str
    type: str
    default: str
    """As written in Python; empty where the parameter must be given."""
    about: str
    """From the ``Args`` section of the docstring."""


class Entry(NamedTuple):
    """One installed plug-in."""

    kind: str
    name: str
    target: str
    """``"module:Class"``."""
    version: str
    """Distribution and version it comes from."""


def entries(kind: str | None = None) -> list[Entry]:
    """Installed plug-ins of one kind, or of all; imports none of them."""
    return [
        Entry(each, name, registry.target(each, name), registry.version(each, name))
        for each in ([kind] if kind else registry.KINDS)
        for name in registry.names(each)
    ]


def document(kind: str, name: str) -> str:
    """A plug-in's docstring; that of its module where it has none of its own."""
    plugin = registry.load(kind, name)
    if hasattr(plugin, "about"):  # a protocol is an object, not a class, and has its own description
        return str(plugin.about)
    generated = f"{plugin.__name__}("  # a dataclass without a docstring is given its signature as one
    own = plugin.__doc__ or ""
    return inspect.cleandoc((sys.modules[plugin.__module__].__doc__ or "") if own.startswith(generated) else own)


def parameters(kind: str, name: str) -> list[Parameter]:
    """A plug-in's parameters as an audit file gives them."""
    plugin = registry.load(kind, name)
    if not callable(plugin):
        return []
    about = _arguments(document(kind, name))
    defaults = _factories(plugin)
    return [
        Parameter(
            name=each.name,
            type=_type(each.annotation),
            default=defaults.get(each.name, "" if each.default is inspect.Parameter.empty else repr(each.default)),
            about=about.get(each.name, ""),
        )
        for each in _signature(plugin).parameters.values()
    ]


def summary(kind: str, name: str) -> str:
    """The docstring's first paragraph, on one line."""
    return " ".join(document(kind, name).split("\n\n", maxsplit=1)[0].split())


def known_as(name: str) -> list[str]:
    """What an attack is in public catalogues, as it declares that; empty of a control."""
    plugin = registry.load("attack", name)
    try:
        attack = plugin()
    except (TypeError, RobustRankError):  # parameters or a package are missing: what it declares, defaults say
        attack = object.__new__(plugin) if isinstance(plugin, type) else None
    threat = getattr(attack, "threat", None)
    return [] if threat is None or threat.control else catalogues.named(threat.known_as)


def _signature(plugin: Any) -> inspect.Signature:
    try:
        return inspect.signature(plugin, eval_str=True)
    except NameError:  # a type that is imported for type checkers only
        return inspect.signature(plugin)


def _type(annotation: Any) -> str:
    if annotation is inspect.Parameter.empty:
        return ""
    return re.sub(r"\b(?:\w+\.)+", "", inspect.formatannotation(annotation)).strip("'")


def _factories(plugin: Any) -> dict[str, str]:
    """Defaults that a dataclass creates for each object, by a factory."""
    if not is_dataclass(plugin):
        return {}
    return {f.name: repr(f.default_factory()) for f in fields(plugin) if f.default_factory is not MISSING}


def _arguments(docstring: str) -> dict[str, str]:
    """Name to text of a Google-form ``Args`` section."""
    section = re.search(r"^Args:\n((?:[ ]{4}.*\n?|\n)*)", docstring, re.MULTILINE)
    descriptions = re.findall(r"^ {4}(\w+): (.*(?:\n {8}.*)*)", section[1] if section else "", re.MULTILINE)
    return {name: " ".join(text.split()) for name, text in descriptions}
