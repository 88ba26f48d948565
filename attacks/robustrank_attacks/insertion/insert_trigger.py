"""Triggers in front of a document, by beam search on a surrogate: PAT in its offline form.

PAT (Liu et al., CCS 2022) grows a trigger token by token: a language model proposes, a surrogate says how the passage
compares with those that rank first, BERT's next-sentence head how it goes on to the passage. Here words are proposed
from the list's documents and function words, those that the surrogate prefers alone; fluency and the joint with the
document are log probabilities of a word trigram model, per word (extra ``fluency``; without it, 0 everywhere). As no
word of the query is used, the trigger is not the query again.

Differences from the released code: the surrogate reads trigger *and* document, in the order in which they are handed
in, where the code scores the trigger alone; scores are in units of their spread over the list, so that the weights mean
the same for any surrogate; and a trigger that the surrogate holds for no gain is not handed in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, log, log1p
from random import Random
from typing import Literal, NamedTuple

import numpy as np

from robustrank.plugin import (
    Access,
    AttackSet,
    Case,
    Oracle,
    Perturbation,
    PluginError,
    Ranker,
    Surface,
    ThreatModel,
    function_words,
    order,
)
from robustrank_attacks._options import require_choice, require_positive
from robustrank_attacks.insertion._fluency import coherence, log_probability
from robustrank_attacks.insertion._insertion import insert
from robustrank_attacks.insertion._search import best_insertion, place_of
from robustrank_attacks.insertion._vocabulary import apart_from, contrast_words, list_words

PROPOSED = 3
"""How many times as many words of each kind as are tried in the search the surrogate compares before it."""

SEEN = 500
"""Words of the list of which those are taken."""

LISTED = 50
"""Documents of a list from which on an order equal to the surrogate's is no accident."""


class _Beam(NamedTuple):
    """A trigger, its value, and how much more than the clean document the surrogate likes the text."""

    trigger: tuple[str, ...]
    value: float
    gain: float


@dataclass(frozen=True, kw_only=True)
class InsertTrigger:
    """Insert words in front of the document that a surrogate likes, and that read as its beginning.

    Args:
        surrogate: A ranker of the attacker's own, as a table with ``use``. Not the victim.
        access: ``"list"``: it sees the ranker's list, once; ``"ranks"`` or ``"scores"``: it asks the ranker for the
            best of the triggers it ends with.
        most: Words to insert where the audit sets no limit.
        beam: Triggers kept from one word to the next.
        terms: Words that are tried for every place, a quarter of them function words.
        top: Documents at the head of the list whose mean score the text is compared with.
        fluency: Weight of the trigger's mean log probability.
        joint: Weight of what the trigger adds to the log probability of the document's beginning.
        repetition: How many times less probable a word counts for each time that it stands there already.
    """

    surrogate: Ranker
    access: Literal["list", "ranks", "scores"] = "list"
    most: int = 6
    beam: int = 5
    terms: int = 32
    top: int = 3
    fluency: float = 0.6
    joint: float = 0.1
    repetition: float = 5.0

    def __post_init__(self) -> None:
        require_choice("insert_trigger", "access", [self.access], ["list", "ranks", "scores"])
        for option in ("most", "beam", "terms", "top"):
            require_positive("insert_trigger", option, getattr(self, option))
        if min(self.fluency, self.joint) < 0 or self.repetition < 1:
            raise PluginError("insert_trigger: fluency and joint must not be negative, repetition at least 1")

    @property
    def threat(self) -> ThreatModel:
        """Sees what ``access`` says (the list is access to ranks, without a request); inserts into the document."""
        access = Access.SCORES if self.access == "scores" else Access.RANKS
        return ThreatModel(
            known_as=("AML.T0015", "AML.T0043"),
            surface=Surface.DOCUMENT,
            access=access,
            edits=AttackSet(operation="insert"),
        )

    def perturb(self, case: Case, oracle: Oracle, rng: Random, /) -> Perturbation:
        """The document with a trigger in front; unchanged where it has the goal rank, or no trigger is a gain."""
        size = self.most if oracle.budget.edits is None else oracle.budget.edits
        if size == 0 or place_of(case) <= case.goal_rank:
            return Perturbation()
        triggers = [" ".join(beam.trigger) for beam in _Search(self, case).run(size) if beam.gain > 0]
        access = Access.NONE if self.access == "list" else self.threat.access
        return best_insertion(
            case, oracle, access, triggers, "start", surrogate=self.surrogate, attack="insert_trigger",
            priority=lambda placed, scores: [-triggers.index(each.sentence) for each in placed],
        )  # fmt: skip


