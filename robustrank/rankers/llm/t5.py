"""monoT5 and duoT5: encoder-decoders that answer true or false (Nogueira et al. 2020, Pradeep et al. 2021).

Prompts are those that the models were trained with. What is too long is cut from documents alone, so that the words
after them, which ask the question, are always read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import sha256
from itertools import permutations
from typing import Any

from robustrank.core import usage
from robustrank.core.answers import Answer, Repair
from robustrank.core.errors import ContractError, PluginError
from robustrank.core.types import Document, Query, RankerCard
from robustrank.rankers.llm import asking
from robustrank.rankers.llm.backends import model_files
from robustrank.rankers.llm.backends.rendering import TEXT, Encoded, Renderer
from robustrank.rankers.llm.prompts import Template
from robustrank.rankers.models.batching import by_length

MONO = Template(text="Query: {query} Document: {passage} Relevant:")
DUO = Template(text="Query: {query} {passages}Relevant:", passage="Document{label}: {passage} ")
"""As trained."""


@dataclass(frozen=True, kw_only=True)
class MonoT5:
    """Log-probability of ``true`` against ``false`` as the first token of the answer about one document.

    Args:
        model: A local folder or a hub id, in safetensors.
        true: The word of a relevant document; one token.
        false: The word of one that is not.
        max_length: Tokens of query, document and what stands around them.
        device: ``"auto"``, ``"cpu"``, ``"cuda"``, ...
        batch: Prompts of one forward pass.
    """

    model: str
    true: str = "true"
    false: str = "false"
    max_length: int = 512
    device: str = "auto"
    batch: int = 16

    def __post_init__(self) -> None:
        asking.require_at_least("monot5", 1, batch=self.batch, max_length=self.max_length)

    @cached_property
    def card(self) -> RankerCard:
        """Point-wise."""
        return _card("monot5", self, MONO, pointwise=True)

    def score(self, query: Query, docs: Sequence[Document], /) -> list[float]:
        """Log-softmax over the two words.

        Raises:
            ContractError: The query alone is too long.
        """
        judge = _judge(self)
        return judge.log_true([MONO.render(query.text, [doc.text]) for doc in docs])


@dataclass(frozen=True, kw_only=True)
class DuoT5:
    """Documents by the probability that each is more relevant than the others, every pair asked in both orders.

    A comparison in which both orders prefer the document shown first, or both the second, counts as a tie.

    Args:
        model: A local folder or a hub id, in safetensors.
        true: The word for: the first document is more relevant; one token.
        false: The word for the second.
        max_length: Tokens of query, both documents and what stands around them.
        device: ``"auto"``, ``"cpu"``, ``"cuda"``, ...
        batch: Prompts of one forward pass.
        repair: Probabilities are always there, so there is nothing to repair.
    """

    model: str
    true: str = "true"
    false: str = "false"
    max_length: int = 512
    device: str = "auto"
    batch: int = 16
    repair: Repair = Repair.END

    def __post_init__(self) -> None:
        object.__setattr__(self, "repair", asking.repair_of("duot5", self.repair))
        asking.require_at_least("duot5", 1, batch=self.batch, max_length=self.max_length)

    @cached_property
    def card(self) -> RankerCard:
        """List-wise: a score is a sum over the other documents."""
        return _card("duot5", self, DUO, pointwise=False)

    def repaired(self, repair: Repair, /) -> DuoT5:
        """With another repair."""
        return replace(self, repair=repair)

    def score(self, query: Query, docs: Sequence[Document], /) -> list[float]:
        """Sum over the other documents of the mean probability to be the more relevant one, of both orders."""
        return list(self.answer(query, docs).scores)

    def answer(self, query: Query, docs: Sequence[Document], /) -> Answer:
        """The list, ordered, with the ties of its comparisons.

        Raises:
            ContractError: The query alone is too long.
        """
        pairs = list(permutations(range(len(docs)), 2))
        asked = [DUO.render(query.text, [docs[a].text, docs[b].text], ["0", "1"]) for a, b in pairs]
        first = dict(zip(pairs, _judge(self).probability(asked), strict=True))
        return from_pairs(first, len(docs))


def from_pairs(first: dict[tuple[int, int], float], count: int) -> Answer:
    """Scores of documents from probabilities of all ordered pairs.

    Args:
        first: Pair as shown, to the probability that its first document is the more relevant one.
        count: Documents.
    """
    scores = [
        sum(first[a, b] + 1 - first[b, a] for b in range(count) if b != a) / 2 for a in range(count)
    ]  # fmt: skip
    ties = sum((p > 0.5) == (first[b, a] > 0.5) for (a, b), p in first.items() if a < b)
    return Answer(scores=scores, answers=len(first), ties=ties, comparisons=len(first) // 2)


class Judge:
    """An encoder-decoder that answers prompts with one of two words.

    Args:
        what: The ranker, for messages.
        loaded: Model and tokenizer.
        words: The two words, each one token.
        max_length: Of a prompt.
        batch: Prompts of one forward pass.
    """

    def __init__(
        self, what: str, loaded: model_files.Loaded, words: tuple[str, str], max_length: int, batch: int
    ) -> None:
        self._what, self._model, self._lock = what, loaded.model, loaded.lock
        self._renderer = Renderer(loaded.tokenizer, False, TEXT)
        self._words = [self._token(word) for word in words]
        self._most, self._batch = max_length, batch

    def log_true(self, prompts: Sequence[Any]) -> list[float]:
        """Log-probability of the first word, of the two."""
        import torch

        rows = [self._fitted(self._renderer.encode(prompt)) for prompt in prompts]
        scores = [0.0] * len(rows)
        with self._lock, torch.inference_mode():
            for numbers in by_length([len(row) for row in rows], self._batch):
                for number, value in zip(numbers, self._forward([rows[number] for number in numbers]), strict=True):
                    scores[number] = value
        return scores

    def probability(self, prompts: Sequence[Any]) -> list[float]:
        """Probability of the first word, of the two."""
        import numpy as np

        return [float(value) for value in np.exp(self.log_true(prompts))]

    def _forward(self, rows: Sequence[Sequence[int]]) -> list[float]:
        import torch

        usage.count(calls=len(rows), passes=len(rows), tokens_in=sum(map(len, rows)))
        longest, device, config = max(map(len, rows)), self._model.device, self._model.config
        pad = config.pad_token_id or 0
        ids = torch.tensor([[*row, *[pad] * (longest - len(row))] for row in rows], device=device)
        mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in rows], device=device)
        start = torch.full((len(rows), 1), config.decoder_start_token_id, device=device)
        logits = self._model(input_ids=ids, attention_mask=mask, decoder_input_ids=start).logits[:, 0, self._words]
        values: list[float] = logits.double().log_softmax(-1)[:, 0].tolist()
        return values

    def _fitted(self, prompt: Encoded) -> list[int]:
        """The tokens with the end of the longest document cut until they fit, and the end of the sequence."""
        end = self._renderer.tokenizer.eos_token_id
        lengths = {number: prompt.documents.count(number) for number in {*prompt.documents} if number is not None}
        over = len(prompt.ids) + (end is not None) - self._most
        if over > sum(lengths.values()):
            raise ContractError(f"{self._what}: the query leaves no room for a document in max_length {self._most}")
        for _ in range(max(0, over)):
            lengths[max(lengths, key=lambda number: (lengths[number], number))] -= 1
        kept = []
        for token, number in zip(prompt.ids, prompt.documents, strict=True):
            if number is not None:
                lengths[number] -= 1
            if number is None or lengths[number] >= 0:
                kept.append(token)
        return kept if end is None else [*kept, end]

    def _token(self, word: str) -> int:
        ids: list[int] = self._renderer.tokenizer(word, add_special_tokens=False)["input_ids"]
        if len(ids) != 1:
            raise PluginError(f"{self._what}: {word!r} is {len(ids)} tokens of the model; give `true` and `false`")
        return ids[0]


def _judge(ranker: MonoT5 | DuoT5) -> Judge:
    what = type(ranker).__name__.lower()
    loaded = model_files.load(ranker.model, what, "float32", ranker.device, "AutoModelForSeq2SeqLM")
    return Judge(what, loaded, (ranker.true, ranker.false), ranker.max_length, ranker.batch)


def _card(what: str, ranker: MonoT5 | DuoT5, template: Template, *, pointwise: bool) -> RankerCard:
    folder = model_files.folder(ranker.model, what)
    parameters = (folder.fingerprint(), ranker.true, ranker.false, ranker.max_length, template)
    return RankerCard(
        name=f"{what}({ranker.model.rstrip('/').rpartition('/')[2]})",
        fingerprint=sha256(repr((what, *parameters)).encode()).hexdigest()[:16],
        pointwise=pointwise,
        max_length=ranker.max_length,
        note="documents are cut to fit; special tokens in them are ordinary text",
    )
