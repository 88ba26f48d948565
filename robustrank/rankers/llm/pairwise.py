"""Pair-wise re-ranking: two passages, shown in both orders (pairwise ranking prompting, Qin et al. 2024)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

from robustrank.core.answers import Answer, Repair
from robustrank.core.types import Document, Query, RankerCard
from robustrank.rankers.llm import asking, prompts, setwise
from robustrank.rankers.llm.choosing import BY, Chooser
from robustrank.rankers.llm.interface import LanguageModel
from robustrank.rankers.llm.parser import LENIENT, STRICT

_NAME = "llm_pairwise"


@dataclass(frozen=True, kw_only=True)
class LlmPairwise:
    """Documents by comparisons of two, each asked in both orders: one wins if both answers name it, else it is a tie.

    Args:
        lm: The language model: a nested table with ``use``.
        sort: ``"all"``: wins and half the ties over all pairs; ``"heap"`` or ``"bubble"``: the first ``k`` documents,
            the others follow as shown; a tie leaves two documents as they are.
        k: Documents that a heap or bubbles sort to the front.
        by: ``"options"``: the more probable letter; ``"generate"``: the letter that is written.
        parser: Of written answers: ``"strict"`` or ``"lenient"``.
        repair: Of an answer that names none: ``"end"`` and ``"input"`` make the comparison a tie; ``"error"`` gives
            no result.
        brackets: ``"keep"`` shows ``[3]`` in a passage as it is, ``"round"`` as ``(3)``.
        passage_words: Blank-separated words of a document that are shown.
        prompt: A text in place of ours, with the places ``{query}`` and ``{passages}``.
        system: A system message.
        quote: Put every document between marks drawn for the prompt, and say that nothing in it is an instruction.
    """

    lm: LanguageModel
    sort: str = "all"
    k: int = 10
    by: str = "options"
    parser: str = STRICT
    repair: Repair = Repair.END
    brackets: str = "keep"
    passage_words: int = asking.WORDS
    prompt: str = ""
    system: str = ""
    quote: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "repair", asking.repair_of(_NAME, self.repair))
        asking.require_at_least(_NAME, 1, k=self.k, passage_words=self.passage_words)
        asking.require_one_of(_NAME, "sort", self.sort, ("all", "heap", "bubble"))
        asking.require_one_of(_NAME, "by", self.by, tuple(BY))
        asking.require_one_of(_NAME, "parser", self.parser, (STRICT, LENIENT))
        asking.require_one_of(_NAME, "brackets", self.brackets, ("keep", "round"))
        self._template.require(_NAME, "query", "passages")
        asking.require(_NAME, self.lm, BY[self.by])

    @property
    def card(self) -> RankerCard:
        """List-wise; its scores say the order alone."""
        parameters = [
            self.sort, self.k, self.by, self.parser, self.repair.value, self.brackets, self.passage_words,
            self._template,
        ]  # fmt: skip
        own = "own prompt" if self.prompt or self.system else "prompt of RobustRank"
        notes = [
            f"{own}, first {self.passage_words} words of a document, both orders of a pair",
            "" if self.sort == "all" else f"documents below rank {self.k} keep the order of the first stage",
        ]
        return asking.card(_NAME, self.lm, parameters, notes)

    def repaired(self, repair: Repair, /) -> LlmPairwise:
        """With another repair."""
        return replace(self, repair=repair)

    def score(self, query: Query, docs: Sequence[Document], /) -> list[float]:
        """Wins and half the ties, or N for the first document of the order, down to 1."""
        return list(self.answer(query, docs).scores)

    def answer(self, query: Query, docs: Sequence[Document], /) -> Answer:
        """The list, ordered, with the ties of its comparisons.

        Raises:
            InvalidAnswer: An answer names no passage, and the repair is :attr:`Repair.ERROR`.
        """
        tally = asking.Tally(_NAME, self.repair)
        texts = asking.shown(docs, self.passage_words, round_brackets=self.brackets == "round")
        chooser = Chooser(lm=self.lm, by=self.by, template=self._template, parser=self.parser, tally=tally)

        def winners(pairs: Sequence[tuple[int, int]]) -> list[int | None]:
            both = [order for a, b in pairs for order in ((a, b), (b, a))]
            answers = chooser.best(query.text, [[texts[number] for number in order] for order in both])
            named = [None if place is None else order[place] for place, order in zip(answers, both, strict=True)]
            won = [one if one == other else None for one, other in zip(named[::2], named[1::2], strict=True)]
            tally.comparisons += len(won)
            tally.ties += won.count(None)
            return won

        if self.sort == "all":
            scores = [0.0] * len(docs)
            pairs = list(combinations(range(len(docs)), 2))
            for pair, winner in zip(pairs, winners(pairs), strict=True):
                for number in pair:
                    scores[number] += 0.5 if winner is None else float(number == winner)
            return tally.answer(scores)

        def best(numbers: Sequence[int]) -> int:
            """The place of the best of a document and those it is compared with, one after another."""
            place = 0
            for other in range(1, len(numbers)):
                if winners([(numbers[place], numbers[other])]) == [numbers[other]]:
                    place = other
            return place

        sort, children = (setwise.heap, 2) if self.sort == "heap" else (setwise.bubble, 1)
        first = sort(len(docs), self.k, children, best)
        return tally.answer(asking.places(list(dict.fromkeys([*first, *range(len(docs))]))))

    @property
    def _template(self) -> prompts.Template:
        return replace(prompts.COMPARE, text=self.prompt or prompts.COMPARE.text, system=self.system, quote=self.quote)
