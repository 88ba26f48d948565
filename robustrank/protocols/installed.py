"""The installed protocols, ours and those of other packages, each after those whose results it reads."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from graphlib import CycleError, TopologicalSorter

from robustrank.core.errors import PluginError
from robustrank.plugins import registry
from robustrank.protocols.interface import AuditProtocol
from robustrank.storage.journal import RecordFormat
from robustrank.work.record_format import AuditFormat
from robustrank.work.records import Record


@cache
def protocols() -> Sequence[AuditProtocol]:
    """All of them.

    Raises:
        PluginError: One does not import, is no protocol, has another name than its entry point, or follows one that is
            not installed or that follows it.
    """
    by_name = {name: _checked(name, registry.load("protocol", name)) for name in registry.names("protocol")}
    for protocol in by_name.values():
        for other in protocol.after:
            if other not in by_name:
                raise PluginError(f"protocol {protocol.name!r} reads the results of {other!r}, which is not installed")
    graph = {name: sorted(protocol.after) for name, protocol in sorted(by_name.items())}
    try:
        return tuple(by_name[name] for name in TopologicalSorter(graph).static_order())
    except CycleError as error:
        raise PluginError(f"protocols follow one another in a circle: {' → '.join(error.args[1])}") from error


def record_format() -> RecordFormat[Record]:
    """The format of an audit's journal, with the records of every installed protocol."""
    return AuditFormat([kind for protocol in protocols() for kind in protocol.records])


def _checked(name: str, protocol: object) -> AuditProtocol:
    if not isinstance(protocol, AuditProtocol):
        raise PluginError(f"protocol {name!r}: {type(protocol).__name__} is no AuditProtocol (robustrank.plugin)")
    if protocol.name != name:
        raise PluginError(f"protocol {name!r} calls itself {protocol.name!r}; the entry point must have the same name")
    return protocol
