"""Point-wise re-ranking by a language model: yes or no about a passage, and the likelihood of the query after it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import exp, log

from robustrank.core.errors import ContractError
from robustrank.core.types import Document, Query, RankerCard
from robustrank.rankers.llm import asking, prompts
from robustrank.rankers.llm.interface import Ability, LanguageModel

YES = ("yes", "Yes", " yes", " Yes")
NO = ("no", "No", " no", " No")

_YES_NO = "llm_yes_no"
_LIKELIHOOD = "llm_query_likelihood"


@dataclass(frozen=True, kw_only=True)
class LlmYesNo:
    """Log-probability of yes less that of no, as the first of an answer about one passage (as of Qwen3-Reranker).

    Args:
        lm: The language model: a nested table with ``use``.
        yes: Spellings of yes; their probabilities are added up.
        no: Spellings of no.
        begin: What the answer begins with: a model's own prefill, such as an empty thought.
        passage_words: Blank-separated words of a document that are shown.
        prompt: A text in place of ours, with the places ``{query}`` and ``{passage}``.
        system: A system message.
        quote: Put every document between marks drawn for the prompt, and say that nothing in it is an instruction.
    """

    lm: LanguageModel
    yes: Sequence[str] = YES
    no: Sequence[str] = NO
    begin: str = ""
    passage_words: int = asking.WORDS
    prompt: str = ""
    system: str = ""
    quote: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "yes", tuple(self.yes))
        object.__setattr__(self, "no", tuple(self.no))
        asking.require_at_least(_YES_NO, 1, passage_words=self.passage_words, yes=len(self.yes), no=len(self.no))
        self._template.require(_YES_NO, "query", "passage")
        asking.require(_YES_NO, self.lm, Ability.OPTIONS)

    @property
    def card(self) -> RankerCard:
        """Point-wise."""
        parameters = [self.yes, self.no, self.passage_words, self._template]
        own = "own prompt" if self.prompt or self.system or self.begin else "prompt of RobustRank"
        notes = [f"{own}, first {self.passage_words} words of a document"]
        return asking.card(_YES_NO, self.lm, parameters, notes, pointwise=True, rank_only=False)

    def score(self, query: Query, docs: Sequence[Document], /) -> list[float]:
        """Log of the ratio of the probabilities of yes and no.

        Raises:
            ContractError: The back end tells no probability of any spelling of yes, or of no.
        """
        asked = [self._template.render(query.text, [text]) for text in asking.shown(docs, self.passage_words)]
        rows = self.lm.options(asked, [*self.yes, *self.no]) if asked else []
        return [_joined(row[: len(self.yes)], "yes") - _joined(row[len(self.yes) :], "no") for row in rows]

    @property
    def _template(self) -> prompts.Template:
        text = self.prompt or prompts.YES_NO.text
        return replace(prompts.YES_NO, text=text, system=self.system, quote=self.quote, begin=self.begin)


@dataclass(frozen=True, kw_only=True)
class LlmQueryLikelihood:
    """Mean log-probability of the query's tokens after the passage and a lead-in (Sachan et al. 2022).

    Args:
        lm: The language model: a nested table with ``use``.
        passage_words: Blank-separated words of a document that are shown.
        prompt: A text in place of ours, with the place ``{passage}``; the query follows it, after a blank.
        system: A system message.
    """

    lm: LanguageModel
    passage_words: int = asking.WORDS
    prompt: str = ""
    system: str = ""

    def __post_init__(self) -> None:
        asking.require_at_least(_LIKELIHOOD, 1, passage_words=self.passage_words)
        self._template.require(_LIKELIHOOD, "passage")
        asking.require(_LIKELIHOOD, self.lm, Ability.LOGLIK)

    @property
    def card(self) -> RankerCard:
        """Point-wise."""
        own = "own prompt" if self.prompt or self.system else "prompt of RobustRank"
        notes = [f"{own}, first {self.passage_words} words of a document"]
        parameters = [self.passage_words, self._template]
        return asking.card(_LIKELIHOOD, self.lm, parameters, notes, pointwise=True, rank_only=False)

    def score(self, query: Query, docs: Sequence[Document], /) -> list[float]:
        """Mean over the query's tokens; 0 where it has none."""
        asked = [self._template.render("", [text]) for text in asking.shown(docs, self.passage_words)]
        text = f" {query.text}" if query.text else ""
        sums = self.lm.loglik(asked, [text] * len(asked)) if asked else []
        return [total / count if count else 0.0 for total, count in sums]

    @property
    def _template(self) -> prompts.Template:
        own = prompts.Template(text=self.prompt) if self.prompt else prompts.QUERY_OF
        return replace(own, system=self.system)


def _joined(values: Sequence[float | None], what: str) -> float:
    """Log of the sum of probabilities, of those that are known."""
    known = [value for value in values if value is not None]
    if not known:
        raise ContractError(f"{_YES_NO}: the model tells no probability of {what!r}: other tokens are more probable")
    most = max(known)
    return most + log(sum(exp(value - most) for value in known))
