"""Randomized smoothing: a score is a mean, or a quantile, over random perturbed texts, so edits have a bounded effect.

Wu et al., "Certified Robustness to Word Substitution Ranking Attack for Neural Ranking Models" (CertDR), CIKM 2022, for
synonyms; Levine and Feizi 2020 and Zeng et al. 2021 (RanMASK) for any replaced words; Huang et al. 2023 and 2024
(RS-Del, CERT-ED) for inserted and deleted ones. Where CertDR's released code tests one pair of documents, the rules
here hold for the whole list. Theorems and proofs: docs/certificates.md.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path

import numpy as np

from robustrank.certificates import RULES, Bounds, Evidence, Floats, ScoreDistribution, decide, sequential, smoothing
from robustrank.certificates.smoothing import DISTRIBUTIONS, Smoothing, Substitution
from robustrank.plugin import (
    UNIT,
    AttackSet,
    Certificate,
    DataError,
    Document,
    PluginError,
    Query,
    Ranker,
    RankerCard,
    SpeaksOf,
    checked_scores,
    order,
)


@dataclass(frozen=True, kw_only=True)
class RandomizedSmoothing:
    """Aggregate scores over random perturbations of every document, and certify the top of its lists.

    Where a rule is about the exact smoothed ranker, a document with at most ``samples`` perturbed texts has all of them
    scored: its score is exact, not estimated.

    The scores of the base ranker are mapped to [0, 1] by ``sigmoid((score - center) / temperature)``; fix the two
    on a development split, before any certificate.

    Args:
        samples: Most perturbed texts scored per document.
        alpha: Allowed probability of a false certificate, per list, for all K and radii together.
        distribution: ``"substitute"`` draws synonyms and certifies against synonyms; ``"mask"`` reads a share of the
            words and certifies against any replaced words; ``"delete"`` keeps each word with a probability, and
            certifies against inserted, deleted and replaced words.
        keep: The share, or probability, of ``"mask"`` and ``"delete"``. Less gives better certificates, and a worse
            ranker.
        substitutes: Name of the table of synonyms that attackers may use and ``"substitute"`` draws from.
        size: Most words in a perturbation set. More gives larger overlaps, hence better certificates, and a worse
            ranker.
        costs: Path of a JSON object ``{"word": cost}`` of what changing a word costs, in whole numbers of at least 1
            (which is also the cost of words not in it); a radius is then a budget of costs.
        temperature: Above the spread of the base scores the map is linear, below it a step.
        center: The base score that maps to 1/2.
        rule: A name of :data:`robustrank.certificates.RULES`; ``"shared-draws"`` and ``"shared-quantile"`` certify
            the deployed ranker itself, the others the exact smoothed ranker that it estimates.
        quantile: Which quantile of the perturbed texts' scores is the score, under a rule for quantiles; else it is the
            mean.
        seed: Seed of the perturbations.

    Raises:
        PluginError: A parameter out of its range.
    """

    samples: int = 100
    alpha: float = 0.05
    distribution: str = "substitute"
    keep: float = 0.3
    substitutes: str = "wordnet"
    size: int = 100
    costs: str | None = None
    temperature: float = 2.0
    center: float = 0.0
    rule: str = "certdr-joint"
    quantile: float = 0.5
    seed: int = 0

    def __post_init__(self) -> None:
        for name, holds, need in (
            ("samples", self.samples >= 1, "at least 1"),
            ("alpha", 0.0 < self.alpha < 1.0, "between 0 and 1"),
            ("distribution", self.distribution in DISTRIBUTIONS, f"one of {', '.join(DISTRIBUTIONS)}"),
            ("keep", 0.0 < self.keep <= 1.0, "above 0 and at most 1"),
            ("size", self.size >= 1, "at least 1"),
            ("temperature", self.temperature > 0.0, "above 0"),
            ("rule", self.rule in RULES, f"one of {', '.join(RULES)}"),
            ("quantile", 0.0 < self.quantile < 1.0, "between 0 and 1"),
            (
                "costs",
                self.costs is None or self.distribution == "substitute",
                'left out, unless distribution is "substitute"',
            ),
        ):
            if not holds:
                raise PluginError(f"randomized_smoothing: {name} must be {need}, got {getattr(self, name)!r}")
        if self.distribution == "delete" and RULES[self.rule].sampled:
            raise PluginError(
                f"randomized_smoothing: rule {self.rule!r} certifies nothing under deletions, because an insertion "
                "moves all later words to other draws"
            )

    def wrap(self, ranker: Ranker, /) -> SmoothedRanker:
        """The smoothed ranker.

        Raises:
            PluginError: The ranker's scores depend on the other documents of a call, or on chance: then a mean over
                perturbed texts is no function of the document, and nothing can be certified.
        """
        if not (ranker.card.pointwise and ranker.card.deterministic):
            raise PluginError(
                f"randomized_smoothing: {ranker.card.name} does not give a document one score of its own "
                "(its card says not pointwise, or not deterministic); smooth a pointwise ranker"
            )
        distribution = smoothing.distribution(
            self.distribution, keep=self.keep, substitutes=self.substitutes, size=self.size
        )
        if not isinstance(distribution, Substitution):
            return SmoothedRanker(ranker, self, distribution)
        priced = replace(distribution, costs=_costs(self.costs), named=self.costs)
        return SmoothedRanker(ranker, self, priced, distribution.sets.table.digest)


@dataclass(frozen=True)
class SmoothedRanker:
    """A ranker whose score is a mean, or quantile, over perturbed texts, and which certifies its own lists.

    The perturbed texts of a text depend on the text and the seed alone: scores are repeatable and pointwise.
    """

    base: Ranker
    smoothing: RandomizedSmoothing
    distribution: Smoothing
    table: str = ""
    _kept: dict[tuple[str, str], ScoreDistribution] = field(default_factory=dict, repr=False, compare=False)

    @property
    def card(self) -> RankerCard:
        """The base ranker's card, with what smoothing changes."""
        smoothing, base = self.smoothing, self.base.card
        state = f"{base.fingerprint} {smoothing} {self.table} {UNIT} {_costs(smoothing.costs)}"
        score = f"{smoothing.quantile:g}-quantile" if RULES[smoothing.rule].of_quantile else "mean"
        texts = {
            "substitute": f"with at most {smoothing.size} synonyms a word ({smoothing.substitutes})",
            "mask": f"of a share {smoothing.keep:g} of the words",
            "delete": f"in which each word stays with probability {smoothing.keep:g}",
        }
        note = (
            f"{score} of {self.calibration} over up to {smoothing.samples} perturbed texts "
            f"{texts[smoothing.distribution]}, seed {smoothing.seed}"
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
        """The attack set of the distribution."""
        return self.distribution.edits

    @property
    def calibration(self) -> str:
        """The map of the base scores to [0, 1], as a formula."""
        return f"sigmoid((score - {self.smoothing.center:g}) / {self.smoothing.temperature:g})"

    def score(self, query: Query, docs: Sequence[Document], /) -> list[float]:
        """Means, or quantiles, of the perturbed texts' scores, in [0, 1]."""
        return [self._smoothed(distribution) for distribution in self.distributions(query, docs)]

    def certify(
        self, query: Query, docs: Sequence[Document], ks: Sequence[int], radii: Sequence[float], /
    ) -> list[Certificate]:
        """One certificate per distinct (k, radius) from the scores behind :meth:`score`; all hold together.

        A list of at most k documents is not certified: nothing could enter its top k, and a vacuous claim must not
        count as evidence.

        Raises:
            PluginError: A k below 1, a negative radius, or one above 1 that is not whole.
        """
        if any(k < 1 for k in ks) or any(radius < 0 for radius in radii):
            raise PluginError(f"certificates need k of at least 1 and radii of at least 0, got {ks} and {radii}")
        if any(radius >= 1 and radius != int(radius) for radius in radii):
            raise PluginError(f"a radius is a whole number of words, or below 1 a share of them; got {radii}")
        ks, radii = sorted(set(ks)), sorted(set(radii))
        by_id = {doc.doc_id: doc for doc in docs}
        evidence = self.evidence(query, list(by_id.values()), ks, radii)
        return [
            self._certificate(query, k, radius, decide(evidence, k, radius, self.smoothing.rule), len(by_id))
            for k in ks
            for radius in radii
        ]

    def certify_in_batches(
        self, query: Query, docs: Sequence[Document], ks: Sequence[int], radii: Sequence[float], /
    ) -> list[Certificate]:
        """Certificates of the exact smoothed ranker that score a perturbed text only for undecided pairs.

        ``samples`` is the most per document. Nothing is taken from, or kept for, :meth:`score`; equal texts are scored
        once.
        """
        docs, score_of = list({doc.doc_id: doc for doc in docs}.values()), dict[str, float]()

        def sample(rows: Sequence[int], start: int, stop: int) -> list[Floats]:
            drawn = [self.distribution.draws(docs[i].text, self.smoothing.seed, start, stop) for i in rows]
            new = {
                text: docs[i] for i, texts in zip(rows, drawn, strict=True) for text in texts if text not in score_of
            }
            score_of.update(self._mapped(query, new))
            return [np.array([score_of[text] for text in texts]) for texts in drawn]

        reaches = {radius: [self.distribution.reach(doc.text, radius) for doc in docs] for radius in sorted(set(radii))}
        options = self.smoothing
        decided = sequential.certify(sample, reaches, ks, alpha=options.alpha, limit=options.samples) if docs else None
        claims = []
        for k in sorted(set(ks)):
            for radius in reaches:
                margin = -1.0 if decided is None else decided.margins.get((k, radius), -1.0)
                claim = self._certificate(query, k, radius, Bounds(margin, 0.0), len(docs))
                claims.append(replace(claim, method="sequential", ranker=SpeaksOf.EXACT, alpha=options.alpha))
        return claims

    def evidence(self, query: Query, docs: Sequence[Document], ks: Sequence[int], radii: Sequence[float]) -> Evidence:
        """The evidence for the certificates of a list; documents are scored unless :meth:`score` has done so."""
        missing = [doc for doc in docs if (query.text, doc.text) not in self._kept]
        if missing:
            self.distributions(query, missing)
        smoothing = self.smoothing
        kept = {doc.doc_id: self._kept[query.text, doc.text] for doc in docs}
        texts = {doc.doc_id: doc.text for doc in docs}
        ranking = order([(doc_id, self._smoothed(distribution)) for doc_id, distribution in kept.items()])
        distributions = [kept[doc_id] for doc_id in ranking]
        if RULES[smoothing.rule].sampled:
            distributions = [
                distribution._replace(
                    touched=self.distribution.touched(texts[doc_id], smoothing.seed, smoothing.samples)
                )
                for distribution, doc_id in zip(distributions, ranking, strict=True)
            ]
        reaches = {radius: [self.distribution.reach(texts[doc_id], radius) for doc_id in ranking] for radius in radii}
        return Evidence(distributions, reaches, smoothing.alpha, ks, smoothing.quantile)

    def distributions(self, query: Query, docs: Sequence[Document]) -> list[ScoreDistribution]:
        """The score distribution of every document; equal perturbed texts are scored once, and all in one call."""
        perturbed = {doc.text: self.perturbed(doc.text) for doc in docs}
        score_of = self._mapped(query, {text: doc for doc in docs for text in perturbed[doc.text][0]})
        for clean, (texts, exact) in perturbed.items():
            self._kept[query.text, clean] = ScoreDistribution(np.array([score_of[text] for text in texts]), exact)
        return [self._kept[query.text, doc.text] for doc in docs]

    def _mapped(self, query: Query, perturbed: Mapping[str, Document]) -> dict[str, float]:
        """Perturbed text to its score in [0, 1]."""
        docs = [doc._replace(text=text) for text, doc in perturbed.items()]
        raw = np.array(checked_scores(self.base, query, docs))
        # The logistic function, in the form that cannot overflow.
        mapped = 0.5 * (1.0 + np.tanh((raw - self.smoothing.center) / (2.0 * self.smoothing.temperature)))
        return dict(zip(perturbed, mapped.tolist(), strict=True))

    def perturbed(self, text: str) -> tuple[list[str], bool]:
        """Perturbed texts of a text.

        Returns:
            All of them and True, where there are at most ``samples`` and the rule is about the exact ranker;
            otherwise ``samples`` independent draws and False.
        """
        smoothing = self.smoothing
        every = None if RULES[smoothing.rule].sampled else self.distribution.every(text, smoothing.samples)
        if every is not None:
            return every, True
        return self.distribution.draws(text, smoothing.seed, 0, smoothing.samples), False

    def _smoothed(self, distribution: ScoreDistribution) -> float:
        return RULES[self.smoothing.rule].smoothed(distribution, self.smoothing.quantile)

    def _certificate(self, query: Query, k: int, radius: float, bounds: Bounds, documents: int) -> Certificate:
        smoothing, rule = self.smoothing, RULES[self.smoothing.rule]
        assumed = [
            "the deployed ranker, its draws fixed by the seed"
            if rule.sampled
            else "the exact smoothed ranker (this one samples it for texts with more perturbed texts than samples)",
            f"words as in {UNIT}",
            f"scores mapped by {self.calibration}",
            f"of the {documents} documents of the list, no others; query and top-k documents unchanged",
            "any seed, known to the attacker or not" if rule.sampled else "a seed fixed beforehand",
        ]
        if self.table:
            assumed.insert(2, f"synonyms {smoothing.substitutes} (sha256 {self.table[:12]})")
        if smoothing.costs is not None:
            assumed.append(f"the radius is a budget of the costs in {Path(smoothing.costs).name}")
        if not rule.joint:
            assumed.insert(0, "NOT a joint guarantee: alpha holds for one pair of documents")
        return Certificate(
            query_id=query.query_id,
            k=k,
            radius=radius,
            edits=self.edits,
            certified=bounds.certified,
            alpha=0.0 if rule.sampled else smoothing.alpha,
            samples=smoothing.samples,
            method=smoothing.rule,
            lower=bounds.lower,
            upper=bounds.upper,
            assumes="; ".join(assumed),
            ranker=SpeaksOf.DEPLOYED if rule.sampled else SpeaksOf.EXACT,
            unit=UNIT,
            table=self.table,
            calibration=self.calibration,
        )


def _costs(path: str | None) -> Mapping[str, int]:
    """The costs of a file, checked."""
    if path is None:
        return {}
    try:
        costs = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"no costs of words can be read there ({error})", path=path) from error
    if not isinstance(costs, dict) or not all(type(cost) is int and cost >= 1 for cost in costs.values()):
        raise DataError('costs are a JSON object {"word": whole number of at least 1}', path=path)
    return costs
