"""The bundled cross-encoder: int8 ONNX for scores, the same weights dequantised into torch for gradients."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Any

from robustrank.core.cores import threads
from robustrank.core.errors import MissingExtra
from robustrank.rankers._options import require_fits
from robustrank.rankers.models.onnx_folder import session
from robustrank.rankers.models.pairs import Encoded, PairTokenizer

POSITIONS = 512
"""Word pieces BERT can read."""


class OnnxCrossEncoder:
    """A BERT cross-encoder in an ONNX file with dynamic int8 quantisation.

    Dynamic quantisation scales activations by the largest value of a *batch*, so a document's score would depend on
    its batch: by up to 0.87 where a list spreads over 18, measured in batches of 32. Pairs are therefore run one by
    one, each on one thread, as many at a time as there are cores. That is also faster: nothing is padded.

    Args:
        folder: Holds ``model.onnx`` and ``tokenizer.json``.
        max_length: Word pieces of a pair.
    """

    gradients = True
    note = "dynamic int8 weights in ONNX Runtime, pairs scored one by one; gradients through the dequantised model"

    def __init__(self, folder: Path, max_length: int) -> None:
        require_fits("the bundled cross-encoder", max_length, POSITIONS)
        self._folder = folder
        self.max_length: int | None = max_length
        self._tokenizer = PairTokenizer.from_file(folder / "tokenizer.json", max_length)
        with (folder / "model.onnx").open("rb") as file:
            weights = file_digest(file, "sha256").hexdigest()
        self.fingerprint = sha256(f"{weights} {self._tokenizer.state}".encode()).hexdigest()[:16]
        self._session = session(folder / "model.onnx", threads=1)
        self._pool = ThreadPoolExecutor(threads())

    def logits(self, query: str, texts: Sequence[str]) -> list[float]:
        """One logit per text."""
        return list(self._pool.map(self._logit, self._tokenizer.encode(query, texts, places=False)))

    def _logit(self, pair: Encoded) -> float:
        import numpy as np

        inputs = {
            "input_ids": pair.ids,
            "attention_mask": [1] * len(pair.ids),
            # Without the segment ids the model still answers, wrongly: 1.20 where 6.46 is right.
            "token_type_ids": pair.segments,
        }
        arrays = {name: np.array([values], dtype=np.int64) for name, values in inputs.items()}
        return float(self._session.run(None, arrays)[0].item())

    @cached_property
    def torch_model(self) -> Any:
        """The dequantised model, in eval mode."""
        import torch

        with torch.inference_mode(mode=False):  # weights must support gradients, whichever call comes first
            return dequantise(self._folder / "model.onnx")

    @property
    def tokenizer(self) -> PairTokenizer:
        """The tokenizer of scores and gradients alike."""
        return self._tokenizer

    def traced(self, query: str, text: str) -> tuple[Callable[[], Any], Sequence[tuple[int, int] | None]]:
        """The dequantised model's logit, with gradients, and where each input piece stands in the text."""
        from robustrank.rankers.cross_encoder import traced

        return traced(self.torch_model, self._tokenizer, query, text)

    def pieces(self, word: str) -> list[int]:
        """Ids of a word on its own."""
        return self._tokenizer.pieces(word)


def dequantise(path: Path) -> Any:
    """A ``BertForSequenceClassification`` with the weights of a dynamically quantised ONNX export.

    Raises:
        MissingExtra: onnx or torch is not installed.
    """
    try:
        import onnx
        import torch
        from onnx import numpy_helper
        from transformers import BertConfig, BertForSequenceClassification
    except ImportError as error:
        extra = "onnx" if error.name == "onnx" else "torch"
        raise MissingExtra(
            "gradients of the bundled cross-encoder", extra=extra, package=error.name or extra
        ) from error
    graph = onnx.load(str(path)).graph
    stored = {tensor.name: tensor for tensor in graph.initializer}

    def dense(name: str) -> Any:
        base = name.removesuffix("_quantized")
        values, scale, zero = (
            numpy_helper.to_array(stored[base + end]) for end in ("_quantized", "_scale", "_zero_point")
        )
        return torch.from_numpy((values.astype("float32") - zero.astype("float32")) * scale)

    state = {
        name: torch.from_numpy(numpy_helper.to_array(t).copy()) for name, t in stored.items() if _PLAIN.match(name)
    }
    state |= {name.removesuffix("_quantized"): dense(name) for name in stored if _EMBEDDING.match(name)}
    for node in graph.node:
        if node.op_type == "MatMulInteger":
            # Matrices of the encoder lost their names in the export and are identified by the module they feed.
            module = _MODULE.match(node.output[0])
            own = node.input[1].removesuffix("_quantized")
            name = own if module is None else f"{module[1].replace('/', '.')}.weight"
            state[name] = dense(node.input[1]).T.contiguous()  # ONNX: inputs x outputs; torch: the reverse
    hidden = state["bert.embeddings.LayerNorm.weight"].shape[0]
    layers = 1 + max(int(match[1]) for name in state if (match := re.search(r"layer\.(\d+)\.", name)))
    config = BertConfig(
        vocab_size=state["bert.embeddings.word_embeddings.weight"].shape[0],
        hidden_size=hidden,
        num_hidden_layers=layers,
        num_attention_heads=hidden // 32,
        intermediate_size=state["bert.encoder.layer.0.intermediate.dense.bias"].shape[0],
        max_position_embeddings=state["bert.embeddings.position_embeddings.weight"].shape[0],
        num_labels=1,
    )
    model = BertForSequenceClassification(config)
    model.load_state_dict(state)
    return model.eval()


_PLAIN = re.compile(r"(bert|classifier)\..*(weight|bias)$")
_EMBEDDING = re.compile(r"bert\.embeddings\..*\.weight_quantized$")
_MODULE = re.compile(r"/(.+)/(?:MatMul|Gemm)_output_0")
