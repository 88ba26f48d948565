"""Every case of an audit can be read again: its text, what changed, who fell, what was proven."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from robustrank.core.ranking import fallen
from robustrank.core.types import Access, AttackSet, Budget, Certificate, Goal, Surface, ThreatModel
from robustrank.protocols.cases import cases, changes
from robustrank.results.attack_cases import Change
from robustrank.work.records import AttackRecord, CertificateRecord, Fall

INJECTION = ThreatModel(surface=Surface.DOCUMENT, access=Access.NONE, edits=AttackSet(operation="insert"))
TYPOS = ThreatModel(surface=Surface.QUERY, access=Access.NONE, edits=AttackSet(operation="misspell"), goal=Goal.DEMOTE)


def record(**changed: Any) -> AttackRecord:
    body: dict[str, Any] = {
        "key": "0123456789abcdef01234567", "attack": "injection", "plugin": "query_injection", "threat": INJECTION,
        "budget": Budget(), "stratum": "11-20", "doc_id": "d", "rank_before": 12, "rank_after": 2,
        "list_length": 20, "score_before": 1.0, "score_after": 3.0, "harm_before": 0.5, "harm_after": 0.25,
        "judged_after": 1.0, "edits": 1, "similarity": 0.9, "calls": 0, "quality": {}, "trajectory": (),
        "goal_rank": 1, "query": "cats", "query_after": None, "before": "All about dogs.",
        "after": "cats All about dogs.", "fell": [Fall("e", 2, 3, True)],
    }  # fmt: skip
    return AttackRecord(ranker="r", collection="c", query_id="q", **body | changed)


def certificate(operation: str, *, certified: bool) -> CertificateRecord:
    claim = Certificate(
        query_id="q", k=1, radius=2, edits=AttackSet(operation=operation), certified=certified, alpha=0.05, samples=1,
        method="m", lower=0.0, upper=1.0, assumes="",
    )  # fmt: skip
    return CertificateRecord(ranker="r", collection="c", query_id="q", certificates=[claim])


def test_a_case_tells_what_was_changed_and_the_text_stands_once() -> None:
    found = cases([record(), record(key="f" * 24, attack="injection")], [])
    assert found.texts == ["cats", "All about dogs."]
    assert [(c.query, c.document) for c in found.rows] == [(0, 1), (0, 1)]
    assert found.rows[0].changes == (Change(0, 0, "cats "),)
    assert found.rows[0].harm == 0.25
    assert found.rows[0].fell == [Fall("e", 2, 3, True)]


def test_a_case_succeeds_by_the_measure_its_attack_is_judged_by() -> None:
    both = cases([record(), record(rank_after=11)], []).rows
    assert [(c.success, "promoted" in c.reached) for c in both] == [(True, True), (False, True)]


def test_a_changed_query_is_told_as_such() -> None:
    typo = record(
        attack="typos", threat=TYPOS, query_after="cast", after="All about dogs.", rank_before=1, rank_after=4
    )
    (case,) = cases([typo], []).rows
    assert case.query_changed
    assert case.changes == (Change(0, 4, "cast"),)


def test_only_certificates_of_the_same_kind_of_edit_are_about_a_case() -> None:
    claims = [certificate("insert", certified=True)]
    assert cases([record()], claims).rows[0].proofs == [(1, 2, True)]
    assert cases([record()], [certificate("substitute", certified=True)]).rows[0].proofs == []


def test_those_of_the_top_that_stand_lower_have_fallen() -> None:
    assert fallen(["a", "b", "c", "d"], ["d", "a", "b", "c"], top=3) == [("a", 1, 2), ("b", 2, 3), ("c", 3, 4)]
    assert fallen(["a", "b", "c"], ["b", "a", "c"]) == [("a", 1, 2)]


words = st.lists(st.sampled_from(["a", "bc", "d\u202e", "é", ",", " ", "\n", "😀"]), max_size=12).map("".join)


@given(words, words)
def test_the_changes_turn_one_text_into_the_other(before: str, after: str) -> None:
    built, at = "", 0
    for change in changes(before, after):
        built += before[at : change.start] + change.text
        at = change.end
    assert built + before[at:] == after
