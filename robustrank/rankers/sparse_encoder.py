"""Learned sparse encoders: a text becomes weights over the vocabulary (SPLADE, Formal et al. 2021)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from robustrank.core.types import Document, Query, RankerCard
from robustrank.rankers._options import require_fits, require_sizes
from robustrank.rankers.models import masked_lm
from robustrank.rankers.models.batching import by_length

KEPT = 50_000
"""Texts whose weights a model caches; some 200 words each, about 80 MB."""

Sparse = tuple[NDArray[np.int32], NDArray[np.float32]]
"""Ids of word pieces, ascending, and their weights, all above 0."""


@dataclass(frozen=True, kw_only=True)
class SparseEncoder:
    """A masked language model trained as a sparse encoder: the largest log(1 + relu(logit)) of each word piece.

    Args:
        model: ``"splade-tiny-msmarco"`` comes inside a package; any other name is a local folder or a hub id.
        max_length: Word pieces read of a text.
        device: ``"auto"``, ``"cpu"``, ``"cuda"``, ...
        batch: Texts per forward pass; each holds vocabulary x length numbers.
    """

    model: str = "splade-tiny-msmarco"
    max_length: int = 256
    device: str = "auto"
    batch: int = 8

    def __post_init__(self) -> None:
        require_sizes("sparse_encoder", max_length=self.max_length, batch=self.batch)

    @cached_property
    def card(self) -> RankerCard:
        """Loads the model."""
        return RankerCard(
            name=f"sparse_encoder({self.model})", fingerprint=self._encoder.fingerprint, max_length=self.max_length
        )

    def score(self, query: Query, docs: Sequence[Document], /) -> list[float]:
        """The inner product of query and document."""
        if not docs:
            return []
        (places, amounts), *others = self._encoder.embed([query.text, *(doc.text for doc in docs)])
        query_weights = np.zeros(self._encoder.vocabulary, dtype=np.float32)
        query_weights[places] = amounts
        return [float(query_weights[theirs] @ weight) for theirs, weight in others]

    @property
    def _encoder(self) -> _Encoder:
        return _load(self.model, self.max_length, self.device, self.batch)


@lru_cache(maxsize=2)
def _load(model: str, max_length: int, device: str, batch: int) -> _Encoder:
    return _Encoder(model, max_length, device, batch)


class _Encoder:
    def __init__(self, name: str, max_length: int, device: str, batch: int) -> None:
        from robustrank.rankers.models import torch_models

        tokenizer, model = masked_lm.load("the sparse_encoder ranker", name)
        require_fits(f"sparse_encoder {name!r}", max_length, torch_models.longest(model.config))
        self._tokenizer, self._max_length, self._batch = tokenizer, max_length, batch
        self._model = model.to(torch_models.choose_device(device))
        self._kept: OrderedDict[str, Sparse] = OrderedDict()
        self.vocabulary = int(model.config.vocab_size)
        self.fingerprint = torch_models.fingerprint(model, max_length)

    def embed(self, texts: Sequence[str]) -> list[Sparse]:
        """The weights of each text; a text is encoded once, whichever list it is in."""
        import torch

        fresh = [text for text in dict.fromkeys(texts) if text not in self._kept]
        with torch.inference_mode():
            for batch in by_length([len(text) for text in fresh], self._batch):
                self._kept.update(self._encode([fresh[i] for i in batch]))
        encodings = [self._kept[text] for text in texts]
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return encodings

    def _encode(self, texts: list[str]) -> dict[str, Sparse]:
        inputs = self._tokenizer(
            texts, padding=True, truncation=True, max_length=self._max_length, return_tensors="pt"
        ).to(self._model.device)
        logits = self._model(**inputs).logits.masked_fill(inputs["attention_mask"].unsqueeze(-1) == 0, 0.0)
        dense = masked_lm.term_weights(logits.amax(dim=1)).cpu().numpy()
        places = [np.flatnonzero(row).astype(np.int32) for row in dense]
        return {text: (at, row[at]) for text, row, at in zip(texts, dense, places, strict=True)}
