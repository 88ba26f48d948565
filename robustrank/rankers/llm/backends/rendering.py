"""Prompts as a model's tokens: by its chat template where it has one, with the document that each token is of.

The chat template sees marks in place of documents and query, so no text of theirs can be taken for a part of it. What
looks like a special token in them becomes ordinary text unless ``special = "keep"``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from robustrank.core.errors import PluginError
from robustrank.rankers.llm.interface import Prompt, Segment

KEEP, TEXT = "keep", "text"

_MARK = re.compile("\ue000(\\d+)\ue001")
_BORDER = "\ue000\ue001"


class Encoded(NamedTuple):
    """A prompt as tokens.

    Args:
        ids: The tokens.
        documents: Of each token, the number of the document whose text it is; ``None``: of none.
    """

    ids: list[int]
    documents: list[int | None]

    @property
    def last(self) -> int:
        """Where the document that begins last begins; 0 where there is none."""
        begins = [
            place for place, number in enumerate(self.documents)
            if number is not None and (place == 0 or self.documents[place - 1] != number)
        ]  # fmt: skip
        return begins[-1] if begins else 0


class Piece(NamedTuple):
    """A part of a rendered prompt."""

    text: str
    document: int | None = None
    outside: bool = False
    """Whether it is text of a document or query."""


@dataclass(frozen=True)
class Renderer:
    """Makes tokens of prompts.

    Args:
        tokenizer: A fast one of transformers.
        chat: Whether its chat template is used, where it has one.
        special: :data:`KEEP` or :data:`TEXT`: what becomes of special tokens in texts of documents and queries.
    """

    tokenizer: Any
    chat: bool
    special: str

    def encode(self, prompt: Prompt, continuation: str = "") -> Encoded:
        """A prompt, and what is to be written after it."""
        (pieces,) = self._pieces([prompt])
        more = [Piece(continuation, outside=True)] if continuation else []
        return self._encoded([*pieces, *more], start=True)

    def continued(self, prompt: Prompt, base: Encoded, continuation: str) -> list[int]:
        """The tokens of a continuation after a prompt; where a token would reach over the border, of it alone."""
        both = self.encode(prompt, continuation).ids
        if both[: len(base.ids)] == base.ids:
            return both[len(base.ids) :]
        return self._encoded([Piece(continuation, outside=True)], start=False).ids

    def encode_parts(self, prompt: Prompt, ending: Prompt) -> tuple[Encoded, Encoded]:
        """A prompt and its ending, cut so that the prompt's tokens are the same whatever ends it."""
        first, second = self._pieces([prompt, ending])
        return self._encoded(first, start=True), self._encoded(second, start=False)

    @property
    def has_template(self) -> bool:
        """Whether a chat template is used."""
        return self.chat and bool(self.tokenizer.chat_template)

    def _pieces(self, parts: Sequence[Prompt]) -> list[list[Piece]]:
        segments = [segment for part in parts for segment in part]
        marked = [
            segment._replace(text=f"\ue000{number}\ue001") if _outside(segment) else segment
            for number, segment in enumerate(segments)
        ]
        if len(parts) > 1:
            at = len(parts[0])
            marked[at] = marked[at]._replace(text=_BORDER + marked[at].text)
        rendered = self._rendered(marked).split(_BORDER)
        if len(rendered) != len(parts):
            raise PluginError("the model's chat template drops or repeats parts of a prompt; set chat = false")
        pieces = []
        for text in rendered:
            split = _MARK.split(text)
            pieces.append([
                Piece(segments[int(part)].text, segments[int(part)].document, outside=True) if odd % 2 else Piece(part)
                for odd, part in enumerate(split)
            ])  # fmt: skip
        if sum(piece.outside for each in pieces for piece in each) != sum(_outside(segment) for segment in segments):
            raise PluginError("the model's chat template drops or repeats documents of a prompt; set chat = false")
        return pieces

    def _rendered(self, segments: Sequence[Segment]) -> str:
        if not self.has_template:
            return "".join(segment.text for segment in segments)
        messages: list[dict[str, str]] = []
        for segment in segments:
            if messages and messages[-1]["role"] == segment.role:
                messages[-1]["content"] += segment.text
            else:
                messages.append({"role": segment.role, "content": segment.text})
        begun = messages.pop()["content"] if messages[-1]["role"] == "assistant" else ""
        return self._templated(messages) + begun

    def _templated(self, messages: Sequence[dict[str, str]]) -> str:
        try:
            return self._apply(messages)
        except Exception as error:  # a template refuses by raising; that of Gemma refuses system messages
            if len(messages) > 1 and messages[0]["role"] == "system" and messages[1]["role"] == "user":
                first = {"role": "user", "content": f"{messages[0]['content']}\n\n{messages[1]['content']}"}
                return self._apply([first, *messages[2:]])
            raise PluginError(f"the model's chat template refuses the prompt ({error}); set chat = false") from error

    def _apply(self, messages: Sequence[dict[str, str]]) -> str:
        return str(self.tokenizer.apply_chat_template(list(messages), tokenize=False, add_generation_prompt=True))

    def _encoded(self, pieces: Sequence[Piece], *, start: bool) -> Encoded:
        """The tokens of pieces, as of one text; only special tokens in texts from outside are cut out of it."""
        owners, chunks = [], [""]
        for piece in pieces:
            owners += [piece.document] * len(piece.text)
            parts = self._harmless(piece.text) if piece.outside and self.special == TEXT else [piece.text]
            chunks[-1] += parts[0]
            chunks += parts[1:]
        ids: list[int] = []
        documents: list[int | None] = []
        at = 0
        for number, chunk in enumerate(chunks):
            first = start and number == 0 and not self.has_template
            encoded = self.tokenizer(chunk, add_special_tokens=first, return_offsets_mapping=True)
            kept = list(zip(encoded["input_ids"], encoded["offset_mapping"], strict=True))
            while first and kept and kept[-1][1] == (0, 0):  # an end of sequence is no part of a prompt
                kept.pop()
            ids += [token for token, _ in kept]
            documents += [owners[at + end - 1] if end > begin else None for _, (begin, end) in kept]
            at += len(chunk)
        return Encoded(ids, documents)

    def _harmless(self, text: str) -> list[str]:
        """A text cut within every special token, so that none is left."""
        cuts = [match.start() + 1 for match in self._specials.finditer(text)]
        return [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]

    @cached_property
    def _specials(self) -> re.Pattern[str]:
        """What the tokenizer reads as one token whatever stands around it: special tokens, and other markup."""
        texts = [
            token.content for token in self.tokenizer.added_tokens_decoder.values()
            if len(token.content) > 1 and (token.special or re.fullmatch(r"<.*>|\[.*\]", token.content, re.DOTALL))
        ]  # fmt: skip
        return re.compile("|".join(map(re.escape, sorted(texts, key=len, reverse=True))) or "(?!)")


def _outside(segment: Segment) -> bool:
    return segment.query or segment.document is not None
