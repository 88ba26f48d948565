"""Word pieces of an encoder of documents, and gradients at their input embeddings."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from robustrank.core.errors import ContractError
from robustrank.core.interfaces import PieceGradients

if TYPE_CHECKING:
    from collections.abc import Iterator

_UNUSED = re.compile(r"\[unused\d+\]|<unused\d+>")


class Pieces:
    """The word pieces of a sentence-transformers model.

    Args:
        tokenizer: Of transformers.
        module: The input embeddings.
        forward: From texts to the model's inputs and the embeddings of the texts, in torch.
        prompt: What the model puts in front of a document.
    """

    def __init__(
        self, tokenizer: Any, module: Any, forward: Callable[[Sequence[str]], tuple[Any, Any]], prompt: str
    ) -> None:
        self._tokenizer, self._module, self._forward, self._prompt = tokenizer, module, forward, prompt
        self._special = frozenset(tokenizer.all_special_ids)

    @cached_property
    def vocabulary(self) -> Sequence[str]:
        """The word piece of every id; empty for special and unused ones."""
        tokens = self._tokenizer.convert_ids_to_tokens(list(range(len(self.embeddings))))
        return [
            "" if i in self._special or token is None or _UNUSED.fullmatch(token) else token
            for i, token in enumerate(tokens)
        ]

    @cached_property
    def embeddings(self) -> NDArray[np.float32]:
        """Ids x dimensions."""
        weight: NDArray[np.float32] = self._module.weight.detach().cpu().numpy().astype(np.float32)
        return weight

    def pieces(self, text: str) -> list[int]:
        """Ids of a text, without special ones."""
        ids: list[int] = self._tokenizer(text, add_special_tokens=False, truncation=False, verbose=False)["input_ids"]
        return ids

    def text(self, pieces: Sequence[int]) -> str:
        """A text of the pieces."""
        decoded: str = self._tokenizer.decode(list(pieces), clean_up_tokenization_spaces=False)
        return decoded

    def gradients(self, texts: Sequence[str], direction: NDArray[np.float32]) -> list[PieceGradients]:
        """Of the inner product of each text's embedding and the direction.

        Raises:
            ContractError: The pieces that the model reads are not those of its tokenizer.
        """
        import torch

        with _leaf(self._module) as outputs:
            inputs, embeddings = self._forward(texts)
            towards = torch.from_numpy(np.array(direction, dtype=np.float32)).to(embeddings.device)
            value = (embeddings[:, : len(direction)] * towards).sum()
        if len(outputs) != 1:
            raise ContractError("the encoder reads the pieces of a text more than once: no gradients")
        (gradient,) = torch.autograd.grad(value, outputs)
        rows = inputs["input_ids"].tolist()
        mask = inputs["attention_mask"].tolist()
        skipped = len(self.pieces(self._prompt)) if self._prompt else 0
        answers = []
        for text, ids, seen, own in zip(texts, rows, mask, gradient.cpu().numpy().astype(np.float32), strict=True):
            read = [i for i, here in enumerate(seen) if here and ids[i] not in self._special]
            places = read[skipped:]
            pieces = [ids[i] for i in places]
            if pieces != self.pieces(text)[: len(pieces)]:
                raise ContractError("the encoder's input preparation hides word pieces: no gradients")
            answers.append(PieceGradients(pieces=pieces, gradient=own[places]))
        return answers


@contextmanager
def _leaf(module: Any) -> Iterator[list[Any]]:
    """While open, the output of an embedding module is a leaf of the graph."""
    outputs: list[Any] = []

    def cut(_module: Any, _inputs: Any, output: Any) -> Any:
        outputs.append(output.detach().requires_grad_())
        return outputs[-1]

    handle = module.register_forward_hook(cut)
    try:
        yield outputs
    finally:
        handle.remove()
