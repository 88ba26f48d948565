"""Late interaction: each query piece is compared with its nearest document piece (ColBERT, Khattab & Zaharia 2020)."""

from __future__ import annotations

import string
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from hashlib import file_digest, sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from robustrank.core.errors import MissingExtra, PluginError
from robustrank.core.types import Document, Query, RankerCard
from robustrank.rankers._options import require_fits, require_sizes
from robustrank.rankers.models import weights

if TYPE_CHECKING:
    from robustrank.rankers.models.owners import Folder

KEPT = 4_000
"""Texts whose states a model caches; 128 pieces of 384 numbers each, at most about 800 MB."""

States = NDArray[np.float32]
"""Pieces x dimensions, rows of unit length."""


@dataclass(frozen=True, kw_only=True)
class LateInteraction:
    """The sum over query pieces of the largest cosine with a piece of the document.

    A folder that sentence-transformers, PyLate or Stanford's ColBERT saved scores as sentence-transformers scores it:
    with its markers, lengths, query expansion and skipped pieces. Of a bare BERT model, query and document begin with
    their markers (``[unused0]``, ``[unused1]``), a query is filled up with ``[MASK]``, and punctuation of the document
    is skipped, as ColBERT does.

    Args:
        model: ``"colbert-backbone"`` comes inside a package, without its projection: its states are
            compared directly, and the card says so. Any other name is a local folder or a hub id of a BERT model
            with ``linear.weight`` (in ``model.safetensors`` or ``1_Dense/``); without one, states are unprojected too.
        max_length: Word pieces read of a document; by default as many as the folder says, 180 of a bare model.
        query_length: Word pieces of a query, filled up or cut to; likewise, 32 of a bare model.
        device: ``"auto"``, ``"cpu"``, ``"cuda"``, ...; the bundled model runs on the CPU.
    """

    model: str = "colbert-backbone"
    max_length: int | None = None
    query_length: int | None = None
    device: str = "auto"

    def __post_init__(self) -> None:
        for length in (self.max_length, self.query_length):
            require_sizes("late_interaction", max_length=length, batch=1)

    @cached_property
    def card(self) -> RankerCard:
        """Loads the model."""
        encoder = self._encoder
        return RankerCard(
            name=f"late_interaction({self.model})", fingerprint=encoder.fingerprint, max_length=encoder.max_length,
            note=encoder.note,
        )  # fmt: skip

    def score(self, query: Query, docs: Sequence[Document], /) -> list[float]:
        """Sum of largest cosines."""
        if not docs:
            return []
        encoder = self._encoder
        query_states = encoder.states(query.text, query=True)
        return [encoder.match(query_states, encoder.states(doc.text, query=False)) for doc in docs]

    @property
    def _encoder(self) -> _Encoder:
        return _load(self)


def max_sim(query: States, document: States) -> float:
    """Sum over query pieces of the largest dot product with a document piece; 0 for a document without pieces."""
    return float((query @ document.T).max(axis=1).sum()) if len(document) else 0.0


@lru_cache(maxsize=2)
def _load(ranker: LateInteraction) -> _Encoder:
    where = weights.resolve(ranker.model)
    if isinstance(where, Path) and (where / "model.onnx").is_file() and not (where / "config.json").is_file():
        return _Bare(ranker, where)
    from robustrank.rankers.models import owners

    folder = owners.Folder(ranker.model, f"late interaction {ranker.model!r}")
    folder.check("late_interaction")
    stanford = "HF_ColBERT" in (folder.config.get("architectures") or ())
    return _Owned(ranker, folder) if folder.modules or stanford else _Bare(ranker, folder.path, folder)


class _Encoder(Protocol):
    fingerprint: str
    max_length: int | None
    note: str

    def states(self, text: str, *, query: bool) -> States: ...

    def match(self, query: States, document: States) -> float: ...


