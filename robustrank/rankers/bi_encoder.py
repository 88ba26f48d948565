"""Bi-encoders: query and document are embedded separately and compared by a similarity (Reimers & Gurevych 2019)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from robustrank.core.errors import ContractError, MissingExtra, PluginError
from robustrank.core.interfaces import PieceGradients
from robustrank.core.types import Document, Query, RankerCard, WordGradients
from robustrank.rankers._options import require_sizes

if TYPE_CHECKING:
    from robustrank.rankers.models.piece_gradients import Pieces
    from robustrank.rankers.models.sentence_encoder import MeanPooled

KEPT = 20_000
"""Embeddings a model caches; at 384 dimensions about 30 MB."""


@dataclass(frozen=True, kw_only=True)
class BiEncoder:
    """A sentence-transformers model; a text is embedded once, whichever query or list it is in.

    A folder or hub id scores as sentence-transformers scores it: with its prompts, length, modules (pooling, dense
    layers, static embeddings, routes for queries and documents), truncated dimensions and similarity.

    Args:
        model: ``"all-MiniLM-L6-v2"`` comes inside a package; any other name is a local folder or a hub id.
        max_length: Word pieces read of a text; by default as many as the folder says.
        query_prompt: Put in front of a query; by default the folder's own. ``"query: "`` for E5 models.
        document_prompt: The same for a document.
        pooling: For a bare encoder, which does not say how its pieces become one vector: ``"mean"``, ``"cls"`` or
            ``"lasttoken"``.
        truncate_dim: Dimensions kept of an embedding; by default as many as the folder says.
        device: ``"auto"``, ``"cpu"``, ``"cuda"``, ...
        batch: Texts per forward pass.
    """

    model: str = "all-MiniLM-L6-v2"
    max_length: int | None = None
    query_prompt: str | None = None
    document_prompt: str | None = None
    pooling: str | None = None
    truncate_dim: int | None = None
    device: str = "auto"
    batch: int = 32

    def __post_init__(self) -> None:
        require_sizes("bi_encoder", max_length=self.max_length, batch=self.batch)
        if self.pooling not in (None, "mean", "cls", "lasttoken"):
            raise PluginError(f"bi_encoder: pooling is mean, cls or lasttoken, not {self.pooling!r}")

    @cached_property
    def card(self) -> RankerCard:
        """Loads the model."""
        encoder = self._encoder
        return RankerCard(
            name=f"bi_encoder({self.model})", fingerprint=encoder.fingerprint, max_length=encoder.max_length,
            note=encoder.note, gradients=encoder.lends_gradients,
        )  # fmt: skip

    def score(self, query: Query, docs: Sequence[Document], /) -> list[float]:
        """The model's own similarity of query and document, cosine where it names none."""
        return self._encoder.scores(query.text, [doc.text for doc in docs]) if docs else []

    def gradients(self, query: Query, document: Document, candidates: Mapping[int, Sequence[str]], /) -> WordGradients:
        """Gradients of the similarity through the document's side."""
        return self._encoder.gradients(query.text, document.text, candidates)

    @property
    def fingerprint(self) -> str:
        """That of the card."""
        return self.card.fingerprint

    def encode(self, texts: Sequence[str], /, *, query: bool) -> NDArray[np.float32]:
        """Embeddings whose inner product is the model's similarity; none is kept.

        Raises:
            PluginError: Its similarity is a distance.
        """
        return self._encoder.comparable(texts, query=query)

    @property
    def vocabulary(self) -> Sequence[str]:
        """The word piece of every id; empty for special and unused ones."""
        return self._encoder.document_pieces.vocabulary

    @property
    def embeddings(self) -> NDArray[np.float32]:
        """The input embedding of every word piece."""
        return self._encoder.document_pieces.embeddings

    def pieces(self, text: str, /) -> Sequence[int]:
        """Ids of a text's word pieces, without special ones."""
        return self._encoder.document_pieces.pieces(text)

    def text(self, pieces: Sequence[int], /) -> str:
        """A text of word pieces."""
        return self._encoder.document_pieces.text(pieces)

    def piece_gradients(self, texts: Sequence[str], direction: NDArray[np.float32], /) -> list[PieceGradients]:
        """Of the inner product of each text's embedding, as a document, and a direction."""
        return self._encoder.document_pieces.gradients(texts, direction)

    def identity(self) -> str:
        """What scores depend on, from the model's files alone: another hash than the card's, and no model is loaded.

        Raises:
            MissingExtra: A package that loads the model is not installed.
            PluginError: No such model.
        """
        from robustrank.rankers.models import owners

        for package in ("torch", "sentence_transformers"):
            if find_spec(package) is None:
                raise MissingExtra(self._what, extra="torch", package=package)
        # Where no length is given, the files say how much of a text is read.
        return owners.Folder(self.model, self._what).fingerprint("bi_encoder", self.max_length, *self._given)

    @property
    def _what(self) -> str:
        return f"bi-encoder {self.model!r}"

    @property
    def _given(self) -> tuple[object, ...]:
        return self.query_prompt, self.document_prompt, self.pooling, self.truncate_dim

    @property
    def _encoder(self) -> _Encoder:
        return _load(self)


