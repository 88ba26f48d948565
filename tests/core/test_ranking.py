"""One sort function decides every rank."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robustrank.core.errors import ContractError
from robustrank.core.ranking import checked_scores, order, rank_of, run_lines
from robustrank.core.types import Document, Query, RankerCard


def test_ties_go_to_the_greater_document_id_as_in_trec_eval() -> None:
    assert order([("a", 1.0), ("b", 2.0), ("c", 1.0)]) == ["b", "c", "a"]


@given(st.dictionaries(st.text("abc", min_size=1, max_size=2), st.integers(0, 2), min_size=1))
def test_rank_of_agrees_with_the_order(scores: dict[str, int]) -> None:
    pairs = [(doc_id, float(score)) for doc_id, score in scores.items()]
    for position, doc_id in enumerate(order(pairs), start=1):
        assert rank_of(doc_id, scores[doc_id], pairs) == position


def test_a_perturbed_document_is_ranked_without_its_old_copy() -> None:
    clean = [("a", 3.0), ("b", 2.0), ("c", 1.0)]
    assert rank_of("c", 2.5, clean) == 2
    assert rank_of("a", 0.0, clean) == 3  # its old score of 3 is not in its own way


def test_run_lines_fall_strictly() -> None:
    assert [line.score for line in run_lines("q", ["x", "y", "z"])] == [3.0, 2.0, 1.0]


class _Broken:
    card = RankerCard(name="broken", fingerprint="0")

    def __init__(self, scores: list[float]) -> None:
        self.scores = scores

    def score(self, query: Query, docs: object, /) -> list[float]:
        return self.scores


@pytest.mark.parametrize("scores", [[], [1.0, 2.0], [float("nan")], [float("inf")]])
def test_a_ranker_that_breaks_its_contract_is_named(scores: list[float]) -> None:
    with pytest.raises(ContractError, match=r"ranker broken.*'q1'"):
        checked_scores(_Broken(scores), Query("q1", ""), [Document("d", "")])
