"""Perplexity: how unlikely the words of a document are, as a whole or where they are least likely.

Word salad, and words put in the place of others by a search, raise it (Song et al., 2020). Pasted queries, copied
sentences and templates are good English and do not. Whole-text perplexity is lowered by any words that are likely, so
the highest of all stretches of words is offered too, and that over the document's own median stretch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import exp
from statistics import median

from robustrank.plugin import (
    ConfigError,
    ContractError,
    DetectorCard,
    Document,
    LanguageModel,
    MissingExtra,
    Seen,
    Segment,
    log_probabilities,
    words,
)

OVER = ("text", "window", "ratio")
"""What a document's number is of: all its words, the least likely stretch of them, or that over the median stretch."""


def _require(over: str, window: int) -> None:
    if over not in OVER:
        raise ConfigError(f"over must be one of {', '.join(map(repr, OVER))}, not {over!r}")
    if window < 1:
        raise ConfigError(f"window must be at least 1 word, not {window}")


@dataclass(frozen=True, kw_only=True)
class Perplexity:
    """Perplexity under an English word trigram model (extra ``fluency``).

    Args:
        over: ``"text"``, ``"window"`` (the highest of all stretches of ``window`` words) or ``"ratio"`` (that over the
            median stretch).
        window: Words of a stretch.
    """

    over: str = "text"
    window: int = 20

    def __post_init__(self) -> None:
        _require(self.over, self.window)

    @property
    def card(self) -> DetectorCard:
        """Reads the document alone."""
        return DetectorCard(name=f"perplexity({self.over})", fingerprint=f"trigrams/1 {self.over} {self.window}")

    def suspicion(self, document: Document, seen: Seen, /) -> float | None:
        """The perplexity; ``None`` of a text without words.

        Raises:
            MissingExtra: The model is not installed.
        """
        model = log_probabilities()
        if model is None:
            raise MissingExtra("the trigram model", extra="fluency", package="pocketsphinx")
        return of_stretches(model(document.text), self.over, self.window)


def of_stretches(logs: Sequence[float], over: str, window: int) -> float | None:
    """Perplexity from the log probabilities of words; ``None`` without any."""
    if not logs:
        return None
    if over == "text":
        return exp(-sum(logs) / len(logs))
    size = min(window, len(logs))
    sums = [0.0, *accumulate(logs)]
    every = [exp(-(sums[at + size] - sums[at]) / size) for at in range(len(logs) - size + 1)]
    return max(every) if over == "window" else max(every) / median(every)


@dataclass(frozen=True, kw_only=True)
class LmPerplexity:
    """Perplexity under a language model on this machine, such as SmolLM2 (extra ``llm``); slow.

    Args:
        lm: The language model: a nested table with ``use``.
        over: ``"text"``, ``"window"`` (the highest of stretches of ``window`` words, each read after those before it
            in the stretch alone) or ``"ratio"`` (that over the median stretch).
        window: Words of a stretch; stretches begin half of that apart.
        most: Words of a document that are read.
    """

    lm: LanguageModel
    over: str = "text"
    window: int = 20
    most: int = 300

    def __post_init__(self) -> None:
        _require(self.over, self.window)

    @property
    def card(self) -> DetectorCard:
        """Reads the document alone."""
        model = self.lm.card
        parameters = f"{self.over} {self.window} {self.most}"
        return DetectorCard(
            name=f"lm_perplexity({model.name}, {self.over})", fingerprint=f"lm/1 {model.fingerprint} {parameters}"
        )

    def suspicion(self, document: Document, seen: Seen, /) -> float | None:
        """The perplexity; ``None`` of a text without words."""
        read = words(document.text)[: self.most]
        if not read:
            return None
        whole = document.text[read[0].start : read[-1].end]
        if self.over == "text":
            return self._of([whole])[0]
        step = max(1, self.window // 2)
        starts = range(0, max(1, len(read) - self.window + step), step)
        parts = [read[at : at + self.window] for at in starts]
        every = self._of([document.text[part[0].start : part[-1].end] for part in parts if part])
        return max(every) if self.over == "window" else max(every) / median(every)

    def _of(self, texts: Sequence[str]) -> list[float]:
        answers = self.lm.loglik([[Segment("Text:")] for _ in texts], [f" {text}" for text in texts])
        if any(tokens < 1 for _, tokens in answers):
            raise ContractError(f"{self.lm.card.name} reads no token of a text with words")
        return [exp(min(700.0, -total / tokens)) for total, tokens in answers]
