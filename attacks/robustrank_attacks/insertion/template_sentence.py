"""Templated sentences: a sentence that could stand on any page, with the query in it, and its control.

The forms are those of pages written for search engines, and of the styles of "GEO: Generative Engine Optimization"
(Aggarwal et al., KDD 2024) that one sentence can carry: authority, statistics, citation, quotation, simple language.
What is due to the form alone is shown by the twin: the same form around as many words of another query.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from random import Random
from typing import Literal

from robustrank.plugin import (
    Access,
    AttackSet,
    Case,
    Oracle,
    Perturbation,
    Surface,
    ThreatModel,
    function_words,
    words,
)
from robustrank_attacks._options import require_choice
from robustrank_attacks.insertion._insertion import GAPS, Gap, affordable
from robustrank_attacks.insertion._search import best_insertion, price

TEMPLATES = {
    "answer": "The answer to {q} is:",
    "asked": "Frequently asked: {q}?",
    "explains": "This page explains {q}.",
    "question": "Q: {q}? A:",
    "also": "People also search for {q}.",
    "experts": "Experts agree on {q}.",
    "study": "According to a recent study, {q} matters most.",
    "statistics": "In 9 of 10 cases {q} is what readers look for.",
    "quote": "As one reader put it: {q}.",
    "simple": "In simple words: {q}.",
    "technical": "Technical definition and details: {q}.",
    "guide": "Complete guide to {q}.",
}
"""Version 1. Chosen before any was measured."""


@dataclass(frozen=True, kw_only=True)
class TemplateSentence:
    """Insert a fixed sentence with the query in it; where the budget does not pay for all, content words stay longest.

    Args:
        template: ``"answer"``, ``"asked"``, ``"explains"``, ``"question"``, ``"also"``, ``"experts"``, ``"study"``,
            ``"statistics"``, ``"quote"``, ``"simple"``, ``"technical"``, ``"guide"``; or ``"best"`` of them, which
            needs access to ranks or scores.
        access: ``"none"``; with ``"ranks"`` or ``"scores"`` the victim says which template and place is best.
        place: ``"start"``, ``"end"``, ``"gaps"`` (between sentences), or ``"best"``.
        twin: Use words of another query, as many as this one has: the control.
    """

    template: str = "answer"
    access: Literal["none", "ranks", "scores"] = "none"
    place: Gap = "start"
    twin: bool = False

    def __post_init__(self) -> None:
        choices = [*TEMPLATES, *(["best"] if self.access != "none" else [])]
        require_choice("template_sentence", "access", [self.access], ["none", "ranks", "scores"])
        require_choice("template_sentence", "template", [self.template], choices)
        require_choice("template_sentence", "place", [self.place], GAPS)

    @property
    def threat(self) -> ThreatModel:
        """Sees what ``access`` says; inserts words into the document."""
        return ThreatModel(
            known_as=("AML.T0015", "AML.T0043"),
            surface=Surface.DOCUMENT,
            access=Access(self.access),
            edits=AttackSet(operation="insert"),
            control=self.twin,
        )

    def perturb(self, case: Case, oracle: Oracle, rng: Random, /) -> Perturbation:
        """The document with one sentence more; unchanged where the budget pays for no word of the query."""
        query = [word.text for word in words(case.query.text)]
        forms = list(TEMPLATES.values()) if self.template == "best" else [TEMPLATES[self.template]]
        filled = []
        for form in forms:
            left = None if oracle.budget.edits is None else oracle.budget.edits - price(form.format(q=""))
            kept = affordable(query, left) if left is None or left >= 0 else None
            if kept or kept == query:  # without a query only the form is left
                filled.append(form.format(q=" ".join(twin_of(kept, rng) if self.twin else kept)))
        return best_insertion(case, oracle, self.threat.access, filled, self.place)


def twin_of(query: list[str], rng: Random) -> list[str]:
    """As many words of other queries, in order, without the content words of this one."""
    content = {word.lower() for word in query} - function_words()
    added: list[str] = []
    for other in rng.sample(other_queries(), len(other_queries())):
        added += [word for word in other if word.lower() not in content]
        if len(added) >= len(query):
            break
    while len(added) < len(query):  # a query longer than all others together
        added += added[: len(query) - len(added)]
    return added[: len(query)]


@lru_cache(maxsize=1)
def other_queries() -> tuple[tuple[str, ...], ...]:
    """The words of queries that are in no test collection."""
    text = files("robustrank_attacks").joinpath("other_queries.txt").read_text(encoding="utf-8")
    return tuple(tuple(word.text for word in words(line)) for line in text.splitlines())
