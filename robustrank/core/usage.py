"""What calls of a service or a language model cost, counted for the task that makes them, whichever thread does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, fields
from threading import Lock


@dataclass
class Usage:
    """What calls of a service or of a language model cost.

    Args:
        calls: Requests sent, retries included.
        retries: Requests sent again.
        refused: Answers 429 or 503: too many calls.
        waited: Seconds between a failed request and the next.
        pairs: Pairs that were scored.
        lost: Pairs whose call failed for good.
        billed: Units that the service says it billed.
        passes: Forward passes of a language model; each token that it writes is one more.
        tokens_in: Tokens of prompts that were read; what a kept prefix saves is not counted.
        tokens_out: Tokens that were written.
    """

    calls: int = 0
    retries: int = 0
    refused: int = 0
    waited: float = 0.0
    pairs: int = 0
    lost: int = 0
    billed: float = 0.0
    passes: int = 0
    tokens_in: int = 0
    tokens_out: int = 0

    def __add__(self, other: Usage) -> Usage:
        """Both together."""
        return Usage(**{each.name: getattr(self, each.name) + getattr(other, each.name) for each in fields(self)})

    def add(self, **more: float) -> None:
        """Count more of some fields, from any thread."""
        with _adding:
            for name, amount in more.items():
                setattr(self, name, getattr(self, name) + amount)

    def sentence(self) -> str:
        """For people, with what is not nothing."""
        parts = [
            f"{self.calls:,} call{'s' * (self.calls != 1)}" + (f" for {self.pairs:,} pairs" if self.pairs else ""),
            f"{self.retries:,} of them again" if self.retries else "",
            f"{self.refused:,} answered 429 or 503" if self.refused else "",
            f"{self.waited:.0f} s waited" if self.waited >= 0.5 else "",
            f"{self.lost:,} pairs lost" if self.lost else "",
            f"{self.billed:,g} units billed" if self.billed else "",
            f"{self.passes:,} forward passes" if self.passes else "",
            f"{self.tokens_in:,} tokens read" if self.tokens_in else "",
            f"{self.tokens_out:,} tokens written" if self.tokens_out else "",
        ]
        return ", ".join(filter(None, parts))


_adding = Lock()
_task: ContextVar[Usage | None] = ContextVar("robustrank_usage", default=None)


@contextmanager
def counting() -> Iterator[Usage]:
    """Count what is used within the block, by this thread and by those that it gives a copy of its context."""
    used = Usage()
    token = _task.set(used)
    try:
        yield used
    finally:
        _task.reset(token)


def count(**more: float) -> None:
    """Count for the task at work, if there is one; a ranker that calls a service does so for each call."""
    used = _task.get()
    if used is not None:
        used.add(**more)
