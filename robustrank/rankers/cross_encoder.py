"""Cross-encoders: the model reads query and document together (Nogueira & Cho 2019)."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Protocol

from robustrank.core.errors import ContractError, PluginError
from robustrank.core.types import Document, Query, RankerCard, WordGradients
from robustrank.rankers._options import require_sizes
from robustrank.rankers.models import first_token, weights
from robustrank.rankers.models.batching import by_length
from robustrank.rankers.models.pairs import Encoded, PairTokenizer


@dataclass(frozen=True, kw_only=True)
class CrossEncoder:
    """A cross-encoder; scores are raw logits, before any activation.

    A folder or hub id scores as sentence-transformers scores it: with its prompt, length, template, modules and
    adapter. Faster batching is used where it agrees with that on some probes; the card says which it is.

    Args:
        model: ``"ms-marco-MiniLM-L-12-v2"`` comes inside a package (int8, in ONNX Runtime); ``"robustrank-tiny"``, two
            layers and fast, comes with this one; any other name is a local folder or a hub id.
            Two labels score as the difference of their logits.
        max_length: Word pieces read of a pair; by default as many as the folder says, 256 of the bundled models.
        prompt: Put in front of the query; by default the folder's own.
        device: Of a folder: ``"auto"``, ``"cpu"``, ``"cuda"``, ...
        batch: Pairs per forward pass of a folder.
        file: The ONNX file of a folder, such as ``"onnx/model_int8.onnx"``, that is deployed; a folder of one ONNX file
            and no safetensors needs none.
    """

    model: str = "ms-marco-MiniLM-L-12-v2"
    max_length: int | None = None
    prompt: str | None = None
    device: str = "auto"
    batch: int = 16
    file: str | None = None

    def __post_init__(self) -> None:
        require_sizes("cross_encoder", max_length=self.max_length, batch=self.batch)

    @cached_property
    def card(self) -> RankerCard:
        """Loads the model."""
        backend = self._backend
        return RankerCard(
            name=f"cross_encoder({self.model})",
            fingerprint=backend.fingerprint,
            max_length=backend.max_length,
            note=backend.note,
            gradients=backend.gradients,
        )

    def score(self, query: Query, docs: Sequence[Document], /) -> list[float]:
        """One logit per document."""
        return self._backend.logits(query.text, [doc.text for doc in docs]) if docs else []

    def gradients(self, query: Query, document: Document, candidates: Mapping[int, Sequence[str]], /) -> WordGradients:
        """Gradients of the logit; for the int8 model, those of its dequantised weights."""
        from robustrank.rankers.models.gradients import word_gradients

        backend = self._backend
        forward, places = backend.traced(query.text, document.text)
        model = backend.torch_model
        embeddings = model.get_input_embeddings()
        return word_gradients(forward, embeddings, places, document.text, candidates, backend.pieces, model)

    @property
    def _backend(self) -> _Backend:
        length = BUNDLED_LENGTH if self.max_length is None and self.model in weights.BUNDLED else self.max_length
        return _load(self.model, length, self.device, self.batch, self.prompt, self.file)


BUNDLED_LENGTH = 256
"""Word pieces that the bundled models read of a pair, unless told otherwise: passages seldom are longer."""

PROBES = (
    ("what is the capital of france", "Paris is the capital and largest city of France."),
    ("what is the capital of france", "Bananas, unquestionably, are yellow. " * 40),
    ("how do cats sleep", ""),
    ("naïve 天気 query", "An untypical text: ÄÖÜ, [MASK], 你好, 3.14!"),
)
"""Pairs on which a faster path is compared with the owner's."""

AGREE = 1e-4
"""Largest difference, relative to the spread of the probes' logits, at which two paths agree."""


class _Backend(Protocol):
    fingerprint: str
    note: str
    max_length: int | None

    @property
    def gradients(self) -> bool: ...

    @property
    def torch_model(self) -> Any: ...

    def logits(self, query: str, texts: Sequence[str]) -> list[float]: ...

    def traced(self, query: str, text: str) -> tuple[Callable[[], Any], Sequence[tuple[int, int] | None]]:
        """A function that computes the logit with gradients, and where each input piece stands in the text."""

    def pieces(self, word: str) -> list[int]: ...


