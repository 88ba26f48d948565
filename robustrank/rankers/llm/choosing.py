"""One question of comparing rankers: which of some passages answers the query best?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from robustrank.core.answers import Faults
from robustrank.rankers.llm import asking
from robustrank.rankers.llm.interface import Ability, LanguageModel
from robustrank.rankers.llm.parser import choose
from robustrank.rankers.llm.prompts import Template

TOKENS = 8
"""Of an answer."""

BY = {"options": Ability.OPTIONS, "generate": Ability.GENERATE}
"""How a choice is read: the most probable letter, or the letter that is written."""


@dataclass(frozen=True, kw_only=True)
class Chooser:
    """Asks for the best of some passages.

    Args:
        lm: The language model.
        by: Of :data:`BY`.
        template: The prompt.
        parser: Of written answers.
        tally: Counts the answers.
    """

    lm: LanguageModel
    by: str
    template: Template
    parser: str
    tally: asking.Tally

    def best(self, query: str, groups: Sequence[Sequence[str]]) -> list[int | None]:
        """The place of the best text of each group; ``None`` where the answer names none.

        Raises:
            InvalidAnswer: It names none, and the repair is :attr:`robustrank.core.answers.Repair.ERROR`.
        """
        asked = [self.template.render(query, texts, asking.labels(len(texts))) for texts in groups]
        chosen: list[int | None] = []
        if self.by == "generate":
            for written, texts in zip(self.lm.generate(asked, tokens=TOKENS), groups, strict=True):
                place, faults = choose(written, len(texts), parser=self.parser)
                self._count(place, faults, f"answered {written.text[:60]!r}")
                chosen.append(place)
            return chosen
        letters = asking.labels(max(map(len, groups), default=0))
        for row, texts in zip(self.lm.options(asked, letters) if asked else [], groups, strict=True):
            known = {place: value for place, value in enumerate(row[: len(texts)]) if value is not None}
            most = max(known.values(), default=None)
            first = [place for place, value in known.items() if value == most]
            tied = len(first) == len(texts) > 1  # nothing tells them apart
            place = first[0] if first and not tied else None
            faults = Faults(missing=int(0 < len(known) < len(texts)), unparsed=int(not known))
            self._count(place, faults, "probabilities of the letters")
            chosen.append(place)
        return chosen

    def _count(self, place: int | None, faults: Faults, about: str) -> None:
        self.tally.count(faults, about)
        if place is not None:
            self.tally.orderings += 1
            self.tally.unchanged += place == 0
