"""How the words of two texts line up, and at what cost."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from math import inf

from robustrank.core.words import cost


def edit_distance(old: Sequence[str], new: Sequence[str]) -> int:
    """The least cost of words inserted, deleted or replaced that turn one sequence into the other (Levenshtein 1966).

    A deleted word costs 1; a new one what :func:`robustrank.core.words.cost` says, mostly 1.
    """
    most = min(len(old), len(new))
    head = next((i for i in range(most) if old[i] != new[i]), most)
    tail = next((i for i in range(most - head) if old[-1 - i] != new[-1 - i]), most - head)
    old, new = old[head : len(old) - tail], new[head : len(new) - tail]
    inserted = [cost(word) for word in new]
    dear = [price > 1 for price in inserted]
    row = [0, *accumulate(inserted)]
    for i, word in enumerate(old, 1):
        diagonal, row[0] = row[0], i
        for j, other in enumerate(new, 1):
            replaced = cost(other, word) if dear[j - 1] else word != other
            best = min(diagonal + replaced, row[j] + 1, row[j - 1] + inserted[j - 1])
            diagonal, row[j] = row[j], best
    return row[-1]


def fewest_substitutions(old: Sequence[str], new: Sequence[str], options: Sequence[set[str]]) -> int | None:
    """Dynamic program over (old words placed, words inserted); ``None`` where nothing lines up."""
    spare = len(new) - len(old)
    if spare < 0:
        return None
    # cost[k]: fewest substitutions with the old words so far placed and k words inserted before the next one.
    cost = [0.0] * (spare + 1)
    for position, (word, allowed) in enumerate(zip(old, options, strict=True)):
        after: list[float] = []
        best = inf
        for k in range(spare + 1):
            seen = new[position + k]
            step = 0.0 if seen == word else 1.0 if seen in allowed else inf
            # Skipping new words before this one is free: those were inserted.
            best = min(best, cost[k])
            after.append(best + step)
        cost = after
    fewest = min(cost)
    return None if fewest == inf else int(fewest)


def subsequence(short: Sequence[str], long: Sequence[str]) -> bool:
    """Whether the items of one sequence stand in another in the same order."""
    rest = iter(long)
    return all(item in rest for item in short)


def inserted_at(old: Sequence[str], new: Sequence[str]) -> list[int]:
    """The places of a sequence at which one contiguous run was inserted to make another; several where items repeat."""
    most, extra = min(len(old), len(new)), len(new) - len(old)
    if extra < 0:
        return []
    head = next((i for i in range(most) if old[i] != new[i]), most)
    tail = next((i for i in range(most) if old[-1 - i] != new[-1 - i]), most)
    return list(range(len(old) - tail, head + 1))


def one_character_edit(a: str, b: str) -> bool:
    """Whether the optimal-string-alignment distance of two different words is 1."""
    if len(a) > len(b):
        a, b = b, a
    start = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), len(a))
    if len(a) + 1 == len(b):
        return a[start:] == b[start + 1 :]
    swapped = a[start + 1 : start + 2] + a[start : start + 1]
    return len(a) == len(b) and (a[start + 1 :] == b[start + 1 :] or swapped + a[start + 2 :] == b[start:])
