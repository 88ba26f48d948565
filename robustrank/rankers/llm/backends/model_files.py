"""Language models as folders of safetensors: bundled ones and GGUF files are converted once, into a cache folder."""

from __future__ import annotations

import os
import struct
from functools import lru_cache
from hashlib import file_digest
from pathlib import Path
from tempfile import mkdtemp
from threading import RLock
from typing import Any, NamedTuple

from filelock import FileLock

from robustrank.core.errors import PluginError
from robustrank.rankers.models import torch_models, weights
from robustrank.rankers.models.owners import Folder

CONVERSION = 1
"""Of GGUF files to float32; raised where it changes."""

DTYPES = ("float32", "bfloat16", "float16")


class Loaded(NamedTuple):
    """A model in memory.

    Args:
        lock: Held while it computes: one call switches how attention is computed.
    """

    tokenizer: Any
    model: Any
    lock: Any


def cache_folder() -> Path:
    """Where converted models are kept: ``$ROBUSTRANK_CACHE``, else ``robustrank`` in the user's cache folder."""
    own = os.environ.get("ROBUSTRANK_CACHE")
    return Path(own) if own else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "robustrank"


@lru_cache(maxsize=8)
def folder(model: str, what: str) -> Folder:
    """The folder of a bundled name, a GGUF file, a local folder or a hub id.

    Raises:
        MissingExtra: A package is not installed.
        PluginError: There is none, or it would need code of its own or a pickle.
    """
    where = weights.resolve(model)
    files = sorted(where.glob("*.gguf")) if isinstance(where, Path) else [Path(model)] if _is_gguf(model) else []
    if files and not (isinstance(where, Path) and list(where.glob("*.safetensors"))):
        if len(files) > 1:
            raise PluginError(f"{what}: {where} has {len(files)} GGUF files; give the path of one")
        where = converted(files[0], what)
    read = Folder(str(where), what)
    if advice := torch_models.advice(read.path):
        raise PluginError(f"{what}: cannot load {model!r}: {advice}")
    return read


def converted(file: Path, what: str) -> Path:
    """The folder of a GGUF file's weights as float32 safetensors, made where it is not there yet.

    Raises:
        MissingExtra: transformers, gguf or accelerate is not installed.
        PluginError: It cannot be read.
    """
    with file.open("rb") as stream:
        digest = file_digest(stream, "sha256").hexdigest()[:16]
    target = cache_folder() / f"{file.stem}-{digest}-{CONVERSION}"
    if target.is_dir():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{target}.lock"):
        if not target.is_dir():
            torch_models.load(what, file.name, lambda: _convert(file, target), extra="llm")
    return target


def _convert(file: Path, target: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    try:
        tokenizer = torch_models.pretrained(AutoTokenizer, file.parent, gguf_file=file.name)
        read = torch_models.pretrained(AutoModelForCausalLM, file.parent, gguf_file=file.name, dtype=torch.float32)
    except struct.error as error:
        raise ValueError(f"no whole GGUF file: {error}") from error
    if hasattr(read.config, "quantization_config"):
        del read.config.quantization_config
    model = type(read)(read.config)  # one that was read from GGUF refuses to be saved
    model.load_state_dict(read.state_dict())
    part = Path(mkdtemp(dir=target.parent, prefix=f"{target.name}-"))
    model.save_pretrained(part)
    tokenizer.save_pretrained(part)
    part.replace(target)


@lru_cache(maxsize=2)
def load(model: str, what: str, dtype: str, device: str, kind: str = "AutoModelForCausalLM") -> Loaded:
    """A model and its tokenizer, for inference.

    Args:
        model: As :func:`folder` has it.
        what: What needs it, for messages.
        dtype: Of :data:`DTYPES`.
        device: ``"auto"`` or a device of torch.
        kind: Class of transformers.

    Raises:
        MissingExtra: A package is not installed.
        PluginError: It cannot be loaded.
    """
    chosen = torch_models.choose_device(device)
    path = folder(model, what).path

    def loader() -> Any:
        import torch
        import transformers

        tokenizer = torch_models.pretrained(transformers.AutoTokenizer, path)
        of_kind = getattr(transformers, kind)
        return tokenizer, torch_models.pretrained(of_kind, path, dtype=getattr(torch, dtype))

    tokenizer, network = torch_models.load(what, model, loader, extra="llm")
    if not getattr(tokenizer, "is_fast", False):
        raise PluginError(f"{what}: {model!r} has no tokenizer.json; convert its tokenizer to a fast one")
    return Loaded(tokenizer, network.eval().to(chosen), RLock())


def _is_gguf(model: str) -> bool:
    return model.endswith(".gguf") and Path(model).is_file()
