"""Documents that an attack adds to a corpus: their ids, and what is allowed about them."""

from __future__ import annotations

from collections.abc import Iterable

from robustrank.core.corpus_types import CorpusCase
from robustrank.core.types import Perturbation, ThreatModel
from robustrank.perturbations.verify import Finding, verify_edits


def plant_ids(count: int, others: Iterable[str]) -> list[str]:
    """Ids of added documents: at equal scores they stand below every other document.

    The tie rule puts the greater id first, so an id that wins ties would be an attack by naming.

    Args:
        count: How many.
        others: The ids of the corpus.
    """
    least, prefix = min(others, default="~"), "!plant-"
    if least <= f"{prefix}:":  # a colon is greater than any digit
        prefix = "\x00plant-"
    return [f"{prefix}{number}" for number in range(count)]


def verify_plants(case: CorpusCase, offered: Perturbation, threat: ThreatModel) -> Finding:
    """Count the words of the added documents, and list what is not allowed about them.

    Args:
        case: With the limits and the payload.
        offered: What the attack returned.
        threat: The edits it declared, and whether it carries the payload.
    """
    violations = []
    if offered.query is not None or offered.target is not None:
        violations.append("changes a query or a document that is there; it may only add documents")
    if len(offered.inserted) > case.plants:
        violations.append(f"adds {len(offered.inserted)} documents, the budget is {case.plants}")
    total = 0
    for number, text in enumerate(offered.inserted, start=1):
        measured = verify_edits("", text, threat.edits, {})
        total += measured.edits
        reasons = list(measured.violations)
        if case.words is not None and measured.edits > case.words:
            reasons.append(f"has {measured.edits} words, the budget is {case.words}")
        if threat.payload and case.payload is not None and case.payload not in text:
            reasons.append("does not hold the payload as it is")
        violations += [f"document {number} {reason}" for reason in reasons]
    return Finding(edits=total, similarity=None, violations=tuple(violations))
