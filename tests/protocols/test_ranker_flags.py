"""Red flags on rankers and on attacks that did not measure what they seem to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from msgspec import structs

from robustrank.config import audit_file
from robustrank.core.flags import Check
from robustrank.core.types import Access, AttackSet, Budget, Status, Surface, ThreatModel
from robustrank.measures import effectiveness
from robustrank.protocols import adversarial
from robustrank.protocols.red_flags import red_flags
from robustrank.results.red_flags import RedFlag, Severity
from robustrank.work.check_records import CheckRecord, Differences
from robustrank.work.records import AttackRecord, BaseRanking, RankingRecord
from tests.evidence import AUDIT, evidence

DOCS = [f"d{n}" for n in range(20)]
DEFENSE = '[[defense]]\nname = "D"\nuse = "randomized_smoothing"\nrankers = ["r"]\n'
BASE = BaseRanking(ranker="r", scores=(), measures={"nDCG@10": 1.0}, judged=1.0)


def ranking(query: str, scores: Sequence[float], relevant: str, *, ranker: str = "r") -> RankingRecord:
    """A list of twenty documents in first-stage order, one of which is relevant."""
    order = [doc for _, doc in sorted(zip(scores, DOCS, strict=True), key=lambda pair: (-pair[0], pair[1]))]
    measures = effectiveness.per_query(["nDCG@10"], {query: order}, {query: {relevant: 1}}, 1)
    return RankingRecord(
        ranker=ranker, collection="home", query_id=query, candidates=20, doc_ids=DOCS, scores=list(scores),
        measures={"nDCG@10": measures["nDCG@10"][query]}, judged=1.0, relevant=1, qrels={relevant: 1},
    )  # fmt: skip


def lists(scores: Any, *, n: int = 30, relevant: Any = lambda q: DOCS[q % 3], ranker: str = "r") -> list[RankingRecord]:
    return [ranking(str(q), scores(q), relevant(q), ranker=ranker) for q in range(n)]


def found(records: Sequence[Any]) -> dict[Check, RedFlag]:
    return {flag.check: flag for flag in red_flags(evidence(records))}


def shuffled(q: int) -> list[float]:
    return [Random(q).random() + n for n in Random(q).sample(range(20), 20)]


def good(q: int) -> list[float]:
    """The relevant document first, the others shuffled."""
    return [99.5 if n == q % 3 else score for n, score in enumerate(shuffled(q))]


def test_a_ranker_that_ranks_well_has_no_flag() -> None:
    assert found(lists(good)) == {}


def test_a_ranker_that_returns_the_order_of_the_first_stage_is_flagged_unless_it_is_the_first_stage() -> None:
    def given(q: int) -> list[float]:
        return [20.5 - n * 1.1 for n in range(20)]

    flag = found(lists(given))[Check.FIRST_STAGE]
    assert (flag.severity, flag.ranker, "30 of 30" in flag.detail) == (Severity.SERIOUS, "r", True)
    assert Check.FIRST_STAGE not in found(lists(given, ranker="s"))


def test_a_ranker_that_ranks_worse_than_the_first_stage_is_flagged() -> None:
    # Relevant documents stand in the first three places; this ranker puts them tenth.
    flag = found(lists(lambda q: [score if n != q % 3 else 10.5 for n, score in enumerate(shuffled(q))]))[
        Check.FIRST_STAGE
    ]
    assert (flag.severity, "worse than the first stage" in flag.title) == (Severity.SERIOUS, True)


def test_a_ranker_no_better_than_chance_is_flagged() -> None:
    flag = found(lists(shuffled, relevant=lambda q: DOCS[q % 20]))[Check.CHANCE]
    assert (flag.severity, flag.ranker) == (Severity.SERIOUS, "r")


def test_a_defense_after_which_a_ranker_is_no_better_than_chance_is_flagged() -> None:
    defended = "D + r"
    base = lists(good)
    ruined = [structs.replace(r, base=BASE) for r in lists(shuffled, relevant=lambda q: DOCS[q % 20], ranker=defended)]
    harmless = [structs.replace(r, base=BASE) for r in lists(good, ranker=defended)]
    flag = found_with_defense([*base, *ruined])[Check.CHANCE]
    assert (flag.severity, flag.ranker) == (Severity.SERIOUS, defended)
    assert found_with_defense([*base, *harmless]) == {}
    few = lists(good, n=4)  # too few to show anything, which is a warning and no excuse
    assert found(few)[Check.CHANCE].severity is Severity.WARNING
    spec = audit_file.parse(AUDIT + DEFENSE)
    flags = [each for each in red_flags(replace(evidence([*few, *ruined]), spec=spec)) if each.check is Check.CHANCE]
    assert [(each.ranker, each.severity) for each in flags] == [(defended, "serious"), ("r", "warning")]


def found_with_defense(records: Sequence[Any]) -> dict[Check, RedFlag]:
    held = evidence(records)
    spec = audit_file.parse(AUDIT + DEFENSE)
    return {flag.check: flag for flag in red_flags(replace(held, spec=spec))}


@pytest.mark.parametrize("scores", [lambda q: [float(round(s / 5)) for s in good(q)], lambda q: [1.0] * 9 + [0.0] * 11])
def test_scores_that_are_rounded_or_saturated_until_ties_decide_are_a_serious_flag(scores: Any) -> None:
    assert found(lists(scores))[Check.TIES].severity is Severity.SERIOUS


def test_ties_at_the_end_of_long_lists_are_a_warning() -> None:
    ids = [f"d{n}" for n in range(60)]
    records = [
        RankingRecord(
            ranker="s", collection="home", query_id=str(q), candidates=60, doc_ids=ids,
            scores=[60.5 - n if n < 30 else 0.0 for n in range(60)], measures={"nDCG@10": 1.0}, relevant=1,
            qrels={"d0": 1},
        )
        for q in range(5)
    ]  # fmt: skip
    assert found(records)[Check.TIES].severity is Severity.WARNING


@pytest.mark.parametrize("start", [0, 1])
def test_scores_that_are_positions_are_flagged(start: int) -> None:
    def positions(q: int) -> list[float]:
        return [float(start + n) for n in Random(q).sample(range(20), 20)]

    assert found(lists(positions))[Check.POSITIONS].severity is Severity.SERIOUS
    assert Check.POSITIONS not in found(lists(lambda q: [score * 2 for score in positions(q)]))


def check(**more: Any) -> list[CheckRecord]:
    seen: dict[str, Any] = {"spread": 1.0, "repeat": 0.0, "order": 0.0, "batch": 0.0, "query": 0.5}
    card = {name: more.pop(name) for name in ("pointwise", "deterministic") if name in more}
    return [CheckRecord(ranker="r", collection="home", query_id="1", differences=Differences(**seen | more), **card)]


def test_flags_have_a_noise_floor() -> None:
    assert found(check(repeat=4e-5, order=4e-5, batch=4e-5)) == {}
    flag = found(check(batch=0.0005))[Check.BATCH]
    assert (flag.severity, "0.05 %" in flag.detail or "0.05%" in flag.detail) == (Severity.WARNING, True)


def test_a_declared_list_wise_ranker_may_depend_on_its_list() -> None:
    corrected = found(check(batch=0.5))[Check.BATCH]  # declared pointwise: audited as what it is
    assert (corrected.severity, "audited as list-wise" in corrected.title) == (Severity.WARNING, True)
    assert Check.BATCH not in found(check(batch=0.5, pointwise=False))
    assert found(check(order=0.5, pointwise=False))[Check.ORDER].severity is Severity.WARNING
    assert found(check(repeat=0.5))[Check.REPEAT].severity is Severity.SERIOUS
    assert found(check(repeat=0.5, deterministic=False))[Check.REPEAT].severity is Severity.WARNING


def attack(**more: Any) -> AttackRecord:
    threat = ThreatModel(surface=Surface.DOCUMENT, access=Access.SCORES, edits=AttackSet(operation="insert"))
    body: dict[str, Any] = {
        "ranker": "r", "collection": "home", "query_id": "1", "attack": "a", "plugin": "a", "threat": threat,
        "budget": Budget(calls=10), "stratum": "11-20", "doc_id": "d", "rank_before": 15, "rank_after": 15,
        "score_before": 0.0, "score_after": 0.1, "harm_before": 0.5, "harm_after": 0.5, "judged_after": 1.0, "fell": (),
        "list_length": 20, "goal_rank": 1, "edits": 2, "similarity": 0.9, "calls": 3, "quality": {}, "trajectory": (),
        "query": "q", "query_after": None, "before": "old text", "after": "new text",
    }  # fmt: skip
    return AttackRecord(**body | more)


def test_a_success_that_fresh_calls_do_not_confirm_is_flagged() -> None:
    flag = found([attack(score_seen=9.0, rank_seen=1), attack(score_seen=0.1, rank_seen=15)])[Check.UNCONFIRMED]
    assert (flag.severity, flag.ranker, flag.attack) == (Severity.SERIOUS, "r", "a")
    assert "1 of 2 cases" in flag.detail
    assert found([attack(score_seen=0.1 + 1e-7, rank_seen=15)]) == {}


def test_rounding_of_an_edit_that_the_ranker_does_not_read_is_no_flag_and_more_is_one() -> None:
    unread = {"score_before": -8.217, "score_after": -8.217, "rank_seen": 15}
    assert found([attack(score_seen=-8.217 + 3e-6, **unread)]) == {}
    assert Check.UNCONFIRMED in found([attack(score_seen=-8.217 + 3e-3, **unread)])
    assert Check.UNCONFIRMED in found([attack(score_seen=-8.217 + 3e-6, **(unread | {"rank_seen": 1}))])


@pytest.mark.parametrize("counts", [{"calls": 0, "scored": 501}, {"calls": 100}, {"calls": -500}])
def test_records_whose_counts_do_not_add_up_are_flagged_and_undecided(counts: dict[str, int]) -> None:
    record = attack(status=Status.OK, **counts)
    flag = found([record])[Check.COUNTS]
    assert (flag.severity, flag.attack) == (Severity.SERIOUS, "a")
    assert record.miscounted in flag.detail


def test_an_attack_that_changed_nothing_and_asked_nothing_is_flagged() -> None:
    idle = {"after": "old text", "rank_after": 15, "edits": 0}
    flag = found([attack(**idle, calls=0), attack(**idle, calls=0)])[Check.UNCHANGED]
    assert (flag.severity, flag.ranker, flag.attack) == (Severity.SERIOUS, "r", "a")
    without_edits = found([attack(**idle, calls=3, budget=Budget(calls=10, edits=0))])[Check.UNCHANGED]
    assert "edits = 0" in without_edits.detail
    assert Check.UNCHANGED not in found([attack(**idle, calls=3)])  # it searched, and found nothing better
    assert Check.UNCHANGED not in found([attack(**idle, calls=0), attack(calls=0)])
    assert Check.UNCHANGED not in found([attack(**idle, calls=0, query_after="other words")])


def test_characters_that_a_ranker_does_not_read_are_no_sign_of_robustness() -> None:
    render = ThreatModel(surface=Surface.DOCUMENT, access=Access.SCORES, edits=AttackSet(operation="render"))
    same = {"same_score": True, "rank_before": 15, "rank_after": 15}

    def flagged(*records: AttackRecord) -> dict[Check, RedFlag]:
        return {flag.check: flag for flag in red_flags(evidence(records, attacks=adversarial.attacks(records)))}

    flag = flagged(attack(**same, threat=render), attack(**same, threat=render))[Check.NO_EFFECT]
    assert (flag.severity, flag.ranker, flag.attack, flag.binds) == (Severity.SERIOUS, "r", "a", True)
    assert "bit-identical in 2 of 2" in flag.detail
    moved = attack(**{**same, "same_score": False}, threat=render)
    assert Check.NO_EFFECT not in flagged(attack(**same, threat=render), moved)
    assert Check.NO_EFFECT not in flagged(attack(**same))  # words: a ranker may be robust to them


def test_an_attack_without_a_budget_of_characters_is_said_to_have_had_none() -> None:
    render = ThreatModel(surface=Surface.DOCUMENT, access=Access.SCORES, edits=AttackSet(operation="render"))
    idle = {"after": "old text", "rank_after": 15, "edits": 0, "threat": render}
    flag = found([attack(**idle, calls=3, budget=Budget(characters=0))])[Check.UNCHANGED]
    assert "characters = 0" in flag.detail
