"""Sets of substitutes by name: tables of words, the predictions of a masked language model, and their intersection.

``mlm:MODEL`` is in the manner of BERT-Attack (Li et al., EMNLP 2020). The text is shown to the model unmasked, and the
words that it predicts with the highest probability at each word's place are its substitutes. What may replace a word
therefore depends on the whole text; verification runs the model again on the clean text and gets the same substitutes.

Differences from the paper: only words that are one piece of the model's vocabulary are replaced, by whole words only;
and no similarity filter is applied here, because the harness measures similarity and a set can be intersected.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256
from typing import Any, Protocol

from robustrank.core.errors import DataError
from robustrank.core.words import cost, in_place_of, words
from robustrank.perturbations import substitutes
from robustrank.perturbations.substitutes import SubstituteTable
from robustrank.rankers.models import masked_lm

PREFIX = "mlm:"
VERSION = 1
LENGTH = 256
"""Word pieces shown to the model; words behind them have no substitutes."""
TOP = 24


class SubstituteSet(Protocol):
    """The substitutes of each word of a text."""

    @property
    def name(self) -> str:
        """As given to :func:`load`."""

    @property
    def digest(self) -> str:
        """Equal digests are equal sets."""

    def within(self, text: str) -> dict[int, tuple[str, ...]]:
        """Word position (from 0) to its substitutes, for the words of a text that have any."""


@dataclass(frozen=True)
class ContextualSubstitutes:
    """The whole words to which a masked language model gives the highest probability at each place.

    Args:
        name: As given to :func:`load`.
        digest: Of the weights, the vocabulary, the table and the rules here.
        model: A bundled name, a local folder or a hub id.
        top: Word pieces considered per place, of highest probability.
        table: Only substitutes that this table has too are kept; ``None`` keeps all.
    """

    name: str
    digest: str
    model: str = field(compare=False)
    top: int = field(compare=False)
    table: SubstituteTable | None = field(compare=False)

    def within(self, text: str) -> dict[int, tuple[str, ...]]:
        """Word position (from 0) to its substitutes: lower-case, highest probability first."""
        predicted = _within(self.model, self.top, text)
        if self.table is None:
            return dict(predicted)
        listed = self.table.within(text)
        both = {at: tuple(w for w in others if w in listed.get(at, ())) for at, others in predicted.items()}
        return {at: others for at, others in both.items() if others}


@lru_cache(maxsize=16)
def load(name: str) -> SubstituteSet:
    """A set by name.

    Args:
        name: Any table (:func:`robustrank.perturbations.substitutes.load`), or ``mlm:MODEL`` with at most 24
            (``mlm:MODEL@NUMBER``) candidates a word, or ``mlm:MODEL & TABLE`` for those of them that are in a table.

    Raises:
        DataError: No such table, or not a number of candidates.
        MissingExtra: The model's packages are not installed.
        PluginError: The model cannot be loaded, or is no masked language model.
    """
    if not name.startswith(PREFIX):
        return substitutes.load(name)
    contextual, _, rest = name.partition("&")
    model, _, top = contextual.strip().removeprefix(PREFIX).partition("@")
    if top and not (top.isdecimal() and int(top)):
        raise DataError(f"{top!r} is not a number of candidates; write {PREFIX}MODEL@NUMBER", path=name)
    table = substitutes.load(rest.strip()) if rest else None
    count = int(top or TOP)
    content = f"{VERSION} {LENGTH} {count} {_model(model)[2]} {table.digest if table else ''}"
    return ContextualSubstitutes(name, sha256(content.encode()).hexdigest(), model, count, table)


@lru_cache(maxsize=2)
def _model(name: str) -> tuple[Any, Any, str]:
    """Tokenizer, model and fingerprint."""
    tokenizer, model = masked_lm.load("contextual substitutes", name)
    total = sha256(tokenizer.backend_tokenizer.to_str().encode())
    for key, tensor in sorted(model.state_dict().items()):
        total.update(key.encode() + tensor.contiguous().numpy().tobytes())
    return tokenizer, model, total.hexdigest()


@lru_cache(maxsize=4096)
def _within(name: str, top: int, text: str) -> dict[int, tuple[str, ...]]:
    import torch

    tokenizer, model, _ = _model(name)
    encoded = tokenizer(text, truncation=True, max_length=LENGTH, return_offsets_mapping=True, return_tensors="pt")
    offsets = encoded.pop("offset_mapping")[0].tolist()
    with torch.inference_mode():
        likeliest = model(**encoded).logits[0].topk(min(top, model.config.vocab_size), dim=-1).indices.tolist()
    place = {(start, end): i for i, (start, end) in enumerate(offsets) if end > start}
    substitutes_at: dict[int, tuple[str, ...]] = {}
    for position, word in enumerate(words(text)):
        if (word.start, word.end) in place:
            pieces = tokenizer.convert_ids_to_tokens(likeliest[place[word.start, word.end]])
            whole = (p.lower() for p in pieces if _whole(p) and in_place_of(p, word.text))
            others = tuple(dict.fromkeys(p for p in whole if p != word.text.lower()))
            if others and word.text[0].isalpha():
                substitutes_at[position] = others
    return substitutes_at


def _whole(piece: str) -> bool:
    one = len(piece) > 1 and piece.isalpha() and [w.text for w in words(piece)] == [piece]
    return one and cost(piece) == 1
