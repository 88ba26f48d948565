"""A surrogate of the victim: a sparse dual encoder fitted to the victim's ranked lists alone.

A document is encoded once for all queries of a group, and only those columns of the vocabulary that the group's queries
weigh are computed, which is a hundredth of them. That makes some hundred texts a second on one core, where a
cross-encoder as a surrogate would need a pass for each query.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robustrank.plugin import TopicCase, by_length, words
from robustrank.rankers.models import fitting, masked_lm

Floats = NDArray[np.float64]

Sparse = tuple[NDArray[np.int64], Floats]
"""Some columns of the vocabulary, and a weight (or several) for each."""

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
        self.options = options
        self.tokenizer, self.model = masked_lm.load("topic attacks", options.model)
        self._query_model = deepcopy(
            self.model
        )  # queries use the weights before fitting: only the document encoder is trained
        self._queries: dict[str, Sparse] = {}
        self._pieces: dict[str, tuple[int, ...]] = {}
        self._topic = ""
        self._kept: dict[str, Any] = {}
        self._rows: dict[tuple[str, ...], Sparse] = {}
        self._heads: dict[str, Sparse] = {}
        self.texts_scored = 0
        """Texts encoded so far; the cost of planning, which the victim does not see."""

    def fit(self, cases: Sequence[TopicCase], path: Path) -> None:
        """Learn the order of the victim's clean lists (RankNet over draws from each), or read it from ``path``.

        Args:
            cases: Their queries and lists; where two cases share a query, one of its lists is enough.
            path: Where the weights are kept, as safetensors.
        """
        lists = {query.text: docs for case in cases for query, docs in zip(case.queries, case.lists, strict=True)}
        if path.is_file():
            self.model.load_state_dict(fitting.read(path), strict=False)
            return
        self._train({query: [doc.text for doc in docs] for query, docs in sorted(lists.items())})
        # The decoder shares its weights with the embeddings: tensors that are the same are kept once.
        kept = {tensor.data_ptr(): (name, tensor) for name, tensor in self.model.state_dict().items()}
        fitting.write(path, dict(kept.values()))

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

    def weighed(self, texts: Sequence[str], columns: NDArray[np.int64]) -> Floats:
        """Texts by some columns of the vocabulary."""
        import torch

        rows = np.zeros((len(texts), len(columns)))
        with torch.inference_mode():
            for batch, states, mask in self._encoded(texts):
                rows[batch] = self._pooled(states, mask, columns).double().numpy()
        return rows

    def listed(self, topic_id: str, texts: Sequence[str], columns: NDArray[np.int64]) -> Floats:
        """The same for documents of a topic's lists; computed columns are cached while the topic stays the same."""
        self._enter(topic_id)
        columns_read, rows = self._rows.get(tuple(texts), (np.zeros(0, dtype=np.int64), np.zeros((len(texts), 0))))
        new = np.setdiff1d(columns, columns_read)
        if len(new) and texts:
            columns_read, rows = (
                np.concatenate([columns_read, new]),
                np.concatenate([rows, self._read_off(texts, new)], axis=1),
            )
            order = np.argsort(columns_read)
            columns_read, rows = columns_read[order], rows[:, order]
            self._rows[tuple(texts)] = columns_read, rows
        return rows[:, np.searchsorted(columns_read, columns)] if texts else np.zeros((0, len(columns)))

    def _read_off(self, texts: Sequence[str], columns: NDArray[np.int64]) -> Floats:
        """Texts by columns, from states that are kept."""
        import torch

        fresh = [text for text in dict.fromkeys(texts) if text not in self._kept]
        with torch.inference_mode():
            for batch, states, mask in self._encoded(fresh):
                self._kept |= {fresh[i]: states[row, mask[row] > 0] for row, i in enumerate(batch)}
            states_of = [self._kept[text] for text in texts]
            logits = self._logits(torch.cat(states_of), columns)
            largest = torch.segment_reduce(logits, "max", lengths=torch.tensor([len(one) for one in states_of]))
            return masked_lm.term_weights(largest).double().numpy()  # type: ignore[no-any-return]

    def _encoded(self, texts: Sequence[str]) -> Iterator[tuple[list[int], Any, Any]]:
        """Indices, states and masks of the texts, batch by batch."""
        self.texts_scored += len(texts)
        for batch in by_length([len(text) for text in texts], 32):
            yield batch, *self._states([texts[i] for i in batch])

    def _train(self, lists: Mapping[str, Sequence[str]]) -> None:
        import torch

        options, model = self.options, self.model
        optimizer = torch.optim.AdamW(model.parameters(), lr=options.learning_rate)
        rng = Random(options.seed)
        torch.manual_seed(options.seed)
        steps = [query for _ in range(options.epochs) for query in rng.sample(sorted(lists), len(lists))]
        for step, query in enumerate(steps):
            texts = lists[query]
            drawn = sorted(rng.sample(range(len(texts)), min(options.size, len(texts))))  # best first
            columns, amounts = self.query(query)
            scores = self._columns([texts[i] for i in drawn], columns) @ torch.from_numpy(amounts).float()
            better, worse = torch.triu_indices(len(drawn), len(drawn), offset=1)
            loss = torch.nn.functional.softplus(scores[worse] - scores[better]).mean()
            fitting.descend(model, optimizer, loss, step=step)

    def query(self, text: str) -> Sparse:
        """The vocabulary columns a query weighs, and their weights."""
        if text not in self._queries:
            self._queries[text] = self._read(text)
        return self._queries[text]

    def heads(self, topic_id: str, texts: Sequence[str]) -> list[Sparse]:
        """Documents at the heads of a topic's lists, their beginnings read as if they were queries, likewise."""
        self._enter(topic_id)
        for text in texts:
            if text not in self._heads:
                self.texts_scored += 1
                self._heads[text] = self._read(text)
        return [self._heads[text] for text in texts]

    def _enter(self, topic_id: str) -> None:
        if topic_id != self._topic:
            self._topic, self._kept, self._rows, self._heads = topic_id, {}, {}, {}

    def _read(self, text: str) -> Sparse:
        import torch

        with torch.inference_mode():
            inputs = self.tokenizer(text, truncation=True, max_length=64, return_tensors="pt")
            row = masked_lm.term_weights(self._query_model(**inputs).logits[0].amax(dim=0))
            amounts, columns = row.topk(self.options.terms)
        kept = amounts > 0
        return columns[kept].numpy().copy(), amounts[kept].double().numpy().copy()

    def _columns(self, texts: Sequence[str], columns: NDArray[np.int64]) -> Any:
        """log(1 + relu(largest logit)) of each text (rows) for some columns of the vocabulary; gradients flow."""
        return self._pooled(*self._states(texts), columns)

    def _states(self, texts: Sequence[str]) -> tuple[Any, Any]:
        inputs = self.tokenizer(
            list(texts), padding=True, truncation=True, max_length=self.options.max_length, return_tensors="pt"
        )
        hidden = self.model.bert(**inputs).last_hidden_state
        return self.model.cls.predictions.transform(hidden), inputs["attention_mask"]

    def _pooled(self, states: Any, mask: Any, columns: NDArray[np.int64]) -> Any:
        """Texts by columns."""
        return masked_lm.term_weights(
            self._logits(states, columns).masked_fill(mask.unsqueeze(-1) == 0, 0.0).amax(dim=1)
        )

    def _logits(self, states: Any, columns: NDArray[np.int64]) -> Any:
        import torch

        decoder, at = self.model.cls.predictions.decoder, torch.from_numpy(columns)
        return states @ decoder.weight[at].T + decoder.bias[at]