@lru_cache(maxsize=4)
def _load(ranker: BiEncoder) -> _Encoder:
    return _Encoder(ranker)


class _Encoder:
    def __init__(self, ranker: BiEncoder) -> None:
        from robustrank.rankers.models import owners, weights
        from robustrank.rankers.models.sentence_encoder import MeanPooled

        what = ranker._what
        self._ranker = ranker
        folder = owners.Folder(ranker.model, what)
        folder.check("bi_encoder")
        if not folder.modules and ranker.pooling is None:
            how = 'pooling = "mean" or "cls"'
            raise PluginError(f"{what}: a bare encoder; say how its pieces become one vector: {how}")
        if folder.modules and ranker.pooling is not None:
            raise PluginError(f"{what}: the folder says how pieces are pooled; leave `pooling` out")
        self._folder = folder
        self._alone: MeanPooled | None = None
        if ranker.model in weights.BUNDLED and not any(ranker._given):
            self._alone = MeanPooled(folder, ranker.max_length, ranker.device, ranker.batch)
            self.note, self.max_length = "", self._alone.max_length
        else:
            prompts = self._model.prompts or {}
            unused = sorted(name for name in prompts if prompts[name] and name not in ("query", *DOCUMENT_PROMPTS))
            self.note = f"prompts of the folder that are not used: {', '.join(unused)}" if unused else ""
            self.max_length = owners.max_length(self._model, ranker.max_length, what)
        self._kept: OrderedDict[tuple[bool, str], NDArray[np.float32]] = OrderedDict()
        self.fingerprint = folder.fingerprint("bi_encoder", self.max_length, *ranker._given)

    @cached_property
    def _model(self) -> Any:
        """The folder as its owner loads it; of the bundled one only for what scores do not need."""
        from robustrank.rankers.models import owners

        ranker = self._ranker
        arguments = {} if ranker.truncate_dim is None else {"truncate_dim": ranker.truncate_dim}
        model = owners.load(self._folder, "SentenceTransformer", ranker.device, self._probe, arguments)
        if ranker.pooling is not None:
            model[1] = _pooling(model, ranker.pooling)
        owners.max_length(model, ranker.max_length, ranker._what)
        if self._alone is not None:  # gradients are those of the weights that score, and there is one copy of them
            setattr(model[0], "model" if hasattr(model[0], "model") else "auto_model", self._alone.model)
        return model

    def scores(self, query: str, texts: Sequence[str]) -> list[float]:
        """The owner's similarity."""
        vectors, first = self.embed(texts, query=False), self.embed([query], query=True)
        (row,) = (first @ vectors.T if self._alone else self._model.similarity(first, vectors)).tolist()
        return [float(score) for score in row]

    def embed(self, texts: Sequence[str], *, query: bool) -> NDArray[np.float32]:
        """texts x dimensions, each text embedded once."""
        fresh = [text for text in dict.fromkeys(texts) if (query, text) not in self._kept]
        if fresh:
            vectors = self._alone.encode(fresh) if self._alone else self._encode(self._model, fresh, query=query)
            self._kept.update(zip(((query, text) for text in fresh), vectors, strict=True))
        embeddings = np.stack([self._kept[query, text] for text in texts])
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return embeddings

    def comparable(self, texts: Sequence[str], *, query: bool) -> NDArray[np.float32]:
        """Embeddings whose inner product is the owner's similarity.

        Raises:
            PluginError: Its similarity is a distance.
        """
        if self._alone:
            return self._alone.encode(texts)
        how = str(self._model.similarity_fn_name)
        if how not in ("cosine", "dot"):
            raise PluginError(f"{self._ranker._what}: similarity {how!r} is no inner product")
        vectors = self._encode(self._model, texts, query=query)
        if how == "cosine":
            vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
        return vectors

    @cached_property
    def document_pieces(self) -> Pieces:
        """The word pieces of documents.

        Raises:
            ContractError: The model has none.
        """
        from robustrank.rankers.models.piece_gradients import Pieces

        inner = self._document_side()
        if inner is None:
            raise ContractError("bi_encoder: the model has no word pieces with embeddings: no gradients")
        return Pieces(self._model.tokenizer, inner.get_input_embeddings(), self._embedded, self._document_prompt)

    def _embedded(self, texts: Sequence[str]) -> tuple[Any, Any]:
        """Inputs, and embeddings that gradients flow through, normalised where the similarity is the cosine."""
        import torch

        tokenized = self._model.preprocess(list(texts), prompt=self._document_prompt, task="document")
        inputs = {n: v.to(self._model.device) if isinstance(v, torch.Tensor) else v for n, v in tokenized.items()}
        vectors = self._model(dict(inputs), task="document")["sentence_embedding"]
        cosine = str(self._model.similarity_fn_name) == "cosine"
        return inputs, torch.nn.functional.normalize(vectors) if cosine else vectors

    def gradients(self, query: str, text: str, candidates: Mapping[int, Sequence[str]]) -> WordGradients:
        """Through the document's side, with the query's embedding held fixed.

        Raises:
            ContractError: The model has no input embeddings, or its input preparation hides where words stand.
        """
        import torch

        from robustrank.rankers.models.gradients import word_gradients

        model, prompt = self._model, self._document_prompt
        inner = self._document_side()
        if inner is None:
            raise ContractError("bi_encoder: the model has no word pieces with embeddings: no gradients")
        target = torch.from_numpy(self.embed([query], query=True).copy()).to(model.device)
        tokenized = model.preprocess([text], prompt=prompt, task="document")
        inputs = {name: v.to(model.device) if isinstance(v, torch.Tensor) else v for name, v in tokenized.items()}

        def forward() -> Any:
            vector = model(dict(inputs), task="document")["sentence_embedding"]
            return model.similarity(target, vector[:, : target.shape[1]])[0, 0]

        def pieces(word: str) -> list[int]:
            ids: list[int] = model.tokenizer(f" {word}", add_special_tokens=False)["input_ids"]
            return ids

        places = self._places(prompt + text, len(prompt), inputs["input_ids"][0].tolist())
        return word_gradients(forward, inner.get_input_embeddings(), places, text, candidates, pieces, inner)

    @property
    def _document_prompt(self) -> str:
        """What the owner puts in front of a document."""
        if self._ranker.document_prompt is not None:
            return self._ranker.document_prompt
        prompts = self._model.prompts or {}
        return next((prompts[name] for name in DOCUMENT_PROMPTS if prompts.get(name) is not None), "")

    @property
    def lends_gradients(self) -> bool:
        """Whether the side of documents has input embeddings that gradients can reach."""
        return self._alone is not None or self._document_side() is not None

    def _document_side(self) -> Any:
        """The transformers model that reads documents; ``None`` where there is none."""
        routes = getattr(self._model[0], "sub_modules", None)
        if routes is None:
            return self._model.transformers_model
        route = routes["document"] if "document" in routes else next(iter(routes.values()))
        return getattr(route[0], "model", None) or getattr(route[0], "auto_model", None)

    def _encode(self, model: Any, texts: Sequence[str], *, query: bool) -> NDArray[np.float32]:
        """As the owner encodes queries or documents, with its own prompts unless others are given."""
        encode = model.encode_query if query else model.encode_document
        prompt = self._ranker.query_prompt if query else self._ranker.document_prompt
        vectors: NDArray[np.float32] = encode(
            list(texts), prompt=prompt, batch_size=self._ranker.batch, convert_to_numpy=True, show_progress_bar=False
        )
        return vectors.astype(np.float32)

    def _probe(self, model: Any) -> list[float]:
        vectors = self._encode(model, ["a query", "a text about cats", "another, quite different"], query=False)
        return [float(score) for score in model.similarity(vectors, vectors).flatten()]

    def _places(self, full: str, start: int, ids: list[int]) -> list[tuple[int, int] | None]:
        """Where each input piece stands in the document, which begins at ``start`` of the full text."""
        encoding = self._model.tokenizer(full, truncation=True, max_length=len(ids), return_offsets_mapping=True)
        if encoding["input_ids"] != ids:
            raise ContractError("bi_encoder: the model's input preparation hides word positions")
        return [(a - start, b - start) if b > max(a, start) else None for a, b in encoding["offset_mapping"]]


DOCUMENT_PROMPTS = ("document", "passage", "corpus")
"""Names of the prompt that sentence-transformers puts in front of documents, in its order."""


def _pooling(model: Any, how: str) -> Any:
    from sentence_transformers.models import Pooling

    return Pooling(model[0].get_embedding_dimension(), pooling_mode=how)
