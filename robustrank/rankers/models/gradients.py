"""First-order information about words, from one backward pass to the input embeddings of a torch model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from robustrank.core.types import WordGradients
from robustrank.core.words import words


def word_gradients(
    score: Callable[[], Any],
    embeddings: Any,
    places: Sequence[tuple[int, int] | None],
    text: str,
    candidates: Mapping[int, Sequence[str]],
    pieces: Callable[[str], list[int]],
) -> WordGradients:
    """Gradients of a score with respect to the words of a document.

    A word's gradient is the sum of its pieces' gradients: the change of the score when all its pieces move alike. Its
    importance is the norm over its pieces. The gain of a candidate is the word's gradient times the difference of the
    mean embeddings of the candidate's and the word's pieces, exact where the score is linear in the embeddings.

    Args:
        score: Runs the model forward on this document and returns a scalar tensor.
        embeddings: The model's input embedding module.
        places: Where each input piece stands in ``text``, in input order; ``None`` for other pieces.
        text: The document.
        candidates: Word position to candidate words.
        pieces: A word's piece ids.
    """
    import torch

    with _recorded(embeddings) as outputs:
        value = score()
    # With the inputs alone requested, torch computes no gradients of weights.
    gradient, states = torch.autograd.grad(value, outputs)[0][0], outputs[0].detach()[0]
    document_words = words(text)
    importance = []
    gains: dict[int, list[float]] = {}
    vectors, row_of = _vectors(embeddings, {word for others in candidates.values() for word in others}, pieces)
    for position, word in enumerate(document_words):
        rows = [i for i, place in enumerate(places) if place and place[0] < word.end and place[1] > word.start]
        importance.append(float(gradient[rows].norm()) if rows else 0.0)
        if position in candidates:
            candidate_rows = [row_of.get(other) for other in candidates[position]]
            gains[position] = [0.0] * len(candidate_rows)
            if rows:
                direction, current = gradient[rows].sum(dim=0), states[rows].mean(dim=0)
                changes = (vectors @ direction - current @ direction).tolist()
                gains[position] = [0.0 if row is None else changes[row] for row in candidate_rows]
    return WordGradients(importance=importance, gains=gains)


def _vectors(embeddings: Any, vocabulary: set[str], pieces: Callable[[str], list[int]]) -> tuple[Any, dict[str, int]]:
    """Mean embeddings of words, one row each, and the row of each word; words without pieces have none."""
    import torch

    ids = {word: word_pieces for word in sorted(vocabulary) if (word_pieces := pieces(word))}
    weight = embeddings.weight
    if not ids:
        return weight.new_zeros((0, weight.shape[1])), {}
    with torch.no_grad():
        sizes = torch.tensor([len(word_pieces) for word_pieces in ids.values()], device=weight.device)
        flat = torch.tensor([i for word_pieces in ids.values() for i in word_pieces], device=weight.device)
        rows = torch.repeat_interleave(torch.arange(len(ids), device=weight.device), sizes)
        sums = weight.new_zeros((len(ids), weight.shape[1])).index_add_(0, rows, weight[flat])
        return sums / sizes[:, None], {word: row for row, word in enumerate(ids)}


@contextmanager
def _recorded(embeddings: Any) -> Iterator[list[Any]]:
    """While open, the embedding module's outputs are leaves of the graph, so that gradients stop at them."""
    outputs: list[Any] = []

    def cut(module: Any, inputs: Any, output: Any) -> Any:
        leaf = output.detach().requires_grad_()
        outputs.append(leaf)
        return leaf

    handle = embeddings.register_forward_hook(cut)
    try:
        yield outputs
    finally:
        handle.remove()
