"""Certified shares on records made by hand, and which attacks put a certificate to the test."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import structs

from robustrank.core.types import Access, AttackSet, Budget, Certificate, Goal, SpeaksOf, Status, Surface, ThreatModel
from robustrank.protocols import certified
from robustrank.results.outcomes import Ends, Tally
from robustrank.results.summary import CertifiedResult
from robustrank.stats import intervals
from robustrank.work.records import AttackRecord, CertificateRecord

EDITS = AttackSet(operation="substitute", substitutes="a|b")


def claim(query: str, *, k: int = 3, radius: float = 2, holds: bool = True, **more: Any) -> Certificate:
    body: dict[str, Any] = {
        "edits": EDITS, "alpha": 0.05, "samples": 10, "method": "m", "lower": 0.0, "upper": 1.0, "assumes": "x",
    }  # fmt: skip
    return Certificate(query_id=query, k=k, radius=radius, certified=holds, **body | more)


def certificates(query: str, *claims: Certificate, **more: Any) -> CertificateRecord:
    body: dict[str, Any] = {"ranker": "r", "collection": "home"}
    return CertificateRecord(query_id=query, certificates=claims, **body | more)


def attack(query: str = "1", before: int = 4, after: int = 1, **more: Any) -> AttackRecord:
    body: dict[str, Any] = {
        "ranker": "r", "collection": "home", "attack": "swap", "plugin": "swap", "budget": Budget(),
        "threat": ThreatModel(
            surface=Surface.DOCUMENT, access=Access.NONE, edits=AttackSet(operation="substitute", substitutes="a")
        ),
        "stratum": "4-9", "doc_id": "d", "score_before": 0.0, "score_after": 1.0, "harm_before": 0.5, "harm_after": 0.5,
        "judged_after": 1.0, "fell": (), "list_length": 9, "goal_rank": 1, "edits": 2, "similarity": None, "calls": 0,
        "quality": {}, "trajectory": (), "query": "q", "query_after": None, "before": "one two three four five",
        "after": "text",
    }  # fmt: skip
    return AttackRecord(query_id=query, rank_before=before, rank_after=after, **body | more)


def test_every_field_of_a_certified_share() -> None:
    records = [
        certificates("2", claim("2"), claim("2", k=5, holds=False)),
        certificates("1", claim("1"), claim("1", k=5)),
        certificates("3", claim("3", holds=False), claim("3", k=5, holds=False)),
        certificates("4", status=Status.ERROR, error="no list"),
        certificates("1", claim("1", radius=1, alpha=0.1, method="other"), ranker="s"),
        certificates("1", claim("1", holds=False, alpha=0.1), collection="away"),
    ]
    top3, top5, other, away = certified.certificates(records, [attack(), attack(after=4), attack("3"), attack("2", 3)])
    assert top3 == CertifiedResult(
        ranker="r", collection="home", k=3, radius=2, edits="substitute(a|b)",
        crq=intervals.share([True, True, False]), alpha=0.05, expected_false=0.05 * 3, samples=10, method="m",
        assumes="x", per_query={"1": 1.0, "2": 1.0, "3": 0.0}, speaks_of=SpeaksOf.EXACT,
        attacks_on_certified=2, certificates_broken=1, attacks_on_uncertified=1, uncertified_broken=1,
        tally=Tally(planned=4, errors=1, error="no list"),
        ends=Ends(intervals.share([True, True, False, False]), intervals.share([True, True, False, True])),
        open={"4": (0.0, 1.0)},
    )  # fmt: skip
    assert list(top3.per_query) == ["1", "2", "3"]
    assert (top5.k, top5.crq, top5.attacks_on_certified) == (5, intervals.share([True, False, False]), 0)
    assert (other.ranker, other.radius, other.alpha, other.method) == ("s", 1, 0.1, "other")
    assert (other.crq, other.expected_false) == (intervals.share([True]), 0.1)
    assert (away.collection, away.crq, away.expected_false) == ("away", intervals.share([False]), 0.1)
    assert (other.attacks_on_certified, away.attacks_on_certified, away.certificates_broken) == (0, 0, 0)


@pytest.mark.parametrize(
    ("change", "is_test"),
    [
        ({}, True),
        ({"edits": 1}, True),
        ({"edits": 3}, False),  # more than the radius
        ({"status": Status.INVALID}, False),
        ({"status": Status.BUDGET_EXHAUSTED}, False),
        ({"query_after": "other"}, False),
        ({"before": 4}, True),
        ({"before": 3}, False),  # stood in the certified top already
        ({"ranker": "s"}, False),
        ({"collection": "away"}, False),
        ({"query": "2"}, False),
        ({"substitutes": "c"}, False),
        ({"goal": Goal.DEMOTE}, False),
    ],
)
def test_a_certificate_is_put_to_the_test_by_what_it_covers_alone(change: dict[str, Any], is_test: bool) -> None:
    more = dict(change)
    tried = attack(more.pop("query", "1"), more.pop("before", 9))
    table, goal = more.pop("substitutes", "a"), more.pop("goal", Goal.PROMOTE)
    threat = ThreatModel(
        surface=Surface.DOCUMENT, access=Access.NONE, edits=AttackSet(operation="substitute", substitutes=table),
        goal=goal,
    )  # fmt: skip
    tried = structs.replace(tried, threat=threat, **more)
    held = claim("1")
    expected = [(tried, held)] if is_test else []
    assert list(certified.tests([certificates("1", held)], [tried], held=True)) == expected


def test_attacks_that_cannot_test_a_certificate_do_not_keep_later_ones_from_it() -> None:
    skipped, tried = attack(status=Status.ERROR), attack()
    refused, held = claim("1", holds=False), claim("1", k=1)
    assert list(certified.tests([certificates("1", refused, held)], [skipped, tried], held=True)) == [(tried, held)]


def test_a_certificate_is_broken_by_a_target_that_enters_its_top() -> None:
    records = [certificates("1", claim("1"), claim("1", k=2, radius=0.5))]
    inside, at, below = attack(after=2), attack(after=3), attack(after=4)
    broken = certified.broken(records, [inside, at, below])
    assert [(record, held.k) for record, held in broken] == [(inside, 3), (inside, 2), (at, 3)]
    assert certified.falsification(records, [inside, at, below]) == {
        ("r", "home", 3, 2): [True, True, False],
        ("r", "home", 2, 0.5): [True, False, False],
    }


def test_a_radius_below_one_is_a_share_of_the_words_of_the_clean_document() -> None:
    records = [certificates("1", claim("1", radius=0.4))]
    assert certified.broken(records, [attack(edits=2)])  # two of five words
    assert not certified.broken(records, [structs.replace(attack(edits=2), before="one two three four")])


@pytest.mark.parametrize(
    ("operation", "after", "is_test"),
    [
        ("insert", "new words one two", True),
        ("insert", "one two new words", False),  # not at the start
        ("insert", "new one words two", False),
        ("insert", "more new words one two", False),  # longer than the radius
        ("insert_block", "new words one two", True),
        ("edit", "new words one two", True),
        ("edit", "new words two", False),
        ("substitute", "one other", False),
        ("replace", "one other", False),
    ],
)
def test_a_certificate_against_a_block_is_tested_by_what_an_attack_did(
    operation: str, after: str, is_test: bool
) -> None:
    threat = ThreatModel(surface=Surface.DOCUMENT, access=Access.NONE, edits=AttackSet(operation=operation))
    held = claim("1", edits=AttackSet(operation="insert_block_at_start"))
    tried = structs.replace(attack(), threat=threat, before="one two", after=after, edits=2)
    assert list(certified.tests([certificates("1", held)], [tried], held=True)) == [(tried, held)] * is_test
