"""What rankers ask of a language model; back ends are plug-ins of the group ``robustrank.language_models``.

A back end has the methods of the abilities that its card names, and a ranker that needs another is refused when it is
built.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Ability(StrEnum):
    """What a back end can be asked for."""

    GENERATE = "generate"
    OPTIONS = "options"
    LOGLIK = "loglik"
    ATTEND = "attend"


class Segment(NamedTuple):
    """A piece of a prompt."""

    text: str
    role: str = "user"
    """``"system"``, ``"user"`` or ``"assistant"``; neighbours of one role are one message."""
    document: int | None = None
    """The 0-based number of the document whose text it is; ``None`` where it is none."""
    query: bool = False
    """Whether it is the query."""


Prompt = Sequence[Segment]
"""Rendered by the model's chat template where it has one, else joined; the model goes on after its last segment."""


class Written(NamedTuple):
    """What a model wrote."""

    text: str
    cut: bool = False
    """It ended at the limit of its length."""
    refused: bool = False
    """The service or its content filter refused the request."""


@dataclass(frozen=True, kw_only=True)
class ModelCard:
    """What a back end declares about itself.

    Args:
        name: As displayed, with the model's name.
        fingerprint: Changes whenever its answers may.
        can: Its abilities.
        context: Tokens of a prompt and its answer together; ``None``: not known.
        deterministic: The same prompt gives the same answer.
        can_change: As :class:`robustrank.core.types.RankerCard` has it, of services.
        note: What a reader of the audit must know.
    """

    name: str
    fingerprint: str
    can: frozenset[Ability]
    context: int | None = None
    deterministic: bool = True
    can_change: bool = False
    note: str = ""


class LanguageModel(Protocol):
    """A language model. Every method counts its calls, passes and tokens (:func:`robustrank.core.usage.count`)."""

    @property
    def card(self) -> ModelCard:
        """What it is, and what it can be asked for."""

    def generate(self, prompts: Sequence[Prompt], /, *, tokens: int, stop: Sequence[str] = ()) -> list[Written]:
        """What the model writes after each prompt, at temperature 0.

        Args:
            prompts: Each is answered on its own.
            tokens: At most so many.
            stop: Texts before which the answer ends.
        """

    def options(self, prompts: Sequence[Prompt], choices: Sequence[str], /) -> list[list[float | None]]:
        """Prompts x choices: log-probability that the answer begins with each choice; ``None``: not known."""

    def loglik(self, prompts: Sequence[Prompt], continuations: Sequence[str], /) -> list[tuple[float, int]]:
        """Sum of the log-probabilities of each continuation after its prompt, and how many tokens it has."""

    def attend(self, prompt: Prompt, endings: Sequence[Prompt], /) -> list[list[NDArray[np.float64]]]:
        """Endings x documents of the prompt: attention that the ending pays to every token of the document's segments.

        Attention weights are summed over layers and heads, and averaged over the tokens of the ending, as ICR has it.
        """
