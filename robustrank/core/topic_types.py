"""Types of topic attacks (on one document for a group of queries), and the protocols that their plug-ins satisfy."""

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
        substitutions: Words that may be replaced by one of their substitutes.
        insertions: Trigger words that may be inserted.
        lists: Ranked lists of the victim that may be requested; a text costs one for each query of the group.
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
        """Identifies the case within a study: topic id and document id."""
        return f"{self.topic_id}|{self.target.doc_id}"


class Practice(NamedTuple):
    """A training case, and the same document with held-out queries of its topic."""

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
    """A topic attack's access to the victim: ranks, metered in ranked lists (decision-based black box)."""

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
    """A topic attack that is trained on ranked lists before it attacks."""

    def fit(
        self,
        seen: Sequence[TopicCase],
        practice: Sequence[Practice],
        budget: TopicBudget,
        folder: Path,
        progress: Progress,
        /,
    ) -> TopicAttack:
        """Train the attack.

        Args:
            seen: Cases whose clean lists it may fit a surrogate of the victim to; they count as requested lists.
            practice: Training cases, from query groups that are not evaluated.
            budget: Limits of each later attack.
            folder: Where it writes checkpoints, so that an interrupted run resumes.
            progress: Receives every training step.

        Returns:
            The trained attack.
        """


@runtime_checkable
class SurrogateAttack(Protocol):
    """A topic attack that uses a surrogate of the victim, whose agreement with the victim is measured."""

    def surrogate_scores(self, case: TopicCase, /) -> list[list[float]]:
        """The surrogate's scores of the case's lists: lists x documents, in the lists' order."""


@runtime_checkable
class MeteredSurrogate(Protocol):
    """A topic attack that counts the texts its own surrogate scores."""

    @property
    def texts_scored(self) -> int:
        """Texts the surrogate has scored so far."""
