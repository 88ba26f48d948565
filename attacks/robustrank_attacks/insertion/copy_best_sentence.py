"""Copied sentences: put the best sentence of a document that ranks high into the target.

What an author does who reads the first page of results and copies from it: no word need be invented, and the text reads
as prose. Sentences are those of the first documents of the list, scored by a ranker of the attacker's own, or by the
inverse document frequencies of the words they share with the query. Documents that are judged relevant are not told
from others: the attacker does not know judgments.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Literal

from robustrank.plugin import (
    Access,
    AttackSet,
    Case,
    Oracle,
    Perturbation,
    Ranker,
    Surface,
    ThreatModel,
    sentences,
    words,
)
from robustrank_attacks._options import require_choice, require_positive
from robustrank_attacks.insertion._insertion import GAPS, Gap
from robustrank_attacks.insertion._search import best_insertion, insertable, place_of, price
from robustrank_attacks.insertion._sentence_bank import shared_idf


@dataclass(frozen=True, kw_only=True)
class CopyBestSentence:
    """Insert the best sentence of the documents that rank first, whole, if the budget of edits pays for one.

    Args:
        access: ``"none"``: it sees the order of the first stage only; ``"list"``: the ranker's list, once;
            ``"ranks"`` or ``"scores"``: it asks the ranker for the best of sentences and places, until the goal.
        top: Documents to copy from.
        longest: Most words of a sentence.
        place: ``"start"``, ``"end"``, ``"gaps"`` (between sentences), or ``"best"``: any, as surrogate or victim say.
        surrogate: A ranker of the attacker's own, as a table with ``use``. Not the victim.
    """

    access: Literal["none", "list", "ranks", "scores"] = "list"
    top: int = 3
    longest: int = 30
    place: Gap = "start"
    surrogate: Ranker | None = None

    def __post_init__(self) -> None:
        require_choice("copy_best_sentence", "access", [self.access], ["none", "list", "ranks", "scores"])
        require_choice("copy_best_sentence", "place", [self.place], GAPS)
        require_positive("copy_best_sentence", "top", self.top)
        require_positive("copy_best_sentence", "longest", self.longest)

    @property
    def threat(self) -> ThreatModel:
        """Sees what ``access`` says (the list is access to ranks, without a request); inserts into the document."""
        access = Access.RANKS if self.access == "list" else Access(self.access)
        return ThreatModel(
            known_as=("AML.T0015", "AML.T0043"),
            surface=Surface.DOCUMENT,
            access=access,
            edits=AttackSet(operation="insert"),
        )

    def perturb(self, case: Case, oracle: Oracle, rng: Random, /) -> Perturbation:
        """The document with one sentence more; unchanged where it has the goal rank, or no sentence can be paid."""
        if self.threat.access is not Access.NONE and place_of(case) <= case.goal_rank:
            return Perturbation()
        limit = self.longest if oracle.budget.edits is None else min(self.longest, oracle.budget.edits)
        pool = [sentence for sentence in self._sentences(case) if price(sentence) <= limit]
        access = Access.NONE if self.access == "list" else self.threat.access
        return best_insertion(
            case, oracle, access, pool, self.place, surrogate=self.surrogate, attack="copy_best_sentence"
        )

    def _sentences(self, case: Case) -> list[str]:
        """Different sentences of the first documents but the target, by the idf of shared words, then the shorter."""
        sources = [doc.text for doc in case.candidates if doc.doc_id != case.target.doc_id][: self.top]
        pool = list(dict.fromkeys(insertable(each.text) for source in sources for each in sentences(source)))
        pool = [sentence for sentence in pool if sentence not in case.target.text]
        shared = dict(zip(pool, shared_idf(case, pool), strict=True))
        return sorted(pool, key=lambda sentence: (-shared[sentence], len(words(sentence))))
