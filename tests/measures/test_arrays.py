"""Measures on arrays: the numbers of ir-measures, on any run and any judgments."""

from __future__ import annotations

import ir_measures
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robustrank.core.ranking import run_lines
from robustrank.core.types import Qrel
from robustrank.measures import arrays as gains

MEASURES = ("nDCG@3", "nDCG", "RR@3", "RR", "AP", "AP@3", "P@3", "R@3", "Success@2")
DOCS = [f"d{i}" for i in range(8)]


@settings(max_examples=60, deadline=None)
@given(
    ranking=st.permutations(DOCS),
    length=st.integers(1, 8),
    # Below 0 stands for unjudged; given only such, the C code behind ir_measures may not come back.
    qrels=st.dictionaries(st.sampled_from(DOCS), st.integers(0, 3), min_size=1),
    relevant=st.integers(1, 2),
)
def test_values_are_those_of_ir_measures(ranking: list[str], length: int, qrels: dict[str, int], relevant: int) -> None:
    run = ranking[:length]
    found = gains.per_query(MEASURES, {"r": {"q": run}}, {"q": qrels}, relevant)["r"]
    for name in MEASURES:
        measure = ir_measures.parse_measure(name)
        if "rel" in measure.SUPPORTED_PARAMS:
            measure = measure(rel=relevant)
        judged = [Qrel("q", d, g) for d, g in qrels.items()]
        (metric,) = list(ir_measures.iter_calc([measure], judged, run_lines("q", run)))
        assert found[name]["q"] == pytest.approx(metric.value, abs=1e-12), name


def test_a_query_without_a_ranking_counts_as_nothing() -> None:
    found = gains.per_query(["nDCG@10", "AP"], {"r": {}}, {"q": {"d0": 1}})
    assert found == {"r": {"nDCG@10": {"q": 0.0}, "AP": {"q": 0.0}}}


def test_work_saved_over_sampling_by_hand() -> None:
    # 10 documents, 2 relevant at ranks 1 and 4: a recall of 95 % needs both, so 6 of 10 need not be read.
    ranking = [f"d{i}" for i in range(10)]
    found = gains.per_query(["WSS@95", "WSS@50"], {"r": {"q": ranking}}, {"q": {"d0": 1, "d3": 1}})["r"]
    assert found["WSS@95"]["q"] == pytest.approx(0.6 - 0.05)
    assert found["WSS@50"]["q"] == pytest.approx(0.9 - 0.5)


def test_nothing_is_saved_where_the_recall_is_not_reached() -> None:
    found = gains.per_query(["WSS@95"], {"r": {"q": ["d0", "d1"]}}, {"q": {"d0": 1, "elsewhere": 1}})
    assert found["r"]["WSS@95"]["q"] == pytest.approx(-0.05)


@pytest.mark.parametrize(("name", "known"), [("nDCG@10", True), ("P", False), ("Bpref", False), ("nDCG@x", False)])
def test_what_arrays_can_measure(name: str, known: bool) -> None:
    assert gains.supported(name) is known
