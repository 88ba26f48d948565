"""Texts with words substituted and inserted: making them, and measuring them from the two texts alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from string import whitespace

from robustrank.core.words import gaps, match_case, words
from robustrank.perturbations.substitutes import SubstituteTable
from robustrank.topics.types import Edits, TopicBudget


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What a perturbed text is.

    Args:
        substitutions: Fewest words that must have been substituted.
        insertions: Words that must have been inserted.
        violations: One sentence for each way in which the text is not allowed; empty means legal.
    """

    substitutions: int
    insertions: int
    violations: tuple[str, ...]


def apply(text: str, edits: Edits) -> str:
    """The text with the edits made; a substitute takes the case of the word it replaces."""
    found = words(text)
    changes = [
        (found[p].start, found[p].end, match_case(word, found[p].text)) for p, word in edits.substitutions.items()
    ]
    for offset, word in edits.insertions:
        last = 0 < offset == len(text)
        before = "" if offset == 0 or (text[offset - 1].isspace() and not last) else " "
        after = "" if last else " "
        changes.append((offset, offset, f"{before}{word}{after}"))
    pieces: list[str] = []
    done = 0
    # At one offset what is inserted stands before the word that is replaced there.
    for start, end, new in sorted(changes, key=lambda change: (change[0], change[1])):
        pieces += [text[done:start], new]
        done = end
    return "".join([*pieces, text[done:]])


def measure(before: str, after: str, table: SubstituteTable, budget: TopicBudget) -> Measured:
    """Count the edits between two texts, and list what is not allowed about them.

    An attack is not asked what it did. Among all ways to line up the words in order, every old word with itself or
    with one of its substitutes, the one with the fewest substitutions counts; the words left over were inserted.

    Args:
        before: The clean text.
        after: The perturbed text.
        table: What a word may become.
        budget: ``substitutions`` and ``insertions`` are judged; lists are the oracle's business.
    """
    old, new = ([word.text for word in words(text)] for text in (before, after))
    added = len(new) - len(old)
    substituted = _fewest_substitutions(old, new, table)
    violations = []
    if substituted is None:
        violations.append("a word is missing, out of order, or became a word that is no substitute of it")
    elif substituted > budget.substitutions:
        violations.append(f"{substituted} words substituted, the budget is {budget.substitutions}")
    if added > budget.insertions:
        violations.append(f"{added} words inserted, the budget is {budget.insertions}")
    if _marks(before) != _marks(after):
        violations.append("changes what stands between words")
    return Measured(substitutions=substituted or 0, insertions=max(0, added), violations=tuple(violations))


def _marks(text: str) -> str:
    return "".join(character for gap in gaps(text) for character in gap if character not in whitespace)


def _fewest_substitutions(old: Sequence[str], new: Sequence[str], table: SubstituteTable) -> int | None:
    """Dynamic program over (old words placed, words inserted); ``None`` where nothing lines up."""
    spare = len(new) - len(old)
    if spare < 0:
        return None
    # cost[k]: fewest substitutions with the old words so far placed and k words inserted before the next one.
    cost: list[float] = [0.0] * (spare + 1)
    for position, word in enumerate(old):
        allowed = {match_case(other, word) for other in table.of(word)}
        after: list[float] = []
        best = float("inf")
        for k in range(spare + 1):
            seen = new[position + k]
            step = 0.0 if seen == word else 1.0 if seen in allowed else float("inf")
            # Skipping new words before this one is free: those were inserted.
            best = min(best, cost[k])
            after.append(best + step)
        cost = after
    fewest = min(cost)
    return None if fewest == float("inf") else int(fewest)
