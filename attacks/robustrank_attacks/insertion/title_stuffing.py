"""Title stuffing: words of the query around the title, where pages for search engines have them.

A document's title is the first words of its text; where it ends is not marked, so its first sentence is taken for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Literal

from robustrank.plugin import Access, AttackSet, Case, Oracle, Perturbation, Surface, ThreatModel, sentences, words
from robustrank_attacks._options import require_choice, require_positive
from robustrank_attacks.insertion._insertion import affordable, put


@dataclass(frozen=True, kw_only=True)
class TitleStuffing:
    """Insert words of the query before or after the first sentence, content words before others.

    Args:
        where: ``"before"`` or ``"after"``.
        most: Most words to insert; the budget may allow fewer.
    """

    where: Literal["before", "after"] = "after"
    most: int = 8

    def __post_init__(self) -> None:
        require_choice("title_stuffing", "where", [self.where], ["before", "after"])
        require_positive("title_stuffing", "most", self.most)

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
        """The document with the words around its title."""
        text, edits = case.target.text, oracle.budget.edits
        limit = self.most if edits is None else min(self.most, edits)
        added = affordable([word.text for word in words(case.query.text)], limit)
        starts = [sentence.start for sentence in sentences(text)] or [0]
        offset = starts[0] if self.where == "before" else [*starts[1:], len(text)][0]
        return Perturbation(target=put(text, [(offset, word) for word in added]))
