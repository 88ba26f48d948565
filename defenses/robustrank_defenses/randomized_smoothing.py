"""Randomized smoothing: a document's score is its mean over random synonym replacements, which bounds what synonyms do.

Wu et al., "Certified Robustness to Word Substitution Ranking Attack for Neural Ranking Models" (CertDR), CIKM 2022.
Where their released code tests one pair of documents, the rules here hold for the whole list, and overlaps are those of
sets that may differ in size. Theorem and proof: docs/certificates.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import product
from math import prod

import numpy as np

from robustrank.certificates import RULES, Bounds, ScoreLaw, list_bounds, shift
from robustrank.errors import PluginError
from robustrank.interfaces import Ranker
from robustrank.perturbation_sets import PerturbationSets
from robustrank.ranking import checked_scores, order
from robustrank.substitutes import load
from robustrank.text import UNIT, gaps, match_case, words
from robustrank.types import AttackSet, Certificate, Document, Operation, Query, RankerCard


@dataclass(frozen=True, kw_only=True)
class RandomizedSmoothing:
    """Score random rewordings of every document, and certify the top of its lists.

    A document with at most ``samples`` rewordings has all of them scored: its score is exact, not estimated.

    The scores of the ranker behind are mapped to [0, 1] by ``sigmoid((score - center) / temperature)``; fix the two
    on a development split, before any certificate.

    Args:
        samples: Most rewordings scored per document.
        alpha: Allowed probability of a false certificate, per list, for all K and radii together.
        substitutes: Name of the table of synonyms that attackers may use and smoothing draws from.
        size: Most words in a perturbation set. More gives larger overlaps, hence better certificates, and a worse
            ranker.
        temperature: Above the spread of the base scores the map is linear, below it a step.
        center: The base score that maps to 1/2.
        rule: A name of :data:`robustrank.certificates.RULES`.
        seed: Of the rewordings, together with each document's text.

    Raises:
        PluginError: A parameter out of its range.
    """

    samples: int = 100
    alpha: float = 0.05
    substitutes: str = "wordnet"
    size: int = 100
    temperature: float = 2.0
    center: float = 0.0
    rule: str = "certdr-joint"
    seed: int = 0

    def __post_init__(self) -> None:
        for name, holds, need in (
            ("samples", self.samples >= 1, "at least 1"),
            ("alpha", 0.0 < self.alpha < 1.0, "between 0 and 1"),
            ("size", self.size >= 1, "at least 1"),
            ("temperature", self.temperature > 0.0, "above 0"),
            ("rule", self.rule in RULES, f"one of {', '.join(RULES)}"),
        ):
            if not holds:
                raise PluginError(f"randomized_smoothing: {name} must be {need}, got {getattr(self, name)!r}")

    def wrap(self, ranker: Ranker, /) -> SmoothedRanker:
        """The smoothed ranker.

        Raises:
            PluginError: The ranker's scores depend on the other documents of a call, or on chance: then a mean over
                rewordings is no function of the document, and nothing can be certified.
        """
        if not (ranker.card.pointwise and ranker.card.deterministic):
            raise PluginError(
                f"randomized_smoothing: {ranker.card.name} does not give a document one score of its own "
                "(its card says not pointwise, or not deterministic); smooth a pointwise ranker"
            )
        return SmoothedRanker(ranker, self, PerturbationSets(load(self.substitutes), self.size))


@dataclass(frozen=True)
class SmoothedRanker:
    """A ranker whose score is a mean over rewordings, and which certifies its own lists.

    The rewordings of a text depend on the text and the seed alone: scores are repeatable and pointwise, different
    texts get independent samples, and an attacked text gets fresh ones.
    """

    base: Ranker
    smoothing: RandomizedSmoothing
    sets: PerturbationSets
    _kept: dict[tuple[str, str], ScoreLaw] = field(default_factory=dict, repr=False, compare=False)

    @property
    def card(self) -> RankerCard:
        """The base ranker's card, with what smoothing changes."""
        smoothing, base = self.smoothing, self.base.card
        state = f"{base.fingerprint} {smoothing} {self.sets.table.digest} {UNIT}"
        note = (
            f"mean of sigmoid((score - {smoothing.center:g}) / {smoothing.temperature:g}) over up to "
            f"{smoothing.samples} rewordings with at most {smoothing.size} synonyms a word "
            f"({smoothing.substitutes}), seed {smoothing.seed}"
        )
        return RankerCard(
            name=f"randomized_smoothing({base.name})",
            fingerprint=sha256(state.encode()).hexdigest()[:16],
            max_length=base.max_length,
            pairs_per_score=smoothing.samples * base.pairs_per_score,
            note=f"{note}; {base.note}" if base.note else note,
        )

    @property
    def edits(self) -> AttackSet:
        """Substitution by the table's direct synonyms."""
        return AttackSet(operation=Operation.SUBSTITUTE, substitutes=self.smoothing.substitutes)

    def score(self, query: Query, docs: Sequence[Document], /) -> list[float]:
        """Means of the rewordings' scores, in [0, 1]."""
        return [law.mean for law in self._laws(query, docs)]

    def certify(
        self, query: Query, docs: Sequence[Document], ks: Sequence[int], radii: Sequence[int], /
    ) -> list[Certificate]:
        """One certificate per distinct (k, radius) from the scores behind :meth:`score`; all hold together.

        A list of at most k documents is not certified: nothing could enter its top k, and a vacuous claim must not
        count as evidence.

        Raises:
            PluginError: A k below 1 or a negative radius.
        """
        if any(k < 1 for k in ks) or any(radius < 0 for radius in radii):
            raise PluginError(f"certificates need k of at least 1 and radii of at least 0, got {ks} and {radii}")
        ks, radii = sorted(set(ks)), sorted(set(radii))
        missing = [doc for doc in docs if (query.text, doc.text) not in self._kept]
        if missing:
            self._laws(query, missing)
        by_id = {doc.doc_id: doc for doc in docs}
        kept = {doc_id: self._kept[query.text, doc.text] for doc_id, doc in by_id.items()}
        ranking = order([(doc_id, law.mean) for doc_id, law in kept.items()])
        laws = [kept[doc_id] for doc_id in ranking]
        overlaps = [[self.sets.overlap(word.text) for word in words(by_id[doc_id].text)] for doc_id in ranking]
        shifts = {radius: [shift(row, radius) for row in overlaps] for radius in radii}
        alpha, rule = self.smoothing.alpha, self.smoothing.rule
        return [
            self._certificate(query, k, radius, list_bounds(laws, shifts[radius], k, alpha=alpha, rule=rule))
            for k in ks
            for radius in radii
        ]

    def _laws(self, query: Query, docs: Sequence[Document]) -> list[ScoreLaw]:
        """What the rewordings of every document score; equal ones are scored once, and all in one call."""
        found = {doc.text: self.rewordings(doc.text) for doc in docs}
        distinct = {reworded: doc for doc in docs for reworded in found[doc.text][0]}
        asked = [doc._replace(text=reworded) for reworded, doc in distinct.items()]
        raw = np.array(checked_scores(self.base, query, asked))
        # The logistic function, in the form that cannot overflow.
        mapped = 0.5 * (1.0 + np.tanh((raw - self.smoothing.center) / (2.0 * self.smoothing.temperature)))
        score_of = dict(zip(distinct, mapped, strict=True))
        for text, (texts, exact) in found.items():
            self._kept[query.text, text] = ScoreLaw(np.array([score_of[reworded] for reworded in texts]), exact)
        return [self._kept[query.text, doc.text] for doc in docs]

    def rewordings(self, text: str) -> tuple[list[str], bool]:
        """Rewordings of a text, each word that has synonyms replaced by one of its perturbation set.

        Returns:
            All of them and True, where there are at most ``samples``; otherwise ``samples`` independent draws and
            False.
        """
        found = words(text)
        sets = {i: self.sets.of(word.text) for i, word in enumerate(found)}
        choices = {i: [match_case(w, found[i].text) for w in sets[i]] for i in sets if len(sets[i]) > 1}
        sizes = [len(cased) for cased in choices.values()]
        exact = prod(sizes) <= self.smoothing.samples
        if exact:
            rows = [list(row) for row in product(*map(range, sizes))]
        else:
            seed = int.from_bytes(sha256(f"{self.smoothing.seed} {text}".encode()).digest())
            rows = np.random.default_rng(seed).integers(0, sizes, size=(self.smoothing.samples, len(sizes))).tolist()
        # robustrank.text.substitute, with the text split once for all rows.
        pieces = [
            piece for pair in zip(gaps(text), [*(word.text for word in found), ""], strict=True) for piece in pair
        ]
        texts = []
        for row in rows:
            for (i, cased), j in zip(choices.items(), row, strict=True):
                pieces[2 * i + 1] = cased[j]
            texts.append("".join(pieces))
        return texts, exact

    def _certificate(self, query: Query, k: int, radius: int, found: Bounds) -> Certificate:
        smoothing = self.smoothing
        assumed = [
            "the exact smoothed ranker (this one samples it for texts of more rewordings than samples)",
            f"words as in {UNIT}",
            f"synonyms {smoothing.substitutes} (sha256 {self.sets.table.digest[:12]})",
            "query and top-k documents unchanged",
            "a seed fixed beforehand",
        ]
        if not RULES[smoothing.rule].joint:
            assumed.insert(0, "NOT a joint guarantee: alpha speaks of one pair of documents")
        return Certificate(
            query_id=query.query_id,
            k=k,
            radius=radius,
            edits=self.edits,
            certified=found.certified,
            alpha=smoothing.alpha,
            samples=smoothing.samples,
            method=smoothing.rule,
            lower=found.lower,
            upper=found.upper,
            assumes="; ".join(assumed),
        )
