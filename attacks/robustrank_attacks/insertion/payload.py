"""A payload: a sentence of the attacker's in a relevant document that is to keep its rank.

What spammers do every day to pages that rank: an advert or a falsehood goes into them, and the question is whether a
ranker minds (after the injection of sentences into relevant passages by Tamber and Lin, 2025). The attack
succeeds where the document loses no rank; its control puts in as many neutral words.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Literal

from robustrank.plugin import (
    Access,
    AttackSet,
    Case,
    Goal,
    Oracle,
    Perturbation,
    PluginError,
    Surface,
    ThreatModel,
    words,
)
from robustrank_attacks._options import require_choice
from robustrank_attacks.insertion._insertion import offsets, put
from robustrank_attacks.insertion._search import insertable, price
from robustrank_attacks.insertion.benign_insertion import neutral_sentences

ADVERT = "Order today in our online shop and save half of the price."

PLACES = ("start", "middle", "end")


@dataclass(frozen=True, kw_only=True)
class Payload:
    """Put a sentence into a relevant document of the top five, whole, if the budget of edits pays for it.

    Args:
        text: The sentence: an advert, or a falsehood.
        place: ``"start"``, ``"middle"`` (the gap between sentences that is nearest to it), or ``"end"``.
        control: Put in as many words of neutral sentences in its place.
    """

    text: str = ADVERT
    place: Literal["start", "middle", "end"] = "middle"
    control: bool = False

    def __post_init__(self) -> None:
        require_choice("payload", "place", [self.place], PLACES)
        if not words(self.text):
            raise PluginError("payload: text must have at least one word")

    @property
    def threat(self) -> ThreatModel:
        """Sees nothing of the ranker; inserts words into the document."""
        return ThreatModel(
            known_as=("LLM08:2025", "AML.T0070"),
            surface=Surface.DOCUMENT,
            access=Access.NONE,
            edits=AttackSet(operation="insert"),
            goal=Goal.KEEP,
            control=self.control,
        )

    def perturb(self, case: Case, oracle: Oracle, rng: Random, /) -> Perturbation:
        """The document with the sentence in it; unchanged where the budget does not pay for all of it."""
        sentence = insertable(self.text)
        if self.control:
            neutral = [word for line in rng.sample(neutral_sentences(), len(neutral_sentences())) for word in line]
            count = len(words(sentence))
            sentence = insertable(" ".join((neutral * (count // len(neutral) + 1))[:count]))
        if oracle.budget.edits is not None and price(sentence) > oracle.budget.edits:
            return Perturbation()
        return Perturbation(target=put(case.target.text, [(self._offset(case.target.text), sentence)]))

    def _offset(self, text: str) -> int:
        if self.place != "middle":
            return offsets(text, self.place)[0]
        return min(offsets(text, "gaps"), key=lambda at: abs(2 * at - len(text)))
