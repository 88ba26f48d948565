"""Effectiveness measures by name: ours on arrays, others through ir-measures; and how much of a ranking was judged."""

from __future__ import annotations

from collections.abc import Collection as Container
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from functools import cache, lru_cache
from typing import Any

from robustrank.core.errors import ConfigError
from robustrank.core.ranking import run_lines
from robustrank.core.types import Qrel
from robustrank.measures import arrays


def per_query(
    measures: Sequence[str],
    rankings: Mapping[str, Sequence[str]],
    qrels: Mapping[str, Mapping[str, int]],
    relevant: int = 1,
) -> dict[str, dict[str, float]]:
    """Measure name to query id to value, for every query of ``qrels``.

    Rankings become runs with strictly falling scores, so no tool can settle ties its own way. A judged query that has
    no ranking gets the measure's default (0), so a ranker cannot gain by dropping queries. Only trec_eval's own code
    and the in-process providers of ir-measures compute anything; no other program is started.

    Args:
        measures: ir-measures names, such as ``"nDCG@10"`` or ``"RR@10"``, and ``"WSS@95"``
            (:mod:`robustrank.measures.arrays`).
        rankings: Query id to document ids, best first.
        qrels: Query id to document id to grade.
        relevant: Least grade that counts as relevant in binary measures, unless the name says ``rel=``.

    Raises:
        ConfigError: An unknown measure, wrong parameters of one, or one that nothing installed here computes.
    """
    parsed = {name: _parse(name, relevant) for name in measures if not arrays.supported(name)}
    # A query without a grade of 0 or more is 0 in every measure here; trec_eval's code may never return from it.
    usable = {query_id: grades for query_id, grades in qrels.items() if max(grades.values(), default=0) >= 0}
    judged = [Qrel(query_id, doc_id, grade) for query_id in usable for doc_id, grade in usable[query_id].items()]
    lines = [line for query_id in rankings if query_id in usable for line in run_lines(query_id, rankings[query_id])]
    values: dict[Any, dict[str, float]] = {measure: {} for measure in parsed.values()}
    if values and judged:
        for metric in _provider().evaluator(list(values), judged).iter_calc(lines):
            values[metric.measure][metric.query_id] = float(metric.value)
    ours = arrays.per_query([m for m in measures if m not in parsed], {"": rankings}, qrels, relevant)[""]
    return {
        name: {q: values[parsed[name]].get(q, 0.0) for q in qrels} if name in parsed else ours[name]
        for name in measures
    }


def judged_at(ranking: Sequence[str], judged: Container[str], k: int = 10) -> float:
    """Share of the top ``k`` that has a judgment for this very query; 0 for an empty ranking.

    Divided by the documents that are there, where the list is shorter than ``k``. BEIR's ``hole@k`` differs on both
    counts: it takes a document as judged when any query judged it, and always divides by ``k``.
    """
    top = ranking[:k]
    return sum(doc_id in judged for doc_id in top) / len(top) if top else 0.0


@cache
def _provider() -> Any:
    """trec_eval's code where it can, then MS MARCO's RR@k and the share judged; none that starts a program."""
    import ir_measures

    return ir_measures.providers.FallbackProvider([ir_measures.pytrec_eval, ir_measures.msmarco, ir_measures.judged])


@lru_cache(maxsize=256)
def _parse(name: str, relevant: int) -> Any:
    import ir_measures

    try:
        measure = ir_measures.parse_measure(name)
    except (ValueError, NameError, KeyError, TypeError) as error:
        kind, at, cutoff = name.partition("@")
        spelt = {known.lower(): known for known in ir_measures.measures.registry}
        near = get_close_matches(kind.lower(), list(spelt), n=1, cutoff=0.3)
        hint = f"; did you mean '{ir_measures.parse_measure(spelt[near[0]]).NAME}{at}{cutoff}'?" if near else ""
        raise ConfigError(f"no measure named {name!r}{hint} (names are those of ir-measures)") from error
    if relevant != 1 and "rel" in measure.SUPPORTED_PARAMS and "rel" not in measure.params:
        measure = measure(rel=relevant)
    try:
        supported = _provider().supports(measure)
    except (AssertionError, KeyError) as error:  # how ir-measures refuses parameters
        raise ConfigError(f"measure {name!r}: {error}; most measures need a cutoff, as in 'nDCG@10'") from error
    if not supported:
        examples = ", ".join(("nDCG@10", "RR@10", "AP", "P@10", "R@100", "Success@10", "Bpref", "Rprec", "infAP"))
        raise ConfigError(f"measure {name!r} is not one that trec_eval computes (some that are: {examples})")
    return measure
