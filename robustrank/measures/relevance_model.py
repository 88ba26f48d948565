"""A model of the relevance of unjudged documents, given the ranks that the systems give them; random fillings from it.

A cumulative logistic model (one per grade, made monotone) is fitted on the judged documents: P(grade at least t) from
the ranks that the systems give a document, and the mean grade of the query's other judged documents. Every filling
draws the coefficients anew from their sampling distribution over queries, then a grade for every unjudged
document. The model is fitted on judged documents, which pooled systems ranked high, so it tends to overestimate the
relevance of the others; its calibration, on queries it was not fitted on, is reported with every result.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from robustrank.core.types import Estimate
from robustrank.measures.arrays import Cut, Floats, placed, scored
from robustrank.measures.pool import FAR, Mask, Pool
from robustrank.stats import intervals

FILLS = 1000
FOLDS = 5
SMOOTH = 60
"""Reciprocal ranks are 1 / (SMOOTH + rank), as in reciprocal rank fusion (Cormack et al. 2009)."""
RIDGE = 1e-3
"""Weight of the penalty that keeps coefficients finite where ranks separate the grades."""


PRIOR = 2.0
"""Judgments of average grade that every query's own mean is shrunk with."""


@dataclass(frozen=True)
class Model:
    """P(grade at least t) for t = 1 to top.

    Args:
        coefficients: [top, features]; the first is the intercept, minus infinity for a grade that no document has.
        spread: [top, features, features], a square root of the coefficients' covariance, queries being the units.
        shift: [features - 1], subtracted before use.
        scale: [features - 1].
    """

    coefficients: Floats
    spread: Floats
    shift: Floats
    scale: Floats

    def probabilities(self, features: Floats, deviates: Floats | None = None) -> Floats:
        """P(grade at least t) for each document: [..., top], falling along the last axis.

        Args:
            features: [documents, features - 1].
            deviates: [draws, features], standard normal: one draw of all coefficients each; then the result is
                [draws, documents, top].
        """
        from scipy.special import expit

        design = np.c_[np.ones(len(features)), (features - self.shift) / self.scale]
        drawn = self.coefficients
        if deviates is not None:
            drawn = drawn + np.einsum("tij,rj->rti", self.spread, deviates)
        raw = expit(np.einsum("di,...ti->...dt", design, drawn))
        falling: Floats = np.minimum.accumulate(raw, axis=-1)
        return falling


def features(pool: Pool, judged: Mask) -> Floats:
    """[Q, D, 4] for every document: features of its ranks and of the query's other grades.

    Mean reciprocal rank over the systems; logarithm of the best rank; share of systems that retrieved it; mean grade of
    the query's other judged documents, shrunk to that of all.
    """
    retrieved = pool.rank < FAR
    reciprocal = np.where(retrieved, 1 / (SMOOTH + pool.rank), 0.0).mean(axis=0)
    longest = int(pool.rank[retrieved].max(initial=1))
    best = np.log(np.minimum(pool.rank.min(axis=0), 2 * longest))
    own, count = np.where(judged, pool.grade, 0), judged.sum(axis=1, keepdims=True)
    overall = own.sum() / max(1, count.sum())
    others = (own.sum(axis=1, keepdims=True) - own + PRIOR * overall) / (count - judged + PRIOR)
    return np.stack([reciprocal, best, retrieved.mean(axis=0), others], axis=-1)


def usable(pool: Pool, judged: Mask) -> Mask:
    """[Q, D]: the judged documents that some system retrieved; the others have no ranks."""
    ranked: Mask = judged & (pool.rank < FAR).any(axis=0)
    return ranked


def fit(pool: Pool, judged: Mask) -> Model | None:
    """The model of these judgments; ``None`` where they are all relevant, or none is."""
    chosen = usable(pool, judged)
    grades, data = pool.grade[chosen], features(pool, judged)[chosen]
    if len(grades) == 0 or grades.min() > 0 or grades.max() == 0:
        return None
    shift, scale = data.mean(axis=0), data.std(axis=0)
    scale = np.where(scale > 0, scale, 1.0)
    design = np.c_[np.ones(len(data)), (data - shift) / scale]
    queries = np.nonzero(chosen)[0]
    coefficients = np.zeros((pool.top, design.shape[1]))
    coefficients[:, 0] = -np.inf
    spread = np.zeros((pool.top, design.shape[1], design.shape[1]))
    for level in range(int(grades.max())):
        coefficients[level], spread[level] = _logistic(design, grades > level, queries)
    return Model(coefficients, spread, shift, scale)


