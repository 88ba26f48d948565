"""Set-wise re-ranking: the best of a few passages, by a heap or by bubbles (Zhuang et al. 2024)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from robustrank.core.answers import Answer, Repair
from robustrank.core.errors import PluginError
from robustrank.core.types import Document, Query, RankerCard
from robustrank.rankers.llm import asking, prompts
from robustrank.rankers.llm.choosing import BY, Chooser
from robustrank.rankers.llm.interface import LanguageModel
from robustrank.rankers.llm.parser import LENIENT, STRICT

_NAME = "llm_setwise"


@dataclass(frozen=True, kw_only=True)
class LlmSetwise:
    """The first ``k`` documents by choices of the best of ``children`` + 1 passages; the others follow as shown.

    An answer that names none leaves the passage shown first in front, and is counted as invalid.

    Args:
        lm: The language model: a nested table with ``use``.
        children: Passages that one is compared with.
        k: Documents that are sorted to the front.
        sort: ``"heap"`` or ``"bubble"``.
        by: ``"options"``: the most probable letter; ``"generate"``: the letter that is written.
        parser: Of written answers: ``"strict"`` or ``"lenient"``.
        repair: Of an answer that names none: ``"end"`` and ``"input"`` are the same; ``"error"`` gives no result.
        brackets: ``"keep"`` shows ``[3]`` in a passage as it is, ``"round"`` as ``(3)``.
        passage_words: Blank-separated words of a document that are shown.
        prompt: A text in place of ours, with the places ``{query}`` and ``{passages}``.
        system: A system message.
        quote: Put every document between marks drawn for the prompt, and say that nothing in it is an instruction.
    """

    lm: LanguageModel
    children: int = 3
    k: int = 10
    sort: str = "heap"
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
        asking.require_at_least(_NAME, 1, children=self.children, k=self.k, passage_words=self.passage_words)
        if self.children > 25:
            raise PluginError(f"{_NAME}: there are letters for 26 documents, children is {self.children}")
        asking.require_one_of(_NAME, "sort", self.sort, ("heap", "bubble"))
        asking.require_one_of(_NAME, "by", self.by, tuple(BY))
        asking.require_one_of(_NAME, "parser", self.parser, (STRICT, LENIENT))
        asking.require_one_of(_NAME, "brackets", self.brackets, ("keep", "round"))
        self._template.require(_NAME, "query", "passages")
        asking.require(_NAME, self.lm, BY[self.by])

    @property
    def card(self) -> RankerCard:
        """List-wise; its scores say the order alone."""
        parameters = [
            self.children, self.k, self.sort, self.by, self.parser, self.repair.value, self.brackets,
            self.passage_words, self._template,
        ]  # fmt: skip
        own = "own prompt" if self.prompt or self.system else "prompt of RobustRank"
        notes = [
            f"{own}, first {self.passage_words} words of a document",
            f"documents below rank {self.k} keep the order of the first stage",
        ]
        return asking.card(_NAME, self.lm, parameters, notes)

    def repaired(self, repair: Repair, /) -> LlmSetwise:
        """With another repair."""
        return replace(self, repair=repair)

    def score(self, query: Query, docs: Sequence[Document], /) -> list[float]:
        """N for the first document of the order, down to 1."""
        return list(self.answer(query, docs).scores)

    def answer(self, query: Query, docs: Sequence[Document], /) -> Answer:
        """The order after all choices; of those, how often the passage shown first was chosen.

        Raises:
            InvalidAnswer: An answer names no passage, and the repair is :attr:`Repair.ERROR`.
        """
        tally = asking.Tally(_NAME, self.repair)
        texts = asking.shown(docs, self.passage_words, round_brackets=self.brackets == "round")
        chooser = Chooser(lm=self.lm, by=self.by, template=self._template, parser=self.parser, tally=tally)

        def best(numbers: Sequence[int]) -> int:
            (place,) = chooser.best(query.text, [[texts[number] for number in numbers]])
            return place or 0

        sort = heap if self.sort == "heap" else bubble
        first = sort(len(docs), self.k, self.children, best)
        return tally.answer(asking.places(list(dict.fromkeys([*first, *range(len(docs))]))))

    @property
    def _template(self) -> prompts.Template:
        return replace(prompts.COMPARE, text=self.prompt or prompts.COMPARE.text, system=self.system, quote=self.quote)


Best = Callable[[Sequence[int]], int]
"""Numbers of documents as shown, to the place of the best; the first where that is not known."""


def heap(count: int, k: int, children: int, best: Best) -> list[int]:
    """The first ``k`` documents by a heap in which every document has some children.

    Args:
        count: Documents.
        k: Documents wanted.
        children: Of a node.
        best: Compares a parent, shown first, with its children.
    """
    order = list(range(count))

    def sink(at: int, size: int) -> None:
        while (below := at * children + 1) < size:
            places = [at, *range(below, min(below + children, size))]
            winner = places[best([order[place] for place in places])]
            if winner == at:
                return
            order[at], order[winner] = order[winner], order[at]
            at = winner

    for at in reversed(range((count - 1 + children - 1) // children)):
        sink(at, count)
    first = []
    for size in range(count, max(0, count - k), -1):
        first.append(order[0])
        order[0] = order[size - 1]
        if len(first) < k:
            sink(0, size - 1)
    return first


def bubble(count: int, k: int, children: int, best: Best) -> list[int]:
    """The first ``k`` documents by passes from the end of the list, each of which brings the best to its front."""
    order = list(range(count))
    for front in range(min(k, count - 1)):
        end = count
        while end - front > 1:
            start = max(front, end - children - 1)
            winner = start + best(order[start:end])
            order[start], order[winner] = order[winner], order[start]
            end = start + 1
    return order[:k]
