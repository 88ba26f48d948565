"""Cross-encoders: the model reads query and document together (Nogueira & Cho 2019)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Protocol

from robustrank.core.errors import PluginError
from robustrank.core.types import Document, Query, RankerCard, WordGradients
from robustrank.rankers._options import require_fits, require_sizes
from robustrank.rankers.models import first_token, weights
from robustrank.rankers.models.batching import by_length
from robustrank.rankers.models.pairs import Encoded, PairTokenizer


@dataclass(frozen=True, kw_only=True)
class CrossEncoder:
    """A sequence-classification cross-encoder; scores are raw logits.

    Args:
        model: ``"ms-marco-MiniLM-L-12-v2"`` comes inside a package (int8, in ONNX Runtime); ``"robustrank-tiny"``, two
            layers and fast, comes with this one; any other name is a local folder or a hub id, loaded by transformers.
            Two labels score as the difference of their logits.
        max_length: Word pieces read of a pair.
        device: For transformers models: ``"auto"``, ``"cpu"``, ``"cuda"``, ...
        batch: Pairs per forward pass of a transformers model.
    """

    model: str = "ms-marco-MiniLM-L-12-v2"
    max_length: int = 256
    device: str = "auto"
    batch: int = 16

    def __post_init__(self) -> None:
        require_sizes("cross_encoder", max_length=self.max_length, batch=self.batch)

    @cached_property
    def card(self) -> RankerCard:
        """Loads the model."""
        backend = self._backend
        return RankerCard(
            name=f"cross_encoder({self.model})",
            fingerprint=backend.fingerprint,
            max_length=self.max_length,
            note=backend.note,
        )

    def score(self, query: Query, docs: Sequence[Document], /) -> list[float]:
        """One logit per document."""
        return self._backend.logits(query.text, [doc.text for doc in docs]) if docs else []

    def gradients(self, query: Query, document: Document, candidates: Mapping[int, Sequence[str]], /) -> WordGradients:
        """Gradients of the logit; for the int8 model, those of its dequantised weights."""
        from robustrank.rankers.models.gradients import word_gradients

        backend = self._backend
        model = backend.torch_model
        (pair,) = backend.tokenizer.encode(query.text, [document.text])

        def forward() -> Any:
            return _head(model(**_tensors([pair], model)).logits)[0]

        embeddings = model.get_input_embeddings()
        return word_gradients(forward, embeddings, pair.places, document.text, candidates, backend.tokenizer.pieces)

    @property
    def _backend(self) -> _Backend:
        return _load(self.model, self.max_length, self.device, self.batch)


class _Backend(Protocol):
    fingerprint: str
    note: str

    @property
    def torch_model(self) -> Any: ...

    @property
    def tokenizer(self) -> PairTokenizer: ...

    def logits(self, query: str, texts: Sequence[str]) -> list[float]: ...


@lru_cache(maxsize=4)
def _load(model: str, max_length: int, device: str, batch: int) -> _Backend:
    where = weights.resolve(model)
    if isinstance(where, Path) and (where / "model.onnx").is_file() and not (where / "config.json").is_file():
        from robustrank.rankers.models.onnx_int8 import OnnxCrossEncoder

        return OnnxCrossEncoder(where, max_length)
    return _Transformers(model, str(where), max_length, device, batch)


class _Transformers:
    note = ""

    def __init__(self, name: str, where: str, max_length: int, device: str, batch: int) -> None:
        from robustrank.rankers.models import torch_models

        def loader() -> tuple[Any, Any, Any]:
            from transformers import AutoModelForSequenceClassification, AutoTokenizer

            tokenizer = torch_models.pretrained(AutoTokenizer, where)
            kind = AutoModelForSequenceClassification
            return tokenizer, *torch_models.pretrained(kind, where, output_loading_info=True)

        what = f"cross_encoder {name!r}"
        tokenizer, model, report = torch_models.load("the cross_encoder ranker", name, loader)
        if not getattr(tokenizer, "is_fast", False):
            raise PluginError(f"{what}: has no tokenizer.json; convert its tokenizer to a fast one")
        if model.config.num_labels not in (1, 2):
            raise PluginError(f"{what}: {model.config.num_labels} labels, a ranker has 1 or 2")
        if missing := sorted(set(report["missing_keys"])):
            # transformers initialises missing weights at random, which would make the scores random.
            raise PluginError(f"{what}: its files lack {', '.join(missing)}; it was not trained as a cross-encoder")
        require_fits(what, max_length, torch_models.longest(model.config))
        self.torch_model = model.float().eval().to(torch_models.choose_device(device))
        self.tokenizer = PairTokenizer(tokenizer.backend_tokenizer, max_length)
        self.fingerprint = torch_models.fingerprint(model, self.tokenizer.state)
        self._batch = batch

    def logits(self, query: str, texts: Sequence[str]) -> list[float]:
        import torch

        pairs = self.tokenizer.encode(query, texts, places=False)
        scores = [0.0] * len(pairs)
        with torch.inference_mode():
            for batch in by_length([len(pair.ids) for pair in pairs], self._batch):
                logits = first_token.logits(self.torch_model, _tensors([pairs[i] for i in batch], self.torch_model))
                for i, logit in zip(batch, _head(logits).tolist(), strict=True):
                    scores[i] = logit
        return scores


def _head(logits: Any) -> Any:
    return logits[:, 0] if logits.shape[1] == 1 else logits[:, 1] - logits[:, 0]


def _tensors(pairs: Sequence[Encoded], model: Any) -> dict[str, Any]:
    """Padded inputs on the model's device; segment ids only for models that have segments."""
    import torch

    lengths = torch.tensor([len(pair.ids) for pair in pairs], device=model.device)
    longest = int(lengths.max())
    pad = model.config.pad_token_id or 0

    def padded(rows: Sequence[Sequence[int]], filler: int) -> Any:
        return torch.tensor([[*row, *[filler] * (longest - len(row))] for row in rows], device=model.device)

    inputs = {
        "input_ids": padded([pair.ids for pair in pairs], pad),
        "attention_mask": (torch.arange(longest, device=model.device) < lengths[:, None]).long(),
    }
    if getattr(model.config, "type_vocab_size", 0) > 1:
        inputs["token_type_ids"] = padded([pair.segments for pair in pairs], 0)
    return inputs
