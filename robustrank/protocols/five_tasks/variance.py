"""Task 1, i.i.d.: how evenly a ranker serves the queries, next to a baseline, over seeds, and over judgments.

URisk after Wang, Bennett, Collins-Thompson (SIGIR 2012), GeoRisk after Dinçer, Macdonald, Ounis (SIGIR 2016).
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import sqrt

import numpy as np

from robustrank.core.types import Estimate
from robustrank.measures import arrays as gains
from robustrank.measures.bounds import difference_bounds, measure_bounds
from robustrank.protocols import unjudged
from robustrank.protocols.effectiveness import values
from robustrank.results.five_tasks import SeedVariance, Variance
from robustrank.stats import intervals
from robustrank.stats.contrasts import contrast
from robustrank.stats.resampling import NOT_NEGATIVE, Bounds, Floats, finite
from robustrank.work.records import RankingRecord

FLOOR = 0.1
"""A query below it got nothing that a user would have found."""

TAKEN = 0.2
"""Share of judgments taken away to see what a mean owes to them."""

DRAWS = 50
BETA = 1.0

LEAST = 30
"""Queries without which no interval of a coefficient of variation keeps its level (docs/statistics.md)."""

STEPS = 21
PARTS = (1.0, 0.5, 0.2, 0.05)
"""Of a query that was not drawn: few large values make a coefficient of variation larger than many do."""


def variances(records: Sequence[RankingRecord], measure: str, baseline: str | None) -> list[Variance]:
    """One row per ranker and collection."""
    every = values(records)
    lists: dict[tuple[str, str], list[RankingRecord]] = {}
    for record in records:
        lists.setdefault((record.ranker, record.collection), []).append(record)
    results = []
    for (ranker, collection), group in lists.items():
        mine = every.get((ranker, collection, measure), {})
        if len(mine) < 2:
            continue
        data = [mine[q] for q in sorted(mine)]
        base = every.get((baseline or "", collection, measure), {})
        common = sorted(set(mine) & set(base)) if baseline != ranker else []
        rows = {r: every[r, c, m] for r, c, m in every if (c, m) == (collection, measure)}
        quantiles = np.quantile(data, [0, 0.25, 0.5, 0.75, 1])
        results.append(
            Variance(
                ranker=ranker,
                collection=collection,
                measure=measure,
                mean=intervals.mean(data, bounds=measure_bounds(measure)),
                deviation=float(np.std(data, ddof=1)),
                cv=cv(data, measure_bounds(measure)),
                quantiles=[float(q) for q in quantiles],
                lowest_decile=intervals.lowest_decile(data, bounds=measure_bounds(measure)),
                floor=FLOOR,
                under_floor=intervals.share([value < FLOOR for value in data]),
                u_risk=u_risk([mine[q] for q in common], [base[q] for q in common], difference_bounds(measure))
                if common
                else None,
                geo_risk=geo_risk(rows).get(ranker),
                judgments=over_judgments(group, measure),
            )
        )
    return results


def cv(data: Sequence[float], bounds: Bounds = (0, 1)) -> Estimate | None:
    """Coefficient of variation with its interval; ``None`` where the mean is 0, or queries are fewer than LEAST."""
    if len(data) < LEAST:
        return None
    rows, unseen = [squared(x) for x in data], anywhere(finite(bounds, np.asarray(data)))
    spread = contrast([rows], variation, unseen=[unseen], parts=PARTS, limits=NOT_NEGATIVE)
    return spread.estimate if spread else None


def anywhere(bounds: Bounds) -> list[tuple[float, float]]:
    """Rows of queries from the least value to the greatest: what makes the rest uneven lies at an end, or between."""
    return [squared(float(x)) for x in np.linspace(*bounds, STEPS)]


def squared(value: float) -> tuple[float, float]:
    """The row of a query whose means :func:`variation` takes."""
    return value, value * value


def variation(means: Floats) -> Floats:
    """The coefficient of variation of means of x and of its square."""
    ratio: Floats = np.sqrt(np.maximum(means[:, 1] - means[:, 0] ** 2, 0)) / means[:, 0]
    return ratio


def u_risk(ours: Sequence[float], base: Sequence[float], bounds: Bounds = (-1, 1), beta: float = BETA) -> Estimate:
    """Mean over queries of the gain over the baseline, a loss counting 1 + beta times; higher is better.

    Args:
        ours: Per query.
        base: The baseline's, of the same queries.
        bounds: Least and greatest possible difference.
        beta: How much more a loss counts.
    """
    differences = [a - b for a, b in zip(ours, base, strict=True)]
    weighed = [d if d >= 0 else (1 + beta) * d for d in differences]
    return intervals.mean(weighed, bounds=((1 + beta) * bounds[0], bounds[1]))


def geo_risk(rows: Mapping[str, Mapping[str, float]], alpha: float = 0.0) -> dict[str, float]:
    """GeoRisk of every ranker among all that ranked the same queries: sqrt(mean x normal CDF(ZRisk / queries)).

    Args:
        rows: Ranker to query id to value.
        alpha: How much more a loss against the expected value counts than a gain.
    """
    from scipy.special import ndtr

    common = sorted(set.intersection(*(set(row) for row in rows.values()))) if rows else []
    table = np.array([[row[q] for q in common] for row in rows.values()])
    if table.size == 0 or table.sum() == 0:
        return {}
    expected = table.sum(axis=1, keepdims=True) * table.sum(axis=0, keepdims=True) / table.sum()
    z = np.divide(table - expected, np.sqrt(expected), out=np.zeros_like(table), where=expected > 0)
    risk = np.where(z >= 0, z, (1 + alpha) * z).sum(axis=1)
    return {
        name: sqrt(mean * float(ndtr(each / len(common))))
        for name, mean, each in zip(rows, table.mean(axis=1).tolist(), risk.tolist(), strict=True)
    }


def over_judgments(group: Sequence[RankingRecord], measure: str, seed: int = 0) -> float | None:
    """Standard deviation of the mean over queries when a random fifth of the judgments is not there.

    ``None`` where the measure is none of :mod:`robustrank.measures.arrays`.
    """
    if not gains.supported(measure):
        return None
    rng = np.random.default_rng(seed)
    rankings, judged = [unjudged.ranking(record) for record in group], [record.qrels for record in group]
    whole = gains.graded([rankings], judged, group[0].relevant_from)
    # Queries x judgments: the grades, where there are that many, and the rank of each document, or one beyond all.
    there = np.arange(whole.ideal.shape[1]) < np.array([[len(grades)] for grades in judged])
    grade = np.zeros(there.shape, dtype=np.int32)
    grade[there] = [each for grades in judged for each in grades.values()]
    rank = np.full(there.shape, whole.grades.shape[2])
    rank[there] = [
        ranks.get(doc_id, whole.grades.shape[2])
        for listed, grades in zip(rankings, judged, strict=True)
        for ranks in [{doc_id: place for place, doc_id in enumerate(listed)}]
        for doc_id in grades
    ]
    query = np.arange(len(group))[:, None]
    means = []
    for _ in range(DRAWS):
        kept = np.zeros(there.shape, dtype=bool)
        kept[there] = rng.random(int(there.sum())) >= TAKEN
        grades = np.full((len(group), whole.grades.shape[2] + 1), -1, dtype=np.int32)
        grades[query, np.where(kept, rank, whole.grades.shape[2])] = grade
        ideal = -np.sort(-np.where(kept, np.maximum(grade, 0), 0), axis=1)
        data = replace(whole, grades=grades[None, :, :-1], ideal=ideal)
        means.append(float(gains.measured(measure, data).mean()))
    return float(np.std(means, ddof=1))


def seeds(records: Sequence[RankingRecord], families: Mapping[str, str], home: str, measure: str) -> list[SeedVariance]:
    """Variance over seeds told apart from variance over queries, on the home collection.

    Args:
        records: Rankings.
        families: Ranker to family; families of one member are left out.
        home: The home collection.
        measure: The measure.
    """
    every = values(records)
    results = []
    for family in dict.fromkeys(families.values()):
        members = [r for r, f in families.items() if f == family and (r, home, measure) in every]
        if len(members) < 2:
            continue
        common = sorted(set.intersection(*(set(every[r, home, measure]) for r in members)))
        table = np.array([[every[r, home, measure][q] for q in common] for r in members])
        query, seed, rest = components(table)
        results.append(
            SeedVariance(
                family=family, collection=home, measure=measure, members=len(members), queries=len(common),
                query_variance=query, seed_variance=seed, residual_variance=rest,
            )
        )  # fmt: skip
    return results


def components(table: Floats) -> tuple[float, float, float]:
    """Variance over queries, over seeds, and of both together, by a mixed model (REML) with crossed effects.

    Args:
        table: Seeds x queries.
    """
    from statsmodels.regression.mixed_linear_model import MixedLM, VCSpec
    from statsmodels.tools.sm_exceptions import ConvergenceWarning

    members, queries = table.shape
    if np.ptp(table, axis=0).max() == 0:  # seeds make no difference at all, and there is nothing to fit
        return float(table[0].var(ddof=1)), 0.0, 0.0
    values_ = table.ravel()
    seed, query = np.repeat(np.arange(members), queries), np.tile(np.arange(queries), members)
    designs = [np.eye(queries)[query], np.eye(members)[seed]]
    names = [[[f"query {i}" for i in range(queries)]], [[f"seed {i}" for i in range(members)]]]
    spec = VCSpec(["query", "seed"], names, [{0: designs[0]}, {0: designs[1]}])
    model = MixedLM(
        values_, np.ones((len(values_), 1)), groups=np.zeros(len(values_)), exog_vc=spec,
    )  # fmt: skip
    with warnings.catch_warnings():
        # A variance of 0 lies on the edge of what is possible, and REML says so.
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.simplefilter("ignore", UserWarning)
        warnings.simplefilter("ignore", RuntimeWarning)
        fit = model.fit(reml=True)
    over_query, over_seed = (float(v) for v in fit.vcomp)
    return over_query, over_seed, float(fit.scale)
