"""Benign insertion: a control for injection attacks.

Inserts as many words as the query injection would, but neutral ones. The effect of an injection attack is its success
beyond that of an insertion of the same length.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from random import Random

from robustrank.plugin import (
    Access,
    AttackSet,
    Case,
    Oracle,
    Perturbation,
    Surface,
    ThreatModel,
    function_words,
    words,
)
from robustrank_attacks._options import require_choice, require_positive
from robustrank_attacks.insertion._insertion import PLACES, Place, affordable, insert


@dataclass(frozen=True, kw_only=True)
class BenignInsertion:
    """Insert the first words of neutral sentences, as many as the query has.

    Args:
        place: As for ``query_injection``.
        repeats: As for ``query_injection``.
    """

    place: Place = "start"
    repeats: int = 1

    def __post_init__(self) -> None:
        require_choice("benign_insertion", "place", [self.place], PLACES)
        require_positive("benign_insertion", "repeats", self.repeats)

    @property
    def threat(self) -> ThreatModel:
        """Sees nothing of the ranker; inserts words into the document."""
        return ThreatModel(
            surface=Surface.DOCUMENT, access=Access.NONE, edits=AttackSet(operation="insert"), control=True
        )

    def perturb(self, case: Case, oracle: Oracle, rng: Random, /) -> Perturbation:
        """The document with neutral words inserted, none of them a content word of the query."""
        query = [word.text.lower() for word in words(case.query.text)]
        content = set(query) - function_words()
        wanted = len(query) * self.repeats
        added: list[str] = []
        while len(added) < wanted:
            added += [word for word in rng.choice(neutral_sentences()) if word.lower() not in content]
        return Perturbation(
            target=insert(case.target.text, affordable(added[:wanted], oracle.budget.edits), self.place)
        )


@lru_cache(maxsize=1)
def neutral_sentences() -> tuple[tuple[str, ...], ...]:
    """The words of the neutral sentences."""
    text = files("robustrank_attacks").joinpath("neutral_sentences.txt").read_text(encoding="utf-8")
    return tuple(tuple(word.text for word in words(line)) for line in text.splitlines())
