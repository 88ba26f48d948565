"""What rankers that ask a language model share: checks of parameters, cards, texts of documents, counts of answers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from string import ascii_uppercase

from robustrank.core.answers import Answer, Faults, Repair
from robustrank.core.errors import InvalidAnswer, PluginError
from robustrank.core.types import Document, RankerCard
from robustrank.rankers.llm.interface import Ability, LanguageModel

WORDS = 300
"""Blank-separated words of a document that are shown, by default."""

_LABEL = re.compile(r"\[(\d+|[A-Z])\]")


def require(what: str, lm: LanguageModel, *abilities: Ability) -> None:
    """The back end must have some abilities.

    Raises:
        PluginError: It lacks one, or is no back end.
    """
    if not hasattr(lm, "card"):
        raise PluginError(f'{what}: lm is a table that names a back end, such as lm = {{ use = "transformers" }}')
    lacking = [ability.value for ability in abilities if ability not in lm.card.can]
    if lacking:
        have = ", ".join(sorted(ability.value for ability in lm.card.can))
        raise PluginError(f"{what} needs {', '.join(lacking)} of its `lm`; {lm.card.name} has {have}")


def require_one_of(what: str, name: str, value: object, values: Sequence[str]) -> None:
    """A parameter must have one of some values.

    Raises:
        PluginError: It has another.
    """
    if value not in values:
        raise PluginError(f"{what}: {name} is {' or '.join(map(repr, values))}, not {value!r}")


def require_at_least(what: str, least: int, **values: int) -> None:
    """Parameters must not be below a number.

    Raises:
        PluginError: One is.
    """
    for name, value in values.items():
        if value < least:
            raise PluginError(f"{what}: {name} must be at least {least}, not {value}")


def repair_of(what: str, value: object) -> Repair:
    """A repair by its name.

    Raises:
        PluginError: There is none of that name.
    """
    require_one_of(what, "repair", value, [each.value for each in Repair])
    return Repair(str(value))


def card(
    what: str, lm: LanguageModel, parameters: Sequence[object], notes: Sequence[str], *, pointwise: bool = False,
    rank_only: bool = True,
) -> RankerCard:  # fmt: skip
    """The card of a ranker.

    Args:
        what: Name of the ranker.
        lm: Its back end.
        parameters: All that its answers depend on besides: prompts, lengths, the reading of answers.
        notes: For readers.
        pointwise: As the card has it.
        rank_only: As the card has it.
    """
    below = lm.card
    return RankerCard(
        name=f"{what}({below.name})",
        fingerprint=sha256(repr((what, below.fingerprint, *parameters)).encode()).hexdigest()[:16],
        pointwise=pointwise,
        deterministic=below.deterministic,
        note="; ".join(filter(None, [*notes, below.note])),
        whole_numbers=rank_only,
        can_change=below.can_change,
        rank_only=rank_only,
    )


def shown(docs: Sequence[Document], words: int, *, round_brackets: bool = False) -> list[str]:
    """Texts of documents as a prompt has them.

    Args:
        docs: The documents.
        words: Blank-separated words that are kept.
        round_brackets: Write ``[3]`` and ``[A]`` as ``(3)`` and ``(A)``, so that they are no labels.
    """
    texts = [first_words(doc.text, words) for doc in docs]
    return [_LABEL.sub(r"(\1)", text) for text in texts] if round_brackets else texts


def first_words(text: str, words: int) -> str:
    """A text up to a number of blank-separated words."""
    at = 0
    for _, match in zip(range(words), re.finditer(r"\S+", text), strict=False):
        at = match.end()
    return text if text[at:].isspace() else text[:at]


def labels(count: int, kind: str = "letters") -> list[str]:
    """``A``, ``B``, … or ``1``, ``2``, …"""
    return list(ascii_uppercase[:count]) if kind == "letters" else [str(number + 1) for number in range(count)]


def places(order: Sequence[int]) -> list[float]:
    """Scores N to 1 by document, of an order of their numbers, best first."""
    scores = [0.0] * len(order)
    for place, number in enumerate(order):
        scores[number] = float(len(order) - place)
    return scores


@dataclass
class Tally:
    """Counts the answers behind one list, as :class:`robustrank.core.answers.Answer` has them.

    Args:
        what: The ranker, for messages.
        repair: What becomes of invalid answers.
    """

    what: str
    repair: Repair
    answers: int = 0
    invalid: int = 0
    faults: Faults = field(default_factory=Faults)
    unchanged: int = 0
    orderings: int = 0
    ties: int = 0
    comparisons: int = 0

    def count(self, faults: Faults, about: str) -> None:
        """One answer more.

        Args:
            faults: Of the answer.
            about: What was asked and answered, for the message.

        Raises:
            InvalidAnswer: It has faults, and the repair is :attr:`Repair.ERROR`.
        """
        self.answers += 1
        self.faults += faults
        self.invalid += bool(faults)
        if faults and self.repair == Repair.ERROR:
            names = [name.replace("_", " ") for name, number in vars(faults).items() if number]
            raise InvalidAnswer(f'{self.what}: {about}: {", ".join(names)} (repair = "error")')

    def ordered(self, named: Sequence[int]) -> None:
        """An answer that names documents, by their places as shown: is it the order in which they were shown?"""
        if len(named) > 1:
            self.orderings += 1
            self.unchanged += list(named) == list(range(len(named)))

    def answer(self, scores: Sequence[float]) -> Answer:
        """The list with these counts."""
        return Answer(
            scores=scores, answers=self.answers, invalid=self.invalid, faults=self.faults, unchanged=self.unchanged,
            orderings=self.orderings, ties=self.ties, comparisons=self.comparisons,
        )  # fmt: skip