@lru_cache(maxsize=4)
def _load(
    model: str, max_length: int | None, device: str, batch: int, prompt: str | None, file: str | None
) -> _Backend:
    where = weights.resolve(model)
    if model in weights.BUNDLED and isinstance(where, Path) and (where / "model.onnx").is_file():
        from robustrank.rankers.models.onnx_int8 import OnnxCrossEncoder

        return OnnxCrossEncoder(where, max_length or BUNDLED_LENGTH)
    if weights.in_onnx(where, file):
        from robustrank.rankers.models.onnx_folder import OnnxFolder

        return OnnxFolder(
            model, file, max_length, prompt=prompt, device=device, batch=batch, probes=PROBES, agree=AGREE
        )
    if model in weights.BUNDLED and not prompt:
        return _bundled(model, max_length or BUNDLED_LENGTH, device, batch)
    owner = _Owner(model, max_length, device, batch, prompt)
    return _faster(owner) or owner


def _bundled(name: str, max_length: int, device: str, batch: int) -> _Batched:
    """A bundled model without its owner, whose import takes seconds; that they agree is tested."""
    from robustrank.rankers.models import owners, torch_models

    what = f"cross-encoder {name!r}"
    folder = owners.Folder(name, what)

    def loader() -> tuple[Any, Any]:
        from transformers import AutoModelForSequenceClassification, AutoTokenizer

        model = torch_models.pretrained(AutoModelForSequenceClassification, folder.path)
        return torch_models.pretrained(AutoTokenizer, folder.path), model

    tokenizer, model = torch_models.load(what, name, loader)
    if max_length > torch_models.longest(model.config):
        most = torch_models.longest(model.config)
        raise PluginError(f"{what}: max_length {max_length} exceeds the {most} word pieces the model can read")
    model = model.float().eval().to(torch_models.choose_device(device))
    fingerprint = folder.fingerprint("cross_encoder", max_length, None)
    return _Batched(model, tokenizer, fingerprint=fingerprint, max_length=max_length, batch=batch)


class _Owner:
    """The folder as sentence-transformers scores it."""

    def __init__(self, name: str, max_length: int | None, device: str, batch: int, prompt: str | None) -> None:
        from robustrank.rankers.models import owners

        what = f"cross-encoder {name!r}"
        self.folder = owners.Folder(name, what)
        self.folder.check("cross_encoder")
        self.prompt, self.batch, self.note = prompt, batch, "scored by sentence-transformers"
        self.model = owners.load(self.folder, "CrossEncoder", device, self._probe)
        if self.model.num_labels not in (1, 2):
            raise PluginError(f"{what}: {self.model.num_labels} labels, a ranker has 1 or 2")
        if not getattr(self.model.tokenizer, "is_fast", False):
            raise PluginError(f"{what}: has no tokenizer.json; convert its tokenizer to a fast one")
        self.max_length = owners.max_length(self.model, max_length, what)
        self.fingerprint = self.folder.fingerprint("cross_encoder", self.max_length, prompt)

    @property
    def torch_model(self) -> Any:
        return self.model.transformers_model

    @cached_property
    def gradients(self) -> bool:
        """Whether it can be seen which pieces of the input are the document's: a chat template may hide it."""
        try:
            self.traced(*PROBES[0])
        except ContractError:
            return False
        return True

    def logits(self, query: str, texts: Sequence[str]) -> list[float]:
        try:
            return self._predict(self.model, [(query, text) for text in texts])
        except ValueError:  # one text may break a batch: a literal </s> that of BART
            return [score for text in texts for score in self._predict(self.model, [(query, text)])]

    def traced(self, query: str, text: str) -> tuple[Callable[[], Any], Sequence[tuple[int, int] | None]]:
        inputs = self.model.preprocess([(query, text)], prompt=self._prompt)
        inputs = {name: v.to(self.model.device) if hasattr(v, "to") else v for name, v in inputs.items()}
        tokenizer = self.model.tokenizer
        encoding = tokenizer(  # of lists: alone, an empty text would not count as the second of a pair
            [f"{self._prompt or ''}{query}"], [text], truncation="longest_first", max_length=self.max_length,
            return_offsets_mapping=True,
        )  # fmt: skip
        if encoding["input_ids"][0] != inputs["input_ids"][0].tolist():
            raise ContractError("cross_encoder: the model's input preparation hides where words stand: no gradients")
        parts = zip(encoding["offset_mapping"][0], encoding.sequence_ids(0), strict=True)
        return lambda: _head(self.model(dict(inputs))["scores"])[0], [at if part == 1 else None for at, part in parts]

    def pieces(self, word: str) -> list[int]:
        ids: list[int] = self.model.tokenizer(f" {word}", add_special_tokens=False)["input_ids"]
        return ids

    @property
    def _prompt(self) -> str | None:
        """The prompt that the owner puts in front of the query."""
        own = self.model.prompts.get(self.model.default_prompt_name)
        return own if self.prompt is None else self.prompt

    def _predict(self, model: Any, pairs: Sequence[tuple[str, str]]) -> list[float]:
        from torch import nn

        rows = model.predict(
            list(pairs), prompt=self.prompt, batch_size=self.batch, activation_fn=nn.Identity(), show_progress_bar=False
        )
        return [float(score) for score in _head(rows.reshape(len(pairs), -1))]

    def _probe(self, model: Any) -> list[float]:
        return [score for pair in PROBES for score in self._predict(model, [pair])]


