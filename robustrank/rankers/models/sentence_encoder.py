"""The bundled sentence encoder without sentence-transformers, whose import takes seconds; that they agree is tested."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from robustrank.core.errors import PluginError
from robustrank.rankers.models import torch_models
from robustrank.rankers.models.batching import by_length

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from robustrank.rankers.models.owners import Folder


class MeanPooled:
    """Embeddings as the mean of a text's piece states, scaled to length 1: what the bundled folder's modules say.

    Args:
        folder: Of the model.
        max_length: Word pieces read; ``None`` takes as many as the folder says.
        device: ``"auto"``, ``"cpu"``, ...
        batch: Texts per forward pass.

    Raises:
        PluginError: The model cannot read so many word pieces.
    """

    def __init__(self, folder: Folder, max_length: int | None, device: str, batch: int) -> None:
        def loader() -> tuple[Any, Any]:
            from transformers import AutoModel, AutoTokenizer

            model = torch_models.pretrained(AutoModel, folder.path)
            return torch_models.pretrained(AutoTokenizer, folder.path), model

        self._tokenizer, model = torch_models.load(folder.what, folder.name, loader)
        self.model = model.float().eval().to(torch_models.choose_device(device))
        self.max_length: int | None = max_length or int(folder.encoder["max_seq_length"])
        if self.max_length > (most := torch_models.longest(model.config)):
            raise PluginError(
                f"{folder.what}: max_length {max_length} exceeds the {most} word pieces the model can read"
            )
        self._batch = batch

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Texts x dimensions."""
        import torch

        rows: NDArray[np.float32] = np.empty((len(texts), self.model.config.hidden_size), dtype=np.float32)
        for batch in by_length([len(text) for text in texts], self._batch):
            inputs = self._tokenizer(
                [texts[i].strip() for i in batch], padding=True, truncation=True, max_length=self.max_length,
                return_tensors="pt",
            ).to(self.model.device)  # fmt: skip
            with torch.inference_mode():
                states = self.model(**inputs).last_hidden_state
                mask = inputs["attention_mask"].unsqueeze(-1).to(states.dtype)
                means = (states * mask).sum(1) / mask.sum(1).clamp(min=1e-9)
                rows[batch] = torch.nn.functional.normalize(means).cpu().numpy()
        return rows
