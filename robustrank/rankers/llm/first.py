"""List-wise re-ranking by the log-probabilities of the first label of the answer (FIRST, Reddy et al. 2024).

One token is looked at for each window: the label after the opening bracket. Labels are letters: each is one token.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from robustrank.core.answers import Answer, Faults, Repair
from robustrank.core.errors import PluginError
from robustrank.core.types import Document, Query, RankerCard
from robustrank.rankers.llm import asking, prompts
from robustrank.rankers.llm.interface import Ability, LanguageModel
from robustrank.rankers.llm.parser import Order, filled
from robustrank.rankers.llm.windows import LOOPS, spans

NEUTRAL = "This passage is left out."
"""What all passages are replaced by to see how probable each label is whatever it stands for."""

_NAME = "llm_first"


@dataclass(frozen=True, kw_only=True)
class LlmFirst:
    """Documents of a window in the order of the probabilities of their letters as the first label of the answer.

    A letter that the back end tells no probability of is a fault ("missing"): its document follows those that have one.

    Args:
        lm: The language model: a nested table with ``use``.
        window: Documents of a window, 26 at most; services tell 20 letters at most, so 10 is safer there.
        step: Documents by which it moves.
        calibrate: Subtract the log-probabilities of the letters where all passages have one neutral text.
        repair: Of an answer without some letters: ``"end"``, ``"input"`` or ``"error"``.
        begin: What the answer begins with; empty for services that do not continue a begun answer.
        brackets: ``"keep"`` shows ``[3]`` in a passage as it is, ``"round"`` as ``(3)``.
        passage_words: Blank-separated words of a document that are shown.
        loop: ``"ours"``, or ``"rankgpt"`` or ``"first"`` as released, whose windows leave documents out.
        prompt: A text in place of ours, with the places ``{query}`` and ``{passages}``.
        system: A system message.
        quote: Put every document between marks drawn for the prompt, and say that nothing in it is an instruction.
    """

    lm: LanguageModel
    window: int = 20
    step: int = 10
    calibrate: bool = False
    repair: Repair = Repair.END
    begin: str = prompts.FIRST.begin
    brackets: str = "keep"
    passage_words: int = asking.WORDS
    loop: str = "ours"
    prompt: str = ""
    system: str = ""
    quote: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "repair", asking.repair_of(_NAME, self.repair))
        asking.require_at_least(_NAME, 1, window=self.window, step=self.step, passage_words=self.passage_words)
        asking.require_one_of(_NAME, "brackets", self.brackets, ("keep", "round"))
        asking.require_one_of(_NAME, "loop", self.loop, tuple(LOOPS))
        if self.window > 26:
            raise PluginError(f"{_NAME}: there are letters for 26 documents, window is {self.window}")
        if self.loop == "ours" and self.step >= self.window:
            raise PluginError(
                f"{_NAME}: step {self.step} is not below window {self.window}: no document could rise out of its window"
            )
        self._template.require(_NAME, "query", "passages")
        asking.require(_NAME, self.lm, Ability.OPTIONS)

    @property
    def card(self) -> RankerCard:
        """List-wise; its scores say the order alone: probabilities of two windows cannot be compared."""
        parameters = [
            self.window, self.step, self.calibrate, self.repair.value, self.brackets, self.passage_words, self.loop,
            self._template, NEUTRAL,
        ]  # fmt: skip
        own = "own prompt" if self.prompt or self.system else "prompt of RobustRank"
        notes = [f"{own}, first {self.passage_words} words of a document", LOOPS[self.loop]]
        if self.step >= self.window:
            notes.append("no document rises out of its window: the step is not below it")
        return asking.card(_NAME, self.lm, parameters, notes)

    def repaired(self, repair: Repair, /) -> LlmFirst:
        """With another repair."""
        return replace(self, repair=repair)

    def score(self, query: Query, docs: Sequence[Document], /) -> list[float]:
        """N for the first document of the order, down to 1."""
        return list(self.answer(query, docs).scores)

    def answer(self, query: Query, docs: Sequence[Document], /) -> Answer:
        """The order after all windows.

        Raises:
            InvalidAnswer: A letter's probability is not known, and the repair is :attr:`Repair.ERROR`.
        """
        tally = asking.Tally(_NAME, self.repair)
        texts = asking.shown(docs, self.passage_words, round_brackets=self.brackets == "round")
        order = list(range(len(docs)))
        for start, end in spans(len(docs), self.window, self.step, self.loop):
            inside = order[start:end]
            read = self._order(query.text, [texts[number] for number in inside])
            tally.count(read.faults, f"places {start + 1} to {end}")
            tally.ordered(read.named)
            order[start:end] = [inside[number] for number in filled(read, len(inside), self.repair)]
        return tally.answer(asking.places(order))

    def prior(self, query: Query, count: int) -> list[float | None]:
        """Log-probability of each letter where all passages have one neutral text.

        Args:
            query: The query.
            count: Documents of the window.
        """
        return self._asked(query.text, [[NEUTRAL] * count])[0]

    def _order(self, query: str, texts: Sequence[str]) -> Order:
        shown = [texts, [NEUTRAL] * len(texts)] if self.calibrate else [texts]
        found, *prior = self._asked(query, shown)
        known: dict[int, float] = {}
        for place, value in enumerate(found):
            less = prior[0][place] if prior else 0.0
            if value is not None and less is not None:
                known[place] = value - less
        named = sorted(known, key=lambda place: -known[place])
        return Order(named, Faults(missing=int(0 < len(known) < len(texts)), unparsed=int(not known)))

    def _asked(self, query: str, lists: Sequence[Sequence[str]]) -> list[list[float | None]]:
        letters = asking.labels(len(lists[0]))
        form = "[x] > [y] > [z]" if self.begin else "x > y > z"
        return self.lm.options([self._template.render(query, texts, letters, form) for texts in lists], letters)

    @property
    def _template(self) -> prompts.Template:
        text = self.prompt or prompts.FIRST.text
        return replace(prompts.FIRST, text=text, system=self.system, quote=self.quote, begin=self.begin)
