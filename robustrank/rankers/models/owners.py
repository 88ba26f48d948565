"""Model folders, loaded by the library that owns their format: what it computes is what the folder scores.

A folder says how it is to be used: which class saved it, prompts, lengths, pooling, activation, adapters. All of it is
read by the owner. What the owner would make up (a head that was never trained), run (code of the folder) or convert in
silence is refused.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from hashlib import file_digest, sha256
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from robustrank.core.errors import MissingExtra, PluginError
from robustrank.rankers.models import torch_models, weights

USE = {
    "CrossEncoder": "cross_encoder",
    "SentenceTransformer": "bi_encoder",
    "SparseEncoder": "sparse_encoder",
    "MultiVectorEncoder": "late_interaction",
    "ColBERT": "late_interaction",
}
"""The class that saved a folder, to the ranker that audits it."""

SETTINGS = frozenset({
    "__version__", "activation_fn", "default_prompt_name", "keep_in_fp32_modules", "model_type", "prompts",
    "similarity_fn_name", "truncate_dim", "requirements", "query_prefix", "document_prefix", "query_length",
    "document_length", "do_query_expansion", "attend_to_expansion_tokens", "skiplist_words",
})  # fmt: skip
"""Keys of ``config_sentence_transformers.json`` that the library honours."""

PARTS = ("*.json", "*.safetensors", "*.txt", "*.model", "*.jinja", "*/*.json", "*/*.safetensors")
"""Files of a folder that may decide scores."""

Probe = Callable[[Any], Sequence[float]]
"""Scores of some fixed texts by a loaded model."""

SAME = 1e-5
"""Relative to the spread of the probes' scores: what is below is rounding."""


class Folder:
    """The files of a model.

    Args:
        name: A bundled name, a local folder or a hub id.
        what: What needs it, for messages.
    """

    def __init__(self, name: str, what: str) -> None:
        where = weights.resolve(name)
        self.name, self.what = name, what
        self.path = where if isinstance(where, Path) else self._download(where)
        self.settings = self._object("config_sentence_transformers.json")
        self.modules = self._list("modules.json")
        self.adapter = self._object("adapter_config.json")
        self.config = self._object("config.json")
        self.encoder = self._object("sentence_bert_config.json")

    def saved_as(self) -> str:
        """The class of sentence-transformers that saved it; empty where none did."""
        return str(self.settings.get("model_type") or "SentenceTransformer") if self.modules else ""

    def check(self, use: str) -> None:
        """Refuse what its owner would not honour, or would only with code of the folder.

        Args:
            use: The ranker that is to audit it.

        Raises:
            PluginError: Saved for another ranker, of modules or settings that are unknown.
            MissingExtra: It is an adapter, and peft is not installed.
        """
        right = USE.get(self.saved_as(), "")
        if right and right != use:
            raise PluginError(f'{self.what}: {self.name!r} was saved as a {self.saved_as()}: use = "{right}"')
        for module in self.modules:
            if not str(module.get("type", "")).startswith(("sentence_transformers.", "pylate.")):
                kind = module.get("type")
                raise PluginError(f"{self.what}: modules.json has a module {kind!r}; {torch_models.NO_CODE}")
        if unknown := sorted(self.settings.keys() - SETTINGS):
            raise PluginError(
                f"{self.what}: config_sentence_transformers.json has {', '.join(unknown)}, which is not known to be "
                "honoured; remove what does not change scores, or audit the model behind a service"
            )
        for activation in (self.settings, self.config.get("sentence_transformers") or {}):
            path = activation.get("activation_fn")
            if path is not None and not str(path).startswith("torch.nn.modules."):
                raise PluginError(f"{self.what}: the activation {path!r} is none of torch.nn; {torch_models.NO_CODE}")
        if self.adapter and find_spec("peft") is None:
            raise MissingExtra(f"{self.what}: {self.name!r} is an adapter and", extra="train", package="peft")
        if advice := torch_models.advice(self.path, adapter=bool(self.adapter)):
            raise PluginError(f"{self.what}: cannot load {self.name!r}: {advice}")

    def fingerprint(self, *parameters: object) -> str:
        """16 hex digits over the files that may decide scores, the owner's version, and parameters."""
        owner = version("sentence-transformers").rpartition(".")[0]
        more = [self.base().fingerprint()] if self.adapter and not self.config else []
        total = sha256(repr((owner, *parameters, *more)).encode())
        for path in self._files():
            total.update(path.relative_to(self.path).as_posix().encode())
            with path.open("rb") as file:
                total.update(file_digest(file, "sha256").digest())
        return total.hexdigest()[:16]

    def tensors(self) -> frozenset[str]:
        """Names of all tensors of the folder, and of the model that an adapter changes."""
        from safetensors import safe_open

        names: set[str] = set()
        for path in self._files():
            if path.suffix == ".safetensors":
                with safe_open(path, "pt") as file:
                    names |= set(file.keys())
        return frozenset(names | (self.base().tensors() if self.adapter and not self.config else frozenset()))

    def base(self) -> Folder:
        """The folder of the model that an adapter changes.

        Raises:
            PluginError: The adapter does not name it, or it is neither here nor on the hub.
        """
        name = self.adapter.get("base_model_name_or_path")
        if not name:
            raise PluginError(f"{self.what}: adapter_config.json names no base model (base_model_name_or_path)")
        # A path may have been written relative to the adapter.
        beside = self.path / name
        return Folder(str(beside) if beside.is_dir() else name, f"{self.what}: the base model of the adapter")

    def _files(self) -> Iterator[Path]:
        found = {path for pattern in PARTS for path in self.path.glob(pattern) if path.is_file()}
        return iter(sorted(path for path in found if path.name != "README.md"))

    def _object(self, file: str) -> dict[str, Any]:
        value = self._read(file, {})
        return value if isinstance(value, dict) else {}

    def _list(self, file: str) -> list[dict[str, Any]]:
        value = self._read(file, [])
        return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []

    def _read(self, file: str, otherwise: Any) -> Any:
        path = self.path / file
        try:
            return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else otherwise
        except (ValueError, RecursionError) as error:
            raise PluginError(f"{self.what}: {path} is not JSON: {error}") from error

    def _download(self, name: str) -> Path:
        def loader() -> Path:
            from huggingface_hub import snapshot_download

            return Path(snapshot_download(name, allow_patterns=list(PARTS)))

        return torch_models.load(self.what, name, loader)


