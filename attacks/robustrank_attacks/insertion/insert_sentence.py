"""Sentence insertion of the literature in its offline form: IDEM, and with an anchor EMPRA.

IDEM (Chen et al., ACL 2023) samples sentences that connect query and document from BART, and inserts the one that is
best by half coherence (BERT's next-sentence head at both joints) and half relevance (a surrogate fitted to the victim's
ranks). EMPRA (2025) moves the embeddings of the document's own sentences towards those of documents that rank high, and
turns them into text by vec2text. Neither's text model comes with a package. Here sentences are those of the list's
other documents, under IDEM's filters; coherence is the gain of a word trigram model at both joints (extra ``fluency``;
without it, 0 everywhere); and a moved embedding becomes the sentence nearest to it. What the stand-ins cost in strength
is not known; that sentences are real ones, written by people, makes them hard to tell from the document.

Differences from the released code: coherence and relevance are compared among insertions into one document only; a
sentence that is not better placed anywhere leaves the rank as it is, where ranks are asked; and EMPRA's ascent is
decoded once, after its last iteration, which is all that its code uses.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from robustrank.plugin import (
    Access,
    AttackSet,
    Case,
    Encoder,
    MissingExtra,
    Oracle,
    Perturbation,
    PluginError,
    Ranker,
    Surface,
    ThreatModel,
    language_model,
    sentences,
)
from robustrank_attacks._options import require_choice, require_positive
from robustrank_attacks.insertion._fluency import coherence
from robustrank_attacks.insertion._insertion import GAPS, Gap, offsets, put
from robustrank_attacks.insertion._search import Placed, best_insertion, place_of
from robustrank_attacks.insertion._sentence_bank import moved, nearest, sentence_bank, shared_idf


@dataclass(frozen=True, kw_only=True)
class InsertSentence:
    """Insert the sentence, at the place, that is best by coherence and relevance together.

    Args:
        access: ``"none"``: it sees the order of the first stage only; ``"list"``: the ranker's list, once;
            ``"ranks"`` or ``"scores"``: it asks the ranker for the best of its choice, until the goal.
        longest: Most words of a sentence.
        place: ``"start"``, ``"end"``, ``"gaps"`` (between sentences), or ``"best"``: any of them.
        weight: Of coherence, the rest being that of relevance; 1 wants the extra ``fluency``.
        bank: Most sentences to try at all places, by their relevance alone.
        surrogate: A ranker of the attacker's own that says how relevant a text is, as a table with ``use``; by default
            inverse document frequencies of words that a sentence shares with the query. Not the victim.
        anchor: Whether to take only the sentences that the document's own become when their embeddings are moved
            towards the first documents' (EMPRA).
        encoder: For ``anchor``, a bi-encoder of the attacker's own, as a table with ``use``; by default the surrogate.
        iterations: Steps of that move. Very many end at the anchor itself.
        top: Documents whose mean embedding is the anchor.
        drawn: A sentence at a place, both drawn at random: the control.
    """

    access: Literal["none", "list", "ranks", "scores"] = "list"
    longest: int = 12
    place: Gap = "best"
    weight: float = 0.5
    bank: int = 50
    surrogate: Ranker | None = None
    anchor: bool = False
    encoder: Ranker | None = None
    iterations: int = 25
    top: int = 3
    drawn: bool = False

    def __post_init__(self) -> None:
        require_choice("insert_sentence", "access", [self.access], ["none", "list", "ranks", "scores"])
        require_choice("insert_sentence", "place", [self.place], GAPS)
        for option in ("longest", "bank", "top"):
            require_positive("insert_sentence", option, getattr(self, option))
        if not 0 <= self.weight <= 1:
            raise PluginError(f"insert_sentence: weight must be from 0 to 1, not {self.weight}")
        if self.iterations < 0:
            raise PluginError(f"insert_sentence: iterations must not be negative, not {self.iterations}")
        if self.anchor and not isinstance(self.encoder or self.surrogate, Encoder):
            raise PluginError('insert_sentence: anchor wants an encoder, such as `encoder = { use = "bi_encoder" }`')

    @property
    def threat(self) -> ThreatModel:
        """Sees what ``access`` says (the list is access to ranks, without a request); inserts into the document."""
        access = Access.RANKS if self.access == "list" else Access(self.access)
        edits = AttackSet(operation="insert")
        return ThreatModel(
            known_as=("AML.T0015", "AML.T0043"),
            surface=Surface.DOCUMENT,
            access=access,
            edits=edits,
            control=self.drawn,
        )

    def perturb(self, case: Case, oracle: Oracle, rng: Random, /) -> Perturbation:
        """The document with one sentence more; unchanged where it has the goal rank, or no sentence passes."""
        if self.threat.access is not Access.NONE and place_of(case) <= case.goal_rank:
            return Perturbation()
        if self.weight == 1 and language_model() is None:
            raise MissingExtra("insert_sentence with weight = 1", extra="fluency", package="pocketsphinx")
        limit = self.longest if oracle.budget.edits is None else min(self.longest, oracle.budget.edits)
        pool = sentence_bank(case, limit)
        if not pool:
            return Perturbation()
        if self.drawn:
            at = rng.choice(offsets(case.target.text, self.place))
            return Perturbation(target=put(case.target.text, [(at, rng.choice(pool))]))
        if self.anchor:
            pool = self._towards_anchor(case, pool)
        elif len(pool) > self.bank:
            scores = self._relevance(case, pool)
            pool = [pool[at] for at in sorted(range(len(pool)), key=lambda at: -scores[at])[: self.bank]]

        def promise(placed: Sequence[Placed], scores: Sequence[float]) -> Sequence[float]:
            relevance = scores or shared_idf(case, [each.sentence for each in placed])
            text = case.target.text
            joints = [coherence(text[: each.offset], each.sentence, text[each.offset :]) for each in placed]
            return [float(n) for n in self.weight * _scaled(joints) + (1 - self.weight) * _scaled(relevance)]

        access = Access.NONE if self.access == "list" else self.threat.access
        return best_insertion(
            case, oracle, access, pool, self.place, surrogate=self.surrogate, priority=promise, attack="insert_sentence"
        )

    def _relevance(self, case: Case, pool: Sequence[str]) -> Sequence[float]:
        """Of sentences alone."""
        if self.surrogate is None:
            return shared_idf(case, pool)
        return self.surrogate.score(case.query, [case.target._replace(text=sentence) for sentence in pool])

    def _towards_anchor(self, case: Case, pool: Sequence[str]) -> list[str]:
        """The sentences of the bank nearest to where the document's own sentences were moved."""
        encoder = self.encoder or self.surrogate
        own = [sentence.text for sentence in sentences(case.target.text)]
        heads = [doc.text for doc in case.candidates if doc.doc_id != case.target.doc_id][: self.top]
        if not own or not isinstance(encoder, Encoder):
            return []
        vectors = encoder.encode([*own, *heads, *pool], query=False)
        mine, anchors, others = np.split(vectors, [len(own), len(own) + len(heads)])
        decoded = nearest(moved(mine, anchors.mean(axis=0), self.iterations), others)
        return [pool[at] for at in dict.fromkeys(decoded)]


def _scaled(values: Sequence[float]) -> NDArray[np.float64]:
    """Values from 0 to 1 by least and greatest; all 0 where they are equal."""
    array = np.asarray(values, dtype=float)
    return np.asarray((array - array.min()) / (np.ptp(array) or 1.0))
