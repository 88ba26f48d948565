"""Checks of inserted words: what is allowed about them, how they are counted, and whether they stand in one block."""

from __future__ import annotations

from collections import Counter

from robustrank.core.types import AttackSet
from robustrank.core.words import cost, words
from robustrank.perturbations.alignment import edit_distance, inserted_at, subsequence
from robustrank.perturbations.edited import Edited
from robustrank.perturbations.marks import marks, punctuation_in, strange, visible


def inserted(before: str, after: str, allowed: AttackSet) -> Edited:
    """Every word and every other visible character stays, in order; a new word may bring one mark.

    Further new marks cost 1 each.
    """
    old, new = _texts(before), _texts(after)
    lost = marks(before) - marks(after)
    if lost or not (subsequence(old, new) and subsequence(visible(before), visible(after))):
        return Edited(edit_distance(old, new), ("an original word or character is missing, changed or out of order",))
    extra = Counter(new) - Counter(old)
    added = sum(count * cost(word) for word, count in extra.items())
    new_marks = marks(after) - marks(before)
    return Edited(added + max(0, punctuation_in(new_marks) - extra.total()), tuple(strange(new_marks)))


def inserted_in_one_block(before: str, after: str, allowed: AttackSet, *, place: str = "anywhere") -> Edited:
    """As :func:`inserted`, and the new words are one contiguous run: anywhere, or at the start or end of the text."""
    edited, old = inserted(before, after, allowed), _texts(before)
    places = inserted_at(old, _texts(after))
    side = {"start": 0, "end": len(old)}.get(place)
    if edited.reasons or (places and side in (None, *places)):
        return edited
    where = "" if side is None else f" at the {place}"
    return Edited(edited.edits, (f"the new words are not one block{where}",))


def _texts(text: str) -> list[str]:
    return [word.text for word in words(text)]
