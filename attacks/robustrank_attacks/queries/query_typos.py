"""Query typos: lower the rank of a relevant document by misspelling the query.

Kinds of error after Penha, Câmara, Hauff (Evaluating the Robustness of Retrieval Pipelines with Query Variation
Generators, ECIR 2022) and Zhuang, Zuccon (CharacterBERT and Self-Teaching for Improving the Robustness of Dense
Retrievers on Queries with Typos, SIGIR 2022). Short words and function words are not misspelt: users
misspell them less, and they have little effect on rankers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from random import Random
from string import ascii_lowercase
from typing import Literal

from robustrank.plugin import (
    Access,
    AttackSet,
    Case,
    Goal,
    Oracle,
    Perturbation,
    Surface,
    ThreatModel,
    function_words,
    in_place_of,
    words,
)
from robustrank_attacks._options import require_choice, require_positive

KINDS = ("insert", "delete", "replace", "swap", "keyboard")
SHORTEST = 4
"""Words with fewer letters are not misspelt."""


@dataclass(frozen=True, kw_only=True)
class QueryTypos:
    """Misspell words of the query, by one character each.

    Args:
        kinds: Which of ``"insert"``, ``"delete"``, ``"replace"``, ``"swap"`` (of neighbours) and ``"keyboard"``
            (a neighbouring key); each is equally likely.
        words: Words to misspell.
        search: ``"random"`` draws one misspelt query without access to the ranker; ``"worst"`` draws
            ``variants`` of them and keeps the one that lowers the target most, at the cost of a whole list each.
        variants: Only for ``"worst"``.
    """

    kinds: Sequence[str] = KINDS
    words: int = 1
    search: Literal["random", "worst"] = "random"
    variants: int = 5

    def __post_init__(self) -> None:
        require_choice("query_typos", "kinds", self.kinds, KINDS)
        require_choice("query_typos", "search", [self.search], ["random", "worst"])
        require_positive("query_typos", "kinds", len(self.kinds))
        require_positive("query_typos", "words", self.words)
        require_positive("query_typos", "variants", self.variants)

    @property
    def threat(self) -> ThreatModel:
        """Misspells the query, to the harm of a relevant document; sees ranks only where it searches."""
        return ThreatModel(
            known_as=("AML.T0015", "AML.T0043"),
            surface=Surface.QUERY,
            access=Access.NONE if self.search == "random" else Access.RANKS,
            edits=AttackSet(operation="misspell"),
            goal=Goal.DEMOTE,
        )

    def perturb(self, case: Case, oracle: Oracle, rng: Random, /) -> Perturbation:
        """The misspelt query."""
        if self.search == "random":
            return self._misspelt(case.query.text, oracle.budget.edits, rng)
        worst, lowest = Perturbation(), oracle.rank([Perturbation()])[0]
        for _ in range(self.variants):
            if lowest >= case.goal_rank or oracle.affordable(queries=True) == 0:
                break
            trial = self._misspelt(case.query.text, oracle.budget.edits, rng)
            (rank,) = oracle.rank([trial])
            if rank > lowest:
                worst, lowest = trial, rank
        return worst

    def _misspelt(self, query: str, limit: int | None, rng: Random) -> Perturbation:
        typos = {
            position: misspelt
            for position, word in enumerate(words(query))
            if len(word.text) >= SHORTEST and word.text.lower() not in function_words()
            if (misspelt := [made for kind in self.kinds if (made := misspellings(word.text, kind))])
        }
        count = min(self.words, len(typos), *([] if limit is None else [limit]))
        if count == 0:
            return Perturbation()
        for position in sorted(rng.sample(sorted(typos), count), reverse=True):
            _, start, end = words(query)[position]
            query = query[:start] + rng.choice(rng.choice(typos[position])) + query[end:]
        return Perturbation(query=query)


@lru_cache(maxsize=1024)
def misspellings(word: str, kind: str) -> tuple[str, ...]:
    """All results of one error of a kind that are still one word, sorted; new letters are of the word's own script."""
    letters = ascii_lowercase if word.isascii() else "".join(sorted(set(word.lower())))
    letters = letters.upper() if word.isupper() else letters
    spots = range(len(word))
    if kind == "insert":
        made = {word[:i] + letter + word[i:] for i in range(len(word) + 1) for letter in letters}
    elif kind == "delete":
        made = {word[:i] + word[i + 1 :] for i in spots}
    elif kind == "swap":
        made = {word[:i] + word[i + 1] + word[i] + word[i + 2 :] for i in spots[:-1]}
    elif kind == "replace":
        made = {word[:i] + letter + word[i + 1 :] for i in spots for letter in letters}
    else:
        made = {word[:i] + letter + word[i + 1 :] for i in spots for letter in keyboard_neighbours(word[i])}
    made = {typo for typo in made if typo != word and [unit.text for unit in words(typo)] == [typo]}
    return tuple(sorted(typo for typo in made if in_place_of(typo, word)))


@lru_cache(maxsize=256)
def keyboard_neighbours(letter: str) -> str:
    """The letters next to a letter on a QWERTY keyboard, whose rows are shifted by a quarter and half a key."""
    places = {
        key: (column + shift, row)
        for row, (keys, shift) in enumerate([("qwertyuiop", 0.0), ("asdfghjkl", 0.25), ("zxcvbnm", 0.75)])
        for column, key in enumerate(keys)
    }
    if letter.lower() not in places:
        return ""
    x, y = places[letter.lower()]
    near = "".join(key for key, (u, v) in sorted(places.items()) if 0 < (u - x) ** 2 + (v - y) ** 2 < 1.6)
    return near.upper() if letter.isupper() else near