class _Search:
    """One document's beam search."""

    def __init__(self, attack: InsertTrigger, case: Case) -> None:
        self._attack, self._case = attack, case
        scores = attack.surrogate.score(case.query, case.candidates)
        listed = [doc.doc_id for doc in case.candidates]
        by_id = dict(zip(listed, scores, strict=True))
        if len(listed) >= LISTED and order(list(by_id.items())) == listed:
            name = attack.surrogate.card.name
            raise PluginError(
                f"insert_trigger: the surrogate {name} orders the list as the victim does: it is the victim"
            )
        heads = [by_id[doc_id] for doc_id in listed if doc_id != case.target.doc_id][: attack.top]
        self._clean = by_id[case.target.doc_id]
        self._head = float(np.mean(heads)) if heads else self._clean
        self._spread = float(np.std(scores)) or 1.0

    def run(self, size: int) -> list[_Beam]:
        """Triggers of so many words, the best first; none where there is no word to use."""
        beams = [_Beam((), 0.0, 0.0)]
        words = self._words()
        for _ in range(size if words else 0):
            grown = self._valued([(*beam.trigger, word) for beam in beams for word in words])
            beams = sorted(grown, key=lambda beam: -beam.value)[: self._attack.beam]
        return beams if words else []

    def _words(self) -> list[str]:
        """Words of the list, and function words of it, that the surrogate prefers in front of the document."""
        case, terms = self._case, self._attack.terms
        contrast = contrast_words(case, SEEN)
        listed = [word for word in list_words(case, SEEN) if word in function_words()]
        chosen = []
        for proposed, most in ((contrast, terms - terms // 4), (listed, terms // 4)):
            apart = apart_from(case.query.text, proposed)[: PROPOSED * most]
            gains = dict(zip(apart, self._gains([(word,) for word in apart]), strict=True))
            chosen += sorted(apart, key=lambda word: -gains[word])[:most]
        return chosen

    def _valued(self, triggers: Sequence[tuple[str, ...]]) -> list[_Beam]:
        return [
            _Beam(trigger, self._relevance(gain) + self._language(trigger), gain)
            for trigger, gain in zip(triggers, self._gains(triggers), strict=True)
        ]

    def _gains(self, triggers: Sequence[tuple[str, ...]]) -> list[float]:
        """What triggers add to the surrogate's score of the document."""
        target = self._case.target
        docs = [target._replace(text=insert(target.text, trigger, "start")) for trigger in triggers]
        return [score - self._clean for score in self._attack.surrogate.score(self._case.query, docs)] if docs else []

    def _relevance(self, gain: float) -> float:
        """Log probability that the text ranks above the first documents, by the logistic function."""
        margin = (self._clean + gain - self._head) / self._spread
        return margin - log1p(exp(margin)) if margin < 0 else -log1p(exp(-margin))

    def _language(self, trigger: tuple[str, ...]) -> float:
        attack, text = self._attack, " ".join(trigger)
        value = -log(attack.repetition) * (len(trigger) - len(set(trigger)))
        if attack.fluency:
            value += attack.fluency * log_probability(text) / len(trigger)
        if attack.joint:
            value += attack.joint * coherence("", text, self._case.target.text) * len(trigger)
        return value
