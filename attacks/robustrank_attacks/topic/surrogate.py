"""A surrogate of the victim: a sparse dual encoder fitted to the victim's ranked lists, and to nothing else of it.

A document is encoded once for all queries of a group, and only those columns of the vocabulary that the group's queries
weigh are computed, which is a hundredth of them. That makes some hundred texts a second on one core, where a
cross-encoder as a surrogate would need a pass for each query.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robustrank import weights
from robustrank.batching import by_length
from robustrank.errors import MissingExtra
from robustrank.text import words
from robustrank.topics.types import TopicCase

Floats = NDArray[np.float64]

ENDS = 3
"""Documents of each list that are its head, and as many that are its tail."""


@dataclass(frozen=True, kw_only=True)
class SurrogateOptions:
    """How the surrogate is made.

    Args:
        model: A masked language model trained as a sparse encoder: a bundled name, a local folder or a hub id.
        max_length: Word pieces read of a document.
        terms: Word pieces a query is reduced to, those of the largest weight.
        epochs: Passes over the lists.
        size: Documents of a list that are compared with one another in one step.
        learning_rate: Of AdamW.
        seed: Of the order of lists and of the documents drawn from them.
    """

    model: str = "splade-tiny-msmarco"
    max_length: int = 256
    terms: int = 64
    epochs: int = 2
    size: int = 16
    learning_rate: float = 1e-4
    seed: int = 13


class Surrogate:
    """The encoder. ``fit`` changes it; ``of`` looks at one case through it."""

    def __init__(self, options: SurrogateOptions) -> None:
        try:
            from transformers import AutoModelForMaskedLM, AutoTokenizer, logging
        except ImportError as error:
            raise MissingExtra("topic attacks", extra="topics", package=error.name or "transformers") from error
        logging.set_verbosity_error()
        where = str(weights.resolve(options.model))
        self.options = options
        self.tokenizer = AutoTokenizer.from_pretrained(where)
        self.model = AutoModelForMaskedLM.from_pretrained(where).float().eval()
        self._asker = deepcopy(self.model)  # queries keep the weights before fitting: the document's side alone learns
        self._queries: dict[str, tuple[NDArray[np.int64], Floats]] = {}
        self._pieces: dict[str, tuple[int, ...]] = {}
        self.texts_scored = 0
        """Texts encoded so far; the cost of planning, which the victim does not see."""

    def fit(self, cases: Sequence[TopicCase], path: Path) -> None:
        """Learn the order of the victim's clean lists (RankNet over draws from each), or read it from ``path``.

        Args:
            cases: Their queries and lists; where two cases share a query, one of its lists is enough.
            path: Where the weights are kept, as safetensors.
        """
        from safetensors.torch import load_file, save_file

        lists = {query.text: docs for case in cases for query, docs in zip(case.queries, case.lists, strict=True)}
        if path.is_file():
            self.model.load_state_dict(load_file(path), strict=False)
            return
        self._train({query: [doc.text for doc in docs] for query, docs in sorted(lists.items())})
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_name(f".{path.name}.new")
        # The decoder shares its weights with the embeddings: tensors that are the same are kept once.
        kept = {tensor.data_ptr(): (name, tensor) for name, tensor in self.model.state_dict().items()}
        save_file({name: tensor.contiguous() for name, tensor in kept.values()}, new)
        os.replace(new, path)

    def of(self, case: TopicCase) -> GroupSurrogate:
        """The surrogate for the queries of one case."""
        return GroupSurrogate(self, case)

    def guess(self, case: TopicCase) -> list[list[float]]:
        """Scores of every document of every list of a case, in the lists' order."""
        texts = list(dict.fromkeys(doc.text for docs in case.lists for doc in docs))
        scores = dict(zip(texts, self.of(case).scores(texts).tolist(), strict=True))
        return [[scores[doc.text][q] for doc in docs] for q, docs in enumerate(case.lists)]

    def pieces(self, vocabulary: Sequence[str]) -> list[tuple[int, ...]]:
        """The word pieces of each word."""
        if fresh := [word for word in dict.fromkeys(vocabulary) if word not in self._pieces]:
            ids = self.tokenizer(fresh, add_special_tokens=False)["input_ids"]
            self._pieces.update(zip(fresh, map(tuple, ids), strict=True))
        return [self._pieces[word] for word in vocabulary]

    def hidden(self, texts: Sequence[str]) -> Iterator[tuple[list[int], Any, Any]]:
        """Indices, last hidden states and masks of the texts, batch by batch."""
        import torch

        self.texts_scored += len(texts)
        for batch in by_length([len(text) for text in texts], 32):
            with torch.inference_mode():
                yield batch, *self._states([texts[i] for i in batch])

    def pooled(self, batches: Iterable[tuple[list[int], Any, Any]], count: int, columns: NDArray[np.int64]) -> Floats:
        """Texts by some columns of the vocabulary, from their hidden states."""
        import torch

        rows = np.zeros((count, len(columns)))
        with torch.inference_mode():
            for batch, hidden, mask in batches:
                rows[batch] = self._pooled(hidden, mask, columns).double().numpy()
        return rows

    def _train(self, lists: Mapping[str, Sequence[str]]) -> None:
        import torch

        options, model = self.options, self.model
        optimizer = torch.optim.AdamW(model.parameters(), lr=options.learning_rate)
        rng = Random(options.seed)
        torch.manual_seed(options.seed)
        steps = [query for _ in range(options.epochs) for query in rng.sample(sorted(lists), len(lists))]
        for query in steps:
            texts = lists[query]
            drawn = sorted(rng.sample(range(len(texts)), min(options.size, len(texts))))  # best first
            columns, amounts = self._query(query)
            scores = self._columns([texts[i] for i in drawn], columns) @ torch.from_numpy(amounts).float()
            better, worse = torch.triu_indices(len(drawn), len(drawn), offset=1)
            loss = torch.nn.functional.softplus(scores[worse] - scores[better]).mean()
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()

    def _query(self, text: str) -> tuple[NDArray[np.int64], Floats]:
        """The vocabulary columns a query weighs, and their weights."""
        import torch

        if text not in self._queries:
            with torch.inference_mode():
                inputs = self.tokenizer(text, truncation=True, max_length=64, return_tensors="pt")
                row = torch.log1p(torch.relu(self._asker(**inputs).logits[0].amax(dim=0)))
                amounts, columns = row.topk(self.options.terms)
            kept = amounts > 0
            self._queries[text] = columns[kept].numpy().copy(), amounts[kept].double().numpy().copy()
        return self._queries[text]

    def _columns(self, texts: Sequence[str], columns: NDArray[np.int64]) -> Any:
        """log(1 + relu(largest logit)) of each text (rows) for some columns of the vocabulary; gradients flow."""
        return self._pooled(*self._states(texts), columns)

    def _states(self, texts: Sequence[str]) -> tuple[Any, Any]:
        inputs = self.tokenizer(
            list(texts), padding=True, truncation=True, max_length=self.options.max_length, return_tensors="pt"
        )
        return self.model.bert(**inputs).last_hidden_state, inputs["attention_mask"]

    def _pooled(self, hidden: Any, mask: Any, columns: NDArray[np.int64]) -> Any:
        import torch

        head = self.model.cls.predictions
        at = torch.from_numpy(columns)
        logits = head.transform(hidden) @ head.decoder.weight[at].T + head.decoder.bias[at]
        return torch.log1p(torch.relu(logits.masked_fill(mask.unsqueeze(-1) == 0, 0.0).amax(dim=1)))


