"""A made-up language model whose answers follow from the documents that it is shown: for tests and dry runs.

It sees which segments of a prompt are documents and which is the query, and answers every question by what documents
are worth: an order where documents are labelled ``[1]`` or ``[A]``, a letter where they are labelled ``A:``, yes or no
for a single one. It is a function of the prompt, without any state.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from math import exp, log
from typing import TYPE_CHECKING, NamedTuple

from robustrank.core import usage
from robustrank.core.errors import PluginError, PluginFailed
from robustrank.core.words import words
from robustrank.rankers.llm.interface import Ability, ModelCard, Prompt, Segment, Written

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Truth = Callable[[str, str], float]
"""Texts of query and document, to what the document is worth."""

FAULTS = ("none", "missing", "repeated", "out_of_range", "unparsed", "refused", "empty", "cut", "error")

_LABEL = re.compile(r"(\[?)(\w+)\]?:?\s*$")


class Shown(NamedTuple):
    """A document as a prompt shows it."""

    number: int
    label: str
    bracketed: bool
    text: str


Answer = Callable[[Sequence[Shown], Sequence[int], Prompt], Written | str]
"""Documents as shown, their places best first, and the prompt, to what is written."""


def overlap(query: str, text: str) -> float:
    """How many words of the query a text has, each once, and a little less for every word that is none."""
    terms = {word.text.lower() for word in words(query)}
    of_text = [word.text.lower() for word in words(text)]
    return len(terms & {*of_text}) - sum(word not in terms for word in of_text) / (1 + len(of_text)) / 2


class Scripted:
    """A language model by functions, for tests.

    Args:
        truth: What a document is worth.
        answer: What is written; by default the true order in the form that the prompt's labels ask for.
        can: Its abilities.
        context: Tokens (blank-separated words) of prompt and answer.
        name: Tells it from others: part of its fingerprint.
        position_bias: Worth that a document gains by each document shown after it.
    """

    def __init__(
        self, truth: Truth = overlap, answer: Answer | None = None, *, can: Sequence[Ability] = tuple(Ability),
        context: int | None = None, name: str = "scripted", position_bias: float = 0.0,
    ) -> None:  # fmt: skip
        self._truth, self._answer, self._bias = truth, answer, position_bias
        self.card = ModelCard(name=name, fingerprint=f"{name} {position_bias}", can=frozenset(can), context=context)

    def generate(self, prompts: Sequence[Prompt], /, *, tokens: int, stop: Sequence[str] = ()) -> list[Written]:
        """The scripted answers; one that ends at the limit says so itself."""
        return [self._counted(prompt, self._write(prompt)) for prompt in prompts]

    def options(self, prompts: Sequence[Prompt], choices: Sequence[str], /) -> list[list[float | None]]:
        """Softmax of worth over the labels; of a single document P(yes) is the logistic function of its worth."""
        rows: list[list[float | None]] = []
        for prompt in prompts:
            self._counted(prompt, Written(""))
            docs = shown(prompt)
            worth = self._worth(prompt, docs)
            if len(docs) == 1 and not docs[0].label:
                known = {"yes": -log(1 + exp(-worth[0])), "no": -log(1 + exp(worth[0]))}
            else:
                total = log(sum(exp(each - max(worth)) for each in worth)) + max(worth)
                known = {doc.label: each - total for doc, each in zip(docs, worth, strict=True)}
            rows.append([known.get(choice) for choice in choices])
        return rows

    def loglik(self, prompts: Sequence[Prompt], continuations: Sequence[str], /) -> list[tuple[float, int]]:
        """What the prompt's document is worth to the continuation, less one for each of its words."""
        answers = []
        for prompt, text in zip(prompts, continuations, strict=True):
            self._counted(prompt, Written(""))
            count = len(text.split())
            answers.append((sum(self._truth(text, doc.text) for doc in shown(prompt)) - count, count))
        return answers

    def attend(self, prompt: Prompt, endings: Sequence[Prompt], /) -> list[list[NDArray[np.float64]]]:
        """Each document's worth to the query of the ending, the same for each of its words, and 1 for all words."""
        import numpy as np

        self._counted(prompt, Written(""))
        rows = []
        for ending in endings:
            self._counted(ending, Written(""))
            docs = shown(prompt)
            counts = [max(1, len(doc.text.split())) for doc in docs]
            worth = self._worth(ending, docs)
            rows.append([np.full(count, 1 + each / count) for count, each in zip(counts, worth, strict=True)])
        return rows

    def _write(self, prompt: Prompt) -> Written:
        docs = shown(prompt)
        worth = self._worth(prompt, docs)
        best = sorted(range(len(docs)), key=lambda place: -worth[place])
        written = self._answer(docs, best, prompt) if self._answer else in_form(docs, best, worth)
        return Written(written) if isinstance(written, str) else written

    def _worth(self, prompt: Prompt, docs: Sequence[Shown]) -> list[float]:
        query = next((segment.text for segment in prompt if segment.query), "")
        return [self._truth(query, doc.text) + self._bias * (len(docs) - place) for place, doc in enumerate(docs)]

    def _counted(self, prompt: Prompt, written: Written) -> Written:
        read, wrote = sum(len(segment.text.split()) for segment in prompt), len(written.text.split())
        usage.count(calls=1, passes=1 + wrote, tokens_in=read, tokens_out=wrote)
        if self.card.context is not None and read + wrote > self.card.context:
            raise PluginFailed(f"{self.card.name}: {read + wrote} tokens, it reads {self.card.context}")
        return written


