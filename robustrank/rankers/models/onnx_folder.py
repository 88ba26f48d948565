"""Cross-encoders in ONNX files, as optimum and sentence-transformers export them, scored in ONNX Runtime.

optimum's own classes need an older transformers than this package, so the session is ours: inputs by the names that
the graph has, the tokenizer, its lengths and the prompt from the folder.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from hashlib import file_digest, sha256
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from robustrank.core.cores import threads
from robustrank.core.errors import ContractError, MissingExtra, PluginError
from robustrank.rankers.models import torch_models, weights
from robustrank.rankers.models.batching import by_length
from robustrank.rankers.models.owners import Folder
from robustrank.rankers.models.pairs import Encoded, PairTokenizer

DYNAMIC = frozenset({"DynamicQuantizeLinear", "DynamicQuantizeMatMul", "DynamicQuantizeLSTM"})
STATIC = frozenset({"QuantizeLinear", "QLinearMatMul", "QAttention"})
"""Operators of quantised graphs."""


def session(path: Path, device: str = "cpu", *, threads: int = 0) -> Any:
    """An ONNX Runtime session of a file.

    Args:
        path: Of the ONNX file.
        device: ``"cuda"`` needs the runtime's build for it.
        threads: Of one call; 0 leaves it to the runtime.

    Raises:
        MissingExtra: onnxruntime is not installed.
        PluginError: It cannot be loaded, or not on this device.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingExtra(f"the ONNX model {path.name}", extra="onnx", package="onnxruntime") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    # Without it, processors that lack VNNI instructions saturate some sums, and score otherwise than those that
    # have them: by up to 0.33, where a list spreads over 18.
    options.add_session_config_entry("session.x64quantprecision", "1")
    provider = "CUDAExecutionProvider" if device.startswith("cuda") else "CPUExecutionProvider"
    if provider not in onnxruntime.get_available_providers():
        raise PluginError(f"{path}: onnxruntime has no {provider} here; install onnxruntime-gpu, or leave out device")
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=[provider])
    except Exception as error:  # onnxruntime's own exceptions share no class
        raise PluginError(f"{path}: not a model that ONNX Runtime can load: {str(error).splitlines()[0]}") from error