class _Owned:
    """A folder as sentence-transformers encodes and compares it."""

    def __init__(self, ranker: LateInteraction, folder: Folder) -> None:
        from robustrank.rankers.models import owners

        self._model = owners.load(folder, "MultiVectorEncoder", ranker.device, self._probe)
        inner = self._model[0]
        for name, value in (("document_length", ranker.max_length), ("query_length", ranker.query_length)):
            if value is not None:
                if not hasattr(inner, name):
                    raise PluginError(f"{folder.what}: its library has no {name} to set; leave it to the folder")
                setattr(inner, name, value)
        self.max_length: int | None = getattr(inner, "document_length", None) or self._model.max_seq_length
        self.note = "scored by sentence-transformers"
        self.fingerprint = folder.fingerprint("late_interaction", ranker.max_length, ranker.query_length)
        self._kept: OrderedDict[tuple[bool, str], States] = OrderedDict()

    def states(self, text: str, *, query: bool) -> States:
        """The states of a text's pieces; a text is encoded once, whichever list it is in."""
        if (query, text) not in self._kept:
            self._kept[query, text] = self._encode(self._model, text, query)
            if len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return self._kept[query, text]

    def match(self, query: States, document: States) -> float:
        """The owner's similarity of two texts."""
        return float(self._model.similarity([query], [document])[0, 0])

    def _encode(self, model: Any, text: str, query: bool) -> States:
        encode = model.encode_query if query else model.encode_document
        (states,) = encode([text], convert_to_numpy=True, show_progress_bar=False)
        return np.ascontiguousarray(states, dtype=np.float32)

    def _probe(self, model: Any) -> list[float]:
        query = self._encode(model, "a query", True)
        documents = [self._encode(model, text, False) for text in ("a text about cats", "another, quite different")]
        return [float(model.similarity([query], [document])[0, 0]) for document in documents]


class _Bare:
    """A BERT model, read as ColBERT reads one."""

    def __init__(self, ranker: LateInteraction, where: Path, folder: Folder | None = None) -> None:
        name = ranker.model
        backbone = _onnx(where) if folder is None else _torch(name, str(where), ranker.device)
        self._forward, self._tokenizer, projected, state, longest = backbone
        self.note = "" if projected else "unprojected states: the model's projection to smaller vectors is missing"
        self._lengths = {True: ranker.query_length or 32, False: ranker.max_length or 180}
        self.max_length: int | None = self._lengths[False]
        require_fits(f"late_interaction {name!r}", max(self._lengths.values()), longest)
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        self._kept: OrderedDict[tuple[bool, str], States] = OrderedDict()
        piece: Callable[[str], Any] = self._tokenizer.token_to_id
        if None in (piece("[CLS]"), piece("[SEP]"), piece("[MASK]")):
            raise PluginError(f"late_interaction {name!r}: its vocabulary is not BERT's ([CLS], [SEP], [MASK])")
        self._cls, self._sep, self._mask = piece("[CLS]"), piece("[SEP]"), piece("[MASK]")
        self._marker = {True: piece("[unused0]"), False: piece("[unused1]")}
        self._skipped = {piece(mark) for mark in string.punctuation}
        parameters = f"{state} {self._tokenizer.to_str()} {self._lengths[False]} {self._lengths[True]}"
        self.fingerprint = sha256(parameters.encode()).hexdigest()[:16]

    def match(self, query: States, document: States) -> float:
        """The sum of largest cosines."""
        return max_sim(query, document)

    def states(self, text: str, *, query: bool) -> States:
        """The states of a text's pieces; a text is encoded once, whichever list it is in."""
        if (query, text) not in self._kept:
            self._kept[query, text] = self._encode(text, query)
            if len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return self._kept[query, text]

    def _encode(self, text: str, query: bool) -> States:
        length = self._lengths[query]
        pieces = self._tokenizer.encode(text, add_special_tokens=False).ids[: length - 3]
        marker = [] if self._marker[query] is None else [self._marker[query]]  # not every vocabulary has markers
        ids = [self._cls, *marker, *pieces, self._sep]
        attended = len(ids)
        if query:
            ids += [self._mask] * (length - attended)
        states = self._forward(ids, attended)
        states /= np.maximum(np.linalg.norm(states, axis=1, keepdims=True), 1e-12)
        kept = [place for place, piece in enumerate(ids) if query or piece not in self._skipped]
        return np.ascontiguousarray(states[kept], dtype=np.float32)


