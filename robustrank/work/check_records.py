"""The record of what a ranker answers to a few cheap questions before anything else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import field

from robustrank.work.records import Part, TaskRecord


class Differences(Part, frozen=True, kw_only=True):
    """Largest absolute differences of a ranker's scores of a few lists, called in several ways.

    Args:
        spread: Greatest minus least score of a list, the largest.
        repeat: Of the same call made twice.
        order: With the documents in reverse order.
        batch: Of the first document alone.
        query: For an unrelated query.
        invariant: With each thing changed that the ranker declares to ignore.
    """

    spread: float
    repeat: float
    order: float
    batch: float
    query: float
    invariant: Mapping[str, float] = field(default_factory=dict)


class Asked(Part, frozen=True, kw_only=True):
    """A short list with its scores, which later runs of a ranker that can change ask again."""

    query_id: str
    doc_ids: Sequence[str]
    scores: Sequence[float]


class CheckRecord(TaskRecord, frozen=True, kw_only=True, tag="check"):
    """What a ranker answers to a few cheap questions before anything else is asked.

    Args:
        differences: Of scores that must not differ; ``None`` where the ranker failed.
        pointwise: Whether its card says so.
        deterministic: Whether its card says so.
        asked: The lists.
    """

    differences: Differences | None = None
    pointwise: bool = True
    deterministic: bool = True
    asked: Sequence[Asked] = ()

    @property
    def listwise(self) -> bool:
        """Whether its card says pointwise, but its scores depend on the other documents of a call."""
        seen = self.differences
        if not self.pointwise or seen is None:
            return False
        return max(seen.batch, seen.order) > NOTABLE * seen.spread > 0

    @property
    def unsteady(self) -> bool:
        """Whether its card says deterministic, but the same call gives other scores."""
        seen = self.differences
        return self.deterministic and seen is not None and seen.repeat > NOTABLE * seen.spread > 0


NOTABLE = 0.01
"""Differences above this share of the spread of a list's scores are no rounding."""
