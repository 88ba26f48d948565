"""Gates: which figure they pick, and how they judge its interval."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from robustrank.config import audit_file
from robustrank.config.specs import GateSpec
from robustrank.core.errors import ConfigError
from robustrank.core.types import Estimate
from robustrank.judging import checks, gate
from robustrank.results.summary import Summary
from robustrank.results.verdicts import Verdict
from robustrank.stats import planning


def judge(summary: Summary, measure: str, where: dict[str, Any] | None = None, **limits: Any) -> Verdict:
    [verdict] = gate.judge([GateSpec(name="g", measure=measure, where=where or {}, **limits)], summary)
    return verdict


@pytest.mark.parametrize(
    ("measure", "where", "value"),
    [
        ("nDCG@10", {"ranker": "net"}, 0.7),
        ("nDCG@10", {"ranker": "net", "collection": "away"}, 0.4),
        ("nDCG@10", {"ranker": "net", "slice": "how"}, 0.6),
        ("lowest decile", {"ranker": "net"}, 0.35),
        ("drop", {"ranker": "net", "collection": "away"}, 0.4),
        ("drop", {"ranker": "net", "slice": "how"}, 0.1),
        ("drop vs baseline", {"ranker": "net", "collection": "away"}, 0.35),
        ("ASR@10", {"ranker": "net", "attack": "synonyms"}, 0.2),
        ("ASR@10", {"ranker": "net", "attack": "control"}, 0.9),
        ("promoted", {"ranker": "net", "attack": "stuffing", "stratum": "11-20"}, 0.8),
        ("boost", {"ranker": "bm25", "attack": "stuffing"}, 3.0),
        ("harm", {"ranker": "bm25", "attack": "stuffing"}, 0.02),
        ("CRQ@5", {"radius": 2}, 0.5),
    ],
)
def test_a_gate_picks_exactly_one_figure(summary: Summary, measure: str, where: dict[str, Any], value: float) -> None:
    estimate = judge(summary, measure, where, max=1.0).estimate
    assert estimate is not None
    assert estimate.value == pytest.approx(value)
    assert estimate.low < estimate.value < estimate.high


@pytest.mark.parametrize(
    ("limits", "outcome"),
    [
        ({"max": 0.8}, "pass"),
        ({"max": 0.75}, "inconclusive"),
        ({"max": 0.65}, "inconclusive"),
        ({"max": 0.59}, "fail"),
        ({"min": 0.6}, "pass"),
        ({"min": 0.65}, "inconclusive"),
        ({"min": 0.75}, "inconclusive"),
        ({"min": 0.81}, "fail"),
        ({"max": 0.75, "bound": "value"}, "pass"),
        ({"max": 0.65, "bound": "value"}, "fail"),
    ],
)
def test_the_bound_of_the_interval_is_what_is_judged(summary: Summary, limits: dict[str, Any], outcome: str) -> None:
    exact = replace(summary.effectiveness[1], mean=summary.effectiveness[1].mean._replace(low=0.6, high=0.8))
    found = judge(replace(summary, effectiveness=[exact]), "nDCG@10", {"ranker": "net"}, **limits)
    assert found.outcome == outcome
    assert found.held == (outcome == "pass")


def test_the_reason_is_one_sentence_with_figure_interval_and_n(summary: Summary) -> None:
    verdict = judge(summary, "ASR@10", {"ranker": "net", "attack": "synonyms"}, max=0.5)
    assert verdict.reason == (
        "ASR@10 (ranker 'net', attack 'synonyms', stratum 'all') is 0.200 [0.100, 0.300] with n=20; wanted at most 0.5"
    )
    assert verdict.limit == "at most 0.5"


def test_an_inconclusive_gate_says_how_many_queries_would_decide_it(summary: Summary) -> None:
    for limits in ({"max": 0.75}, {"min": 0.65}):
        verdict = judge(summary, "nDCG@10", {"ranker": "net"}, **limits)
        needed = planning.needed(
            Estimate(0.7, 0.6, 0.8, 20), next(iter(limits.values())), "high" if "max" in limits else "low", (0, 1)
        )
        assert verdict.queries_needed == needed
        assert f"; about {needed} queries would decide it, and home has only 30" in verdict.reason
    enough = replace(summary, collections=[replace(c, queries_available=500) for c in summary.collections])
    assert judge(enough, "nDCG@10", {"ranker": "net"}, min=0.65).reason.endswith(
        f"about {needed} queries would decide it"
    )


def test_an_inconclusive_gate_is_held_only_where_that_is_written(summary: Summary) -> None:
    assert not judge(summary, "nDCG@10", {"ranker": "net"}, max=0.75).held
    assert judge(summary, "nDCG@10", {"ranker": "net"}, max=0.75, allow_inconclusive=True).held
    assert not judge(summary, "nDCG@10", {"ranker": "net"}, max=0.5, allow_inconclusive=True).held


def test_without_an_attack_the_worst_that_is_no_control_counts(summary: Summary) -> None:
    verdict = judge(summary, "ASR@10", {"ranker": "net"}, max=0.4)
    assert verdict.outcome == "fail"
    assert "attack 'stuffing'" in verdict.reason
    assert "the worst of 2 attacks" in verdict.reason


def invalid(verdict: Verdict) -> str:
    assert (verdict.outcome, verdict.held) == ("invalid", False)
    return verdict.reason


def test_a_gate_that_several_figures_match_is_invalid_and_lists_them(summary: Summary) -> None:
    reason = invalid(judge(summary, "nDCG@10", max=1.0))
    assert re.search(r"say which: .*ranker 'bm25'.*ranker 'net'", reason)
    reason = invalid(judge(summary, "CRQ@5", max=1.0))
    assert re.search(r"2 figures match CRQ@5.*radius '1'.*radius '2'", reason)


def test_a_gate_that_no_figure_matches_is_invalid_and_names_the_near_ones(summary: Summary) -> None:
    assert "did you mean 'ASR@10'" in invalid(judge(summary, "ASR10", {"ranker": "net"}, max=1.0))
    near = "near: nDCG@10 (ranker 'net', collection 'home', slice 'how')"
    assert near in invalid(judge(summary, "nDCG@10", {"ranker": "net", "slice": "hwo"}, max=1.0))


def test_what_an_unfinished_audit_has_not_reached_is_inconclusive(summary: Summary) -> None:
    verdict = judge(replace(summary, finished=None, attacks=[]), "ASR@10", {"ranker": "net"}, max=0.5)
    assert (verdict.outcome, verdict.held, verdict.estimate) == ("inconclusive", False, None)


def test_the_exit_code_is_one_unless_all_are_held(summary: Summary) -> None:
    good = judge(summary, "nDCG@10", {"ranker": "net"}, min=0.5)
    bad = judge(summary, "nDCG@10", {"ranker": "net"}, min=0.9)
    assert [gate.exit_code(replace(summary, verdicts=each)) for each in ([], [good], [good, bad])] == [0, 0, 1]


AUDIT = """
name = "x"
[[collection]]
use = "scifact"
[[ranker]]
use = "bm25"
[[attack]]
use = "query_injection"
[[gate]]
name = "g"
max = 0.1
"""


@pytest.mark.parametrize(
    ("figure", "message"),
    [
        ('measure = "ASR@11"', r"measure 'ASR@11' is not defined; did you mean 'ASR@1"),
        ('measure = "CRQ@5"', r"measure 'CRQ@5' is not defined"),
        ('measure = "ASR@10"\nwhere = { rankr = "bm25" }', r"key 'rankr' is not defined; did you mean 'ranker'"),
        ('measure = "ASR@10"\nwhere = { ranker = "bm52" }', r"ranker 'bm52' is not defined; did you mean 'bm25'"),
        ('measure = "ASR@10"\nwhere = { radius = 1 }', r"key 'radius' is not defined"),
        ('measure = "drop vs baseline"', r"sets no `baseline`"),
    ],
)
def test_a_gate_that_can_match_nothing_is_found_before_the_audit_runs(figure: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        checks.check(audit_file.parse(AUDIT + figure))


def test_a_gate_that_can_match_is_let_through() -> None:
    checks.check(
        audit_file.parse(AUDIT + 'measure = "ASR@10"\nwhere = { ranker = "bm25", attack = "query_injection" }')
    )