def load(folder: Folder, kind: str, device: str, probe: Probe, arguments: Mapping[str, Any] | None = None) -> Any:
    """The owner's model, for inference.

    Args:
        folder: Checked.
        kind: Its class in sentence-transformers.
        device: ``"auto"`` or a device of torch.
        probe: Scores of some texts, to see whether weights that are missing matter.
        arguments: Further arguments of the class.

    Raises:
        MissingExtra: A package is not installed, or too old for this kind of folder.
        PluginError: It cannot be loaded, or its files lack weights on which scores depend.
    """
    chosen = torch_models.choose_device(device)

    def loader() -> Any:
        import sentence_transformers

        if not hasattr(sentence_transformers, kind):
            raise ImportError(f"sentence-transformers has no {kind}", name="sentence-transformers>=6")
        base = folder.base() if folder.adapter and not folder.config else None
        where = folder.path if base is None else base.path
        model = torch_models.sentence_model(getattr(sentence_transformers, kind), where, chosen, arguments or {})
        if base is not None:
            torch_models.adapted(model.transformers_model, folder.path)
        return model

    def loaded(seed: int) -> Any:
        import torch

        state = torch.get_rng_state()
        torch.manual_seed(seed)
        model = torch_models.load(folder.what, folder.name, loader).eval()
        torch.set_rng_state(state)
        _pad(model)
        return model

    model = loaded(0)
    known, suspicious = folder.tensors(), []
    tails = {tail for name in known for tail in _tails(name)}
    for name in model.state_dict():
        core = name.partition(".")[2] if name.partition(".")[0].isdigit() else name
        core = core.removeprefix("model.").removeprefix("auto_model.")
        if core not in tails and not any(tail in known for tail in _tails(core)):
            suspicious.append(name)
    if suspicious:
        twin = loaded(1)
        state, other = model.state_dict(), twin.state_dict()
        made_up = [name for name in suspicious if not state[name].equal(other[name])]
        scores = probe(model)
        near = SAME * max(max(scores) - min(scores), 1e-9)
        # Scores that are no numbers are not near: nothing then shows that the weights do not matter.
        if made_up and not all(abs(a - b) <= near for a, b in zip(scores, probe(twin), strict=True)):
            names = ", ".join(name.removeprefix("0.").removeprefix("model.") for name in made_up)
            trained = f"it was not trained as a {folder.what.split()[0]}"
            raise PluginError(f"{folder.what}: its files lack {names}; {trained}")
    return model


def _tails(name: str) -> list[str]:
    """A name without its first parts, at least two of them left."""
    parts = name.split(".")
    return [".".join(parts[start:]) for start in range(max(1, len(parts) - 1))]


def _pad(model: Any) -> None:
    """Tell a model which piece is padding, where only its tokenizer knows: decoders find the last other one."""
    inner = getattr(model, "transformers_model", None)
    pad = getattr(getattr(model, "tokenizer", None), "pad_token_id", None)
    if inner is not None and pad is not None and getattr(inner.config, "pad_token_id", None) is None:
        inner.config.pad_token_id = pad


def max_length(model: Any, wanted: int | None, what: str) -> int | None:
    """Set and return the word pieces read of a text: as the folder says, or as wanted; ``None`` is all.

    Raises:
        PluginError: More are wanted than the model can read.
    """
    inner = getattr(model, "transformers_model", None)
    most = torch_models.longest(inner.config) if inner is not None else sys.maxsize
    own = int(min(model.max_seq_length or most, most))
    if wanted is not None and wanted > most:
        raise PluginError(f"{what}: max_length {wanted} exceeds the {most} word pieces the model can read")
    read = own if wanted is None else wanted
    if inner is not None and read != model.max_seq_length and read < sys.maxsize:
        model.max_seq_length = read
    return None if read >= sys.maxsize else read
