"""Every list of a query is asked in one order, whatever order an attack sees: a text left as it is moves nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robustrank.config import audit_file
from robustrank.core.interfaces import Oracle, Ranker
from robustrank.core.ranking import order
from robustrank.core.types import (
    Access,
    AttackSet,
    Case,
    Document,
    Edit,
    Perturbation,
    Query,
    Status,
    Surface,
    ThreatModel,
)
from robustrank.testing import WordWeights
from robustrank.work.attack import AttackTask
from robustrank.work.base import Place
from robustrank.work.records import AttackRecord
from robustrank.work.transfer import TransferTask
from robustrank.work.variations import EditTask
from robustrank.work.victims import MeteredVictim
from robustrank.work.workbench import Workbench
from tests.ordering_rankers import ByPlace, Ordering, by_length, copied, inserted, windows

SPEC = audit_file.parse("""
name = "x"
[[collection]]
use = "scifact"
[[ranker]]
use = "bm25"
[[attack]]
use = "query_injection"
name = "lift"
""")
QUERY = Query("q", "red apples")
PLACE = Place(ranker="r", collection="home", query_id="q")


class Unchanged:
    """Asks for what it likes, and returns the text as it is."""

    threat = ThreatModel(surface=Surface.DOCUMENT, access=Access.RANKS, edits=AttackSet(operation="insert"))

    def __init__(self) -> None:
        self.ranks: list[int] = []

    def perturb(self, case: Case, oracle: Oracle, rng: Random, /) -> Perturbation:
        same = Perturbation(target=case.target.text)
        self.ranks = oracle.rank([Perturbation(), same, Perturbation(query=case.query.text)])
        return same


class Bench:
    """What a task asks of a workbench: one list of one ranker."""

    similarity = None
    similarity_by = None
    spec = SPEC
    listwise: frozenset[str] = frozenset()

    def __init__(self, ranker: Ranker, docs: Sequence[Document], edits: Sequence[Edit] = ()) -> None:
        self.made, self.docs, self.edits = Unchanged(), tuple(docs), edits
        self._victim = MeteredVictim(ranker)

    def attack(self, name: str) -> Unchanged:
        return self.made

    def victim(self, ranker: str, collection: str) -> MeteredVictim:
        return self._victim

    def lists(self, name: str) -> Any:
        grades = {"q": {doc.doc_id: number % 3 for number, doc in enumerate(self.docs)}}
        collection = SimpleNamespace(
            qrels=grades, relevant=1, digest="", edits=self.edits, documents={doc.doc_id: doc for doc in self.docs}
        )
        return SimpleNamespace(queries={"q": QUERY}, candidates={"q": self.docs}, collection=collection)


RANKERS: dict[str, Callable[[], Ranker]] = {
    "windows over scripted comparisons": lambda: Ordering(windows(inserted, 4, 2)),
    "one window": lambda: Ordering(inserted),
    "copies": lambda: Ordering(copied),
    "scores by place": ByPlace,
    "pointwise": WordWeights,
}
DOCS = st.lists(st.text("abc ", min_size=1, max_size=6), min_size=2, max_size=10)


def listed(texts: Sequence[str]) -> list[Document]:
    return [Document(f"d{number}", text) for number, text in enumerate(texts)]


def attacked(ranker: Ranker, docs: Sequence[Document], target: int) -> tuple[AttackRecord, Bench]:
    bench = Bench(ranker, docs)
    task = AttackTask(
        place=PLACE, attack="lift", stratum="", target=docs[target].doc_id, goal_rank=1,
        clean_scores=tuple(ranker.score(QUERY, docs)),
    )  # fmt: skip
    return task.perform(cast(Workbench, bench)), bench


@pytest.mark.parametrize("name", RANKERS)
@settings(max_examples=60, deadline=None)
@given(texts=DOCS, place=st.integers(0, 9))
def test_a_text_that_is_left_as_it_is_keeps_its_rank_and_does_no_harm(name: str, texts: list[str], place: int) -> None:
    docs = listed(texts)
    record, bench = attacked(RANKERS[name](), docs, place % len(docs))
    assert record.status is Status.OK, record.error
    assert (record.rank_after, record.score_after) == (record.rank_before, record.score_before)
    assert record.harm_after == record.harm_before
    assert record.fell == []
    assert bench.made.ranks == [record.rank_before] * 3  # what the attack is told is the same list


def test_windows_of_four_over_ten_documents_are_asked_in_first_stage_order_alone() -> None:
    """Known answer: longest first, window 4, step 2; the windows end at 10, 8, 6 and 4."""
    texts = ["x" * length for length in (1, 2, 3, 4, 5, 6, 7, 8, 9, 10)]
    docs, ranker = listed(texts), Ordering(windows(by_length, 4, 2))
    assert order(list(zip([d.doc_id for d in docs], ranker.score(QUERY, docs), strict=True))) == [
        "d9", "d8", "d1", "d0", "d3", "d2", "d5", "d4", "d7", "d6",
    ]  # fmt: skip
    for target in range(10):
        record, _ = attacked(ranker, docs, target)
        assert record.rank_after == record.rank_before
    in_order = [doc.doc_id for doc in docs]
    assert all(shown == in_order for shown in ranker.shown)


def test_a_text_made_elsewhere_is_put_into_its_own_place_of_the_list() -> None:
    docs, ranker = listed(["a", "bb", "ccc", "dddd", "e"]), Ordering(windows(inserted, 3, 1))
    scores = tuple(ranker.score(QUERY, docs))
    for doc in docs:
        task = TransferTask(
            place=PLACE, source="s", attack="lift", control=False, target=doc.doc_id, text=doc.text,
            reached_there=False, clean_scores=scores,
        )  # fmt: skip
        record = task.perform(cast(Workbench, Bench(ranker, docs)))
        assert record.rank_after == record.rank_before
    assert all(shown == [doc.doc_id for doc in docs] for shown in ranker.shown)


def test_both_versions_of_a_document_that_people_edited_stand_in_the_same_place_of_their_own_list() -> None:
    docs = [Document(i, i) for i in ("rival", "before", "other", "after")]
    edit = Edit("q", "before", "after", ("rival", "before", "other"))
    ranker = Ordering(copied)
    record = EditTask(place=PLACE).perform(cast(Workbench, Bench(ranker, docs, [edit])))
    assert ranker.shown == [["rival", "before", "other"], ["rival", "after", "other"]]
    assert [(each.rank_before, each.rank_after) for each in record.edits] == [(2, 2)]
