"""Measures a perturbation from the two texts, and checks it against the attack's declared threat model and budget.

Edits are counted from the texts in the unit of :mod:`robustrank.core.words`; what an attack reports of itself is not
used.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import SequenceMatcher
from functools import lru_cache

from robustrank.core.errors import ConfigError
from robustrank.core.types import AttackSet, Budget, Case, Perturbation, Surface, ThreatModel
from robustrank.core.words import split
from robustrank.perturbations import operations


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Edits, similarity and violations of one perturbation, as measured.

    Args:
        edits: Words edited, or characters, as the operation counts them.
        similarity: Of the clean and the perturbed text; ``None`` when it was not measured.
        violations: One sentence for each way in which the perturbation is not allowed; empty means legal.
        kinds: For an operation of several kinds of edit, the words of each.
    """

    edits: int
    similarity: float | None
    violations: tuple[str, ...]
    kinds: Mapping[str, int] = field(default_factory=dict)


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
        budget: ``edits`` (or ``characters``) and ``similarity`` are checked; the oracle enforces the limit of calls.
        similarity: Cosine of two texts.

    Raises:
        ConfigError: The budget limits similarity, and ``similarity`` is ``None``.
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
    measured = verify_edits(before, after, threat.edits, {"edited": operations.limit(threat.edits, budget)})
    violations += measured.violations
    likeness = None if similarity is None else 1.0 if before == after else similarity(before, after)
    if budget.similarity is not None and likeness is not None and likeness < budget.similarity:
        violations.append(f"similarity {likeness:.3f}, the budget requires at least {budget.similarity:g}")
    return replace(measured, similarity=likeness, violations=tuple(violations))


def verify_edits(before: str, after: str, allowed: AttackSet, limits: Mapping[str, int | None]) -> Finding:
    """Count the edits between two texts, and list what is not allowed about them.

    Args:
        before: The clean text.
        after: The perturbed text.
        allowed: The operation, and its table of substitutes where it has one.
        limits: The most words (or characters) ``"edited"``, or of each kind that the operation tells apart; ``None``
            is no limit.

    Raises:
        PluginError: The operation is not declared.
        DataError: The declared table of substitutes cannot be read.
    """
    edits, reasons, kinds = operations.named(allowed.operation).check(before, after, allowed)
    counts = {"edited": edits, **kinds}
    over = [
        f"{counts[kind]} {operations.unit(allowed)} {kind}, the budget is {limit}"
        for kind, limit in limits.items()
        if limit is not None and counts[kind] > limit
    ]
    return Finding(edits=edits, similarity=None, violations=(*reasons, *over), kinds=kinds)


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
    pieces: list[str] = []
    for place, part in enumerate(split(text)):
        if place % 2 or part == " ":
            pieces.append(part)
        else:
            pieces += _BETWEEN.findall(part)
    return pieces


_BETWEEN = re.compile(r"\s+|\S+")
