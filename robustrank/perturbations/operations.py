"""Operations of edits: what each allows, how its edits are counted, its words in reports, and which it includes.

One declaration per operation is used to verify and count the edits of attacks, to describe them in reports, and to
decide which attacks a certificate covers. A plug-in that needs an operation of its own declares it in its own module,
with :func:`declare`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache, partial
from string import whitespace
from typing import Literal

from robustrank.core.errors import PluginError
from robustrank.core.sentences import moved_words, sentences
from robustrank.core.types import AttackSet, Budget
from robustrank.core.words import cost, gaps, match_case, words
from robustrank.perturbations.alignment import (
    edit_distance,
    fewest_substitutions,
    one_character_edit,
    subsequence,
)
from robustrank.perturbations.contextual_substitutes import load
from robustrank.perturbations.edited import Check, Edited
from robustrank.perturbations.insertions import inserted, inserted_in_one_block
from robustrank.perturbations.marks import forms, punctuation_in, strange, visible
from robustrank.perturbations.marks import marks as marks_of
from robustrank.perturbations.rendering import characters_changed, look_the_same

SHOWN = 3
"""Illegal words named in one reason; the rest are counted."""


@dataclass(frozen=True, kw_only=True)
class Operation:
    """The declaration of one kind of edit. Words are those of :mod:`robustrank.core.words`.

    Args:
        name: As in ``AttackSet(operation=...)``, in records and in summaries.
        words: What is edited, for reports: ``"words inserted"``.
        check: Counts the words edited, and says what of the change is not allowed.
        includes: Operations of which every legal change is a legal change of this one, with no more words edited.
        within: Operations that include this one, where their own declarations do not say so.
        untested: What an audit without attacks of this kind lists as not tested; empty for none.
        unit: What its edits are counted in, and which limit of a budget binds them: ``edits`` or ``characters``.
    """

    name: str
    words: str
    check: Check
    includes: frozenset[str] = frozenset()
    within: frozenset[str] = frozenset()
    untested: str = ""
    unit: Literal["words", "characters"] = "words"


_DECLARED: dict[str, Operation] = {}


def declare(operation: Operation) -> Operation:
    """Register an operation under its name, and return it.

    Raises:
        PluginError: Another operation has that name, or the name is no word of lower-case letters and underscores.
    """
    if not re.fullmatch(r"[a-z][a-z_]*", operation.name):
        raise PluginError(f"operation {operation.name!r}: a name is lower-case letters and underscores")
    if _DECLARED.setdefault(operation.name, operation) != operation:
        raise PluginError(f"operation {operation.name!r} is declared twice; give one of them another name")
    return operation


def named(name: str) -> Operation:
    """The operation of a name.

    Raises:
        PluginError: None is declared; the message has the nearest name and all of them.
    """
    if name not in _DECLARED:
        near = get_close_matches(name, _DECLARED, n=1)
        meant = f"; did you mean {near[0]!r}?" if near else ""
        raise PluginError(f"operation {name!r} is not declared{meant} (have: {', '.join(sorted(_DECLARED))})")
    return _DECLARED[name]


def declared() -> Sequence[Operation]:
    """All operations, in the order of their declaration."""
    return tuple(_DECLARED.values())


def includes(name: str, other: str) -> bool:
    """Whether every change by ``other`` is one by ``name``; an operation that is not declared includes itself only."""
    wide, narrow = _DECLARED.get(name), _DECLARED.get(other)
    listed = (wide is not None and other in wide.includes) or (narrow is not None and name in narrow.within)
    return name == other or listed


def covers(one: AttackSet, other: AttackSet) -> bool:
    """Whether every perturbation of ``other`` is one of ``one``; a table ``"a|b"`` holds those of ``"a"``."""
    if one.costs != other.costs or not includes(one.operation, other.operation):
        return False
    if one.substitutes is None:
        return other.substitutes is None or one.operation != other.operation
    if other.substitutes is None:
        return False
    return set(other.substitutes.split("|")) <= set(one.substitutes.split("|"))


@lru_cache(maxsize=65536)  # every certificate of a list looks at every attack on it
def counted(edits: AttackSet, made: AttackSet, before: str, after: str) -> int | None:
    """Edits of a change as an attack set counts them; ``None`` where the change is not one of that set.

    An attack may be allowed more than it does: the query in front of a document is a block at the start, also by an
    attack that may insert words anywhere.

    Args:
        edits: The set.
        made: What the attack that made the change may do, at least or at most.
        before: The clean text.
        after: The changed one.
    """
    either = includes(edits.operation, made.operation) or includes(made.operation, edits.operation)
    if edits.costs != made.costs or not either or edits.operation not in _DECLARED:
        return None
    measured = _DECLARED[edits.operation].check(before, after, edits)
    return None if measured.reasons else measured.edits


def unit(edits: AttackSet | str) -> str:
    """What edits of a set, or of one as summaries write it, are counted in; words where it is not declared."""
    operation = _DECLARED.get(str(edits).partition("(")[0])
    return operation.unit if operation else "words"


def limit(edits: AttackSet, budget: Budget) -> int | None:
    """The most edits that a budget allows, in the unit of the operation; ``None`` is no limit."""
    return budget.characters if unit(edits) == "characters" else budget.edits


def phrase(edits: str) -> str:
    """An attack set as summaries write it, ``"substitute(wordnet|glove)"``, in words; others stay as they are."""
    match = re.fullmatch(r"(\w+)(?:\((.+)\))?", edits)
    if not match or match[1] not in _DECLARED:
        return edits
    return _DECLARED[match[1]].words + (f" ({match[2].replace('|', ' or ')})" if match[2] else "")


def not_made(edits: Sequence[str]) -> list[str]:
    """What attacks of these sets (as summaries write them) leave untested: a line for each operation that has one."""
    made = {text.partition("(")[0] for text in edits}
    return [
        operation.untested
        for operation in declared()
        if operation.untested and not any(includes(name, operation.name) for name in made)
    ]


def _replaced(before: str, after: str, allowed: AttackSet) -> Edited:
    """Words replaced one for one; what stands between words stays."""
    old, new = _texts(before), _texts(after)
    if len(old) != len(new):
        reason = f"{len(old)} words became {len(new)}; {allowed.operation} keeps their number"
        return Edited(edit_distance(old, new), (reason,))
    changed = sum(cost(b, a) for a, b in zip(old, new, strict=True))
    return Edited(changed, ("changes text between words",) if gaps(before) != gaps(after) else ())


def _substituted(before: str, after: str, allowed: AttackSet) -> Edited:
    """As :func:`_replaced`, every new word one of its substitutes in the case of the word it replaces."""
    replaced = _replaced(before, after, allowed)
    table = load(allowed.substitutes or "")
    possible = table.within(before) if replaced.edits else {}

    def listed(at: int, old: str, new: str) -> bool:
        return new in {match_case(other, old) for other in possible.get(at, ())}

    return _with_rule(replaced, before, after, listed, f"not in the substitutes of {table.name}")


def _misspelt(before: str, after: str, allowed: AttackSet) -> Edited:
    """As :func:`_replaced`, every new word one character edit away, in characters of the same script."""
    replaced = _replaced(before, after, allowed)
    edited = _with_rule(
        replaced, before, after, lambda at, old, new: one_character_edit(old, new), "not one character edit"
    )
    rule = "characters of another script or form (look-alikes, not misspellings)"
    return _with_rule(edited, before, after, lambda at, old, new: forms(new) <= forms(old), rule)


def _look_alike(before: str, after: str, allowed: AttackSet) -> Edited:
    """As :func:`_replaced`, every changed character replaced by one of another script or form."""
    replaced = _replaced(before, after, allowed)

    def legal(at: int, old: str, new: str) -> bool:
        same = len(old) == len(new)
        return same and all(a == b or forms(b) != forms(a) for a, b in zip(old, new, strict=True))

    return _with_rule(replaced, before, after, legal, "not a character of another script or form")


def _with_rule(edited: Edited, before: str, after: str, legal: Callable[[int, str, str], bool], rule: str) -> Edited:
    """The edits, with a reason added that lists the replaced words which break a rule."""
    old, new = _texts(before), _texts(after)
    if len(old) != len(new):
        return edited
    pairs = enumerate(zip(old, new, strict=True))
    bad = [f"{a!r} → {b!r}" for at, (a, b) in pairs if a != b and not legal(at, a, b)]
    if not bad:
        return edited
    more = f" and {len(bad) - SHOWN} more" if len(bad) > SHOWN else ""
    return Edited(edited.edits, (*edited.reasons, f"{rule}: {', '.join(bad[:SHOWN])}{more}"))


def _rewritten(before: str, after: str, allowed: AttackSet) -> Edited:
    """Any words inserted, deleted or replaced; marks between words come and go with edited words only.

    White space is free. An edited word may bring one punctuation mark, and take the one on either side of it along;
    further new marks cost 1 each.
    """
    count = edit_distance(_texts(before), _texts(after))
    old, new = marks_of(before), marks_of(after)
    edits = max(count, punctuation_in(new - old))
    reasons = strange(new - old)
    gone = (old - new).total()
    if gone > 2 * edits:
        reasons.append(f"removes {gone} marks with {edits} edits; at most two an edit")
    if not edits and not reasons and visible(before) != visible(after):
        reasons.append("changes text between words")
    return Edited(edits, tuple(reasons))


def _deleted(before: str, after: str, allowed: AttackSet) -> Edited:
    """Words are left out, and the others stay in order; a word may take two marks along, and nothing is new."""
    old, new = _texts(before), _texts(after)
    if not (subsequence(new, old) and subsequence(visible(after), visible(before))):
        return Edited(edit_distance(old, new), ("a word or character is new, changed or out of order",))
    count, gone = len(old) - len(new), (marks_of(before) - marks_of(after)).total()
    if gone > 2 * count:
        return Edited(count, (f"removes {gone} marks with {count} words; at most two a word",))
    return Edited(count)


def _reordered(before: str, after: str, allowed: AttackSet) -> Edited:
    """Sentences change places and nothing else; counted are the words of those that moved past others."""
    old, new = ([sentence.text for sentence in sentences(text)] for text in (before, after))
    if Counter(old) != Counter(new) or Counter(visible(before)) != Counter(visible(after)):
        return Edited(edit_distance(_texts(before), _texts(after)), ("a sentence is missing, new or changed",))
    return Edited(moved_words(old, new))


def _substituted_and_inserted(before: str, after: str, allowed: AttackSet) -> Edited:
    """Words become substitutes of theirs, and words are inserted; no mark between words comes, goes or moves.

    Among all ways to line up the words in order, every old word with itself or with one of its substitutes, the one
    with the fewest substitutions counts; the words left over were inserted.
    """
    old, new = _texts(before), _texts(after)
    extra = Counter(new) - Counter(old)
    added = max(0, len(new) - len(old) + sum(count * (cost(word) - 1) for word, count in extra.items()))
    possible = load(allowed.substitutes or "").within(before)
    options = [{match_case(other, word) for other in possible.get(at, ())} for at, word in enumerate(old)]
    substituted = fewest_substitutions(old, new, options)
    reasons = []
    if substituted is None:
        reasons.append("a word is missing, out of order, or became a word that is no substitute of it")
    edits = edit_distance(old, new) if substituted is None else substituted + added
    marks = [[c for gap in gaps(text) for c in gap if c not in whitespace] for text in (before, after)]
    if marks[0] != marks[1] or (not edits and visible(before) != visible(after)):
        reasons.append("changes text between words")
    return Edited(edits, tuple(reasons), {"substituted": substituted or 0, "inserted": added})


def _rendered_alike(before: str, after: str, allowed: AttackSet) -> Edited:
    """Any characters, as long as readers see the same text."""
    reasons = () if look_the_same(before, after) else ("a reader sees another text",)
    return Edited(characters_changed(before, after), reasons)


def _planted(before: str, after: str, allowed: AttackSet) -> Edited:
    """A whole new document; counted are its words."""
    if before == after:
        return Edited(0)
    count = sum(cost(word) for word in _texts(after))
    extra = sum(marks_of(after).values()) - 2 * count
    reasons = ["changes a document that is there"] if before else []
    reasons += [f"has {extra} marks more than two a word"] if extra > 0 else []
    return Edited(count, tuple(reasons))


def _texts(text: str) -> list[str]:
    return [word.text for word in words(text)]


INSERT = declare(
    Operation(name="insert", words="words inserted", check=inserted, untested="inserted text"),
)
INSERT_BLOCK_AT_START = declare(
    Operation(
        name="insert_block_at_start",
        words="words inserted in one block at the start",
        check=partial(inserted_in_one_block, place="start"),
        within=frozenset({"insert", "edit"}),
    )
)
INSERT_BLOCK_AT_END = declare(
    Operation(
        name="insert_block_at_end",
        words="words inserted in one block at the end",
        check=partial(inserted_in_one_block, place="end"),
        within=frozenset({"insert", "edit"}),
    )
)
INSERT_BLOCK = declare(
    Operation(
        name="insert_block",
        words="words inserted in one block",
        check=inserted_in_one_block,
        includes=frozenset({"insert_block_at_start", "insert_block_at_end"}),
        within=frozenset({"insert", "edit"}),
    )
)
SUBSTITUTE = declare(
    Operation(
        name="substitute", words="words replaced by substitutes", check=_substituted, untested="word substitution"
    )
)
MISSPELL = declare(Operation(name="misspell", words="words misspelt", check=_misspelt))
LOOK_ALIKE = declare(
    Operation(name="look_alike", words="words spelt with characters of other scripts or forms", check=_look_alike)
)
REPLACE = declare(
    Operation(
        name="replace",
        words="words replaced by any others",
        check=_replaced,
        includes=frozenset({"substitute", "misspell", "look_alike"}),
    )
)
SUBSTITUTE_AND_INSERT = declare(
    Operation(
        name="substitute_and_insert",
        words="words replaced by substitutes, and words inserted",
        check=_substituted_and_inserted,
        includes=frozenset({"substitute"}),
    )
)
DELETE = declare(Operation(name="delete", words="words deleted", check=_deleted))
REORDER = declare(Operation(name="reorder", words="words of sentences that changed places", check=_reordered))
PLANT = declare(Operation(name="plant", words="words of new documents", check=_planted))
EDIT = declare(
    Operation(
        name="edit",
        words="words inserted, deleted or replaced",
        check=_rewritten,
        includes=frozenset(
            {"insert", "delete", "substitute", "misspell", "look_alike", "replace", "substitute_and_insert"}
        ),
    )
)
RENDER = declare(
    Operation(
        name="render",
        words="characters inserted, deleted or changed so that readers see the same text",
        check=_rendered_alike,
        untested="characters that readers do not see, or take for others (homoglyphs, invisible characters)",
        unit="characters",
    )
)
