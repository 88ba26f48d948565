"""Measures a perturbation from the two texts alone, and judges it by the attack's declared threat model and budget.

Nothing an attack says of itself is believed: the words are counted and compared here, in the unit of
:mod:`robustrank.core.words`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import lru_cache
from string import punctuation, whitespace

from robustrank.core.errors import ConfigError
from robustrank.core.types import AttackSet, Budget, Case, Operation, Perturbation, Surface, ThreatModel
from robustrank.core.words import gaps, match_case, words
from robustrank.perturbations.contextual_substitutes import load

SHOWN = 3
"""Illegal words named in one violation; the rest are counted."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What a perturbation is, as measured.

    Args:
        edits: Words changed or inserted.
        similarity: Of the clean and the perturbed text; ``None`` when it was not measured.
        violations: One sentence for each way in which the perturbation is not allowed; empty means legal.
    """

    edits: int
    similarity: float | None
    violations: tuple[str, ...]


def verify(
    case: Case,
    perturbation: Perturbation,
    threat: ThreatModel,
    budget: Budget,
    *,
    similarity: Callable[[str, str], float] | None = None,
) -> Finding:
    """Measure a perturbation, and list what is not allowed about it.

    Args:
        case: The clean case.
        perturbation: What the attack returned.
        threat: The surface and the edits the attack declared.
        budget: ``edits`` and ``similarity`` are judged; calls are the oracle's business.
        similarity: Cosine of two texts.

    Raises:
        ConfigError: The budget limits similarity, and there is no way to measure it.
        DataError: The declared table of substitutes cannot be read.
    """
    if budget.similarity is not None and similarity is None:
        raise ConfigError("the budget limits similarity, but there is no encoder to measure it with; name one")
    query_after = case.query.text if perturbation.query is None else perturbation.query
    target_after = case.target.text if perturbation.target is None else perturbation.target
    pairs = {Surface.QUERY: (case.query.text, query_after), Surface.DOCUMENT: (case.target.text, target_after)}
    violations = [
        f"changes the {surface.value}, declared surface is the {threat.surface.value}"
        for surface, (before, after) in pairs.items()
        if surface is not threat.surface and before != after
    ]
    before, after = pairs[threat.surface]
    edits, illegal = _edits(before, after, threat.edits)
    violations += illegal
    if budget.edits is not None and edits > budget.edits:
        violations.append(f"{edits} words edited, the budget is {budget.edits}")
    likeness = None if similarity is None else 1.0 if before == after else similarity(before, after)
    if budget.similarity is not None and likeness is not None and likeness < budget.similarity:
        violations.append(f"similarity {likeness:.3f}, the budget asks for at least {budget.similarity:g}")
    return Finding(edits=edits, similarity=likeness, violations=tuple(violations))


def diff(before: str, after: str) -> list[tuple[str, str, str]]:
    """Word-level runs that turn one text into the other.

    Returns:
        ``(op, text before, text after)`` with op ``"equal"``, ``"replace"``, ``"insert"`` or ``"delete"``. The texts
        include what stands between words: joined, they are exactly the two texts.
    """
    old, new = _pieces(before), _pieces(after)
    most = min(len(old), len(new))
    head = next((i for i in range(most) if old[i] != new[i]), most)
    tail = next((i for i in range(most - head) if old[-1 - i] != new[-1 - i]), most - head)
    runs = _runs(old[head : len(old) - tail], new[head : len(new) - tail])
    around = [("equal", same, same) for same in ("".join(old[:head]), "".join(old[len(old) - tail :]))]
    return [run for run in (around[0], *runs, around[1]) if run[1] or run[2]]


def _runs(old: Sequence[str], new: Sequence[str]) -> list[tuple[str, str, str]]:
    # White space joins a run but never starts one: otherwise unrelated words would line up at their spaces.
    matcher = SequenceMatcher(str.isspace, old, new, autojunk=False)
    return [(op, "".join(old[i:j]), "".join(new[k:m])) for op, i, j, k, m in matcher.get_opcodes()]


@lru_cache(maxsize=4096)  # the same document is attacked many times
def _pieces(text: str) -> list[str]:
    """The words of a text, and between them runs of white space and of marks; joined, they are the text."""
    pieces, *between = (re.findall(r"\s+|\S+", gap) for gap in gaps(text))
    for word, gap in zip(words(text), between, strict=True):
        pieces += [word.text, *gap]
    return pieces


def _edits(before: str, after: str, allowed: AttackSet) -> tuple[int, list[str]]:
    """How many words were edited, and what of it the attack set does not allow."""
    old = [word.text for word in words(before)]
    new = [word.text for word in words(after)]
    if allowed.operation is Operation.INSERT:
        return _insertions(before, after, old, new)
    if len(old) != len(new):
        reason = f"{len(old)} words became {len(new)}; {allowed.operation.value} keeps their number"
        return _changed(old, new), [reason]
    reasons = ["changes what stands between words"] if gaps(before) != gaps(after) else []
    changed = [at for at, (a, b) in enumerate(zip(old, new, strict=True)) if a != b]
    pairs = [(old[at], new[at]) for at in changed]
    if allowed.operation is Operation.REPLACE:
        return len(pairs), reasons
    if allowed.operation is Operation.SUBSTITUTE:
        table = load(allowed.substitutes or "")
        possible = table.within(before) if changed else {}
        bad = [(old[at], new[at]) for at in changed if new[at] not in _cased(possible.get(at, ()), old[at])]
        rule = f"not in the substitutes of {table.name}"
    else:
        bad = [(a, b) for a, b in pairs if not _one_character_edit(a, b)]
        rule = "not one character edit"
    if bad:
        named = ", ".join(f"{a!r} → {b!r}" for a, b in bad[:SHOWN])
        more = f" and {len(bad) - SHOWN} more" if len(bad) > SHOWN else ""
        reasons.append(f"{rule}: {named}{more}")
    return len(pairs), reasons


def _cased(others: Sequence[str], model: str) -> set[str]:
    return {match_case(other, model) for other in others}


def _insertions(before: str, after: str, old: Sequence[str], new: Sequence[str]) -> tuple[int, list[str]]:
    """Insertion keeps every word and every other visible character in order; punctuation comes with words only."""
    if not (_subsequence(old, new) and _subsequence(_visible(before), _visible(after))):
        return _changed(old, new), ["an original word or character is missing, changed or out of order"]
    added = len(new) - len(old)
    extra = _between(after)
    for character in _between(before):
        extra.remove(character)
    reasons = []
    if strange := sorted({character for character in extra if character not in punctuation}):
        reasons.append(f"inserts characters that are neither words nor punctuation: {', '.join(map(ascii, strange))}")
    if len(extra) > added:
        reasons.append(f"inserts {len(extra)} marks with {added} words; at most one a word")
    return added, reasons


def _visible(text: str) -> list[str]:
    return [character for character in text if character not in whitespace]


def _between(text: str) -> list[str]:
    """The characters between words, without ordinary white space."""
    return _visible("".join(gaps(text)))


def _subsequence(short: Sequence[str], long: Sequence[str]) -> bool:
    rest = iter(long)
    return all(item in rest for item in short)


def _changed(old: Sequence[str], new: Sequence[str]) -> int:
    """Words changed, inserted or deleted, for texts that do not line up."""
    opcodes = SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
    return sum(max(j - i, m - k) for op, i, j, k, m in opcodes if op != "equal")


def _one_character_edit(a: str, b: str) -> bool:
    """Whether the optimal-string-alignment distance of two different words is 1."""
    if len(a) > len(b):
        a, b = b, a
    start = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), len(a))
    if len(a) + 1 == len(b):
        return a[start:] == b[start + 1 :]
    swapped = a[start + 1 : start + 2] + a[start : start + 1]
    return len(a) == len(b) and (a[start + 1 :] == b[start + 1 :] or swapped + a[start + 2 :] == b[start:])
