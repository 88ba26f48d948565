"""The nouns of topic attacks, on one document for a group of queries, and the protocols that plug-ins satisfy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import NamedTuple, Protocol, runtime_checkable

from robustrank.core.progress import Progress
from robustrank.core.types import Document, Query


@dataclass(frozen=True, kw_only=True)
class TopicBudget:
    """Limits of one attack on one document.

    Args:
        substitutions: Words that may become one of their substitutes.
        insertions: Trigger words that may be inserted.
        lists: Ranked lists of the victim that may be asked for, one a query and text.
    """

    substitutions: int = 5
    insertions: int = 3
    lists: int = 40


class TopicCase(NamedTuple):
    """One document to promote for one group, as the attacker sees it.

    ``lists`` has one list per query of ``queries``, in the victim's clean rank order, each with the target in it.
    """

    topic_id: str
    queries: tuple[Query, ...]
    target: Document
    lists: tuple[tuple[Document, ...], ...]

    @property
    def key(self) -> str:
        """Names the case within a study."""
        return f"{self.topic_id}|{self.target.doc_id}"


class Practice(NamedTuple):
    """A case to practise on, and the same document for queries of its topic that an attacker would not know."""

    case: TopicCase
    held_out: TopicCase


@dataclass(frozen=True, kw_only=True)
class Edits:
    """Changes to a text: word position to the word that replaces it, and (offset, word) of what is inserted.

    Offsets are those of the clean text; a word goes in front of the character there.
    """

    substitutions: Mapping[int, str] = field(default_factory=dict)
    insertions: Sequence[tuple[int, str]] = ()


class TopicOracle(Protocol):
    """All a topic attack sees of the victim: ranks, metered in ranked lists (decision-based black box)."""

    @property
    def budget(self) -> TopicBudget:
        """The limits of this attack."""

    @property
    def spent(self) -> int:
        """Ranked lists requested so far."""

    @property
    def affordable(self) -> int:
        """How many more texts the budget pays for, each in the lists of all queries."""

    def ranks(self, texts: Sequence[str], /) -> list[tuple[int, ...]]:
        """The target's rank for every query of the group, with each text in turn."""


class TopicAttack(Protocol):
    """Perturbs one document for a group of queries. All randomness comes from ``rng``."""

    @property
    def substitutes(self) -> str:
        """The table of words it substitutes from (:func:`robustrank.perturbations.substitutes.load`)."""

    def perturb(self, case: TopicCase, oracle: TopicOracle, rng: Random, /) -> str:
        """The document's new text."""


@runtime_checkable
class Learner(Protocol):
    """A topic attack that learns from ranked lists before it attacks."""

    def fit(
        self,
        seen: Sequence[TopicCase],
        practice: Sequence[Practice],
        budget: TopicBudget,
        folder: Path,
        progress: Progress,
        /,
    ) -> TopicAttack:
        """The attack after it learnt.

        Args:
            seen: Cases whose clean lists it may learn the victim's taste from; the study counts them as asked.
            practice: What it may practise on: groups that it owns whole, and is not judged by.
            budget: What every attack will be limited to.
            folder: Where it keeps what it learns, so that a killed run goes on.
            progress: Told of every step.
        """


@runtime_checkable
class Guesser(Protocol):
    """A topic attack that plans on a model of the victim, whose agreement with the victim can be measured."""

    def guess(self, case: TopicCase, /) -> list[list[float]]:
        """What that model gives every document of every list of the case, in the lists' order."""


@runtime_checkable
class Reckoner(Protocol):
    """A topic attack that plans on a model of its own, and counts what it asks of it."""

    @property
    def texts_scored(self) -> int:
        """Texts that model has scored so far."""