def _faster(owner: _Owner) -> _Batched | None:
    """Our own batching of the owner's weights, where it agrees with the owner on the probes."""
    if owner.prompt or owner._prompt or len(owner.model) != 1 or owner.folder.adapter:
        return None
    ours = _Batched(
        owner.torch_model, owner.model.tokenizer, fingerprint=owner.fingerprint, max_length=owner.max_length,
        batch=owner.batch,
    )  # fmt: skip
    scores = owner._probe(owner.model)
    try:
        other = [ours.logits(query, [text])[0] for query, text in PROBES]
    except (TypeError, ValueError, RuntimeError, AttributeError):  # an architecture that wants other inputs
        return None
    differences = [abs(a - b) for a, b in zip(scores, other, strict=True)]
    most = AGREE * (max(scores) - min(scores))
    if not all(each <= most for each in differences):  # of no numbers none is
        return None
    difference = max(differences)
    ours.note = f"batched by length, as sentence-transformers scores but for {difference:.1g} on {len(PROBES)} pairs"
    return ours


class _Batched:
    """A model's weights, in batches of equal length, and only what the first piece needs of the last layer."""

    gradients = True

    def __init__(
        self, model: Any, tokenizer: Any, *, fingerprint: str, max_length: int | None, batch: int, note: str = ""
    ) -> None:
        from tokenizers import Tokenizer

        backend = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())  # the owner's stays as it is
        self.torch_model = model
        self.tokenizer = PairTokenizer(backend, max_length or sys.maxsize)
        self.fingerprint, self.max_length, self.note, self._batch = fingerprint, max_length, note, batch

    def logits(self, query: str, texts: Sequence[str]) -> list[float]:
        import torch

        pairs = self.tokenizer.encode(query, texts, places=False)
        scores = [0.0] * len(pairs)
        with torch.inference_mode():
            for batch in by_length([len(pair.ids) for pair in pairs], self._batch):
                for i, logit in zip(batch, self._logits([pairs[i] for i in batch]), strict=True):
                    scores[i] = logit
        return scores

    def _logits(self, pairs: Sequence[Encoded]) -> list[float]:
        try:
            logits: list[float] = _head(
                first_token.logits(self.torch_model, _tensors(pairs, self.torch_model))
            ).tolist()
        except ValueError:  # one text may break a batch: a literal </s> that of BART
            if len(pairs) == 1:
                raise
            return [logit for pair in pairs for logit in self._logits([pair])]
        return logits

    def traced(self, query: str, text: str) -> tuple[Callable[[], Any], Sequence[tuple[int, int] | None]]:
        return traced(self.torch_model, self.tokenizer, query, text)

    def pieces(self, word: str) -> list[int]:
        return self.tokenizer.pieces(word)


def traced(
    model: Any, tokenizer: PairTokenizer, query: str, text: str
) -> tuple[Callable[[], Any], Sequence[tuple[int, int] | None]]:
    """The logit of a pair as a function that gradients flow through, and the places of its pieces in the text."""
    (pair,) = tokenizer.encode(query, [text])
    return lambda: _head(model(**_tensors([pair], model)).logits)[0], pair.places


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