class GroupSurrogate:
    """The surrogate for one case: scores of texts for every query of the group, next to those of the competitors."""

    def __init__(self, surrogate: Surrogate, case: TopicCase) -> None:
        self._surrogate, self.case = surrogate, case
        asked = [surrogate._query(query.text) for query in case.queries]
        self._columns_of = np.unique(np.concatenate([columns for columns, _ in asked]))
        self._weights = np.zeros((len(self._columns_of), len(asked)))
        for q, (columns, amounts) in enumerate(asked):
            self._weights[np.searchsorted(self._columns_of, columns), q] = amounts

    @cached_property
    def competitors(self) -> tuple[Floats, ...]:
        """For every query the scores of the other documents of its list, rising."""
        others = {d.text: d for docs in self.case.lists for d in docs if d.doc_id != self.case.target.doc_id}
        found = dict(zip(others, self.scores(list(others)), strict=True))
        return tuple(
            np.sort([found[d.text][q] for d in docs if d.doc_id != self.case.target.doc_id])
            for q, docs in enumerate(self.case.lists)
        )

    @cached_property
    def clean(self) -> Floats:
        """The clean target's score for every query."""
        return self.scores([self.case.target.text])[0]  # type: ignore[no-any-return]

    @cached_property
    def scale(self) -> Floats:
        """Standard deviation of every query's scores over the heads and tails of the lists, 1 where it is 0."""
        deviations = (self._at_ends(self._columns_of) @ self._weights).std(axis=0)
        return np.where(deviations > 0, deviations, 1.0)

    def relevance(self, vocabulary: Sequence[str]) -> Floats:
        """How much the heads of the victim's lists speak of each word, and the tails do not.

        Pseudo-relevance feedback in the surrogate's own weights of words (Rocchio 1971): the mean over the documents at
        the heads, one at rank r counting 1/r, minus the mean over those at the tails.
        """
        heads, tails = self._ends
        pieces = self._surrogate.pieces(vocabulary)
        columns = np.unique(np.array([piece for one in pieces for piece in one], dtype=np.int64))
        if not len(columns):
            return np.zeros(len(vocabulary))
        vectors = self._at_ends(columns)
        weight = np.array(list(heads.values()))
        contrast = weight @ vectors[: len(heads)] / weight.sum() - vectors[len(heads) :].sum(axis=0) / max(
            1, len(tails)
        )
        return np.array([contrast[np.searchsorted(columns, one)].mean() if one else 0.0 for one in pieces])

    def asked_for(self, vocabulary: Sequence[str]) -> Floats:
        """The mean weight of each word's pieces in the queries, expansions included."""
        mean = dict(zip(self._columns_of.tolist(), self._weights.mean(axis=1).tolist(), strict=True))
        pieces = self._surrogate.pieces(vocabulary)
        return np.array([sum(mean.get(piece, 0.0) for piece in one) / max(1, len(one)) for one in pieces])

    @cached_property
    def _ends(self) -> tuple[dict[str, float], list[str]]:
        """Texts at the heads of the lists with what they count, and those at the tails alone."""
        heads: dict[str, float] = {}
        tails: dict[str, None] = {}
        for docs in self.case.lists:
            others = [doc.text for doc in docs if doc.doc_id != self.case.target.doc_id]
            for rank, text in enumerate(others[:ENDS], start=1):
                heads[text] = heads.get(text, 0.0) + 1 / rank
            tails |= dict.fromkeys(others[-ENDS:])
        return heads, [text for text in tails if text not in heads]

    @cached_property
    def _ends_hidden(self) -> list[tuple[list[int], Any, Any]]:
        """Indices, last hidden states and masks of batches of the texts at the ends: encoded once."""
        heads, tails = self._ends
        return list(self._surrogate.hidden([*heads, *tails]))

    def _at_ends(self, columns: NDArray[np.int64]) -> Floats:
        """The texts at the ends, heads first, by columns of the vocabulary."""
        heads, tails = self._ends
        return self._surrogate.pooled(self._ends_hidden, len(heads) + len(tails), columns)

    def scores(self, texts: Sequence[str]) -> Floats:
        """Scores as texts x queries."""
        surrogate = self._surrogate
        vectors = surrogate.pooled(surrogate.hidden(texts), len(texts), self._columns_of)
        return vectors @ self._weights

    def gains(self, text: str, candidates: Mapping[int, Sequence[str]]) -> dict[int, Floats]:
        """First-order change of the scores for candidate words, as candidates x queries, from one pass.

        The gradient is that of every query's score at the input embeddings of the word's pieces; the move goes to the
        mean embedding of the candidate's pieces.
        """
        import torch

        surrogate, model = self._surrogate, self._surrogate.model
        inputs = surrogate.tokenizer(
            text, truncation=True, max_length=surrogate.options.max_length, return_tensors="pt",
            return_offsets_mapping=True,
        )  # fmt: skip
        places = inputs.pop("offset_mapping")[0].tolist()
        table = model.get_input_embeddings()
        vectors = table(inputs["input_ids"]).detach().requires_grad_()
        hidden = model.bert(inputs_embeds=vectors, attention_mask=inputs["attention_mask"]).last_hidden_state
        pooled = surrogate._pooled(hidden, inputs["attention_mask"], self._columns_of)
        scores = (pooled @ torch.from_numpy(self._weights).float())[0]
        slopes = [torch.autograd.grad(s, vectors, retain_graph=True)[0][0] for s in scores]
        surrogate.texts_scored += 1 + len(slopes)
        gradient = torch.stack(slopes)  # queries x pieces x width
        found, gains = words(text), {}
        with torch.no_grad():
            for position, others in candidates.items():
                word = found[position]
                rows = [i for i, (a, b) in enumerate(places) if a < word.end and b > word.start and b > a]
                if not rows or not others:
                    gains[position] = np.zeros((len(others), len(slopes)))
                    continue
                here = vectors[0, rows].mean(dim=0)
                ids = surrogate.pieces(others)
                moves = torch.stack([table.weight[list(one)].mean(dim=0) - here for one in ids])
                gains[position] = (moves @ gradient[:, rows].sum(dim=1).T).double().numpy()
        return gains
