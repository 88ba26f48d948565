"""Public catalogues of attacks, and which of their entries attacks on rankers are.

Titles are those of the OWASP Top 10 for LLM Applications 2025 and of MITRE ATLAS; only entries that an attack declares
are here.
"""

from __future__ import annotations

from collections.abc import Iterable
from types import MappingProxyType

OWASP, ATLAS = "OWASP Top 10 for LLM Applications 2025", "MITRE ATLAS"

TITLES = MappingProxyType({
    "LLM01:2025": "Prompt Injection",
    "LLM04:2025": "Data and Model Poisoning",
    "LLM08:2025": "Vector and Embedding Weaknesses",
    "AML.T0015": "Evade AI Model",
    "AML.T0020": "Poison Training Data",
    "AML.T0043": "Craft Adversarial Data",
    "AML.T0051": "LLM Prompt Injection",
    "AML.T0070": "RAG Poisoning",
    "AML.T0071": "False RAG Entry Injection",
})  # fmt: skip
"""Id to title."""


def check(ids: Iterable[str]) -> None:
    """Refuse ids that are in no catalogue.

    Raises:
        ValueError: With the ids that there are.
    """
    unknown = [each for each in ids if each not in TITLES]
    if unknown:
        raise ValueError(f"no such entry of OWASP's list or ATLAS: {', '.join(unknown)} (have: {', '.join(TITLES)})")


def named(ids: Iterable[str]) -> list[str]:
    """Ids with their titles, for people: ``"LLM01:2025 Prompt Injection (OWASP)"``."""
    return [
        f"{each} {TITLES[each]} ({'OWASP' if each.startswith('LLM') else 'ATLAS'})" if each in TITLES else each
        for each in ids
    ]
