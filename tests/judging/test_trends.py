"""Gates over several audits: which are the same, in which order, and where their figures were measured alike."""

from __future__ import annotations

from dataclasses import replace

import pytest

from robustrank.config.specs import GateSpec
from robustrank.judging.gate import judge
from robustrank.judging.trends import in_time, trends
from robustrank.results.summary import Summary

ASR = GateSpec(name="resists", measure="ASR@10", where={"ranker": "net"}, max=0.4)
NDCG = GateSpec(name="ranks", measure="nDCG@10", where={"ranker": "net"}, min=0.5)


def gated(summary: Summary, month: int, *gates: GateSpec, name: str = "weekly") -> Summary:
    judged = replace(summary, name=name, finished=f"2026-{month:02}-01T00:00:00+00:00")
    return replace(judged, verdicts=judge(gates, judged))


def test_points_are_in_the_order_of_time_and_hold_each_verdict(keyed: Summary) -> None:
    audits = in_time([gated(keyed, 3, ASR), gated(keyed, 1, replace(ASR, max=0.9)), gated(keyed, 2, NDCG)])
    (trend,) = trends(audits)
    assert [point.when[:7] for point in trend.points] == ["2026-01", "2026-03"]
    assert [str(point.verdict.outcome) for point in trend.points] == ["pass", "fail"]
    assert [point.verdict.at for point in trend.points] == [0.9, 0.4]


def test_an_audit_that_is_not_finished_stands_where_it_began(keyed: Summary) -> None:
    begun = replace(gated(keyed, 9, ASR), finished=None, started="2026-02-01T00:00:00+00:00")
    audits = in_time([gated(keyed, 3, ASR), begun, gated(keyed, 1, ASR)])
    assert [point.finished for point in trends(audits)[0].points] == [True, False, True]


@pytest.mark.parametrize(
    "other",
    [
        replace(ASR, measure="promoted"),
        replace(ASR, where={"ranker": "bm25"}),
        replace(ASR, where={"ranker": "net", "attack": "stuffing"}),
    ],
)
def test_gates_on_different_figures_are_no_trend(keyed: Summary, other: GateSpec) -> None:
    assert trends([gated(keyed, 1, ASR), gated(keyed, 2, other)]) == []


def test_a_loss_against_the_ratchet_and_a_value_are_no_trend(keyed: Summary) -> None:
    loss = GateSpec(name="no loss", measure="nDCG@10", where={"ranker": "net"}, worse_by=0.05)
    assert trends([gated(keyed, 1, NDCG), gated(keyed, 2, loss)]) == []


def test_another_home_collection_is_another_gate(keyed: Summary) -> None:
    moved = replace(gated(keyed, 2, ASR), home="away")
    assert trends([gated(keyed, 1, ASR), moved]) == []


def test_figures_of_other_queries_or_attacks_are_not_alike(keyed: Summary) -> None:
    keys = {f"q{n}": "another" for n in range(20)}
    queries = replace(keyed, collections=[replace(c, query_keys=keys) for c in keyed.collections])
    attacks = replace(keyed, attacks=[replace(a, budget={"edits": 6}) for a in keyed.attacks])
    audits = [gated(each, n, ASR) for n, each in enumerate((keyed, keyed, queries, queries, attacks), 1)]
    assert [point.alike for point in trends(audits)[0].points] == [False, True, False, True, False]


def test_a_gate_that_the_same_audit_drops_later_is_named(keyed: Summary) -> None:
    audits = [
        gated(keyed, 1, ASR), gated(keyed, 2, ASR), gated(keyed, 3, NDCG), gated(keyed, 4, NDCG, name="other")
    ]  # fmt: skip
    assert trends(audits)[0].absent == ["weekly (2026-03-01)"]
