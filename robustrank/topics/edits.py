"""The rules of a topic study: words become substitutes and words are inserted, each within its own budget."""

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
        substitutes: Name of the table of what a word may become.
        budget: ``substitutions`` and ``insertions`` are judged; lists are the oracle's business.
    """
    allowed = AttackSet(operation=SUBSTITUTE_AND_INSERT.name, substitutes=substitutes)
    limits = {"substituted": budget.substitutions, "inserted": budget.insertions}
    return verify_edits(before, after, allowed, limits)
