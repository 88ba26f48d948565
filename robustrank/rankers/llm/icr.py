"""List-wise re-ranking by attention with content-free calibration (in-context re-ranking, Chen et al. 2025).

The prompt with all documents is read once. Attention of the question's tokens to each token of a document, less that
of the question "N/A", is summed over the tokens of the document that are not far below their mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from robustrank.core.answers import Answer, Faults, Repair
from robustrank.core.errors import PluginError
from robustrank.core.types import Document, Query, RankerCard
from robustrank.rankers.llm import asking
from robustrank.rankers.llm.interface import Ability, LanguageModel, Segment
from robustrank.rankers.llm.windows import spans

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FREE = "N/A"
"""The content-free query."""

BEFORE = "Here are {count} passages.\n\n"
BETWEEN = "Use them to answer the query.\nQuery: "
"""The prompt, in our own words: before the documents, and between them and the query."""

_NAME = "llm_icr"


@dataclass(frozen=True, kw_only=True)
class LlmIcr:
    """Documents by the attention that the query pays to them, less what a content-free query pays.

    Args:
        lm: The language model: a nested table with ``use``.
        window: Documents of one prompt; 0: all. Scores of windows cannot be compared, so with windows only the order
            counts.
        step: Documents by which a window moves.
        best_last: Show the documents in reverse, so that the first stage's best stands next to the query.
        repair: Attention names every document, so there is nothing to repair.
        passage_words: Blank-separated words of a document that are shown.
    """

    lm: LanguageModel
    window: int = 0
    step: int = 10
    best_last: bool = False
    repair: Repair = Repair.END
    passage_words: int = asking.WORDS

    def __post_init__(self) -> None:
        object.__setattr__(self, "repair", asking.repair_of(_NAME, self.repair))
        asking.require_at_least(_NAME, 0, window=self.window)
        asking.require_at_least(_NAME, 1, step=self.step, passage_words=self.passage_words)
        if self.window and self.step >= self.window:
            raise PluginError(
                f"{_NAME}: step {self.step} is not below window {self.window}: no document could rise out of its window"
            )
        asking.require(_NAME, self.lm, Ability.ATTEND)

    @property
    def card(self) -> RankerCard:
        """List-wise; scores of one prompt, or with windows the order alone."""
        parameters = [self.window, self.step, self.best_last, self.passage_words, BEFORE, BETWEEN, FREE]
        notes = [
            f"prompt of RobustRank, first {self.passage_words} words of a document",
            "attention of the layers that see the whole prompt",
        ]
        return asking.card(_NAME, self.lm, parameters, notes, rank_only=bool(self.window))

    def repaired(self, repair: Repair, /) -> LlmIcr:
        """With another repair."""
        return replace(self, repair=repair)

    def score(self, query: Query, docs: Sequence[Document], /) -> list[float]:
        """Calibrated attention, or with windows N for the first document of the order, down to 1."""
        return list(self.answer(query, docs).scores)

    def answer(self, query: Query, docs: Sequence[Document], /) -> Answer:
        """The list, ordered; every document has a score, so nothing is invalid."""
        tally = asking.Tally(_NAME, self.repair)
        texts = asking.shown(docs, self.passage_words)
        order = list(range(len(docs)))
        for start, end in spans(len(docs), self.window or len(docs), self.step):
            inside = order[start:end]
            scores = self._scores(query.text, [texts[number] for number in inside])
            named = sorted(range(len(inside)), key=lambda place: -scores[place])
            tally.count(Faults(), "")
            tally.ordered(named)
            if not self.window:
                return tally.answer(scores)
            order[start:end] = [inside[place] for place in named]
        return tally.answer(asking.places(order))

    def _scores(self, query: str, texts: Sequence[str]) -> list[float]:
        places = range(len(texts))[::-1] if self.best_last else range(len(texts))
        prompt = [Segment(BEFORE.replace("{count}", str(len(texts))))]
        for at, number in enumerate(places):
            prompt += [Segment(f"[{at + 1}] {texts[number]}", document=at), Segment("\n\n")]
        endings = [[Segment(BETWEEN), Segment(text, query=True)] for text in (query, FREE)]
        paid, free = self.lm.attend(prompt, endings)
        shown = [kept_sum(a, b) for a, b in zip(paid, free, strict=True)]
        return shown[::-1] if self.best_last else shown


def kept_sum(paid: NDArray[np.float64], free: NDArray[np.float64]) -> float:
    """Sum of the calibrated attention of a document's tokens, without those two standard deviations below their mean.

    Args:
        paid: Attention of the query to each token.
        free: That of the content-free query.
    """
    import numpy as np

    calibrated = np.asarray(paid, dtype=float) - np.asarray(free, dtype=float)
    if calibrated.size < 2:  # of one token there is no standard deviation
        return float(calibrated.sum())
    kept = calibrated > calibrated.mean() - 2 * calibrated.std(ddof=1)
    return float(calibrated[kept].sum() if kept.any() else calibrated.sum())  # equal tokens are no outliers
