"""List-wise re-ranking by generation in windows that slide from the end of the list to its front.

The method is RankGPT's (Sun et al. 2023), the prompt our own. Loops of released code are variants by name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from robustrank.core.answers import Answer, Repair
from robustrank.core.errors import PluginError
from robustrank.core.types import Document, Query, RankerCard
from robustrank.rankers.llm import asking, prompts
from robustrank.rankers.llm.interface import Ability, LanguageModel, Segment
from robustrank.rankers.llm.parser import LENIENT, LETTERS, NUMBERS, STRICT, filled, read

LOOPS = {
    "ours": "",
    "rankgpt": "loop of RankGPT: lists shorter than the window are not asked at all, and where length - window is no "
    "multiple of the step the first documents are in no window",
    "first": "loop of FIRST and rank_llm: lists as long as window - step are not asked at all",
}
"""How windows slide, and what a reader must know of it."""


@dataclass(frozen=True, kw_only=True)
class LlmWindows:
    """The model writes the order of the passages of a window; windows slide from the end of the list to its front.

    Args:
        lm: The language model: a nested table with ``use``.
        window: Documents of a window.
        step: Documents by which it moves.
        turns: ``"single"``: one message holds all passages; ``"multi"``: a dialogue with one turn a passage.
        parser: ``"lenient"`` reads every run of digits, as deployed; ``"strict"`` orders and nothing else.
        repair: Of an invalid answer: ``"end"`` puts what is missing after what was named, ``"input"`` keeps the order
            shown, ``"error"`` gives no result.
        labels: ``"numbers"`` or ``"letters"``.
        brackets: ``"keep"`` shows ``[3]`` in a passage as it is, ``"round"`` as ``(3)``.
        passage_words: Blank-separated words of a document that are shown.
        tokens: Most tokens of an answer; 0: 8 for each document, and 16.
        loop: ``"ours"``, or ``"rankgpt"`` or ``"first"`` as released, whose windows leave documents out.
        prompt: A text in place of ours, with the places ``{query}`` and ``{passages}``, and if wanted ``{count}`` and
            ``{labels}``.
        system: A system message.
        quote: Put every document between marks drawn for the prompt, and say that nothing in it is an instruction.
    """

    lm: LanguageModel
    window: int = 20
    step: int = 10
    turns: str = "single"
    parser: str = LENIENT
    repair: Repair = Repair.END
    labels: str = NUMBERS
    brackets: str = "keep"
    passage_words: int = asking.WORDS
    tokens: int = 0
    loop: str = "ours"
    prompt: str = ""
    system: str = ""
    quote: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "repair", asking.repair_of(_NAME, self.repair))
        asking.require_at_least(_NAME, 1, window=self.window, step=self.step, passage_words=self.passage_words)
        asking.require_at_least(_NAME, 0, tokens=self.tokens)
        for name, values in (
            ("turns", ("single", "multi")),
            ("parser", (STRICT, LENIENT)),
            ("labels", (NUMBERS, LETTERS)),
            ("brackets", ("keep", "round")),
            ("loop", tuple(LOOPS)),
        ):
            asking.require_one_of(_NAME, name, getattr(self, name), values)
        if self.loop == "ours" and self.step >= self.window:
            raise PluginError(
                f"{_NAME}: step {self.step} is not below window {self.window}: no document could rise out of its window"
            )
        if self.labels == LETTERS and self.window > 26:
            raise PluginError(f"{_NAME}: there are letters for 26 documents, window is {self.window}")
        for name in ("prompt", "quote"):
            if self.turns == "multi" and getattr(self, name):
                raise PluginError(f'{_NAME}: `{name}` is of one message; leave it out, or set turns = "single"')
        self._template.require(_NAME, "query", "passages")
        asking.require(_NAME, self.lm, Ability.GENERATE)

    @property
    def card(self) -> RankerCard:
        """List-wise; its scores say the order alone."""
        parameters = [
            self.window, self.step, self.turns, self.parser, self.repair.value, self.labels, self.brackets,
            self.passage_words, self.tokens, self.loop, self._template, prompts.TURNS if self.turns == "multi" else "",
        ]  # fmt: skip
        own = "own prompt" if self.prompt or self.system else f"prompt of RobustRank ({self.turns} turn)"
        notes = [f"{own}, first {self.passage_words} words of a document", LOOPS[self.loop]]
        if self.step >= self.window:
            notes.append("no document rises out of its window: the step is not below it")
        return asking.card(_NAME, self.lm, parameters, notes)

    def repaired(self, repair: Repair, /) -> LlmWindows:
        """With another repair."""
        return replace(self, repair=repair)

    def score(self, query: Query, docs: Sequence[Document], /) -> list[float]:
        """N for the first document of the order, down to 1."""
        return list(self.answer(query, docs).scores)

    def answer(self, query: Query, docs: Sequence[Document], /) -> Answer:
        """The order after all windows.

        Raises:
            InvalidAnswer: An answer is invalid, and the repair is :attr:`Repair.ERROR`.
        """
        tally = asking.Tally(_NAME, self.repair)
        texts = asking.shown(docs, self.passage_words, round_brackets=self.brackets == "round")
        order = list(range(len(docs)))
        for start, end in spans(len(docs), self.window, self.step, self.loop):
            inside = order[start:end]
            prompt = self._prompt(query.text, [texts[number] for number in inside])
            (written,) = self.lm.generate([prompt], tokens=self.tokens or 8 * len(inside) + 16)
            named = read(written, len(inside), labels=self.labels, parser=self.parser)
            tally.count(named.faults, f"places {start + 1} to {end}, answered {written.text[:60]!r}")
            tally.ordered(named.named)
            order[start:end] = [inside[number] for number in filled(named, len(inside), self.repair)]
        return tally.answer(asking.places(order))

    def _prompt(self, query: str, texts: Sequence[str]) -> list[Segment]:
        names = asking.labels(len(texts), self.labels)
        if self.turns == "single":
            return self._template.render(query, texts, names, _FORM)
        system = [Segment(self.system, "system")] if self.system else []
        return [*system, *prompts.dialogue(query, texts, names, _FORM)]

    @property
    def _template(self) -> prompts.Template:
        return replace(prompts.WINDOWS, text=self.prompt or prompts.WINDOWS.text, system=self.system, quote=self.quote)


_NAME = "llm_windows"
_FORM = "[x] > [y] > [z]"


def spans(count: int, window: int, step: int, loop: str = "ours") -> list[tuple[int, int]]:
    """Windows, as places from and up to, in the order in which they are asked.

    Args:
        count: Documents of the list.
        window: Most documents of a window.
        step: By which it moves.
        loop: Of :data:`LOOPS`.
    """
    spans = []
    start, end = count - window, count
    while end > 0:
        if (loop == "rankgpt" and start < 0) or (loop == "first" and start + step == 0):
            break
        spans.append((max(start, 0), end))
        if loop == "ours" and start <= 0:
            break
        start = (start if loop == "rankgpt" else max(start, 0)) - step
        end -= step
    return spans