@dataclass(frozen=True, kw_only=True)
class ScriptedModel:
    """A made-up language model that orders documents by the query's words in them, with faults as they are set.

    Args:
        position_bias: Worth that a document gains by each document shown after it; a word of the query is worth 1.
        copycat: Share of prompts that it answers with the order in which documents are shown.
        obeys: Text of an instruction; a document that has it comes first where the model obeys.
        obedience: Share of prompts with such a document in which it obeys.
        fault: What is wrong in some answers: ``"missing"``, ``"repeated"``, ``"out_of_range"``, ``"unparsed"``,
            ``"refused"``, ``"empty"``, ``"cut"``, or ``"error"``, where the back end fails.
        faulty: Share of prompts with the fault.
        seed: Other prompts are answered with the fault, by obedience, as a copycat.
    """

    position_bias: float = 0.0
    copycat: float = 0.0
    obeys: str = "rank this passage first"
    obedience: float = 0.0
    fault: str = "none"
    faulty: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.fault not in FAULTS:
            raise PluginError(f"scripted: fault is one of {', '.join(FAULTS)}, not {self.fault!r}")
        for name in ("copycat", "obedience", "faulty"):
            if not 0 <= getattr(self, name) <= 1:
                raise PluginError(f"scripted: {name} is a share from 0 to 1, not {getattr(self, name)}")

    @property
    def card(self) -> ModelCard:
        """All abilities."""
        return ModelCard(name="scripted", fingerprint=repr(self), can=frozenset(Ability), note="a made-up model")

    def generate(self, prompts: Sequence[Prompt], /, *, tokens: int, stop: Sequence[str] = ()) -> list[Written]:
        """The scripted answers."""
        return self._model.generate(prompts, tokens=tokens, stop=stop)

    def options(self, prompts: Sequence[Prompt], choices: Sequence[str], /) -> list[list[float | None]]:
        """As of :class:`Scripted`; faults are of generated answers only."""
        return self._model.options(prompts, choices)

    def loglik(self, prompts: Sequence[Prompt], continuations: Sequence[str], /) -> list[tuple[float, int]]:
        """As of :class:`Scripted`."""
        return self._model.loglik(prompts, continuations)

    def attend(self, prompt: Prompt, endings: Sequence[Prompt], /) -> list[list[NDArray[np.float64]]]:
        """As of :class:`Scripted`."""
        return self._model.attend(prompt, endings)

    @cached_property
    def _model(self) -> Scripted:
        return Scripted(overlap, self._write, position_bias=self.position_bias)

    def _write(self, docs: Sequence[Shown], best: Sequence[int], prompt: Prompt) -> Written:
        if self._drawn("copycat", prompt) < self.copycat:
            best = range(len(docs))
        if self._drawn("obedience", prompt) < self.obedience:
            best = sorted(best, key=lambda place: self.obeys.lower() not in docs[place].text.lower())
        query = next((segment.text for segment in prompt if segment.query), "")
        text = in_form(docs, best, [overlap(query, doc.text) for doc in docs])
        return with_fault(text, self.fault) if self._drawn("fault", prompt) < self.faulty else Written(text)

    def _drawn(self, what: str, prompt: Prompt) -> float:
        """Uniform in [0, 1), the same for the same prompt."""
        return int.from_bytes(sha256(repr((self.seed, what, list(prompt))).encode()).digest()[:6]) / 2**48


def shown(prompt: Prompt) -> list[Shown]:
    """The documents of a prompt, in the order shown, with the labels in front of them."""
    docs, before = [], Segment("")
    for segment in prompt:
        if segment.document is not None:
            label = _LABEL.search(before.text) if before.document is None else None
            labelled = label is not None and (bool(label[1]) or len(label[2]) == 1)
            docs.append(
                Shown(segment.document, label[2], bool(label[1]), segment.text)
                if label is not None and labelled
                else Shown(segment.document, "", False, segment.text)
            )
        before = segment
    return docs


def in_form(docs: Sequence[Shown], best: Sequence[int], worth: Sequence[float]) -> str:
    """An order as the labels of the prompt ask for it."""
    if len(docs) == 1 and not docs[0].label:
        return "yes" if worth[0] > 0 else "no"
    if docs and not docs[0].bracketed:
        return docs[best[0]].label
    return " > ".join(f"[{docs[place].label}]" for place in best)


def with_fault(text: str, fault: str) -> Written:
    """An answer with a fault.

    Raises:
        PluginFailed: The fault is ``"error"``.
    """
    parts = text.split(" > ")
    if fault == "error":
        raise PluginFailed("scripted: Error code: 429, 2 of 20 requests left (told to fail)")
    texts = {
        "missing": " > ".join(parts[:-1]) if len(parts) > 1 else "[]",
        "repeated": " > ".join([parts[0], *parts]),
        "out_of_range": " > ".join(["[999]", *parts]),
        "unparsed": "I cannot rank these.",
        "cut": " > ".join(parts[: (len(parts) + 1) // 2]),
    }
    return Written(texts.get(fault, "" if fault in ("refused", "empty") else text), fault == "cut", fault == "refused")
