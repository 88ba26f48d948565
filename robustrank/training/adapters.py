"""Low-rank adapters (LoRA, Hu et al. 2022), by peft: the weights W are frozen, and B and A of W + BA are trained."""

from __future__ import annotations

import warnings
from typing import Any

from robustrank.core.errors import MissingExtra


def adapted(model: Any, rank: int) -> Any:
    """A peft model around a sequence classifier: low-rank updates of its attention and its head are trained.

    peft modifies ``model`` in place, and the trainer trains that; ``merge_and_unload()`` afterwards gives a model of
    the original architecture.

    Args:
        model: A transformers model with a classification head.
        rank: Rank of the updates; their scale (alpha / rank) is 2.

    Raises:
        MissingExtra: peft is not installed.
    """
    try:
        from peft import LoraConfig, get_peft_model
    except ImportError as error:
        raise MissingExtra("an adapter", extra="train", package=error.name or "peft") from error
    with warnings.catch_warnings():  # peft reads a property that transformers 5 deprecates
        warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing", category=FutureWarning)
        return get_peft_model(model, LoraConfig(r=rank, lora_alpha=2 * rank, task_type="SEQ_CLS"))
