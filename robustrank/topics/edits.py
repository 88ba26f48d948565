"""The edits of a topic study: words replaced by substitutes and words inserted, each within a budget of its own."""

from __future__ import annotations

from robustrank.core.topic_types import TopicBudget
from robustrank.core.types import AttackSet
from robustrank.perturbations.operations import SUBSTITUTE_AND_INSERT
from robustrank.perturbations.verify import Finding, verify_edits


def within_budget(before: str, after: str, substitutes: str, budget: TopicBudget) -> Finding:
    """Count the words substituted and inserted between two texts, and list what is not allowed about them.

    Args:
        before: The clean text.
        after: The perturbed text.
        substitutes: Name of the table of substitutes.
        budget: ``substitutions`` and ``insertions`` are checked; the oracle enforces the limit of lists.
    """
    allowed = AttackSet(operation=SUBSTITUTE_AND_INSERT.name, substitutes=substitutes)
    limits = {"substituted": budget.substitutions, "inserted": budget.insertions}
    return verify_edits(before, after, allowed, limits)
