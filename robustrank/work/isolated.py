"""What plug-ins do besides tasks, done where tasks are done, so that the parent only repeats what went well once.

The parent must build rankers and attacks itself, because the keys of records depend on them. What exits, crashes or
hangs does so in a worker first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from robustrank.config.specs import AuditSpec
from robustrank.core.types import Variant
from robustrank.work.base import tried
from robustrank.work.perform import workbench
from robustrank.work.surroundings import Surroundings


class Part(NamedTuple):
    """A plug-in to be built, and where it is of a collection to be fitted to that."""

    kind: str
    """``"ranker"`` (plain or defended), ``"attack"`` or ``"variation"``."""
    name: str
    """In the audit file."""
    collection: str


@dataclass(frozen=True)
class Build:
    """Builds a plug-in of an audit file, to be sent to workers; what is raised is raised again in the parent."""

    spec: AuditSpec

    def prepare(self, part: Part) -> None:
        """Read the collection."""
        tried(lambda: workbench(self.spec).lists(part.collection), None)

    def __call__(self, part: Part) -> Part:
        """The part, when it is built."""
        surroundings = Surroundings()
        try:
            tried(lambda: workbench(self.spec).built(part.kind, part.name, part.collection), None)
        finally:
            surroundings.put_back()
        return part


class Varied(NamedTuple):
    """A query of which a variation makes variants."""

    variation: str
    collection: str
    query_id: str


class Made(NamedTuple):
    """The variants, or why there are none."""

    of: Varied
    variants: Sequence[Variant]
    error: str = ""


@dataclass(frozen=True)
class Vary:
    """Makes the variants of a query, to be sent to workers."""

    spec: AuditSpec

    def prepare(self, item: Varied) -> None:
        """Read the collection, and build the variation."""
        Build(self.spec).prepare(Part("variation", item.variation, item.collection))
        Build(self.spec)(Part("variation", item.variation, item.collection))

    def __call__(self, item: Varied) -> Made:
        """The variants, or what the variation raised."""
        surroundings, who = Surroundings(), f"variation {item.variation!r}"
        nothing: Sequence[Variant] = ()
        try:
            variants, error = tried(lambda: workbench(self.spec).vary(*item), nothing, who)
        finally:
            changed = surroundings.put_back()
        error = error or (f"{who}: {changed}" if changed else "")
        return Made(item, nothing if error else variants, error)