def _onnx(folder: Path) -> tuple[Any, Any, bool, str, int]:
    try:
        import onnxruntime
        from tokenizers import Tokenizer
    except ImportError as error:
        raise MissingExtra("the late_interaction ranker", extra="onnx", package=error.name or "onnxruntime") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.x64quantprecision", "1")  # as in onnx_int8
    model = folder / "model.onnx"
    session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])

    def forward(ids: Sequence[int], attended: int) -> NDArray[np.float32]:
        mask = [1] * attended + [0] * (len(ids) - attended)
        rows = {"input_ids": ids, "attention_mask": mask, "token_type_ids": [0] * len(ids)}
        out = session.run(["last_hidden_state"], {k: np.array([v], dtype=np.int64) for k, v in rows.items()})
        states: NDArray[np.float32] = np.array(out[0][0])
        return states

    with model.open("rb") as file:
        state = file_digest(file, "sha256").hexdigest()
    return forward, Tokenizer.from_file(str(folder / "tokenizer.json")), False, state, 512


def _torch(name: str, where: str, device: str) -> tuple[Any, Any, bool, str, int]:
    from robustrank.rankers.models import torch_models

    def loader() -> tuple[Any, Any, Any]:
        from transformers import AutoModel, AutoTokenizer

        loaded = torch_models.pretrained(AutoModel, where, output_loading_info=True)
        return torch_models.pretrained(AutoTokenizer, where), *loaded

    tokenizer, model, report = torch_models.load("the late_interaction ranker", name, loader)
    if missing := sorted(each for each in set(report["missing_keys"]) if not each.startswith("pooler.")):
        # Missing weights are made up at random. The pooler's are not used.
        raise PluginError(f"late_interaction {name!r}: its files lack {', '.join(missing)}")
    chosen = torch_models.choose_device(device)
    model = model.float().eval().to(chosen)
    projection = _projection(where)

    def forward(ids: Sequence[int], attended: int) -> NDArray[np.float32]:
        import torch

        mask = [1] * attended + [0] * (len(ids) - attended)
        with torch.inference_mode():
            out = model(
                input_ids=torch.tensor([ids], device=chosen), attention_mask=torch.tensor([mask], device=chosen)
            ).last_hidden_state[0]
        states: NDArray[np.float32] = np.array(out.float().cpu().numpy())
        return states if projection is None else states @ projection.T

    used = {name: tensor for name, tensor in model.state_dict().items() if not name.startswith("pooler.")}
    state = torch_models.fingerprint(used, None if projection is None else projection.tobytes().hex())
    return forward, tokenizer.backend_tokenizer, projection is not None, state, torch_models.longest(model.config)


def _projection(where: str) -> NDArray[np.float32] | None:
    """``linear.weight`` of a local folder, or of a hub id's files; ``None`` where there is none."""
    from safetensors import safe_open
    from transformers.utils import cached_file

    for file in ("1_Dense/model.safetensors", "model.safetensors"):
        try:
            path = cached_file(where, file, _raise_exceptions_for_missing_entries=False)
        except OSError:
            continue
        if path is not None:
            with safe_open(path, framework="numpy") as tensors:
                if "linear.weight" in tensors.keys():  # noqa: SIM118 (no container, it only has keys)
                    return np.array(tensors.get_tensor("linear.weight"), dtype=np.float32)
    return None
