"""A red flag on gradients that hide the way: attacks that see less win more than those that read them.

With gradients an attacker can do all that one without them can. Where an attack with less access, the same kind of edit
and no larger a budget of edits wins more targets than all attacks with gradients together, these are no measure of what
an attacker with weights can do (Athalye et al., ICML 2018; the check of AutoAttack, Croce and Hein, ICML 2020).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf
from typing import TYPE_CHECKING

from robustrank.core.flags import Check
from robustrank.core.types import Access, Goal, Surface
from robustrank.perturbations import operations
from robustrank.results.outcomes import undecided
from robustrank.results.red_flags import RedFlag, Severity
from robustrank.stats.comparisons import holm, paired

if TYPE_CHECKING:
    from robustrank.work.records import AttackRecord

Target = tuple[str, str]
"""Query id and document id."""


def masked(attacked: Sequence[AttackRecord]) -> list[RedFlag]:
    """One flag for every ranker and kind of edit where an attack is shown to do better without gradients.

    Args:
        attacked: Records of attacks on documents.
    """
    groups: dict[tuple[str, str], list[AttackRecord]] = {}
    for record in attacked:
        threat = record.threat
        if threat.surface is Surface.DOCUMENT and threat.goal is Goal.PROMOTE and not record.control:
            groups.setdefault((record.ranker, str(threat.edits.operation)), []).append(record)
    return [flag for (ranker, edit), group in groups.items() for flag in _of(ranker, edit, group)]


def _of(ranker: str, edit: str, group: Sequence[AttackRecord]) -> list[RedFlag]:
    white = [r for r in group if r.threat.access is Access.WEIGHTS]
    if not white:
        return []
    with_gradients = _won(white)
    allowed = min(_edits(r) for r in white)
    shown: list[tuple[str, float, float, int]] = []
    for attack in dict.fromkeys(r.attack for r in group if r not in white and _edits(r) <= allowed):
        without = _won([r for r in group if r.attack == attack])
        common = sorted(with_gradients.keys() & without.keys())
        if len({query for query, _ in common}) > 1:
            ours, theirs = ([float(side[t]) for t in common] for side in (without, with_gradients))
            contrast = paired(ours, theirs, clusters=[query for query, _ in common])
            shown.append((attack, contrast.estimate.value, contrast.p, len(common)))
    corrected = holm([p for _, _, p, _ in shown]) if shown else []
    better = [each for each, p in zip(shown, corrected, strict=True) if each[1] > 0 and p < 0.05]
    if not better:
        return []
    attack, difference, _, n = max(better, key=lambda each: each[1])
    detail = (
        f"{attack}, which reads no gradients, reaches its goal on {difference:+.0%} of {n} targets beyond what all "
        f"attacks with gradients do by the same kind of edit ({edit}): gradients may be masked. What attackers with "
        "weights can do is not measured by these attacks; the worst case over all attacks counts the others too"
    )
    title = f"{ranker}: attacks do better without its gradients"
    return [RedFlag(check=Check.MASKED, severity=Severity.WARNING, title=title, detail=detail, ranker=ranker)]


def _edits(record: AttackRecord) -> float:
    limit = operations.limit(record.threat.edits, record.budget)
    return inf if limit is None else limit


def _won(records: Sequence[AttackRecord]) -> Mapping[Target, bool]:
    """Whether any of the records of a target reached the goal, of targets of which all are decided."""
    won: dict[Target, bool] = {}
    open_ = {(r.query_id, r.doc_id) for r in records if undecided(r)}
    for record in records:
        target = (record.query_id, record.doc_id)
        if target not in open_:
            won[target] = won.get(target, False) or record.rank_after <= record.goal_rank
    return won
