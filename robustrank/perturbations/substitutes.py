"""Tables of substitutes of words, shared by attacks, their verification and certificates.

A table is symmetric: ``b`` is a substitute of ``a`` exactly when ``a`` is one of ``b``. Every substitution can be
undone, so a certificate around either text covers the other. No word is its own substitute, and every entry is one
lower-case word of the tokenisation :data:`robustrank.core.words.UNIT`. The sources of the bundled tables, and the rules
by which they were cleaned, are in ``data/SOURCES.md``.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

from robustrank.core.errors import DataError
from robustrank.core.words import UNIT, cost, in_place_of, words

BUNDLED = ("counterfitted", "counterfitted-mutual", "glove", "wordnet")
"""Tables that come with the package."""


@dataclass(frozen=True)
class SubstituteTable:
    """The substitutes of each word.

    Args:
        name: As given to :func:`load`.
        digest: sha256 over the content: equal digests are equal tables, whatever their names.
        neighbours: Lower-case word to its substitutes, sorted.
    """

    name: str
    digest: str
    neighbours: Mapping[str, tuple[str, ...]] = field(repr=False, compare=False)

    def of(self, word: str) -> tuple[str, ...]:
        """The substitutes of a word in any case: lower-case, sorted, without the word itself; ``()`` if none."""
        return self.neighbours.get(word.lower(), ())

    def within(self, text: str) -> dict[int, tuple[str, ...]]:
        """Word position (from 0) to its substitutes, for the words of a text that have any."""
        candidates = ((position, self.of(word.text)) for position, word in enumerate(words(text)))
        return {position: substitutes for position, substitutes in candidates if substitutes}


@lru_cache(maxsize=16)
def load(name: str) -> SubstituteTable:
    """A table by name.

    Args:
        name: ``"counterfitted"``, ``"counterfitted-mutual"``, ``"glove"``, ``"wordnet"``, the path of a JSON file
            ``{"word": ["substitute", ...]}`` (a pair listed one way counts both ways), or several of these joined by
            ``|`` (pairs in any) and ``&`` (pairs in both; binds tighter).

    Raises:
        DataError: No such table, or the file is no such table.
    """
    table: dict[str, set[str]] = defaultdict(set)
    for alternative in name.split("|"):
        first, *others = (_pairs(part.strip()) for part in alternative.split("&"))
        for word, substitute in first.intersection(*others):
            table[word].add(substitute)
    neighbours = {word: tuple(sorted(table[word])) for word in sorted(table)}
    content = json.dumps(neighbours, ensure_ascii=False, separators=(",", ":"))
    return SubstituteTable(name, hashlib.sha256(content.encode()).hexdigest(), neighbours)


@lru_cache(maxsize=1)
def function_words() -> frozenset[str]:
    """English function words (articles, pronouns, prepositions, auxiliaries …), lower-case; for membership only."""
    source = files("robustrank") / "data" / "substitutes" / "function_words.txt"
    return frozenset(source.read_text(encoding="utf-8").split())


@lru_cache(maxsize=16)
def _pairs(name: str) -> frozenset[tuple[str, str]]:
    """Both directions of every pair of one table."""
    table = _read(name)
    for word in sorted({word for key in table for word in (key, *table[key])}):
        if word != word.lower() or [unit.text for unit in words(word)] != [word] or cost(word) != 1:
            raise DataError(f"{word!r} is not one lower-case word as {UNIT} counts; fix or drop the entry", path=name)
    listed = [(word, other) for word in table for other in table[word] if word != other]
    for word, other in listed:
        if not (in_place_of(word, other) and in_place_of(other, word)):
            raise DataError(f"{word!r} and {other!r} do not keep the words around them; drop the pair", path=name)
    return frozenset([*listed, *((other, word) for word, other in listed)])


def _read(name: str) -> Mapping[str, Iterable[str]]:
    try:
        if name in BUNDLED:
            packed = files("robustrank") / "data" / "substitutes" / f"{name}.json.gz"
            table = json.loads(gzip.decompress(packed.read_bytes()))
        else:
            table = json.loads(Path(name).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        have = ", ".join(BUNDLED)
        raise DataError(
            f"no table of substitutes can be read there ({error}); have {have}, their unions with | and "
            "intersections with &, or the path of a JSON file",
            path=name,
        ) from error
    listed = isinstance(table, dict) and all(
        isinstance(others, list) and all(isinstance(other, str) for other in others) for others in table.values()
    )
    if not listed:
        raise DataError('a table of substitutes is a JSON object {"word": ["substitute", ...]}', path=name)
    return dict(table)
