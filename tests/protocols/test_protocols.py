"""Protocols on records made by hand, where every figure can be told in advance."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from msgspec import structs

from robustrank.core.flags import Check
from robustrank.core.types import (
    Access,
    AttackSet,
    Budget,
    Certificate,
    Goal,
    Status,
    Surface,
    ThreatModel,
)
from robustrank.protocols import adversarial, certified, effectiveness, out_of_distribution
from robustrank.protocols.red_flags import red_flags
from robustrank.results.outcomes import Tally
from robustrank.results.red_flags import Severity
from robustrank.stats import comparisons
from robustrank.work.check_records import CheckRecord, Differences
from robustrank.work.records import AttackRecord, BaseRanking, CertificateRecord, RankingRecord
from tests.evidence import evidence

INSERT = AttackSet(operation="insert")
SUBSTITUTE = AttackSet(operation="substitute", substitutes="a")


def threat(edits: AttackSet = INSERT, *, control: bool = False, goal: Goal = Goal.PROMOTE) -> ThreatModel:
    return ThreatModel(surface=Surface.DOCUMENT, access=Access.NONE, edits=edits, goal=goal, control=control)


THREATS = {"inject": threat(), "control": threat(control=True), "other edits": threat(SUBSTITUTE, control=True)}


def ranking(query: str, value: float, *, ranker: str = "r", collection: str = "home", **more: Any) -> RankingRecord:
    body: dict[str, Any] = {
        "doc_ids": ["a", "b"], "scores": [1.0, 0.5], "measures": {"nDCG@10": value}, "judged": 1.0, "relevant": 1,
    }  # fmt: skip
    return RankingRecord(ranker=ranker, collection=collection, query_id=query, **body | more)


def attack(query: str, before: int, after: int, *, name: str = "inject", **more: Any) -> AttackRecord:
    body: dict[str, Any] = {
        "plugin": name, "threat": THREATS[name], "budget": Budget(), "stratum": "11-20", "doc_id": f"d{query}",
        "rank_before": before, "rank_after": after, "score_before": 0.0, "score_after": 1.0, "harm_before": 0.5,
        "harm_after": 0.5, "judged_after": 1.0, "fell": (), "list_length": 20, "goal_rank": 1, "edits": 2,
        "similarity": 0.9, "calls": 3, "quality": {}, "trajectory": (), "seconds": 0.1, "query": "q",
        "query_after": None, "before": "old text", "after": "new text", "key": f"{name}{query}",
    }  # fmt: skip
    return AttackRecord(ranker="r", collection="home", query_id=query, attack=name, **body | more)


def test_effectiveness_is_told_per_collection_and_per_type_of_query() -> None:
    records = [ranking(str(i), i / 10, type="who" if i < 5 else "what") for i in range(10)]
    records.append(ranking("rare", 1.0, type="rare"))
    found = {f.slice: f for f in effectiveness.effectiveness(records)}
    assert set(found) == {None, "who", "what"}  # one query of a type says nothing
    assert found["who"].mean.value == pytest.approx(0.2)
    assert found[None].mean.n == 11
    worst = found[None].lowest_decile
    assert worst is not None
    assert worst.value == pytest.approx(0.05)  # the two worst of eleven
    assert found[None].per_query["3"] == 0.3
    assert not found["who"].per_query


def test_rankers_are_compared_on_the_queries_both_have() -> None:
    records = [ranking(str(i), 0.5, ranker="a") for i in range(6)] + [
        ranking(str(i), 0.25, ranker="b") for i in range(4)
    ]
    (found,) = effectiveness.comparisons(records, "nDCG@10")
    assert (found.a, found.b, found.difference.value, found.difference.n) == ("a", "b", 0.25, 4)
    assert found.p == comparisons.paired([0.25] * 4, [0.0] * 4).p


def test_a_defended_ranker_is_compared_with_its_base_on_the_same_lists() -> None:
    base = BaseRanking(ranker="r", scores=[1.0, 0.5], measures={"nDCG@10": 0.5}, judged=1.0)
    records = [ranking(str(i), 0.4, ranker="s + r", base=base) for i in range(3)]
    records += [ranking(str(i), 0.9, ranker="r") for i in range(9)]
    (found,) = effectiveness.comparisons(records, "nDCG@10")
    assert (found.a, found.b) == ("s + r", "r (same lists)")
    assert found.difference.value == pytest.approx(-0.1)


def test_shifts_are_told_absolutely_relatively_and_against_the_baseline() -> None:
    levels = {("base", "home"): 0.5, ("base", "away"): 0.4, ("r", "home"): 0.8, ("r", "away"): 0.4}
    records = [ranking(str(i), v, ranker=r, collection=c) for (r, c), v in levels.items() for i in range(5)]
    found = {s.ranker: s for s in out_of_distribution.shifts(records, home="home", measure="nDCG@10", baseline="base")}
    assert found["r"].change.value == pytest.approx(-0.4)
    assert found["r"].relative is not None
    assert found["r"].relative.value == pytest.approx(-0.5)
    assert found["r"].relative_to_baseline is not None
    assert found["r"].relative_to_baseline.value == pytest.approx(-0.5 + 0.2)
    assert found["base"].relative_to_baseline is None


def test_success_is_told_in_every_way_that_makes_sense() -> None:
    group = [attack("1", 15, 9), attack("2", 12, 1), attack("3", 18, 18), attack("4", 11, 13)]
    (found,) = adversarial.attacks(group)
    assert {name: estimate.value for name, estimate in found.success.items()} == {
        "promoted": 0.5, "ASR@1": 0.25, "ASR@3": 0.25, "ASR@5": 0.25, "ASR@10": 0.5, "goal": 0.25,
    }  # fmt: skip
    assert found.boost is not None
    assert found.boost.value == pytest.approx((6 + 11 + 0 - 2) / 4)


def test_cutoffs_the_target_already_stood_above_are_no_success() -> None:
    assert "ASR@10" not in adversarial.successes([attack("1", 8, 7)])
    assert "ASR@5" in adversarial.successes([attack("1", 8, 7)])


def test_errors_and_invalid_cases_are_undecided_and_never_missing() -> None:
    group = [
        attack("1", 15, 1), attack("2", 15, 15, status=Status.INVALID, error="nine edits"),
        attack("3", 15, 15, status=Status.ERROR, error="HTTPError: 429"), attack("4", 15, 15),
    ]  # fmt: skip
    (result,) = adversarial.attacks(group)
    assert result.success["promoted"].value == pytest.approx(1 / 2)
    assert result.statuses == {"error": 1, "invalid": 1, "ok": 2}
    assert result.tally == Tally(planned=4, errors=1, invalid=1, error="HTTPError: 429", breach="nine edits")
    low, high = result.ends["promoted"]
    assert (low.value, low.n, high.value, high.n) == (0.25, 4, 0.75, 4)
    assert result.open["promoted"] == {"2": (0.0, 1.0), "3": (0.0, 1.0)}
    assert result.ends["boost"].high.value == pytest.approx((14 + 0 + 14 + 14) / 4)


def test_success_over_pairs_asked_ends_at_the_share_that_was_verified() -> None:
    early = attack("1", 15, 8, calls=20, trajectory=[(1, 15), (4, 9), (20, 8)])
    late = attack("2", 15, 10, calls=20, trajectory=[(1, 15), (20, 10)])
    refused = attack("3", 15, 15, calls=7, status=Status.INVALID, trajectory=[(1, 15), (2, 3)])
    unasked = attack("4", 15, 2, calls=0, trajectory=[])
    (found,) = adversarial.attacks([early, late, refused, unasked])
    assert list(found.curve) == [(0, 1 / 3), (4, 2 / 3), (20, 1.0)]
    assert found.curve[-1][1] == found.success["ASR@10"].value


def test_an_attack_is_paired_with_its_control_case_by_case() -> None:
    records = [attack(str(i), 15, 1) for i in range(6)]
    records += [attack(str(i), 15, 1 if i == 0 else 15, name="control") for i in range(6)]
    records += [attack(str(i), 15, 15, name="other edits") for i in range(6)]  # substitutes: no control of an insertion
    inject, control, _ = adversarial.attacks(records)
    (against,) = inject.against_controls
    assert against.control == "control"
    assert against.difference.value == pytest.approx(5 / 6)
    assert against.p == comparisons.paired([0.0] + [1.0] * 5, [0.0] * 6).p
    assert control.control
    assert not control.against_controls


def test_query_attacks_succeed_when_the_relevant_document_falls() -> None:
    demote = replace(threat(goal=Goal.DEMOTE), surface=Surface.QUERY)
    group = [attack("1", 1, 4, threat=demote, harm_after=0.2), attack("2", 2, 2, threat=demote)]
    assert {name: [test(r) for r in group] for name, test in adversarial.successes(group).items()} == {
        "demoted": [True, False],
        "harmed": [True, False],
    }


def test_worst_cases_are_the_largest_moves_of_real_attacks_with_their_differences() -> None:
    records = [attack(str(i), 19, 19 - i) for i in range(6)] + [attack("9", 19, 1, name="control")]
    found = adversarial.worst_cases(records)
    assert [case.rank_after for case in found] == [14, 15, 16]
    assert ("replace", "old", "new") in found[0].diff


def certificate(query: str, *, certified_: bool, k: int = 1, radius: float = 2) -> CertificateRecord:
    edits = AttackSet(operation="substitute", substitutes="a|b")
    claim = Certificate(
        query_id=query, k=k, radius=radius, edits=edits, certified=certified_, alpha=0.05, samples=10, method="m",
        lower=0.0, upper=1.0, assumes="",
    )  # fmt: skip
    return CertificateRecord(ranker="r", collection="home", query_id=query, certificates=[claim])


def test_crq_is_the_share_of_certified_queries_and_errors_are_undecided() -> None:
    records = [certificate("1", certified_=True), certificate("2", certified_=False)]
    failed = CertificateRecord(ranker="r", collection="home", query_id="3", status=Status.ERROR, error="it broke")
    (found,) = certified.certificates([*records, failed])
    assert found.crq.value == pytest.approx(1 / 2)
    assert found.expected_false == pytest.approx(0.1)
    assert found.ends is not None
    assert [end.value for end in found.ends] == pytest.approx([1 / 3, 2 / 3])


@pytest.mark.parametrize(
    ("edits", "table", "after", "is_broken"),
    [
        (2, "a", 1, True),  # inside the radius and the tables
        (3, "a", 1, False),  # more words than were certified
        (2, "c", 1, False),  # other substitutes than were certified
        (2, "a", 2, False),  # did not reach the top k
    ],
)
def test_a_certificate_is_broken_only_by_an_attack_it_covers(
    edits: int, table: str, after: int, is_broken: bool
) -> None:
    made = threat(AttackSet(operation="substitute", substitutes=table))
    claims, attacks = [certificate("1", certified_=True)], [attack("1", 15, after, edits=edits, threat=made)]
    assert bool(certified.broken(claims, attacks)) is is_broken
    serious = [flag.check for flag in red_flags(evidence([*claims, *attacks])) if flag.severity == "serious"]
    assert serious == (["certificate"] if is_broken else [])


def test_attacks_on_certified_lists_are_counted_with_those_that_succeed() -> None:
    attacks = [
        attack(query, 15, after, threat=threat(SUBSTITUTE), query_after=query_after)
        for query, after, query_after in (("1", 1, None), ("1", 9, None), ("2", 1, None), ("1", 1, "other"))
    ]
    (found,) = certified.certificates([certificate("1", certified_=True)], attacks)
    assert (found.attacks_on_certified, found.certificates_broken) == (2, 1)
    assert (found.attacks_on_uncertified, found.uncertified_broken) == (0, 0)


def test_the_power_of_attacks_is_their_successes_on_lists_that_are_not_certified() -> None:
    claims = [certificate("1", certified_=True), certificate("2", certified_=False)]
    attacks = [attack(query, 15, after, threat=threat(SUBSTITUTE)) for query, after in (("1", 15), ("2", 1), ("2", 15))]
    (found,) = certified.certificates(claims, attacks)
    assert (found.attacks_on_certified, found.certificates_broken) == (1, 0)
    assert (found.attacks_on_uncertified, found.uncertified_broken) == (2, 1)


def test_a_share_of_the_words_is_counted_in_words_of_the_document() -> None:
    claim = certificate("1", certified_=True, radius=0.1)
    long, short = "one two three four five six seven eight nine ten", "old text"
    attacks = [
        structs.replace(attack("1", 15, 1, edits=1, threat=threat(SUBSTITUTE)), before=text) for text in (long, short)
    ]
    covered = [bool(certified.broken([claim], [tried])) for tried in attacks]
    assert covered == [True, False]


def check_record(**differences: float) -> CheckRecord:
    seen: dict[str, Any] = {"spread": 1.0, "repeat": 0.0, "order": 0.0, "batch": 0.0, "query": 0.5}
    return CheckRecord(ranker="r", collection="home", query_id="1", differences=Differences(**seen | differences))


@pytest.mark.parametrize(
    ("differences", "checks"),
    [
        ({}, []),
        ({"repeat": 0.5}, ["repeat"]),
        ({"order": 0.5}, ["order"]),
        ({"batch": 0.001}, ["batch"]),
        ({"query": 0.0}, ["query-blind"]),
        ({"spread": 0.0, "query": 0.0}, ["constant"]),
    ],
)
def test_a_ranker_that_cannot_be_audited_is_flagged(differences: dict[str, float], checks: list[str]) -> None:
    assert [flag.check for flag in red_flags(evidence([check_record(**differences)]))] == checks


def test_an_attack_no_better_than_its_control_is_flagged() -> None:
    records = [attack(str(i), 15, 1 if i < 2 else 15) for i in range(6)]
    records += [attack(str(i), 15, 1 if i < 2 else 15, name="control") for i in range(6)]
    results = adversarial.attacks(records)
    assert [flag.check for flag in red_flags(evidence(records, (), results))] == ["control"]


@pytest.mark.parametrize("won", range(11))
def test_the_flag_on_a_control_and_the_p_value_beside_it_never_contradict_each_other(won: int) -> None:
    records = [attack(str(i), 15, 1 if i < won else 15) for i in range(10)]
    records += [attack(str(i), 15, 15, name="control") for i in range(10)]
    results = adversarial.attacks(records)
    (against,) = results[0].against_controls
    flagged = "control" in [flag.check for flag in red_flags(evidence(records, (), results))]
    assert flagged == (against.p >= 0.05)


def test_ties_failures_missing_judgments_and_empty_lists_are_flagged() -> None:
    records = [ranking(str(i), 0.0, scores=[1.0, 1.0], relevant=0, judged=0.1) for i in range(4)]
    records.append(ranking("x", 0.0, status=Status.ERROR, error="it broke"))
    figures = effectiveness.effectiveness(records[:4])
    flags = {flag.check: flag for flag in red_flags(evidence(records, figures))}
    assert set(flags) == {Check.TIES, Check.ERRORS, Check.JUDGED, Check.CEILING}
    assert flags[Check.ERRORS].severity is Severity.SERIOUS
    assert "it broke" in flags[Check.ERRORS].detail
