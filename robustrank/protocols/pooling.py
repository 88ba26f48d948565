"""Pooling: how far figures depend on who was pooled. Takes runs, the lists of the rankers, and judgments.

Every system is scored with all judgments there are, with the range over all grades of its unjudged documents; then
with the judgments of the pool of these systems, with each system (and each group) left out of it, with shallower
pools, and with pools of one system alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from robustrank.config.specs import AuditSpec
from robustrank.config.tables import check_name
from robustrank.core.errors import ConfigError
from robustrank.core.types import Estimate, Range
from robustrank.measures import effectiveness, leave_out, relevance_model
from robustrank.measures.arrays import Cut, Floats
from robustrank.measures.pool import Mask, Pool, Qrels, Runs, build
from robustrank.measures.unjudged import bounds, condensed, cut, rbp
from robustrank.protocols import unjudged
from robustrank.results.pooling import (
    Adjustment,
    Calibration,
    LeftOut,
    LeftOutKind,
    LeftOutSystem,
    OtherPool,
    PooledPair,
    PooledSystem,
    Pooling,
    SystemKind,
)
from robustrank.stats import intervals
from robustrank.stats.comparisons import holm, paired
from robustrank.work.audited import RecordedPool
from robustrank.work.records import RankingRecord


@dataclass(frozen=True, kw_only=True)
class Question:
    """The parameters of the protocol.

    Args:
        collection: Its name in the report.
        measure: nDCG@k, P@k, RR@k or Success@k.
        relevant: Least relevant grade of the collection.
        depth: Documents every system puts into the pool.
        groups: Group name to systems, left out together.
        shallow: Depths of shallower pools; those below ``depth`` are looked at.
        rankers: Which systems are rankers of the audit.
    """

    collection: str
    measure: str = "nDCG@10"
    relevant: int = 1
    depth: int = 10
    groups: Mapping[str, Sequence[str]]
    shallow: Sequence[int] = (1, 2, 3, 5, 10, 20, 50)
    rankers: Sequence[str] = ()


def analyse(runs: Runs, qrels: Qrels, question: Question) -> Pooling:
    """The whole protocol.

    Args:
        runs: System to query id to documents, best first; at least two systems.
        qrels: All judgments, by query; the queries are those judged.
        question: The parameters.

    Raises:
        ConfigError: Fewer than two systems, a measure that cannot be bounded, an unknown system in a group.
    """
    measure = checked(question, list(runs))
    pool = build(runs, qrels)
    model = relevance_model.fit(pool, pool.judged)
    return Pooling(
        collection=question.collection,
        measure=question.measure,
        k=measure.cutoff,
        depth=question.depth,
        queries=len(pool.queries),
        judgments=int(pool.judged.sum()),
        pooled=int(pool.pooled(question.depth).sum()),
        systems=_systems(pool, measure, question, qrels, model),
        pairs=_pairs(pool, measure, model),
        left_out=_left_out(pool, measure, question),
        shallow=[
            _other(pool, measure, question.depth, pool.pooled(depth), f"depth {depth}")
            for depth in question.shallow
            if depth < question.depth
        ],
        only=[
            _other(pool, measure, question.depth, pool.pooled(question.depth, [name]), name) for name in pool.systems
        ],
        adjustments=_adjustments(pool, measure, question.depth),
        calibration=_calibration(pool, question.relevant),
    )


def checked(question: Question, systems: Sequence[str]) -> Cut:
    """The measure requested, if the question makes sense for these systems.

    Raises:
        ConfigError: Fewer than two systems, a measure that cannot be bounded, an unknown system in a group.
    """
    measure = cut(question.measure, question.relevant)
    if measure is None:
        raise ConfigError(
            f"pooling: cannot bound {question.measure!r}; set `measure` to nDCG@k, P@k, RR@k or Success@k"
        )
    if len(systems) < 2:
        raise ConfigError(f"pooling: needs at least two systems, has {len(systems)}; add runs")
    for group, members in question.groups.items():
        for name in members:
            check_name(name, systems, f"[pooling] group {group!r}: system")
    return measure


def question_of(spec: AuditSpec, collection: str, relevant: int) -> Question:
    """What an audit file's ``[pooling]`` asks.

    Raises:
        ConfigError: It has none.
    """
    wanted = spec.pooling
    if wanted is None:
        raise ConfigError("the audit file has no [pooling]")
    return Question(
        collection=collection,
        measure=wanted.measure or spec.measures[0],
        relevant=relevant,
        depth=wanted.depth,
        groups=wanted.groups,
        shallow=wanted.shallow,
    )


def of_audit(pool: RecordedPool | None, rankings: Sequence[RankingRecord], spec: AuditSpec) -> Pooling | None:
    """The protocol on an audit's runs and on the lists of its rankers; ``None`` where the audit file asks for none.

    Only queries that every plain ranker has ranked count; a ranker without all of them, such as a defended one, is no
    system here.

    Args:
        pool: Runs and judgments, as recorded.
        rankings: The rankers' lists.
        spec: The audit file.
    """
    if pool is None or spec.pooling is None:
        return None
    lists: dict[str, dict[str, list[str]]] = {}
    for record in rankings:
        if record.collection == pool.collection:
            name = record.ranker if record.ranker not in pool.runs else f"{record.ranker} (ranker)"
            lists.setdefault(name, {})[record.query_id] = unjudged.ranking(record)
    plain = [lists[r.name] for r in spec.rankers if r.name in lists]
    queries = [q for q in pool.qrels if all(q in ranked for ranked in plain)]
    if not queries:
        return None
    rankers = {name: ranked for name, ranked in lists.items() if set(queries) <= set(ranked)}
    question = replace(question_of(spec, pool.collection, pool.relevant), rankers=tuple(rankers))
    return analyse({**pool.runs, **rankers}, {q: pool.qrels[q] for q in queries}, question)


def unjudged_range(
    pool: Pool, measure: Cut, judged: Mask, a: int, b: int | None = None, *, elsewhere: Mask | None = None
) -> Range:
    """Least and greatest mean of ``a`` (or ``a`` minus ``b``) over all grades of its top k's unjudged documents.

    Args:
        pool: The systems.
        measure: What is averaged over queries.
        judged: [Q, D].
        a: Index of a system.
        b: Index of another one.
        elsewhere: [Q, D], documents outside the top k that may be relevant too.
    """
    ends = []
    for q in range(len(pool.queries)):
        outside = 0 if elsewhere is None else int((elsewhere[q] & (pool.rank[a, q] > measure.cutoff)).sum())
        other = () if b is None else pool.ranking(b, q)
        grades = pool.grades(q, judged)
        ends.append(bounds(measure, pool.ranking(a, q), grades, pool.top, other=other, elsewhere=outside))
    low, high = np.mean(ends, axis=0)
    return Range(float(low), float(high))


def _systems(
    pool: Pool, measure: Cut, question: Question, qrels: Qrels, model: relevance_model.Model | None
) -> list[PooledSystem]:
    values, judged = pool.values(measure, pool.judged), pool.judged_at(measure.cutoff, pool.judged)
    open_ = pool.contributed(question.depth).any(axis=0) & ~pool.judged
    marked = {
        query_id: {
            **qrels[query_id],
            **{pool.documents[q][column]: -1 for column in np.flatnonzero(open_[q, : len(pool.documents[q])])},
        }
        for q, query_id in enumerate(pool.queries)
    }
    systems = []
    for s, name in enumerate(pool.systems):
        lists = {query_id: pool.ranking(s, q) for q, query_id in enumerate(pool.queries)}
        short = {query_id: condensed(listed, qrels[query_id]) for query_id, listed in lists.items()}
        plain = effectiveness.per_query([question.measure], short, qrels, question.relevant)[question.measure]
        bpref = effectiveness.per_query(["Bpref"], lists, qrels, question.relevant)["Bpref"]
        inferred = effectiveness.per_query(["infAP"], lists, marked, question.relevant)["infAP"]
        patient = [rbp(lists[q], qrels[q], question.relevant) for q in pool.queries]
        systems.append(
            PooledSystem(
                system=name,
                kind=SystemKind.RANKER if name in question.rankers else SystemKind.RUN,
                value=_mean(values[s]),
                judged=_mean(judged[s]),
                unjudged=unjudged_range(pool, measure, pool.judged, s),
                fill=_fill(pool, measure, pool.judged, model, s),
                condensed=_mean(list(plain.values())),
                bpref=_mean(list(bpref.values())),
                inf_ap=_mean(list(inferred.values())),
                rbp=_mean([value for value, _ in patient]),
                rbp_residual=_mean([residual for _, residual in patient]),
            )
        )
    return systems


def _fill(pool: Pool, measure: Cut, judged: Mask, model: relevance_model.Model | None, s: int) -> Range | None:
    return None if model is None else intervals.central(relevance_model.means(pool, measure, judged, model, [s])[:, 0])


def _pairs(pool: Pool, measure: Cut, model: relevance_model.Model | None) -> list[PooledPair]:
    values = pool.values(measure, pool.judged)
    pairs = list(combinations(range(len(pool.systems)), 2))
    tested = [paired(list(values[a]), list(values[b])) for a, b in pairs]
    corrected = holm([each.p for each in tested])
    results = []
    for (a, b), (difference, _, _), p in zip(pairs, tested, corrected, strict=True):
        reach = unjudged_range(pool, measure, pool.judged, a, b)
        drawn = None if model is None else relevance_model.means(pool, measure, pool.judged, model, [a, b])
        ahead = None if drawn is None else (drawn[:, 0] - drawn[:, 1]) * np.sign(difference.value)
        results.append(
            PooledPair(
                a=pool.systems[a],
                b=pool.systems[b],
                difference=difference,
                p_holm=p,
                unjudged=reach,
                may_change=bool(unjudged.may_change(difference.value, reach)),
                flip_share=None if ahead is None else float((ahead < -unjudged.EVEN).mean()),
            )
        )
    return results


def _left_out(pool: Pool, measure: Cut, question: Question) -> list[LeftOut]:
    depth = question.depth
    whole = pool.values(measure, pool.pooled(depth))
    before = leave_out.conclusions(pool.systems, whole)
    wanted = [(LeftOutKind.SYSTEM, name, [name]) for name in pool.systems]
    wanted += [(LeftOutKind.GROUP, name, list(members)) for name, members in question.groups.items()]
    results = []
    for kind, name, members in wanted:
        judged = leave_out.without(pool, depth, members)
        values = pool.values(measure, judged)
        after = leave_out.conclusions(pool.systems, values)
        results.append(
            LeftOut(
                name=name,
                kind=kind,
                unique=leave_out.unique(pool, depth, members),
                judgments=int(pool.pooled(depth).sum()),
                tau=leave_out.kendall(whole, values),
                systems=[
                    _one_left_out(pool, measure, depth, judged, leave_out.changed(before, after, member), member)
                    for member in members
                ],
            )
        )
    return results


def _one_left_out(
    pool: Pool,
    measure: Cut,
    depth: int,
    judged: Mask,
    conclusions: Sequence[str],
    system: str,
) -> LeftOutSystem:
    s, whole, values = (
        pool.systems.index(system),
        pool.values(measure, pool.pooled(depth)),
        pool.values(measure, judged),
    )
    removed = pool.pooled(depth) & ~judged
    return LeftOutSystem(
        system=system,
        pooled=_mean(whole[s]),
        change=paired(list(values[s]), list(whole[s])).estimate,
        rank=leave_out.ranks(whole)[s],
        rank_left_out=leave_out.ranks(values)[s],
        judged=_mean(pool.judged_at(measure.cutoff, judged)[s]),
        unjudged=unjudged_range(pool, measure, judged, s, elsewhere=removed),
        fill=_fill(pool, measure, judged, relevance_model.fit(pool, judged), s),
        conclusions=conclusions,
    )


def _other(pool: Pool, measure: Cut, depth: int, judged: Mask, name: str) -> OtherPool:
    whole, values = pool.values(measure, pool.pooled(depth)), pool.values(measure, judged)
    seen = pool.judged_at(measure.cutoff, judged)
    return OtherPool(
        pool=name,
        judgments=int(judged.sum()),
        tau=leave_out.kendall(whole, values),
        values={system: _mean(values[s]) for s, system in enumerate(pool.systems)},
        judged={system: _mean(seen[s]) for s, system in enumerate(pool.systems)},
    )


def _adjustments(pool: Pool, measure: Cut, depth: int) -> list[Adjustment]:
    whole, left, owed = leave_out.adjustments(pool, measure, depth)
    return [
        Adjustment(
            system=system,
            pooled=float(whole[s].mean()),
            left_out=float(left[s].mean()),
            added=float(owed[s].mean()),
            error=paired(list(left[s]), list(whole[s])).estimate,
            adjusted_error=paired(list(left[s] + owed[s]), list(whole[s])).estimate,
        )
        for s, system in enumerate(pool.systems)
    ]


def _calibration(pool: Pool, relevant: int) -> Calibration | None:
    fitted = relevance_model.calibration(pool, pool.judged, relevant)
    return (
        None
        if fitted is None
        else Calibration(bias=fitted[0], brier=fitted[1], brier_of_constant=fitted[2], documents=fitted[3])
    )


def _mean(values: Sequence[float] | Floats) -> Estimate:
    return intervals.mean([float(value) for value in values], bounds=(0, 1))
