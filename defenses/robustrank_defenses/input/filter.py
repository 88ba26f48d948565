"""Documents that a detector holds for suspicious go to the end of the list, below all others, in their order.

What it costs is that of its false alarms. An attacker who asks the filtered ranker sees the filter's decision: a text
that is dropped ranks last.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from math import inf, isfinite, isnan

from robustrank.plugin import (
    ConfigError,
    ContractError,
    Detector,
    Document,
    Query,
    Ranker,
    RankerCard,
    lends_gradients,
    shown,
)

BELOW = float(2**20)
"""Taken from the score of a dropped document. Scores of the ranker must lie within half of it."""


@dataclass(frozen=True, kw_only=True)
class Filter:
    """Rank what a detector holds for suspicious below everything else.

    Scores of dropped documents say their order alone (differences below 1e-9 are lost), and that they were dropped; a
    list with one has a wide spread of scores, so that red flags about small changes of scores say less of it than of
    the ranker itself. Where the detector reads other documents of the list, the filtered ranker is list-wise. A
    document of which the detector cannot tell is kept. Detectors that are fitted to a collection cannot be had here: a
    filter sees one list.

    Args:
        detector: The detector: a nested table with ``use``.
        threshold: Documents above it are dropped; infinite, the ranker is as it was.
    """

    detector: Detector
    threshold: float = inf

    def __post_init__(self) -> None:
        if not isinstance(self.detector, Detector):
            raise ConfigError("detector must be a table with `use`, the name of a detector")
        if isnan(self.threshold):
            raise ConfigError("threshold must be a number")
        if self.detector.card.background:
            raise ConfigError(f"{self.detector.card.name} is fitted to a collection, which a filter does not see")

    def wrap(self, ranker: Ranker, /) -> Filtered:
        """The ranker behind the filter.

        Raises:
            ConfigError: The detector asks for gradients that the ranker does not lend.
        """
        if self.detector.card.gradients and not lends_gradients(ranker):
            raise ConfigError(f"{self.detector.card.name} asks for gradients, which {ranker.card.name} does not lend")
        return Filtered(ranker, self.detector, self.threshold)


@dataclass(frozen=True)
class Filtered:
    """A ranker with a filter behind it."""

    base: Ranker
    detector: Detector
    threshold: float

    @property
    def card(self) -> RankerCard:
        """The ranker's own card, under another name; list-wise where the detector is."""
        base, judge = self.base.card, self.detector.card
        state = f"filter/1 {base.fingerprint} {judge.fingerprint} {self.threshold!r}"
        return replace(
            base,
            name=f"filter({base.name}, {judge.name} > {self.threshold:g})",
            fingerprint=sha256(state.encode()).hexdigest()[:16],
            pointwise=base.pointwise and not judge.others,
            whole_numbers=False,
            gradients=False,
        )

    def score(self, query: Query, docs: Sequence[Document], /) -> list[float]:
        """The ranker's scores, those of dropped documents below all others.

        Raises:
            ContractError: A score is too large to be set apart, or the detector's number is not finite.
        """
        scores = self.base.score(query, docs)
        if self.threshold == inf:
            return scores
        dropped = [self._drops(query, doc, docs) for doc in docs]
        if any(dropped) and not all(abs(score) < BELOW / 2 for score in scores):
            raise ContractError(
                f"filter: scores of {self.base.card.name} reach {BELOW / 2:g}, so none can be set apart"
            )
        return [score - BELOW if drop else score for score, drop in zip(scores, dropped, strict=True)]

    def _drops(self, query: Query, doc: Document, docs: Sequence[Document]) -> bool:
        card = self.detector.card
        seen = shown(card, doc, query=query, documents=docs, ranker=self.base)
        value = self.detector.suspicion(doc, seen)
        if value is not None and not isfinite(value):
            raise ContractError(f"detector {card.name} gave {value!r}, which is no finite number")
        return value is not None and value > self.threshold
