"""Measures by their definitions, and ties settled before any tool sees them."""

from __future__ import annotations

from math import log2

import pytest

from robustrank import measures
from robustrank.errors import ConfigError


def test_values_equal_the_definitions() -> None:
    qrels = {"q": {"a": 2, "b": 0, "c": 1}}
    found = measures.per_query(["nDCG@10", "RR@10"], {"q": ["b", "a", "c"]}, qrels)
    ideal = 2 / log2(2) + 1 / log2(3)
    assert found["nDCG@10"]["q"] == pytest.approx((2 / log2(3) + 1 / log2(4)) / ideal)
    assert found["RR@10"]["q"] == 0.5


def test_the_relevance_threshold_reaches_binary_measures_and_not_graded_ones() -> None:
    qrels = {"q": {"a": 1, "b": 2}}
    found = measures.per_query(["RR@10", "nDCG@10", "RR(rel=1)@10"], {"q": ["a", "b"]}, qrels, relevant=2)
    assert found["RR@10"]["q"] == 0.5
    assert found["RR(rel=1)@10"]["q"] == 1.0
    assert found["nDCG@10"]["q"] < 1


def test_a_query_missing_from_the_run_counts_as_zero() -> None:
    found = measures.per_query(["nDCG@10"], {}, {"q": {"a": 1}})
    assert found == {"nDCG@10": {"q": 0.0}}


def test_judged_at_k_counts_judgments_of_this_query_over_the_documents_there() -> None:
    assert measures.judged_at(["a", "x", "b", "y"], {"a": 0, "b": 1}, k=3) == pytest.approx(2 / 3)
    assert measures.judged_at(["a"], {"a": 0}, k=10) == 1
    assert measures.judged_at([], {"a": 0}) == 0


def test_an_unknown_measure_is_named_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match="no measure named 'nDGC@10'; did you mean 'nDCG'"):
        measures.per_query(["nDGC@10"], {}, {"q": {"a": 1}})
