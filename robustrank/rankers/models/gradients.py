"""First-order information about words, from one backward pass to the input embeddings of a torch model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from robustrank.core.errors import ContractError
from robustrank.core.types import WordGradients
from robustrank.core.words import words


def word_gradients(
    score: Callable[[], Any],
    embeddings: Any,
    places: Sequence[tuple[int, int] | None],
    text: str,
    candidates: Mapping[int, Sequence[str]],
    pieces: Callable[[str], list[int]],
    model: Any | None = None,
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
        model: Where other modules of it may share the weights of ``embeddings``, as the two sides of an encoder-decoder
            do: gradients of all of them count.

    Raises:
        ContractError: The model reads its pieces in an order that is not known.
    """
    import torch

    shared = [embeddings]
    if model is not None:
        shared = [m for m in model.modules() if isinstance(m, torch.nn.Embedding) and m.weight is embeddings.weight]
    with _recorded(shared) as calls:
        value = score()
    # With the inputs alone requested, torch computes no gradients of weights.
    gradients = torch.autograd.grad(value, [call.output for call in calls])
    ids = calls[0].ids
    gradient = embeddings.weight.new_zeros((len(ids), embeddings.weight.shape[1]))
    for call, own in zip(calls, gradients, strict=True):
        if call.ids.equal(ids):
            gradient += call.scale * own[0]
        elif call.ids[1:].equal(ids[:-1]):  # a decoder, one place later
            gradient[:-1] += call.scale * own[0, 1:]
        else:
            raise ContractError("the model reads the pieces of a text in an order that is not known: no gradients")
    states = embeddings.weight.detach()[ids]
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


class _Call(NamedTuple):
    """A call of an embedding module: the pieces, its output as a leaf of the graph, and output over weight."""

    ids: Any
    output: Any
    scale: float


@contextmanager
def _recorded(modules: Sequence[Any]) -> Iterator[list[_Call]]:
    """While open, the outputs of embedding modules are leaves of the graph, so that gradients stop at them."""
    calls: list[_Call] = []

    def cut(module: Any, inputs: Any, options: Any, output: Any) -> Any:
        leaf = output.detach().requires_grad_()
        ids = inputs[0] if inputs else options["input"]
        calls.append(_Call(ids[0], leaf, float(getattr(module, "embed_scale", 1.0))))
        return leaf

    handles = [module.register_forward_hook(cut, with_kwargs=True) for module in modules]
    try:
        yield calls
    finally:
        for handle in handles:
            handle.remove()
