"""The collections that come with the package are what their sources say they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from robustrank.collections.beir import Beir
from robustrank.collections.bundled import SciFact, SelQA
from robustrank.core.errors import DataError


def test_scifact_has_its_abstracts_and_test_claims() -> None:
    scifact = SciFact().load()
    assert (len(scifact.documents), len(scifact.queries), sum(map(len, scifact.qrels.values()))) == (5183, 300, 339)
    assert scifact.warnings == ()
    assert "CC BY 4.0" in scifact.terms


def test_selqa_comes_with_judged_candidates_and_question_words() -> None:
    selqa = SelQA().load()
    assert (len(selqa.documents), len(selqa.queries), sum(map(len, selqa.qrels.values()))) == (17917, 1590, 19476)
    assert {query_id: set(run) for query_id, run in selqa.candidates.items()} == {
        q: set(j) for q, j in selqa.qrels.items()
    }
    assert {"who", "what", "when"} <= set(selqa.query_types.values())
    assert selqa.warnings == (
        "documents with a title but no text (kept): 73",
        "queries without a judgment in this split (not evaluated): 785",
    )


def test_a_split_that_is_not_there_is_refused_with_those_that_are() -> None:
    with pytest.raises(DataError, match="splits here: dev, test"):
        SelQA(split="train").load()


@pytest.mark.parametrize(("name", "bundled"), [("scifact", SciFact()), ("selqa", SelQA())])
def test_bundled_copies_equal_the_full_collections(shared_data: Path, name: str, bundled: SciFact | SelQA) -> None:
    assert bundled.load().digest == Beir(path=str(shared_data / name)).load().digest
