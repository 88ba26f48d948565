"""The task that asks a ranker a few cheap questions before anything else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from string import ascii_lowercase, ascii_uppercase
from typing import TypeVar

from robustrank.core.ranking import checked_scores
from robustrank.core.types import Document, Query, Status
from robustrank.core.words import words
from robustrank.storage.hashing import digest
from robustrank.work.base import Place
from robustrank.work.check_records import Asked, CheckRecord, Differences
from robustrank.work.workbench import Workbench

Text = TypeVar("Text", Query, Document)


@dataclass(frozen=True, kw_only=True)
class CheckTask:
    """Ask a ranker a few cheap questions on short lists, before anything else; the red flags read the record.

    Args:
        places: The lists.
    """

    places: tuple[Place, ...]
    kind = "check"

    @property
    def place(self) -> Place:
        """The first list."""
        return self.places[0]

    @property
    def who(self) -> str:
        """The ranker."""
        return f"ranker {self.place.ranker!r}"

    def key(self, bench: Workbench) -> str:
        """Hash of what the record depends on."""
        return digest(self.kind, [place.identity(bench) for place in self.places], "with the card")

    def perform(self, bench: Workbench) -> CheckRecord:
        """Largest score differences: called twice, in reverse order, alone, and for another query."""
        lists = [self._asked(bench, place) for place in self.places]
        seen = [differences for _, differences in lists]
        return CheckRecord(
            **self.place.names(),
            pointwise=self.place.victim(bench).declared.pointwise,
            deterministic=self.place.victim(bench).declared.deterministic,
            asked=[asked for asked, _ in lists],
            differences=Differences(
                spread=max(each.spread for each in seen),
                repeat=max(each.repeat for each in seen),
                order=max(each.order for each in seen),
                batch=max(each.batch for each in seen),
                query=max(each.query for each in seen),
                invariant={what: max(each.invariant[what] for each in seen) for what in seen[0].invariant},
            ),
        )

    def _asked(self, bench: Workbench, place: Place) -> tuple[Asked, Differences]:
        query, docs = place.query(bench), place.docs(bench)
        bare = place.victim(bench).uncached
        first = checked_scores(bare, query, docs)
        again = checked_scores(bare, query, docs)
        reverse = checked_scores(bare, query, docs[::-1])[::-1]
        alone = checked_scores(bare, query, docs[-1:])
        other = checked_scores(bare, Query("", "an unrelated question about nothing in particular"), docs)
        broken = {}
        for what in bare.card.invariant:
            sides = [(_changed(query, what, on), [_changed(doc, what, on) for doc in docs]) for on in (False, True)]
            broken[what] = _distance(*(checked_scores(bare, *side) for side in sides))
        asked = Asked(query_id=query.query_id, doc_ids=[doc.doc_id for doc in docs], scores=first)
        return asked, Differences(
            spread=max(first) - min(first),
            repeat=_distance(first, again),
            order=_distance(first, reverse),
            batch=_distance(first[-1:], alone),
            query=_distance(first, other),
            invariant=broken,
        )

    def failed(self, bench: Workbench, error: str) -> CheckRecord:
        """A record without differences."""
        pointwise = self.place.victim(bench).declared.pointwise
        return CheckRecord(**self.place.names(), pointwise=pointwise, status=Status.ERROR, error=error)


def _changed(text: Text, what: str, on: bool) -> Text:
    """A query or document with its words in one order or the other, or its ASCII letters as they are or in capitals."""
    if what == "order":
        parts = [word.text for word in words(text.text)]
        return text._replace(text=" ".join(parts[::-1] if on else parts))
    return text._replace(text=text.text.translate(_CAPITALS) if on else text.text)


_CAPITALS = str.maketrans(ascii_lowercase, ascii_uppercase)


def _distance(a: Sequence[float], b: Sequence[float]) -> float:
    return max((abs(x - y) for x, y in zip(a, b, strict=True)), default=0.0)
