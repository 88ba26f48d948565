"""Masked language models: loading one, and SPLADE's term weights from its logits."""

from __future__ import annotations

from typing import Any

from robustrank.core.errors import PluginError
from robustrank.rankers.models import torch_models, weights


def load(what: str, name: str) -> tuple[Any, Any]:
    """A model and its tokenizer.

    Args:
        what: What needs the model, for messages.
        name: A bundled name, a local folder or a hub id.

    Returns:
        Tokenizer and model; the model in float32, for evaluation.

    Raises:
        MissingExtra: A package is not installed.
        PluginError: No such model, or its files lack weights of a masked language model.
    """

    def loader() -> tuple[Any, Any, Any]:
        from transformers import AutoModelForMaskedLM, AutoTokenizer

        where = str(weights.resolve(name))
        loaded = torch_models.pretrained(AutoModelForMaskedLM, where, output_loading_info=True)
        return torch_models.pretrained(AutoTokenizer, where), *loaded

    tokenizer, model, report = torch_models.load(what, name, loader)
    if missing := sorted(set(report["missing_keys"])):
        raise PluginError(f"{what}: {name!r} is no masked language model: its files lack {', '.join(missing)}")
    return tokenizer, model.float().eval()


def term_weights(logits: Any) -> Any:
    """SPLADE's weights of terms, ``log(1 + relu(logit))``, from the largest logits a text has for them."""
    import torch

    return torch.log1p(torch.relu(logits))
