"""Bi-encoders: query and document are embedded apart and compared by a similarity (Reimers & Gurevych 2019)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robustrank import weights
from robustrank.types import Document, Query, RankerCard, WordGradients

KEPT = 20_000
"""Embeddings a model keeps; at 384 dimensions about 30 MB."""


@dataclass(frozen=True, kw_only=True)
class BiEncoder:
    """A sentence-transformers model; a text is embedded once, whichever query or list it comes in.

    Args:
        model: ``"all-MiniLM-L6-v2"`` comes inside a package; any other name is a local folder or a hub id.
        max_length: Word pieces read of a text.
        device: ``"auto"``, ``"cpu"``, ``"cuda"``, ...
        batch: Texts per forward pass.
    """

    model: str = "all-MiniLM-L6-v2"
    max_length: int = 256
    device: str = "auto"
    batch: int = 32

    @cached_property
    def card(self) -> RankerCard:
        """Loads the model."""
        return RankerCard(
            name=f"bi_encoder({self.model})", fingerprint=self._encoder.fingerprint, max_length=self.max_length
        )

    def score(self, query: Query, docs: Sequence[Document], /) -> list[float]:
        """The model's own similarity of query and document, cosine where it names none."""
        vectors = self._encoder.embed([query.text, *(doc.text for doc in docs)])
        return [float(score) for score in vectors[1:] @ vectors[0]]

    def gradients(self, query: Query, document: Document, candidates: Mapping[int, Sequence[str]], /) -> WordGradients:
        """Gradients of the similarity through the document's side."""
        return self._encoder.gradients(query.text, document.text, candidates)

    @property
    def _encoder(self) -> _Encoder:
        return _load(self.model, self.max_length, self.device, self.batch)


@lru_cache(maxsize=4)
def _load(model: str, max_length: int, device: str, batch: int) -> _Encoder:
    return _Encoder(model, max_length, device, batch)


class _Encoder:
    def __init__(self, name: str, max_length: int, device: str, batch: int) -> None:
        from robustrank.rankers import torch_models

        def loader() -> Any:
            from sentence_transformers import SentenceTransformer

            return SentenceTransformer(str(weights.resolve(name)), device=torch_models.choose_device(device))

        self._model = torch_models.load("the bi_encoder ranker", name, loader)
        self._model.max_seq_length = max_length
        self._model.eval()
        self._cosine = self._model.similarity_fn_name in (None, "cosine")
        self._batch = batch
        self._kept: OrderedDict[str, NDArray[np.float32]] = OrderedDict()
        self.fingerprint = torch_models.fingerprint(self._model, max_length, self._cosine)

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """texts x dimensions, of unit length where the similarity is the cosine."""
        fresh = [text for text in dict.fromkeys(texts) if text not in self._kept]
        if fresh:
            vectors = self._model.encode(
                fresh,
                batch_size=self._batch,
                normalize_embeddings=self._cosine,
                convert_to_numpy=True,
                show_progress_bar=False,
            )
            self._kept.update(zip(fresh, vectors, strict=True))
        found = np.stack([self._kept[text] for text in texts])
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return found

    def gradients(self, query: str, text: str, candidates: Mapping[int, Sequence[str]]) -> WordGradients:
        import torch

        from robustrank.rankers.gradients import word_gradients

        target = torch.from_numpy(self.embed([query])[0].copy()).to(self._model.device)
        prepare = getattr(self._model, "preprocess", None) or self._model.tokenize  # renamed in sentence-transformers 6
        tokenized = prepare([text]).items()
        inputs = {name: v.to(self._model.device) if isinstance(v, torch.Tensor) else v for name, v in tokenized}
        tokenizer = self._model.tokenizer
        length = inputs["input_ids"].shape[1]
        encoding = tokenizer(text, truncation=True, max_length=length, return_offsets_mapping=True)
        places = [(a, b) if b > a else None for a, b in encoding["offset_mapping"]]

        def forward() -> Any:
            vector = self._model(inputs)["sentence_embedding"][0]
            return target @ (torch.nn.functional.normalize(vector, dim=0) if self._cosine else vector)

        def pieces(word: str) -> list[int]:
            ids: list[int] = tokenizer(word, add_special_tokens=False)["input_ids"]
            return ids

        embeddings = self._model[0].auto_model.get_input_embeddings()
        return word_gradients(forward, embeddings, places, text, candidates, pieces)
