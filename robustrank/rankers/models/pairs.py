"""Query-document pairs as word pieces, with the place of every piece in the document."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from robustrank.core.errors import MissingExtra


class Encoded(NamedTuple):
    """One pair: piece ids, segment of each piece, and where each document piece stands in the document's text."""

    ids: list[int]
    segments: list[int]
    places: list[tuple[int, int] | None]
    """Start and end in the document; ``None`` for pieces of the query and special pieces. Empty where not requested."""


class PairTokenizer:
    """Joins a query and a document as the model was trained to read them.

    Args:
        tokenizer: A ``tokenizers.Tokenizer``; its own padding and truncation are switched off.
        max_length: Pieces of a pair; the longer of the two texts is cut, in practice the document.
    """

    def __init__(self, tokenizer: Any, max_length: int) -> None:
        tokenizer.no_padding()
        tokenizer.enable_truncation(max_length, strategy="longest_first")
        self._tokenizer = tokenizer

    @classmethod
    def from_file(cls, path: Path, max_length: int) -> PairTokenizer:
        """Read a ``tokenizer.json``.

        Raises:
            MissingExtra: tokenizers is not installed.
        """
        try:
            from tokenizers import Tokenizer
        except ImportError as error:
            raise MissingExtra("a neural ranker", extra="onnx", package="tokenizers") from error
        return cls(Tokenizer.from_file(str(path)), max_length)

    def encode(self, query: str, texts: Sequence[str], *, places: bool = True) -> list[Encoded]:
        """The pairs of one query; without ``places``, which a score does not need, in four fifths of the time."""
        pairs = [(query, text) for text in texts]
        if not places:
            return [Encoded(pair.ids, pair.type_ids, []) for pair in self._tokenizer.encode_batch_fast(pairs)]
        encodings = self._tokenizer.encode_batch(pairs)
        return [
            Encoded(
                pair.ids,
                pair.type_ids,
                [place if part == 1 else None for place, part in zip(pair.offsets, pair.sequence_ids, strict=True)],
            )
            for pair in encodings
        ]

    def pieces(self, word: str) -> list[int]:
        """Ids of a word on its own, without special pieces."""
        # The blank matters to tokenizers that mark where a word begins; others drop it.
        ids: list[int] = self._tokenizer.encode(f" {word}", add_special_tokens=False).ids
        return ids

    def vocabulary(self) -> dict[str, int]:
        """Every piece and its id, with those that are added to the model's own."""
        ids: dict[str, int] = self._tokenizer.get_vocab(with_added_tokens=True)
        return ids

    @property
    def state(self) -> str:
        """Vocabulary, normalisation and truncation, for fingerprints."""
        text: str = self._tokenizer.to_str()
        return text
