"""Learned sparse encoders: a text becomes weights over the vocabulary (SPLADE, Formal et al. 2021)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from robustrank.core.errors import PluginError
from robustrank.core.types import Document, Query, RankerCard
from robustrank.rankers._options import require_fits, require_sizes
from robustrank.rankers.models import masked_lm, weights
from robustrank.rankers.models.batching import by_length

if TYPE_CHECKING:
    from robustrank.rankers.models.owners import Folder

KEPT = 50_000
"""Texts whose weights a model caches; some 200 words each, about 80 MB."""

Sparse = tuple[NDArray[np.int32], NDArray[np.float32]]
"""Ids of word pieces, ascending, and their weights, all above 0."""


@dataclass(frozen=True, kw_only=True)
class SparseEncoder:
    """A masked language model trained as a sparse encoder.

    A folder that sentence-transformers saved scores as it scores there, with its pooling, activation and routes. A bare
    masked language model is read as SPLADE: the largest log(1 + relu(logit)) of each word piece, or their sum.

    Args:
        model: ``"splade-tiny-msmarco"`` comes inside a package; any other name is a local folder or a hub id.
        max_length: Word pieces read of a text; by default as many as the folder says, 256 of the bundled model.
        pooling: Of a bare masked language model: ``"max"`` (SPLADE v2 and later) or ``"sum"`` (v1).
        device: ``"auto"``, ``"cpu"``, ``"cuda"``, ...
        batch: Texts per forward pass; each holds vocabulary x length numbers.
    """

    model: str = "splade-tiny-msmarco"
    max_length: int | None = None
    pooling: str | None = None
    device: str = "auto"
    batch: int = 8

    def __post_init__(self) -> None:
        require_sizes("sparse_encoder", max_length=self.max_length, batch=self.batch)
        if self.pooling not in (None, "max", "sum"):
            raise PluginError(f"sparse_encoder: pooling is max or sum, not {self.pooling!r}")

    @cached_property
    def card(self) -> RankerCard:
        """Loads the model."""
        encoder = self._encoder
        return RankerCard(
            name=f"sparse_encoder({self.model})", fingerprint=encoder.fingerprint, max_length=encoder.max_length,
            note=encoder.note,
        )  # fmt: skip

    def score(self, query: Query, docs: Sequence[Document], /) -> list[float]:
        """The inner product of query and document."""
        if not docs:
            return []
        encoder = self._encoder
        ((places, amounts),) = encoder.embed([query.text], query=True)
        query_weights = np.zeros(encoder.vocabulary, dtype=np.float32)
        query_weights[places] = amounts
        others = encoder.embed([doc.text for doc in docs], query=False)
        return [float(query_weights[theirs] @ weight) for theirs, weight in others]

    @property
    def _encoder(self) -> _Encoder:
        return _load(self)


@lru_cache(maxsize=2)
def _load(ranker: SparseEncoder) -> _Encoder:
    from robustrank.rankers.models import owners

    folder = owners.Folder(ranker.model, f"sparse encoder {ranker.model!r}")
    folder.check("sparse_encoder")
    if folder.modules and ranker.pooling is not None:
        raise PluginError(f"{folder.what}: the folder says how pieces are pooled; leave `pooling` out")
    return _Owned(ranker, folder) if folder.modules else _Bare(ranker, folder)


class _Encoder(ABC):
    """Caches the weights of texts."""

    vocabulary: int
    fingerprint: str
    max_length: int | None
    note: str

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[bool, str], Sparse] = OrderedDict()

    def embed(self, texts: Sequence[str], *, query: bool) -> list[Sparse]:
        """The weights of each text; a text is encoded once, whichever list it is in."""
        import torch

        fresh = [text for text in dict.fromkeys(texts) if (query, text) not in self._kept]
        if fresh:
            with torch.inference_mode():
                for text, row in self._rows(fresh, query):
                    at = np.flatnonzero(row).astype(np.int32)
                    self._kept[query, text] = (at, row[at].astype(np.float32))
        encodings = [self._kept[query, text] for text in texts]
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return encodings

    @abstractmethod
    def _rows(self, texts: Sequence[str], query: bool) -> Iterator[tuple[str, NDArray[np.float32]]]:
        """Texts, in any order, with their weights over the vocabulary."""


class _Owned(_Encoder):
    """A folder as sentence-transformers encodes it."""

    def __init__(self, ranker: SparseEncoder, folder: Folder) -> None:
        from robustrank.rankers.models import owners

        super().__init__()
        self._batch = ranker.batch
        self._model = owners.load(folder, "SparseEncoder", ranker.device, self._probe)
        if self._model.similarity_fn_name not in (None, "dot"):
            raise PluginError(
                f"{folder.what}: compares by {self._model.similarity_fn_name}; supported is the dot product"
            )
        self.max_length = owners.max_length(self._model, ranker.max_length, folder.what)
        self.vocabulary = int(self._model.get_embedding_dimension())
        self.note = "scored by sentence-transformers"
        self.fingerprint = folder.fingerprint("sparse_encoder", self.max_length)

    def _rows(self, texts: Sequence[str], query: bool) -> Iterator[tuple[str, NDArray[np.float32]]]:
        yield from zip(texts, self._encode(self._model, texts, query), strict=True)

    def _encode(self, model: Any, texts: Sequence[str], query: bool) -> NDArray[np.float32]:
        encode = model.encode_query if query else model.encode_document
        rows = encode(list(texts), batch_size=self._batch, convert_to_sparse_tensor=False, show_progress_bar=False)
        dense: NDArray[np.float32] = rows.float().cpu().numpy()
        return dense

    def _probe(self, model: Any) -> list[float]:
        rows = self._encode(model, ["a query", "a text about cats"], query=False)
        return [float(value) for value in (rows @ rows.T).flatten()]


class _Bare(_Encoder):
    """A masked language model without a word on how it is used."""

    def __init__(self, ranker: SparseEncoder, folder: Folder) -> None:
        from robustrank.rankers.models import torch_models

        super().__init__()
        self._sum = ranker.pooling == "sum"
        tokenizer, model = masked_lm.load("the sparse_encoder ranker", ranker.model)
        most = torch_models.longest(model.config)
        usual = min(BUNDLED_LENGTH if ranker.model in weights.BUNDLED else tokenizer.model_max_length, most)
        self.max_length = ranker.max_length or int(usual)
        require_fits(f"sparse_encoder {ranker.model!r}", self.max_length, most)
        self._tokenizer, self._batch = tokenizer, ranker.batch
        self._model = model.to(torch_models.choose_device(ranker.device))
        self.vocabulary = int(model.config.vocab_size)
        self.note = "" if ranker.model in weights.BUNDLED else f"read as SPLADE, {ranker.pooling or 'max'} over pieces"
        self.fingerprint = folder.fingerprint("sparse_encoder", self.max_length, self._sum)

    def _rows(self, texts: Sequence[str], query: bool) -> Iterator[tuple[str, NDArray[np.float32]]]:
        for batch in by_length([len(text) for text in texts], self._batch):
            yield from zip([texts[i] for i in batch], self._encode([texts[i] for i in batch]), strict=True)

    def _encode(self, texts: list[str]) -> NDArray[np.float32]:
        inputs = self._tokenizer(
            texts, padding=True, truncation=True, max_length=self.max_length, return_tensors="pt"
        ).to(self._model.device)
        logits = self._model(**inputs).logits.masked_fill(inputs["attention_mask"].unsqueeze(-1) == 0, 0.0)
        rows = masked_lm.term_weights(logits).sum(dim=1) if self._sum else masked_lm.term_weights(logits.amax(dim=1))
        dense: NDArray[np.float32] = rows.cpu().numpy()
        return dense


BUNDLED_LENGTH = 256
"""Word pieces that the bundled model reads of a text, unless told otherwise."""
