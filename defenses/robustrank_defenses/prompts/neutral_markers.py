"""What in a document could be taken for a part of a prompt or of an answer is written in another way, before ranking.

Where a template shows ``[3] text``, nobody can tell its identifiers from a ``[3]`` in a document; rewriting documents
costs nothing. Instructions in plain words stay as they are: no rewriting of markers removes them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256

from robustrank.plugin import Document, Query, Ranker, RankerCard

RULES = (
    (re.compile(r"<\|([^|<>]{0,40})\|>"), r"(\1)"),
    (re.compile(r"</?(s|think|thinking|start_of_turn|end_of_turn|bos|eos)>", re.IGNORECASE), r"(\1)"),
    (re.compile(r"\[/?(INST|SYS)\]|<</?(SYS)>>"), r"(\1\2)"),
    (re.compile(r"\[\s*([0-9]{1,4}|[A-Za-z])\s*\]"), r"(\1)"),
    (re.compile(r"\b(passages?|documents?)[ \t]+([0-9]{1,4}|[A-Za-z])[ \t]*:", re.IGNORECASE), r"\1 \2 -"),
    (
        re.compile(
            r"(^|\n)([ \t]*)(system|user|assistant|human|relevant|reply|answer|query)[ \t]*:", re.IGNORECASE
        ),
        r"\1\2\3 -",
    ),
)  # fmt: skip
"""Version 1: markers of chat templates, identifiers in brackets, labels of passages, roles at the start of a line."""


def neutral(text: str) -> str:
    """A text without such markers; one that has none is the same."""
    for pattern, new in RULES:
        text = pattern.sub(new, text)
    return text


@dataclass(frozen=True, kw_only=True)
class NeutralMarkers:
    """Rewrite identifiers, labels and role markers of documents before they are ranked."""

    def wrap(self, ranker: Ranker, /) -> Neutral:
        """The ranker behind the rewriting."""
        return Neutral(ranker)


@dataclass(frozen=True)
class Neutral:
    """A ranker that sees rewritten documents."""

    base: Ranker

    @property
    def card(self) -> RankerCard:
        """The ranker's own card, under another name."""
        base = self.base.card
        return replace(
            base,
            name=f"neutral_markers({base.name})",
            fingerprint=sha256(f"{base.fingerprint} {RULES}".encode()).hexdigest()[:16],
            gradients=False,
            invariant=(),
        )

    def score(self, query: Query, docs: Sequence[Document], /) -> list[float]:
        """The scores of the rewritten documents."""
        return self.base.score(query, [doc._replace(text=neutral(doc.text)) for doc in docs])