class GroupSurrogate:
    """The surrogate for one case: scores of texts for every query of the group, next to those of the competitors."""

    def __init__(self, surrogate: Surrogate, case: TopicCase) -> None:
        self._surrogate, self.case = surrogate, case
        self._queries = _matrix([surrogate.query(query.text) for query in case.queries])

    @cached_property
    def _probed(self) -> Sparse:
        """Columns of the vocabulary, and their weights for every query and, last, for the topic.

        The topic is the mean of the documents at the heads of the lists, one at rank r counting 1/r, each encoded
        as if it were a query.
        """
        heads, _ = self._ends
        share = np.array(list(heads.values())) / sum(heads.values())
        columns, amounts = _matrix(self._surrogate.heads(self.case.topic_id, list(heads)))
        query_rows = [self._surrogate.query(query.text) for query in self.case.queries]
        return _matrix([*query_rows, (columns, amounts @ share)])

    @cached_property
    def competitors(self) -> tuple[Floats, ...]:
        """For every query the scores of the other documents of its list, rising."""
        others = {d.text: d for docs in self.case.lists for d in docs if d.doc_id != self.case.target.doc_id}
        scores = dict(zip(others, self._listed(list(others), self._queries), strict=True))
        return tuple(
            np.sort([scores[d.text][q] for d in docs if d.doc_id != self.case.target.doc_id])
            for q, docs in enumerate(self.case.lists)
        )

    @cached_property
    def clean(self) -> Floats:
        """The clean target's score for every query."""
        return self.scores([self.case.target.text])[0]  # type: ignore[no-any-return]

    @cached_property
    def scale(self) -> Floats:
        """Standard deviation of every query's and of the topic's scores over the heads and tails, 1 where it is 0."""
        heads, tails = self._ends
        deviations = self._listed([*heads, *tails], self._probed).std(axis=0)
        return np.where(deviations > 0, deviations, 1.0)

    def relevance(self, vocabulary: Sequence[str]) -> Floats:
        """Weight of each word in the heads of the victim's lists minus that in their tails.

        Pseudo-relevance feedback in the surrogate's own weights of words (Rocchio 1971): the mean over the documents at
        the heads, one at rank r counting 1/r, minus the mean over those at the tails.
        """
        heads, tails = self._ends
        pieces = self._surrogate.pieces(vocabulary)
        columns = np.unique(np.array([piece for one in pieces for piece in one], dtype=np.int64))
        if not len(columns):
            return np.zeros(len(vocabulary))
        vectors = self._surrogate.listed(self.case.topic_id, [*heads, *tails], columns)
        weight = np.array(list(heads.values()))
        contrast = weight @ vectors[: len(heads)] / weight.sum() - vectors[len(heads) :].sum(axis=0) / max(
            1, len(tails)
        )
        return _mean_of(pieces, columns, contrast)

    def query_weight(self, vocabulary: Sequence[str]) -> Floats:
        """The mean weight of each word's pieces in the queries, expansions included."""
        columns, amounts = self._queries
        return _mean_of(self._surrogate.pieces(vocabulary), columns, amounts.mean(axis=1))

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

    def scores(self, texts: Sequence[str]) -> Floats:
        """Scores as texts x queries."""
        columns, amounts = self._queries
        return self._surrogate.weighed(texts, columns) @ amounts

    def probe(self, texts: Sequence[str]) -> Floats:
        """Scores as texts x queries, and one for the topic behind them."""
        columns, amounts = self._probed
        return self._surrogate.weighed(texts, columns) @ amounts

    def _listed(self, texts: Sequence[str], wanted: Sparse) -> Floats:
        columns, amounts = wanted
        return self._surrogate.listed(self.case.topic_id, texts, columns) @ amounts

    def gains(self, text: str, candidates: Mapping[int, Sequence[str]]) -> dict[int, Floats]:
        """First-order change of the scores of :meth:`probe`, for candidate words, from one pass.

        The gradient is that of every score at the input embeddings of the word's pieces; the move goes to the mean
        embedding of the candidate's pieces.
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
        columns, amounts = self._probed
        pooled = surrogate._pooled(model.cls.predictions.transform(hidden), inputs["attention_mask"], columns)
        scores = (pooled @ torch.from_numpy(amounts).float())[0]
        (gradient,) = torch.autograd.grad(scores, vectors, torch.eye(len(scores)), is_grads_batched=True)
        gradient = gradient[:, 0]  # scores x pieces x width
        surrogate.texts_scored += 1 + len(scores)
        target_words = words(text)
        rows = {
            position: [
                i
                for i, (a, b) in enumerate(places)
                if a < target_words[position].end and b > target_words[position].start
            ]
            for position in candidates
        }
        every = dict.fromkeys(word for others in candidates.values() for word in others)
        vocabulary = {word: i for i, word in enumerate(every)}
        with torch.no_grad():
            means = _means(table.weight, surrogate.pieces(list(vocabulary)))
            gains = {}
            for position, others in candidates.items():
                if not rows[position] or not others:
                    gains[position] = np.zeros((len(others), len(scores)))
                    continue
                here = vectors[0, rows[position]].mean(dim=0)
                moves = means[[vocabulary[word] for word in others]] - here
                gains[position] = (moves @ gradient[:, rows[position]].sum(dim=1).T).double().numpy()
        return gains


def _matrix(rows: Sequence[Sparse]) -> Sparse:
    """The columns that any of some sparse rows weighs, rising, and their weights as columns x rows."""
    columns = np.unique(np.concatenate([np.zeros(0, dtype=np.int64), *(at for at, _ in rows)]))
    amounts = np.zeros((len(columns), len(rows)))
    for number, (at, weight) in enumerate(rows):
        amounts[np.searchsorted(columns, at), number] = weight
    return columns, amounts


def _mean_of(pieces: Sequence[Sequence[int]], columns: NDArray[np.int64], values: Floats) -> Floats:
    """The mean value of each word's pieces, 0 for those that are no column; columns rise."""
    owner = np.repeat(np.arange(len(pieces)), [len(one) for one in pieces])
    flat = np.array([piece for one in pieces for piece in one], dtype=np.int64)
    at = np.minimum(np.searchsorted(columns, flat), len(columns) - 1)
    sums = np.bincount(owner, np.where(columns[at] == flat, values[at], 0.0), minlength=len(pieces))
    return sums / np.maximum(1, [len(one) for one in pieces])


def _means(table: Any, pieces: Sequence[Sequence[int]]) -> Any:
    """The mean row of the table for each list of indices."""
    import torch

    starts = np.cumsum([0, *(len(one) for one in pieces[:-1])]) if pieces else np.zeros(0, dtype=int)
    flat = torch.tensor([piece for one in pieces for piece in one], dtype=torch.long)
    return torch.nn.functional.embedding_bag(flat, table, torch.from_numpy(starts), mode="mean")
