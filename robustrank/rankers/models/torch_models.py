"""What the torch rankers share: device, fingerprint, and loading with errors that name the fix."""

from __future__ import annotations

import sys
from collections.abc import Callable
from hashlib import sha256
from typing import Any, TypeVar

from robustrank.core.errors import MissingExtra, PluginError

Loaded = TypeVar("Loaded")


def choose_device(device: str) -> str:
    """``"auto"`` as CUDA, Apple's or the CPU, in this order; anything else as it is.

    Raises:
        PluginError: There is no such device.
    """
    import torch

    if device == "auto":
        if torch.cuda.is_available():
            return "cuda"
        return "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        torch.empty(0, device=device)
    except (AssertionError, RuntimeError) as error:
        raise PluginError(f"device {device!r} cannot be used here: {str(error).splitlines()[0]}") from error
    return device


def longest(config: Any) -> int:
    """Word pieces a transformers model can read, by its configuration."""
    positions = int(getattr(config, "max_position_embeddings", None) or sys.maxsize)
    return positions - positions % 8  # RoBERTa and similar models have 514 positions and use 512


def fingerprint(model: Any, *more: object) -> str:
    """The first 16 hex digits of the sha256 of all parameters and of ``more``, what else the scores depend on."""
    total = sha256(repr(more).encode())
    for name, tensor in sorted(model.state_dict().items()):
        total.update(name.encode())
        total.update(tensor.detach().cpu().contiguous().flatten().view(_bytes()).numpy().tobytes())
    return total.hexdigest()[:16]


def load(what: str, model: str, loader: Callable[[], Loaded]) -> Loaded:
    """Call a loader; turn its failures into typed errors.

    Raises:
        MissingExtra: A package is not installed.
        PluginError: No such model, here or on the hub, or not of this kind.
    """
    try:
        from transformers.utils import logging

        logging.disable_progress_bar()  # the audit has its own
        return loader()
    except ImportError as error:
        raise MissingExtra(what, extra="torch", package=error.name or "transformers") from error
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise PluginError(
            f"{what}: cannot load {model!r}: {reason} (give a bundled name, a local folder, or a hub id with network)"
        ) from error


def _bytes() -> Any:
    import torch

    return torch.uint8
