"""Term echo: append words of the query until the document reaches the goal rank. It needs access to ranks."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from robustrank.plugin import Access, AttackSet, Case, Oracle, Perturbation, Surface, ThreatModel, words


@dataclass(frozen=True, kw_only=True)
class TermEcho:
    """Append one random word of the query after another.

    Args:
        most: Most words to append; the budget may allow fewer.
    """

    most: int = 10

    @property
    def threat(self) -> ThreatModel:
        """Access to ranks; inserts words into the document."""
        return ThreatModel(surface=Surface.DOCUMENT, access=Access.RANKS, edits=AttackSet(operation="insert"))

    def perturb(self, case: Case, oracle: Oracle, rng: Random, /) -> Perturbation:
        """The shortest echo that reaches the goal, else the longest within the budget."""
        terms = [word.text for word in words(case.query.text)]
        edits = self.most if oracle.budget.edits is None else min(self.most, oracle.budget.edits)
        tried = Perturbation()
        for _ in range(edits if terms else 0):
            if oracle.affordable() == 0:
                break
            tried = Perturbation(target=f"{tried.target or case.target.text} {rng.choice(terms)}")
            if oracle.rank([tried])[0] <= case.goal_rank:
                break
        return tried
