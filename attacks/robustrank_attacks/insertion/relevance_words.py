"""Relevance words: words of the prompt that some rankers are asked with, put into the document.

Parry, Froebe, MacAvaney, Potthast, Hagen: Analyzing Adversarial Attacks on Sequence-to-Sequence Relevance Models, ECIR
2024. An effect is expected where such a word stands in the ranker's prompt (monoT5; language models that answer yes or
no). For other rankers it is a negative control: a clear effect there is news. Differences from the released code: a
random place may also be after the last word, and the words, the place and their number are chosen before anything is
measured, where the paper's tables show the best of each found on the same data.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Literal

from robustrank.plugin import Access, AttackSet, Case, Oracle, Perturbation, Surface, ThreatModel
from robustrank_attacks._options import require_choice, require_positive, require_words
from robustrank_attacks.insertion._insertion import affordable, put


@dataclass(frozen=True, kw_only=True)
class RelevanceWords:
    """Insert such words so many times.

    Args:
        tokens: The words, in order: of the prompt ``"true"``, ``"false"``, ``"relevant"``; synonyms ``"pertinent"``,
            ``"significant"``, ``"related"``, ``"associated"``, ``"important"``; controls ``"information"``, ``"bar"``,
            ``"baz"``.
        times: How often they are inserted.
        place: ``"start"``, ``"end"``, or ``"random"``: each time between other two words.
    """

    tokens: Sequence[str] = ("relevant",)
    times: int = 5
    place: Literal["start", "end", "random"] = "start"

    def __post_init__(self) -> None:
        require_choice("relevance_words", "place", [self.place], ["start", "end", "random"])
        require_positive("relevance_words", "times", self.times)
        require_words("relevance_words", "tokens", self.tokens)

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
        """The document with the words inserted, as far as the budget of edits goes."""
        text = case.target.text
        added = affordable([*self.tokens] * self.times, oracle.budget.edits)
        offsets = [match.start() for match in re.finditer(r"\S+", text)] or [0]
        if self.place == "random":
            at = [rng.choice([*offsets, len(text)]) for _ in added]
        else:
            at = [offsets[0] if self.place == "start" else len(text)] * len(added)
        return Perturbation(target=put(text, list(zip(at, added, strict=True))))
