"""What the torch rankers share: device, fingerprint, and loading with errors that name the fix."""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

from robustrank.core.errors import MissingExtra, PluginError

Loaded = TypeVar("Loaded")


def choose_device(device: str) -> str:
    """``"auto"`` as CUDA, Apple's or the CPU, in this order; anything else as it is.

    Raises:
        MissingExtra: torch is not installed.
        PluginError: There is no such device.
    """
    try:
        import torch
    except ImportError as error:
        raise MissingExtra("a neural ranker", extra="torch", package="torch") from error
    if device == "auto":
        if torch.cuda.is_available():
            return "cuda"
        return "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        torch.empty(0, device=device)
    except (AssertionError, RuntimeError) as error:
        raise PluginError(f"device {device!r} cannot be used here: {str(error).splitlines()[0]}") from error
    return device


def pretrained(kind: Any, where: str | Path, **more: Any) -> Any:
    """``kind.from_pretrained``, the one way in which files of a model are loaded.

    Code of a model folder never runs, no question is asked, and weights are read from safetensors only.

    Args:
        kind: An ``Auto`` class of transformers, for a model or a tokenizer.
        where: A local folder or a hub id.
        **more: Further arguments of ``from_pretrained``.
    """
    if "Tokenizer" not in kind.__name__:
        more["use_safetensors"] = True
    return kind.from_pretrained(str(where), trust_remote_code=False, **more)


def sentence_model(kind: Any, where: str | Path, device: str, arguments: Mapping[str, Any]) -> Any:
    """A model of a class of sentence-transformers, loaded with the same restrictions as :func:`pretrained`.

    Args:
        kind: The class.
        where: A local folder, checked by :class:`robustrank.rankers.models.owners.Folder`.
        device: Of torch.
        arguments: Further arguments of the class.
    """
    weights = {"use_safetensors": True}
    return kind(str(where), device=device, trust_remote_code=False, model_kwargs=weights, **arguments)


def adapted(model: Any, folder: Path) -> None:
    """Put an adapter that PEFT saved into its base model.

    Raises:
        PluginError: Its weights are no safetensors file.
    """
    from peft import PeftModel

    if not (folder / "adapter_model.safetensors").is_file():
        raise PluginError(f"{folder}: has no adapter_model.safetensors; save the adapter with a current peft")
    PeftModel.from_pretrained(model, str(folder))


NO_CODE = "code that comes with a model is never run; give a model of an architecture that the library knows"


def longest(config: Any) -> int:
    """Word pieces a transformers model can read, by its configuration; XLNet's -1 means without limit."""
    positions = int(getattr(config, "max_position_embeddings", None) or 0)
    return (
        sys.maxsize if positions <= 0 else positions - positions % 8
    )  # RoBERTa and similar models have 514 positions and use 512


def fingerprint(state: Mapping[str, Any], *more: object) -> str:
    """The first 16 hex digits of the sha256 of tensors by name and of ``more``, what else the scores depend on."""
    total = sha256(repr(more).encode())
    for name, tensor in sorted(state.items()):
        total.update(name.encode())
        total.update(tensor.detach().cpu().contiguous().flatten().view(_bytes()).numpy().tobytes())
    return total.hexdigest()[:16]


def load(what: str, model: str, loader: Callable[[], Loaded], *, extra: str = "torch") -> Loaded:
    """Call a loader; turn its failures into typed errors.

    Args:
        what: What needs the model, for messages.
        model: Its name.
        loader: Loads it.
        extra: The extra of this distribution that brings the packages.

    Raises:
        MissingExtra: A package is not installed.
        PluginError: No such model, here or on the hub, or not of this kind.
    """
    try:
        from transformers.utils import logging

        logging.disable_progress_bar()  # the audit has its own
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # of one library's use of another
            return loader()
    except ImportError as error:
        raise MissingExtra(what, extra=extra, package=error.name or "transformers") from error
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        fix = " (give a bundled name, a local folder, or a hub id with network)"
        raise PluginError(f"{what}: cannot load {model!r}: {advice(Path(model)) or reason + fix}") from error


def advice(folder: Path, *, adapter: bool = False) -> str:
    """What is wrong with a local folder, where that can be seen from its files; empty where it cannot.

    Args:
        folder: Of the model.
        adapter: Whether it is an adapter, whose files are few.
    """
    config = folder / "config.json"
    try:
        settings = json.loads(config.read_text(encoding="utf-8")) if config.is_file() else {}
    except ValueError as error:
        return f"{config} is not JSON: {error}"
    if isinstance(settings, dict) and settings.get("auto_map") and not _known(settings):
        return f"{config} names code of its own (auto_map); {NO_CODE}"
    pickles = sorted(path.name for path in folder.glob("*.bin")) if folder.is_dir() else []
    if pickles and not list(folder.glob("*.safetensors")):
        save = "model.save_pretrained(FOLDER, safe_serialization=True)"
        return (
            f"{folder} has its weights in {pickles[0]}, a pickle, which can run code when it is read; load it once "
            f"with transformers where you trust it, and save it as safetensors: {save}"
        )
    return ""


def _known(settings: Mapping[str, Any]) -> bool:
    """Whether transformers has the architecture itself, so that the folder's code is not needed."""
    from transformers import CONFIG_MAPPING

    return settings.get("model_type") in CONFIG_MAPPING


def _bytes() -> Any:
    import torch

    return torch.uint8