def _logistic(design: Floats, hit: NDArray[np.bool_], queries: NDArray[np.intp]) -> tuple[Floats, Floats]:
    """Ridge logistic regression (free intercept), and a root of its covariance, robust to clustering by query."""
    from scipy.optimize import minimize
    from scipy.special import expit

    penalty = np.r_[0.0, np.full(design.shape[1] - 1, RIDGE)] * len(hit)

    def loss(beta: Floats) -> tuple[float, Floats]:
        logits = design @ beta
        value = np.sum(np.logaddexp(0, logits) - hit * logits) + penalty @ beta**2 / 2
        return float(value) / len(hit), (design.T @ (expit(logits) - hit) + penalty * beta) / len(hit)

    beta: Floats = minimize(loss, np.zeros(design.shape[1]), jac=True, method="L-BFGS-B").x
    chance = expit(design @ beta)
    bread = np.linalg.inv(design.T @ (design * (chance * (1 - chance))[:, None]) + np.diag(penalty + 1e-9))
    scores = np.zeros((int(queries.max()) + 1, design.shape[1]))
    np.add.at(scores, queries, design * (chance - hit)[:, None])
    meat = np.linalg.eigh(scores.T @ scores)
    return beta, bread @ (meat.eigenvectors * np.sqrt(np.maximum(meat.eigenvalues, 0)))


def means(pool: Pool, measure: Cut, judged: Mask, model: Model, systems: Sequence[int], *, seed: int = 0) -> Floats:
    """[FILLS, systems]: the systems' means, each time with the unjudged documents of their top k given grades
    drawn from the model.

    As with the bounds, documents in none of these top k stay not relevant.

    Args:
        pool: All systems, whose ranks the model takes.
        measure: What is averaged over queries.
        judged: [Q, D], the judgments that stay.
        model: Of relevance.
        systems: Indices of the systems.
        seed: Of the drawing.
    """
    ranks = pool.rank[list(systems)]
    unjudged = (ranks <= measure.cutoff).any(axis=0) & ~judged
    data, rng = features(pool, judged), np.random.default_rng(seed)
    deviates = rng.standard_normal((FILLS, model.coefficients.shape[1]))
    total = np.zeros((FILLS, len(ranks)))
    for q in range(len(pool.queries)):
        columns = np.flatnonzero(unjudged[q] | (judged[q] & (pool.grade[q] > 0)))
        drawn = unjudged[q][columns]
        grades = np.tile(np.where(judged[q], pool.grade[q], 0)[columns], (FILLS, 1))
        chances = model.probabilities(data[q][columns[drawn]], deviates)
        grades[:, drawn] = (rng.random((FILLS, int(drawn.sum()), 1)) < chances).sum(axis=2)
        total += scored(measure, placed(ranks[:, q : q + 1, columns], measure.cutoff), grades).T
    return total / len(pool.queries)


def calibration(pool: Pool, judged: Mask, relevant: int) -> tuple[Estimate, float, float, int] | None:
    """Held-out queries: mean predicted minus observed, Brier score, that of a constant, and documents.

    Queries are split into :data:`FOLDS` parts by position; a model of the others predicts each.
    """
    chosen, level = usable(pool, judged), min(relevant, pool.top) - 1
    data = features(pool, judged)
    errors: list[float] = []
    clusters: list[str] = []
    squared = constant = 0.0
    for fold in range(FOLDS):
        held = np.arange(len(pool.queries)) % FOLDS == fold
        model = fit(pool, judged & ~held[:, None])
        if model is None:
            return None
        rest = (pool.grade[chosen & ~held[:, None]] > level).mean()
        for q in np.flatnonzero(held):
            predicted = model.probabilities(data[q][chosen[q]])[:, level]
            observed = pool.grade[q][chosen[q]] > level
            errors += list(predicted - observed)
            clusters += [pool.queries[q]] * len(predicted)
            squared += float(((predicted - observed) ** 2).sum())
            constant += float(((rest - observed) ** 2).sum())
    if not errors:
        return None
    bias = intervals.mean(errors, clusters=clusters, bounds=(-1, 1))
    return bias, squared / len(errors), constant / len(errors), len(errors)
