"""Randomized smoothing: a document's score is its mean over random synonym replacements, which bounds what synonyms do.

Wu, Zhang, Guo, Chen, Fan and Cheng, "Certified Robustness to Word Substitution Ranking Attack for Neural Ranking
Models" (CertDR), CIKM 2022. Where their released code tests one pair of documents, the rules here hold for the whole
list, and overlaps are those of sets that may differ in size. Theorem and proof: docs/certificates.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256

import numpy as np

from robustrank.certificates import RULES, Bounds, Floats, list_bounds, shift
from robustrank.errors import PluginError
from robustrank.interfaces import Ranker
from robustrank.perturbation_sets import PerturbationSets
from robustrank.ranking import checked_scores, order
from robustrank.text import UNIT, substitute, words
from robustrank.types import AttackSet, Certificate, Document, Operation, Query, RankerCard


@dataclass(frozen=True, kw_only=True)
class RandomizedSmoothing:
    """Score random rewordings of every document, and certify the top of its lists.

    The scores of the ranker behind are mapped to [0, 1] by ``sigmoid((score - center) / temperature)``; fix the two
    on a development split, before any certificate.

    Args:
        samples: Rewordings scored per document.
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
    substitutes: str = "counterfitted"
    size: int = 100
    temperature: float = 1.0
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
        from robustrank.substitutes import load

        return SmoothedRanker(ranker, self, PerturbationSets(load(self.substitutes), self.size))


@dataclass(frozen=True)
class SmoothedRanker:
    """A ranker whose score is a mean over rewordings, and which certifies its own lists.

    The rewordings of a text depend on the text and the seed alone: scores are repeatable and pointwise, different
    texts get independent samples, and an attacked text gets fresh ones.
    """

    base: Ranker
    law: RandomizedSmoothing
    sets: PerturbationSets
    _kept: dict[tuple[str, str], Floats] = field(default_factory=dict, repr=False, compare=False)

    @property
    def card(self) -> RankerCard:
        """The base ranker's card, with what smoothing changes."""
        law, base = self.law, self.base.card
        state = f"{base.fingerprint} {law} {self.sets.table.digest} {UNIT}"
        note = (
            f"mean over {law.samples} rewordings of sigmoid((score - {law.center:g}) / {law.temperature:g}), "
            f"drawn from at most {law.size} synonyms a word ({law.substitutes}), seed {law.seed}"
        )
        return RankerCard(
            name=f"randomized_smoothing({base.name})",
            fingerprint=sha256(state.encode()).hexdigest()[:16],
            max_length=base.max_length,
            pairs_per_score=law.samples * base.pairs_per_score,
            note=f"{note}; {base.note}" if base.note else note,
        )

    @property
    def edits(self) -> AttackSet:
        """Substitution by the table's direct synonyms."""
        return AttackSet(operation=Operation.SUBSTITUTE, substitutes=self.law.substitutes)

    def score(self, query: Query, docs: Sequence[Document], /) -> list[float]:
        """Means of the samples' scores, in [0, 1]."""
        return [float(row.mean()) for row in self._sampled(query, docs)]

    def certify(
        self, query: Query, docs: Sequence[Document], ks: Sequence[int], radii: Sequence[int], /
    ) -> list[Certificate]:
        """One certificate per distinct (k, radius) from the samples that :meth:`score` uses; all hold together.

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
            self._sampled(query, missing)
        by_id = {doc.doc_id: doc for doc in docs}
        rows = {doc_id: self._kept[query.text, doc.text] for doc_id, doc in by_id.items()}
        ranking = order([(doc_id, float(row.mean())) for doc_id, row in rows.items()])
        scores = np.array([rows[doc_id] for doc_id in ranking]).reshape(len(ranking), self.law.samples)
        overlaps = [[self.sets.overlap(word.text) for word in words(by_id[doc_id].text)] for doc_id in ranking]
        found = {}
        for radius in radii:
            shifts = np.array([shift(row, radius) for row in overlaps])
            found[radius] = list_bounds(scores, shifts, ks, alpha=self.law.alpha, rule=self.law.rule)
        return [self._certificate(query, k, radius, found[radius][i]) for i, k in enumerate(ks) for radius in radii]

    def _sampled(self, query: Query, docs: Sequence[Document]) -> list[Floats]:
        """The mapped score of every sample of every document; equal rewordings are scored once, in one call."""
        drawn = {doc.text: self.rewordings(doc.text) for doc in docs}
        distinct = {sample: doc for doc in docs for sample in drawn[doc.text]}
        asked = [doc._replace(text=sample) for sample, doc in distinct.items()]
        raw = np.array(checked_scores(self.base, query, asked))
        # The logistic function, in the form that cannot overflow.
        mapped = 0.5 * (1.0 + np.tanh((raw - self.law.center) / (2.0 * self.law.temperature)))
        score_of = dict(zip(distinct, mapped, strict=True))
        for text, samples in drawn.items():
            self._kept[query.text, text] = np.array([score_of[sample] for sample in samples])
        return [self._kept[query.text, doc.text] for doc in docs]

    def rewordings(self, text: str) -> list[str]:
        """The text's samples: every word that has synonyms is drawn anew from its perturbation set."""
        sets = [self.sets.of(word.text) for word in words(text)]
        places = [i for i, choices in enumerate(sets) if len(choices) > 1]
        seed = int.from_bytes(sha256(f"{self.law.seed} {text}".encode()).digest())
        sizes = [len(sets[i]) for i in places]
        draws = np.random.default_rng(seed).integers(0, sizes, size=(self.law.samples, len(places)))
        return [substitute(text, {i: sets[i][j] for i, j in zip(places, row, strict=True)}) for row in draws.tolist()]

    def _certificate(self, query: Query, k: int, radius: int, found: Bounds) -> Certificate:
        law = self.law
        assumed = [
            "the exact smoothed ranker, of which this one is a sample mean",
            f"words as in {UNIT}",
            f"synonyms {law.substitutes} (sha256 {self.sets.table.digest[:12]})",
            "query and top-k documents unchanged",
            "a seed fixed beforehand",
        ]
        if not RULES[law.rule].joint:
            assumed.insert(0, "NOT a joint guarantee: alpha speaks of one pair of documents")
        return Certificate(
            query_id=query.query_id,
            k=k,
            radius=radius,
            edits=self.edits,
            certified=found.certified,
            alpha=law.alpha,
            samples=law.samples,
            method=law.rule,
            lower=found.lower,
            upper=found.upper,
            assumes="; ".join(assumed),
        )
