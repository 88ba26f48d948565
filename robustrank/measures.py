"""Effectiveness measures, by name, through ir-measures; and how much of a ranking was ever judged."""

from __future__ import annotations

from collections.abc import Collection as Container
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from functools import lru_cache
from typing import Any

from robustrank.errors import ConfigError
from robustrank.ranking import run_lines
from robustrank.types import Qrel


def per_query(
    measures: Sequence[str],
    rankings: Mapping[str, Sequence[str]],
    qrels: Mapping[str, Mapping[str, int]],
    relevant: int = 1,
) -> dict[str, dict[str, float]]:
    """Measure name to query id to value, for every query of ``qrels``.

    Rankings become runs with strictly falling scores, so no tool can settle ties its own way. A judged query that a
    ranking is missing gets the measure's default (0), so a ranker cannot gain by dropping queries.

    Args:
        measures: ir-measures names, such as ``"nDCG@10"`` or ``"RR@10"``.
        rankings: Query id to document ids, best first.
        qrels: Query id to document id to grade.
        relevant: Least grade that counts as relevant in binary measures, unless the name says ``rel=``.

    Raises:
        ConfigError: An unknown measure.
    """
    import ir_measures

    parsed = {_parse(name, relevant): name for name in measures}
    lines = [line for query_id in rankings for line in run_lines(query_id, rankings[query_id])]
    judged = [Qrel(query_id, doc_id, grade) for query_id in qrels for doc_id, grade in qrels[query_id].items()]
    found: dict[str, dict[str, float]] = {name: {} for name in measures}
    for metric in ir_measures.iter_calc(list(parsed), judged, lines):
        found[parsed[metric.measure]][metric.query_id] = float(metric.value)
    return found


def judged_at(ranking: Sequence[str], judged: Container[str], k: int = 10) -> float:
    """Share of the top ``k`` that has a judgment for this very query.

    Divided by the documents that are there, where the list is shorter than ``k``. BEIR's ``hole@k`` differs on both
    counts: it takes a document as judged when any query judged it, and always divides by ``k``.
    """
    top = ranking[:k]
    return sum(doc_id in judged for doc_id in top) / len(top) if top else 0.0


@lru_cache(maxsize=256)
def _parse(name: str, relevant: int) -> Any:
    import ir_measures

    try:
        measure = ir_measures.parse_measure(name)
    except (ValueError, NameError, SyntaxError, KeyError) as error:
        near = get_close_matches(name.partition("@")[0], list(ir_measures.measures.registry), n=1, cutoff=0.3)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ConfigError(f"no measure named {name!r}{hint} (names are those of ir-measures)") from error
    binary = "rel" in measure.SUPPORTED_PARAMS and "rel" not in measure.params
    return measure(rel=relevant) if binary and relevant != 1 else measure
