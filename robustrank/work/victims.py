"""A ranker under test, with the meter around the innermost ranker."""

from __future__ import annotations

from collections.abc import Sequence

from robustrank.core.answers import Answers
from robustrank.core.errors import ConfigError
from robustrank.core.interfaces import Defense, Ranker, ReadsJudgments, Replacement
from robustrank.core.types import Collection, Query
from robustrank.perturbations.oracle import MeteredRanker
from robustrank.retrieval.analysis import query_keys


def judged_by(defense: object) -> Sequence[Query]:
    """The queries whose judgments a defense reads; of most, none."""
    return defense.judged_queries if isinstance(defense, ReadsJudgments) else ()


def check_apart(judged: Sequence[Query], collection: Collection, name: str, who: str) -> None:
    """Check that a defense reads no judgment of a query that it is audited on.

    Args:
        judged: The queries whose judgments it reads.
        collection: The collection that it is audited on.
        name: Of the collection in the audit file.
        who: The defense, for the message.

    Raises:
        ConfigError: It reads some; queries with the same stems count as the same, those without any by their text.
    """
    evaluated = set(_keys(collection.queries)) if judged else set()
    both = [query for query, key in zip(judged, _keys(judged), strict=True) if key in evaluated]
    if both:
        raise ConfigError(
            f"{who} reads the judgments of {len(both)} queries that it is audited on in collection {name!r}, such as "
            f"{both[0].text!r:.80}: they hold the answers; give it judgments of other queries: another "
            "split, or `exclude` = the table of this collection"
        )


def _keys(queries: Sequence[Query]) -> list[str]:
    """Of every query, its key, or its text where it has none."""
    return [key or query.text.strip().lower() for query, key in zip(queries, query_keys(queries), strict=True)]


class MeteredVictim:
    """A ranker under test on one collection, with the meter around the innermost ranker."""

    def __init__(self, ranker: Ranker, defense: Defense | None = None, *, listwise: bool = False) -> None:
        self._beside: list[MeteredRanker] = []
        if defense is None or isinstance(defense, Replacement):
            whole = ranker if defense is None else defense.wrap(ranker)
            self.declared = whole.card
            self.ranker = MeteredRanker(whole, listwise=listwise)
            self.uncached = MeteredRanker(whole, cache=False, listwise=listwise)
            self._meters = [self.ranker, self.uncached]
        else:
            inner = MeteredRanker(ranker, cache=False)
            defended = defense.wrap(inner)
            self.declared = defended.card
            self.ranker = MeteredRanker(defended, listwise=listwise)
            self.uncached = MeteredRanker(defended, cache=False, listwise=listwise)
            self._meters = [inner]

    def beside(self, ranker: Ranker) -> MeteredRanker:
        """The ranker under test in another form, uncached; what it does counts here until the next :meth:`reset`."""
        meter = MeteredRanker(ranker, cache=False)
        self._beside.append(meter)
        return meter

    @property
    def pairs(self) -> int:
        """Pairs the innermost ranker has scored so far."""
        return sum(meter.pairs for meter in self._counted)

    @property
    def answers(self) -> Answers:
        """What the innermost ranker answered so far, where it says what was wrong in that."""
        return sum((meter.answers for meter in self._counted), Answers())

    @property
    def seconds(self) -> float:
        """Seconds inside the innermost ranker so far."""
        return sum(meter.seconds for meter in self._counted)

    @property
    def _counted(self) -> list[MeteredRanker]:
        return [*self._meters, *self._beside]

    def reset(self) -> None:
        """Forget scores, and what was counted."""
        self._beside.clear()
        for meter in (self.ranker, self.uncached, *self._meters):
            meter.reset()
