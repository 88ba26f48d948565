"""Query injection: insert the query's words into the document.

A classic web-spam technique and the baseline of document attacks: inserted at the start, the query beats most
published attacks on neural rankers (README of EMPRA, Bigdeli et al. 2024: success 100 %, top 10 for 87 % of documents
from ranks 51-100). Term stuffing, prompt and content injection against rankers: Parry et al., ECIR 2024; Tamber and
Lin, 2025. It needs no access to the ranker.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from robustrank.plugin import Access, AttackSet, Case, Oracle, Perturbation, Surface, ThreatModel, words
from robustrank_attacks._options import require_choice, require_positive
from robustrank_attacks.insertion._insertion import PLACES, Place, affordable, insert


@dataclass(frozen=True, kw_only=True)
class QueryInjection:
    """Insert the words of the query; where the budget of edits does not pay for all, content words before others.

    Args:
        place: ``"start"``, ``"end"``, or ``"interleave"``: spread evenly over the document.
        repeats: How many times the query is inserted.
    """

    place: Place = "start"
    repeats: int = 1

    def __post_init__(self) -> None:
        require_choice("query_injection", "place", [self.place], PLACES)
        require_positive("query_injection", "repeats", self.repeats)

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
        """The document with the query inserted."""
        added = [word.text for word in words(case.query.text)] * self.repeats
        return Perturbation(target=insert(case.target.text, affordable(added, oracle.budget.edits), self.place))