class OnnxFolder:
    """A cross-encoder folder whose weights are in an ONNX file.

    Dynamic quantisation scales activations by the largest value of a batch, so such a model runs pair by pair, as many
    at a time as there are cores; so does any other whose scores depend on the batch. A torch model beside the file
    lends gradients where its scores agree.

    Args:
        name: The folder.
        file: Of the folder; not needed where it has one ONNX file.
        max_length: Word pieces of a pair; by default as the folder says.
        prompt: In front of the query; by default the folder's own.
        device: ``"auto"`` is the CPU.
        batch: Pairs per call.
        probes: Pairs on which scores alone, in a batch and of the torch model are compared.
        agree: Largest difference at which two scores agree, relative to their spread.

    Raises:
        MissingExtra: A package is not installed.
        PluginError: It is not a cross-encoder that can be scored as it is deployed.
    """

    def __init__(
        self,
        name: str,
        file: str | None,
        max_length: int | None,
        *,
        prompt: str | None = None,
        device: str = "auto",
        batch: int = 16,
        probes: Sequence[tuple[str, str]],
        agree: float,
    ) -> None:
        self._what = f"cross-encoder {name!r}"
        self._folder = Folder(name, self._what)
        self._folder.check("cross_encoder")
        self._path = self._folder.path / self._chosen(file)
        from_text = self._fast_tokenizer()
        length = self._length(max_length, int(from_text.model_max_length))
        self.max_length: int | None = length
        self._prompt = self._own_prompt() if prompt is None else prompt
        self._batch, self._probes, self._agree = batch, probes, agree
        self._device = "cpu" if device == "auto" else device
        self.tokenizer = PairTokenizer(from_text.backend_tokenizer, length)
        self._pad, self._left = from_text.pad_token_id or 0, from_text.padding_side == "left"
        self._pool: ThreadPoolExecutor | None = None
        kind, dynamic = _kind(self._path, self._what)
        self._session = session(self._path, self._device, threads=int(dynamic))
        self._check_graph()
        self._alone = dynamic or not self._same_in_a_batch()
        how = "pairs scored one by one" if self._alone else "in batches of similar length"
        self.note = f"{kind} in ONNX Runtime ({self._path.name}), {how}; {self._gradients_of}"
        self.fingerprint = self._identity()

    @property
    def gradients(self) -> bool:
        """Whether a torch model of the folder scores alike, and lends its gradients."""
        return self._twin is not None

    def logits(self, query: str, texts: Sequence[str]) -> list[float]:
        """One logit per text."""
        pairs = self.tokenizer.encode(f"{self._prompt}{query}", texts, places=False)
        if self._alone:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(threads())
            return [logit for row in self._pool.map(lambda pair: self._run([pair]), pairs) for logit in row]
        return self._batched(pairs)

    @property
    def torch_model(self) -> Any:
        """The torch model beside the ONNX file.

        Raises:
            ContractError: There is none that scores alike.
        """
        if self._twin is None:
            raise ContractError(f"{self._what} lends no gradients: {self._gradients_of}")
        return self._twin

    def traced(self, query: str, text: str) -> tuple[Callable[[], Any], Sequence[tuple[int, int] | None]]:
        """The torch model's logit, with gradients, and where each input piece stands in the text."""
        from robustrank.rankers.cross_encoder import traced

        return traced(self.torch_model, self.tokenizer, f"{self._prompt}{query}", text)

    def pieces(self, word: str) -> list[int]:
        """Ids of a word on its own."""
        return self.tokenizer.pieces(word)

    def _batched(self, pairs: Sequence[Encoded]) -> list[float]:
        scores = [0.0] * len(pairs)
        for places in by_length([len(pair.ids) for pair in pairs], self._batch):
            for place, logit in zip(places, self._run([pairs[place] for place in places]), strict=True):
                scores[place] = logit
        return scores

    def _run(self, pairs: Sequence[Encoded]) -> list[float]:
        import numpy as np

        longest = max(len(pair.ids) for pair in pairs)

        def padded(rows: Sequence[Sequence[int]], filler: int) -> list[list[int]]:
            spare = [[filler] * (longest - len(row)) for row in rows]
            return [[*more, *row] if self._left else [*row, *more] for row, more in zip(rows, spare, strict=True)]

        mask = padded([[1] * len(pair.ids) for pair in pairs], 0)
        values: Mapping[str, list[list[int]]] = {
            "input_ids": padded([pair.ids for pair in pairs], self._pad),
            "attention_mask": mask,
            "token_type_ids": padded([pair.segments for pair in pairs], 0),
            "position_ids": [np.maximum(np.cumsum(row) - 1, 0).tolist() for row in mask],
        }
        arrays = {
            each.name: np.asarray(values[each.name], dtype=np.int32 if each.type == "tensor(int32)" else np.int64)
            for each in self._session.get_inputs()
        }
        (rows,) = self._session.run([self._output], arrays)
        return [float(row[0] if len(row) == 1 else row[1] - row[0]) for row in rows.reshape(len(pairs), -1)]

    def _chosen(self, file: str | None) -> str:
        every = weights.onnx_files(self._folder.path)
        if file is not None and file not in every:
            raise PluginError(f"{self._what}: has no ONNX file {file!r} (it has {', '.join(every) or 'none'})")
        if file is None and len(every) > 1:
            raise PluginError(f'{self._what}: several ONNX files; say which one is deployed: file = "{every[0]}"')
        return file or every[0]

    def _fast_tokenizer(self) -> Any:
        if not (self._folder.path / "tokenizer.json").is_file():
            raise PluginError(f"{self._what}: has no tokenizer.json; save its tokenizer beside the ONNX file")

        def loader() -> Any:
            from transformers import AutoTokenizer, PreTrainedTokenizerFast

            kind = AutoTokenizer if self._folder.config else PreTrainedTokenizerFast
            return torch_models.pretrained(kind, self._folder.path)

        return torch_models.load(self._what, self._folder.name, loader)

    def _length(self, wanted: int | None, of_tokenizer: int) -> int:
        """Word pieces that are read: as wanted, else as the folder says, at most as the model can."""
        config = self._folder.config
        most = torch_models.longest(SimpleNamespace(**config)) if config else sys.maxsize
        if wanted is not None and wanted > most:
            raise PluginError(f"{self._what}: max_length {wanted} exceeds the {most} word pieces the model can read")
        own = int(self._folder.encoder.get("max_seq_length") or of_tokenizer)
        read = wanted or min(own, most)
        if read > _UNLIMITED:
            raise PluginError(f"{self._what}: its files do not say how many word pieces it reads: give max_length")
        return read

    def _own_prompt(self) -> str:
        prompts = self._folder.settings.get("prompts") or {}
        return str(prompts.get(self._folder.settings.get("default_prompt_name")) or "")

    def _check_graph(self) -> None:
        unknown = sorted({each.name for each in self._session.get_inputs()} - _INPUTS)
        if unknown:
            raise PluginError(f"{self._what}: the graph has an input {unknown[0]!r}, which is not known")
        outputs = {each.name: each.shape for each in self._session.get_outputs()}
        self._output = "logits"
        if "logits" not in outputs:
            names = ", ".join(outputs)
            raise PluginError(f"{self._what}: the graph has no output 'logits' ({names}); it is no cross-encoder")
        labels = outputs["logits"][-1] if len(outputs["logits"]) > 1 else 1
        if labels not in (1, 2):
            raise PluginError(f"{self._what}: {labels} labels, a ranker has 1 or 2")

    def _same_in_a_batch(self) -> bool:
        pairs = [self.tokenizer.encode(f"{self._prompt}{q}", [text], places=False)[0] for q, text in self._probes]
        alone = [self._run([pair])[0] for pair in pairs]
        return self._near(alone, self._run(pairs))

    def _near(self, ours: Sequence[float], others: Sequence[float]) -> bool:
        most = self._agree * (max(ours) - min(ours))
        return all(abs(a - b) <= most for a, b in zip(ours, others, strict=True))  # of no numbers none is

    @cached_property
    def _twin(self) -> Any:
        """The folder's torch model where it scores alike on the probes, else ``None``."""
        if not self._folder.config or not list(self._folder.path.glob("*.safetensors")):
            return None

        def loader() -> Any:
            from transformers import AutoModelForSequenceClassification

            return torch_models.pretrained(AutoModelForSequenceClassification, self._folder.path)

        model = torch_models.load(self._what, self._folder.name, loader).float().eval()
        theirs = [self._by_torch(model, query, text) for query, text in self._probes]
        ours = [self.logits(query, [text])[0] for query, text in self._probes]
        return model if self._near(ours, theirs) else None

    def _by_torch(self, model: Any, query: str, text: str) -> float:
        import torch

        from robustrank.rankers.cross_encoder import traced

        with torch.inference_mode():
            return float(traced(model, self.tokenizer, f"{self._prompt}{query}", text)[0]())

    @property
    def _gradients_of(self) -> str:
        if self._twin is not None:
            return "gradients of the torch model beside it, whose scores agree"
        if list(self._folder.path.glob("*.safetensors")):
            return "no gradients: the torch model beside it scores otherwise"
        return "no gradients: there is no torch model beside it"

    def _identity(self) -> str:
        total = sha256(repr((self._path.name, version("onnxruntime").rpartition(".")[0])).encode())
        outside = [path for path in self._path.parent.glob("*.onnx?data") if path.is_file()]  # weights above 2 GB
        for path in (self._path, *sorted(outside)):
            with path.open("rb") as file:
                total.update(file_digest(file, "sha256").digest())
        return self._folder.fingerprint("cross_encoder", self.max_length, self._prompt, total.hexdigest())


_INPUTS = frozenset({"input_ids", "attention_mask", "token_type_ids", "position_ids"})
_UNLIMITED = 10**6
"""More word pieces than any model reads: transformers writes such a number for "no limit"."""


def _kind(path: Path, what: str) -> tuple[str, bool]:
    """What the weights of a graph are, in words, and whether activations are quantised as they come."""
    try:
        import onnx
    except ImportError as error:
        raise MissingExtra(what, extra="onnx", package="onnx") from error
    try:
        graph = onnx.load(str(path), load_external_data=False).graph
    except Exception as error:  # protobuf's and onnx's own
        raise PluginError(f"{path}: not an ONNX file: {str(error).splitlines()[0]}") from error
    operators = {node.op_type for node in graph.node}
    if operators & DYNAMIC:
        return "int8, quantised dynamically,", True
    if operators & STATIC:
        return "int8, quantised statically,", False
    types = {tensor.data_type for tensor in graph.initializer if len(tensor.dims) > 1}
    return "float16" if onnx.TensorProto.FLOAT16 in types else "float32", False
