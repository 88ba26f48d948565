"""What changed since an earlier audit: what is beyond noise, every gate that turned, and what could not be seen."""

from __future__ import annotations

from dataclasses import replace

import pytest

from robustrank.config.specs import GateSpec
from robustrank.core.types import Status
from robustrank.judging import compare
from robustrank.judging.gate import judge
from robustrank.judging.since import Line, since
from robustrank.results.attack_cases import AttackedCase, Cases
from robustrank.results.outcomes import Ending, Tally
from robustrank.results.summary import Summary

RANKS = GateSpec(name="it ranks", measure="nDCG@10", where={"ranker": "net"}, min=0.5)
RESISTS = GateSpec(name="it resists", measure="ASR@10", where={"ranker": "net"}, max=0.8)


def lines(old: Summary, new: Summary) -> list[Line]:
    return list(since(old, new).lines)


def moved(summary: Summary, ranker: str, by: float) -> Summary:
    """Every other query of a ranker moved by twice ``by``."""
    return replace(
        summary,
        effectiveness=[
            replace(e, per_query={q: v + 2 * by * (n % 2) for n, (q, v) in enumerate(e.per_query.items())})
            if e.ranker == ranker
            else e
            for e in summary.effectiveness
        ],
        rankers=[replace(r, fingerprint="new") if r.name == ranker else r for r in summary.rankers],
    )


def test_of_the_same_audit_nothing_changed_and_what_would_have_been_seen_is_named(keyed: Summary) -> None:
    (line,) = lines(keyed, keyed)
    seen = next(c.seen for c in compare.changes(keyed, keyed, "net") if c.labels["collection"] == "home")
    assert line.text.startswith("The ranker is the same, and no figure of ")
    assert f"nDCG@10 (home) by about {seen:.2f}" in line.text
    assert not line.worse


def test_a_loss_beyond_noise_is_named_with_its_interval_and_noise_is_not(keyed: Summary) -> None:
    (loss,) = lines(keyed, moved(keyed, "net", -0.3))
    assert loss.worse
    assert "2 of 2 figures are worse beyond noise: nDCG@10 (" in loss.text
    assert "-0.30 [-" in loss.text
    (noise,) = lines(keyed, moved(keyed, "net", -0.02))
    assert not noise.worse
    assert noise.text.startswith("No figure of 2 changed beyond noise")


def test_other_rankers_are_not_looked_at(keyed: Summary) -> None:
    (line,) = lines(keyed, moved(keyed, "bm25", -0.4))
    assert not line.worse


def test_a_ranker_with_another_name_is_compared_with_the_one_audited_then(keyed: Summary) -> None:
    lost = moved(keyed, "net", -0.3)
    named = replace(
        lost,
        rankers=[replace(r, name="net 2") if r.name == "net" else r for r in lost.rankers],
        effectiveness=[replace(e, ranker="net 2") if e.ranker == "net" else e for e in lost.effectiveness],
    )
    assert [line.worse for line in lines(keyed, named)] == [True]


def test_gates_that_turned_and_gates_that_are_gone_are_named(keyed: Summary) -> None:
    def gated(*gates: GateSpec) -> Summary:
        return replace(keyed, verdicts=judge(gates, keyed))

    old, new = gated(RANKS, RESISTS), gated(replace(RANKS, min=0.9))
    texts = {line.text: line.worse for line in lines(old, new)}
    assert texts["Gates that came out worse: “it ranks” (passed then, failed now)."]
    assert texts["Gates that are no longer set: “it resists”."]
    assert not {line.text: line.worse for line in lines(new, old)}[
        "Gates that came out better: “it ranks” (failed then, passed now)."
    ]


def test_a_gate_that_did_not_hold_and_now_fails_came_out_worse(keyed: Summary) -> None:
    old, new = (replace(keyed, verdicts=judge([replace(RANKS, min=limit)], keyed)) for limit in (0.75, 0.9))
    assert lines(old, new)[0].text == "Gates that came out worse: “it ranks” (inconclusive then, failed now)."


def test_cases_that_succeed_and_did_not_lead_to_the_largest_move(keyed: Summary) -> None:
    def case(n: int, *, success: bool, attack: str = "stuffing") -> AttackedCase:
        return AttackedCase(
            key=f"key-{n}", ranker="net", attack=attack, collection="home", stratum="all", status=Status.OK,
            ending=Ending.SUCCEEDED if success else Ending.FAILED,
            error="", query_id=f"q{n}", query=0, doc_id="d", document=0, changes=[],
            query_changed=False, rank_before=15, rank_after=9 - n, list_length=20, score_before=0.0, score_after=1.0,
            harm=0.0, edits=1, similarity=None, calls=1, reached=[], success=success, fell=[], proofs=[],
        )  # fmt: skip

    def with_cases(*rows: AttackedCase) -> Summary:
        return replace(keyed, cases=Cases(texts=["text"], rows=rows))

    old = with_cases(case(0, success=False), case(1, success=False), case(2, success=True), case(3, success=False))
    new = with_cases(
        case(0, success=True), case(1, success=True), case(2, success=False), case(5, success=True),
        case(3, success=True, attack="control"),
    )  # fmt: skip
    (line, _) = lines(old, new)
    assert line == Line(
        text="Of 3 attacked cases of both audits, 2 succeed that did not, and 1 no longer does.",
        worse=True, anchor="case-key-1",
    )  # fmt: skip


def test_tasks_that_fail_and_did_not_are_said(keyed: Summary) -> None:
    counts = {"ranking": Tally(planned=20, errors=3, error="HTTP 429")}
    failing = replace(keyed, rankers=[replace(r, tasks=counts if r.name == "net" else {}) for r in keyed.rankers])
    (line, _) = lines(keyed, failing)
    assert line.worse
    assert line.text.startswith("3 of 20 tasks ended in an error")


@pytest.mark.parametrize("gone", ["rankers", "queries"])
def test_audits_that_share_nothing_are_not_called_equal(keyed: Summary, gone: str) -> None:
    keys = {f"q{n}": "another" for n in range(20)}
    other = replace(keyed, collections=[replace(c, query_keys=keys) for c in keyed.collections])
    (line,) = lines(replace(keyed, rankers=[]) if gone == "rankers" else keyed, other)
    assert line.text == "No figure is compared: the two audits share no queries of the audited ranker."
