"""Bi-encoders: query and document are embedded separately and compared by a similarity (Reimers & Gurevych 2019)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robustrank.core.errors import ContractError, PluginError
from robustrank.core.types import Document, Query, RankerCard, WordGradients
from robustrank.rankers._options import require_fits, require_sizes
from robustrank.rankers.models import weights

KEPT = 20_000
"""Embeddings a model caches; at 384 dimensions about 30 MB."""


@dataclass(frozen=True, kw_only=True)
class BiEncoder:
    """A sentence-transformers model; a text is embedded once, whichever query or list it is in.

    Prompts that the model brings for queries and for documents are put in front of them.

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

    def __post_init__(self) -> None:
        require_sizes("bi_encoder", max_length=self.max_length, batch=self.batch)

    @cached_property
    def card(self) -> RankerCard:
        """Loads the model."""
        return RankerCard(
            name=f"bi_encoder({self.model})", fingerprint=self._encoder.fingerprint, max_length=self.max_length
        )

    def score(self, query: Query, docs: Sequence[Document], /) -> list[float]:
        """The model's own similarity of query and document, cosine where it names none."""
        if not docs:
            return []
        encoder = self._encoder
        (query_embedding,) = encoder.embed([query.text], encoder.query_prompt)
        return [
            float(score)
            for score in encoder.embed([doc.text for doc in docs], encoder.document_prompt) @ query_embedding
        ]

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
        from robustrank.rankers.models import torch_models

        def loader() -> Any:
            return torch_models.sentence_encoder(weights.resolve(name), torch_models.choose_device(device))

        model = torch_models.load("the bi_encoder ranker", name, loader).float().eval()
        if model.similarity_fn_name not in (None, "cosine", "dot"):
            raise PluginError(
                f"bi_encoder {name!r}: compares by {model.similarity_fn_name}; supported are cosine and dot product"
            )
        require_fits(f"bi_encoder {name!r}", max_length, torch_models.longest(model[0].auto_model.config))
        model.max_seq_length = max_length
        prompts = model.prompts or {}
        usual = prompts.get(model.default_prompt_name) or ""
        self.query_prompt: str = prompts.get("query") or usual
        self.document_prompt: str = prompts.get("document") or prompts.get("passage") or usual
        self._model = model
        self._cosine = model.similarity_fn_name != "dot"
        self._batch = batch
        self._kept: OrderedDict[tuple[str, str], NDArray[np.float32]] = OrderedDict()
        pooling = [str(module) for module in list(model)[1:]]
        self.fingerprint = torch_models.fingerprint(
            model, max_length, self._cosine, self.query_prompt, self.document_prompt, pooling
        )

    def embed(self, texts: Sequence[str], prompt: str) -> NDArray[np.float32]:
        """texts x dimensions, of unit length where the similarity is the cosine."""
        fresh = [text for text in dict.fromkeys(texts) if (prompt, text) not in self._kept]
        if fresh:
            vectors = self._model.encode(
                fresh,
                prompt=prompt,
                batch_size=self._batch,
                normalize_embeddings=self._cosine,
                convert_to_numpy=True,
                show_progress_bar=False,
            )
            self._kept.update(zip(((prompt, text) for text in fresh), vectors, strict=True))
        embeddings = np.stack([self._kept[prompt, text] for text in texts])
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return embeddings

    def gradients(self, query: str, text: str, candidates: Mapping[int, Sequence[str]]) -> WordGradients:
        """Through the document's side, with the query's embedding held fixed."""
        import torch

        from robustrank.rankers.models.gradients import word_gradients

        model, prompt = self._model, self.document_prompt
        target = torch.from_numpy(self.embed([query], self.query_prompt)[0].copy()).to(model.device)
        if hasattr(model, "preprocess"):  # sentence-transformers 6
            tokenized = model.preprocess([text], prompt=prompt)
        else:
            tokenized = model.tokenize([prompt + text])
        inputs = {name: v.to(model.device) if isinstance(v, torch.Tensor) else v for name, v in tokenized.items()}

        def forward() -> Any:
            vector = model(inputs)["sentence_embedding"][0]
            return target @ (torch.nn.functional.normalize(vector, dim=0) if self._cosine else vector)

        def pieces(word: str) -> list[int]:
            ids: list[int] = model.tokenizer(f" {word}", add_special_tokens=False)["input_ids"]
            return ids

        embeddings = model[0].auto_model.get_input_embeddings()
        places = self._places(prompt + text, len(prompt), inputs["input_ids"][0].tolist())
        return word_gradients(forward, embeddings, places, text, candidates, pieces)

    def _places(self, full: str, start: int, ids: list[int]) -> list[tuple[int, int] | None]:
        """Where each input piece stands in the document, which begins at ``start`` of the full text."""
        encoding = self._model.tokenizer(full, truncation=True, max_length=len(ids), return_offsets_mapping=True)
        if encoding["input_ids"] != ids:
            raise ContractError("bi_encoder: the model's input preparation hides word positions")
        return [(a - start, b - start) if b > max(a, start) else None for a, b in encoding["offset_mapping"]]
