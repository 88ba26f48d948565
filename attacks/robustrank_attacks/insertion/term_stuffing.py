"""Term stuffing: content words of the query again and again, the oldest trick of web spam (Gyongyi et al., 2005)."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import cycle, islice
from random import Random
from typing import Literal

from robustrank.plugin import (
    Access,
    AttackSet,
    Case,
    Oracle,
    Perturbation,
    Surface,
    ThreatModel,
    cost,
    function_words,
    words,
)
from robustrank_attacks._options import require_choice, require_positive
from robustrank_attacks.insertion._insertion import PLACES, Place, insert


@dataclass(frozen=True, kw_only=True)
class TermStuffing:
    """Insert content words of the query in turn, or the rarest one alone, so many times.

    Args:
        terms: ``"all"`` content words, or the ``"rarest"`` one: in the fewest documents of the list.
        count: Words to insert where the audit sets no limit.
        place: ``"start"``, ``"end"``, or ``"interleave"``: spread evenly over the document.
    """

    terms: Literal["all", "rarest"] = "all"
    count: int = 10
    place: Place = "start"

    def __post_init__(self) -> None:
        require_choice("term_stuffing", "terms", [self.terms], ["all", "rarest"])
        require_choice("term_stuffing", "place", [self.place], PLACES)
        require_positive("term_stuffing", "count", self.count)

    @property
    def threat(self) -> ThreatModel:
        """Sees nothing of the ranker; inserts words into the document."""
        return ThreatModel(
            known_as=("AML.T0015", "AML.T0043"),
            surface=Surface.DOCUMENT,
            access=Access.NONE,
            edits=AttackSet(operation="insert"),
        )

    def perturb(self, case: Case, oracle: Oracle, rng: Random, /) -> Perturbation:
        """The document with the words inserted."""
        query = list(dict.fromkeys(word.text for word in words(case.query.text) if cost(word.text) == 1))
        terms = [word for word in query if word.lower() not in function_words()] or query
        if self.terms == "rarest" and terms:
            documents = [{word.text.lower() for word in words(doc.text)} for doc in case.candidates]
            terms = [min(terms, key=lambda term: sum(term.lower() in doc for doc in documents))]
        count = self.count if oracle.budget.edits is None else oracle.budget.edits
        return Perturbation(target=insert(case.target.text, list(islice(cycle(terms), count)), self.place))
