"""Random edits: the control for optimised attacks.

Spends the whole budget of edits on legal edits drawn at random. An attack that succeeds no
more often has not optimised anything: ranks change with any edit of the input.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from random import Random
from typing import Literal

from robustrank.plugin import (
    Access,
    AttackSet,
    Case,
    Oracle,
    Perturbation,
    Surface,
    ThreatModel,
    load_table,
    moved_words,
    sentences,
    substitute,
    words,
)
from robustrank_attacks._options import SUBSTITUTES, require_choice
from robustrank_attacks.insertion._insertion import GAPS, insert, insert_at, offsets, put
from robustrank_attacks.own_text._pieces import in_order, without


@dataclass(frozen=True, kw_only=True)
class RandomEdits:
    """Substitute, insert or delete random words, or put sentences in a random order.

    Args:
        operation: ``"substitute"`` draws positions, then one substitute each; without a limit on edits it replaces
            every word it can. ``"insert"`` inserts random words of the table; without a limit, as many as the query
            has. ``"delete"`` leaves out random words; without a limit, half of them. ``"reorder"`` moves random
            sentences to random places, as far as the limit goes.
        place: Where words are inserted: ``"anywhere"``, each at a random place; ``"start"``, ``"end"``, ``"gaps"``
            (between sentences) or ``"best"`` (one of these drawn for each word), the places of ``word_insertion``.
        substitutes: The table of words (:func:`robustrank.perturbations.substitutes.load`).
    """

    operation: Literal["substitute", "insert", "delete", "reorder"] = "substitute"
    place: Literal["anywhere", "start", "end", "gaps", "best"] = "anywhere"
    substitutes: str = SUBSTITUTES

    def __post_init__(self) -> None:
        require_choice("random_edits", "operation", [self.operation], ["substitute", "insert", "delete", "reorder"])
        require_choice("random_edits", "place", [self.place], ["anywhere", *GAPS])

    @property
    def threat(self) -> ThreatModel:
        """Sees nothing of the ranker; the edits are those of the operation."""
        if self.operation == "substitute":
            edits = AttackSet(operation="substitute", substitutes=self.substitutes)
        else:
            edits = AttackSet(operation=self.operation)
        return ThreatModel(surface=Surface.DOCUMENT, access=Access.NONE, edits=edits, control=True)

    def perturb(self, case: Case, oracle: Oracle, rng: Random, /) -> Perturbation:
        """The document with random edits."""
        changes = {
            "substitute": self._substituted,
            "insert": self._inserted,
            "delete": self._deleted,
            "reorder": self._reordered,
        }
        return Perturbation(target=changes[self.operation](case, oracle.budget.edits, rng))

    def _substituted(self, case: Case, limit: int | None, rng: Random) -> str:
        possible = load_table(self.substitutes).within(case.target.text)
        count = len(possible) if limit is None else min(limit, len(possible))
        positions = rng.sample(sorted(possible), count)
        return substitute(case.target.text, {position: rng.choice(possible[position]) for position in positions})

    def _deleted(self, case: Case, limit: int | None, rng: Random) -> str:
        text = case.target.text
        count = len(words(text))
        wanted = min(count // 2 if limit is None else limit, max(0, count - 1))
        return without(text, "word", set(rng.sample(range(count), wanted)))

    def _reordered(self, case: Case, limit: int | None, rng: Random) -> str:
        text = case.target.text
        parts = [sentence.text for sentence in sentences(text)]
        order = list(range(len(parts)))
        for number in rng.sample(order, len(order)):
            moved = [other for other in order if other != number]
            moved.insert(rng.randrange(len(order)), number)
            if limit is None or moved_words(parts, [parts[at] for at in moved]) <= limit:
                order = moved
        return in_order(text, order)

    def _inserted(self, case: Case, limit: int | None, rng: Random) -> str:
        text = case.target.text
        count = len(words(case.query.text)) if limit is None else limit
        added = rng.choices(tuple(load_table(self.substitutes).neighbours), k=count)
        if self.place != "anywhere":
            return put(text, list(zip(rng.choices(offsets(text, self.place), k=count), added, strict=True)))
        starts = [match.start() for match in re.finditer(r"\S+", text)]
        if not starts:
            return insert(text, added, "start")
        return insert_at(text, list(zip(sorted(rng.choices(starts, k=count)), added, strict=True)))
