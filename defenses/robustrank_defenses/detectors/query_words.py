"""Words of the query in the document: a pasted query has them all, one after another.

Relevant documents have them too, so the longest run tells more than the share.
"""

from __future__ import annotations

from dataclasses import dataclass

from robustrank.plugin import ConfigError, DetectorCard, Document, Seen, words

COUNTS = ("coverage", "density", "run")


@dataclass(frozen=True, kw_only=True)
class QueryWords:
    """How many words of the query a document has, or how many in a row.

    Args:
        count: ``"coverage"`` (share of the query's words that the document has), ``"density"`` (share of the document's
            words that are the query's) or ``"run"`` (longest run of words that are all the query's, over the number of
            the query's words).
    """

    count: str = "run"

    def __post_init__(self) -> None:
        if self.count not in COUNTS:
            raise ConfigError(f"count must be one of {', '.join(map(repr, COUNTS))}, not {self.count!r}")

    @property
    def card(self) -> DetectorCard:
        """Reads the query."""
        return DetectorCard(name=f"query_words({self.count})", fingerprint=f"query words/1 {self.count}", query=True)

    def suspicion(self, document: Document, seen: Seen, /) -> float | None:
        """The share or the run; ``None`` for a query without words."""
        assert seen.query is not None, "its card asks for the query"
        asked = [word.text.lower() for word in words(seen.query.text)]
        written = [word.text.lower() for word in words(document.text)]
        if not asked:
            return None
        wanted = set(asked)
        if self.count == "coverage":
            return len(wanted.intersection(written)) / len(wanted)
        if self.count == "density":
            return sum(word in wanted for word in written) / max(1, len(written))
        longest = run = 0
        for word in written:
            run = run + 1 if word in wanted else 0
            longest = max(longest, run)
        return longest / len(asked)
