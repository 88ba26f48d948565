"""Query variations as users produce them: typos, dropped words, other order, other case, unusual characters.

Categories after Penha, Câmara, Hauff (Evaluating the Robustness of Retrieval Pipelines with Query Variation
Generators, ECIR 2022), with the character level of Boucher et al. (Bad Characters, IEEE S&P 2022). Nothing is
optimised, and the ranker is not used; an operation that changes nothing yields no variation.
"""

from __future__ import annotations

import csv
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from random import Random

from robustrank.plugin import (
    DataError,
    PluginError,
    Query,
    Variant,
    Word,
    function_words,
    load_table,
    match_case,
    substitute,
    words,
)
from robustrank_attacks._options import require_choice, require_positive
from robustrank_attacks.characters._families import HOMOGLYPHS, ZERO_WIDTH, accents
from robustrank_attacks.queries.query_typos import KINDS, SHORTEST, misspellings


@dataclass(frozen=True, kw_only=True)
class QueryOperations:
    """One variation of a query per operation and draw.

    Args:
        operations: Any of ``"identity"`` (must change nothing), the typos ``"keyboard"``, ``"swap"``, ``"insert"``,
            ``"delete"``, ``"replace"`` and ``"misspelling"`` (real ones, from a list), ``"stop_words"`` (function
            words removed), ``"order"`` (words shuffled), ``"stem"``, ``"back_off"`` (the longest word dropped),
            ``"synonym"``, ``"upper"``, ``"lower"``, ``"accents"`` (one added to a vowel), ``"no_accents"``,
            ``"homoglyphs"`` (letters of other scripts that look the same) and ``"invisible"`` (zero-width spaces).
        words: Number of words that a typo, synonym, homoglyph or invisible character changes.
        draws: Variations per random operation.
        misspellings: A tab-separated table whose first columns are ``correct`` and ``misspelling``; only for
            ``"misspelling"``.
        substitutes: The table that synonyms are taken from.
    """

    operations: Sequence[str] = (
        "keyboard", "swap", "insert", "delete", "replace", "stop_words", "order", "stem", "back_off", "synonym",
        "upper", "accents", "homoglyphs", "invisible",
    )  # fmt: skip
    words: int = 1
    draws: int = 1
    misspellings: str | None = None
    substitutes: str = "counterfitted&wordnet"

    def __post_init__(self) -> None:
        require_choice("query_operations", "operations", self.operations, OPERATIONS)
        require_positive("query_operations", "operations", len(self.operations))
        require_positive("query_operations", "words", self.words)
        require_positive("query_operations", "draws", self.draws)
        if "misspelling" in self.operations and self.misspellings is None:
            raise PluginError('query_operations: the operation "misspelling" needs `misspellings`, the path of a list')

    def variants(self, query: Query, rng: Random, /) -> list[Variant]:
        """In the order of the operations; duplicate draws and unchanged queries (except by identity) are left out."""
        variants = []
        for operation in self.operations:
            draws = self.draws if operation in _RANDOM else 1
            texts = dict.fromkeys(self._apply(operation, query.text, rng) for _ in range(draws))
            kept = [t for t in texts if t is not None and t.strip() and (t != query.text or operation == "identity")]
            variants += [Variant(operation, text) for text in kept]
        return variants

    def _apply(self, operation: str, text: str, rng: Random) -> str | None:
        if operation in _WHOLE:
            return _WHOLE[operation](text)
        if operation == "order":
            return _shuffled(text, rng)
        choices = self._choices(operation, text, rng)
        if not choices:
            return None
        for position in sorted(rng.sample(sorted(choices), min(self.words, len(choices))), reverse=True):
            word = words(text)[position]
            text = text[: word.start] + rng.choice(choices[position]) + text[word.end :]
        return text

    def _choices(self, operation: str, text: str, rng: Random) -> dict[int, Sequence[str]]:
        """Word position (from 0) to the operation's possible results for that word."""
        replacements = {
            position: self._made(operation, word.text, rng)
            for position, word in enumerate(words(text))
            if len(word.text) >= SHORTEST and word.text.lower() not in function_words()
        }
        return {position: made for position, made in replacements.items() if made}

    def _made(self, operation: str, word: str, rng: Random) -> Sequence[str]:
        if operation in KINDS:
            return misspellings(word, operation)
        if operation == "misspelling":
            return [match_case(other, word) for other in _real(self.misspellings or "").get(word.lower(), ())]
        if operation == "synonym":
            return [match_case(other, word) for other in load_table(self.substitutes).of(word)]
        if operation == "homoglyphs":
            changed = word.translate(HOMOGLYPHS)
            return [changed] if changed != word else []
        if operation == "accents":
            return accents(word)
        middle = rng.randrange(1, len(word))
        return [word[:middle] + ZERO_WIDTH + word[middle:]]


def _without_accents(text: str) -> str:
    kept = (c for c in unicodedata.normalize("NFD", text) if not unicodedata.combining(c))
    return unicodedata.normalize("NFC", "".join(kept))


def _keep(text: str, wanted: Callable[[Word], bool]) -> str:
    return " ".join(word.text for word in words(text) if wanted(word))


def _without_stop_words(text: str) -> str:
    return _keep(text, lambda word: word.text.lower() not in function_words())


def _backed_off(text: str) -> str | None:
    query_words = words(text)
    if len(query_words) < 2:
        return None
    longest = max(query_words, key=lambda word: (len(word.text), -word.start))
    return _keep(text, lambda word: word != longest)


def _stemmed(text: str) -> str:
    from Stemmer import Stemmer

    stem = Stemmer("english").stemWord
    return substitute(text, {i: stem(word.text.lower()) for i, word in enumerate(words(text))})


def _shuffled(text: str, rng: Random) -> str | None:
    query_words = [word.text for word in words(text)]
    if len(set(query_words)) < 2:
        return None
    mixed = query_words
    while mixed == query_words:
        mixed = rng.sample(query_words, len(query_words))
    return " ".join(mixed)


@lru_cache(maxsize=4)
def _real(path: str) -> Mapping[str, tuple[str, ...]]:
    """Word to its misspellings as people made them, lower-case, each still one word."""
    table: dict[str, set[str]] = {}
    try:
        with Path(path).open(encoding="utf-8", newline="") as file:
            for row in csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
                if len(row) > 1 and [unit.text for unit in words(row[1])] == [row[1]]:
                    table.setdefault(row[0].lower(), set()).add(row[1].lower())
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot be read as a list of misspellings: {error}", path=path) from error
    return {word: tuple(sorted(others - {word})) for word, others in table.items()}


_WHOLE: dict[str, Callable[[str], str | None]] = {
    "identity": str,
    "stop_words": _without_stop_words,
    "stem": _stemmed,
    "back_off": _backed_off,
    "upper": str.upper,
    "lower": str.lower,
    "no_accents": _without_accents,
}

_RANDOM = (*KINDS, "misspelling", "order", "synonym", "accents", "homoglyphs", "invisible")

OPERATIONS = (*_WHOLE, *_RANDOM)
"""Names of all operations."""
