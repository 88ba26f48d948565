"""Near duplicates: text that another document of the list, or of the collection, has too.

A sentence copied from a better document, and one payload put into many, are fluent and about the topic: that they stand
elsewhere is what gives them away. Quotations and standard texts stand elsewhere as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from robustrank.plugin import ConfigError, DetectorCard, Document, Seen, words

OF = ("share", "run")


@dataclass(frozen=True, kw_only=True)
class NearDuplicate:
    """How much of a document another one of its list has too, by shingles: runs of words.

    Args:
        shingle: Words of a shingle.
        of: ``"share"`` (of the document's shingles, the largest share that one other document has) or ``"run"`` (words
            of the longest stretch whose shingles one other document has, over ``shingle``).
        background: Compare with clean documents of the collection too.
    """

    shingle: int = 5
    of: str = "run"
    background: bool = False

    def __post_init__(self) -> None:
        if self.of not in OF:
            raise ConfigError(f"of must be one of {', '.join(map(repr, OF))}, not {self.of!r}")
        if self.shingle < 1:
            raise ConfigError(f"shingle must be at least 1 word, not {self.shingle}")

    @property
    def card(self) -> DetectorCard:
        """Reads the other documents of the list."""
        return DetectorCard(
            name=f"near_duplicate({self.of})",
            fingerprint=f"near duplicate/1 {self.shingle} {self.of} {self.background}",
            others=True,
            background=self.background,
        )

    def suspicion(self, document: Document, seen: Seen, /) -> float | None:
        """The share or the run; 0 of a text with fewer words than a shingle.

        A background document with the same words is the document itself, and is left out.
        """
        mine = _shingles(document.text, self.shingle)
        if not mine:
            return 0.0
        others = [doc.text for doc in seen.others] + [text for text in seen.background if text != document.text]
        return max((self._shared(mine, _set(text, self.shingle)) for text in others), default=0.0)

    def _shared(self, mine: Sequence[tuple[str, ...]], theirs: frozenset[tuple[str, ...]]) -> float:
        flags = [shingle in theirs for shingle in mine]
        if self.of == "share":
            return sum(flags) / len(flags)
        longest = run = 0
        for flag in flags:
            run = run + 1 if flag else 0
            longest = max(longest, run)
        return (longest + self.shingle - 1) / self.shingle if longest else 0.0


@lru_cache(maxsize=4096)
def _shingles(text: str, size: int) -> Sequence[tuple[str, ...]]:
    tokens = [word.text.lower() for word in words(text)]
    return [tuple(tokens[at : at + size]) for at in range(len(tokens) - size + 1)]


@lru_cache(maxsize=4096)
def _set(text: str, size: int) -> frozenset[tuple[str, ...]]:
    return frozenset(_shingles(text, size))
