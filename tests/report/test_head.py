"""The first screen: the audited ranker leads by bounds that are certain, and nothing is proposed beyond its figures."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from robustrank.core.flags import Check
from robustrank.core.types import Estimate
from robustrank.judging import gate
from robustrank.judging.advice import advise
from robustrank.judging.proposals import propose
from robustrank.protocols.defenses.results import ADAPTIVE, CLEAN, Defended, Defenses, Difference
from robustrank.protocols.long_documents import LongDocument, LongDocuments
from robustrank.protocols.summarise import headline
from robustrank.report import head, html, view
from robustrank.results.outcomes import Tally
from robustrank.results.red_flags import RedFlag, Severity
from robustrank.results.select import audited
from robustrank.results.summary import AgainstControl, Summary
from robustrank.results.verdicts import Outcome, Verdict
from robustrank.storage import typed

CROSS, BI, BM25 = "MiniLM-L12 cross-encoder", "MiniLM-L6 bi-encoder", "BM25"


@pytest.fixture
def whole(summaries: SimpleNamespace) -> Summary:
    summary: Summary = summaries.realistic()
    return replace(summary, red_flags=(), verdicts=())


def with_shift(summary: Summary, target: str, change: Estimate) -> Summary:
    """One more shift of the audited ranker."""
    mine = next(s for s in summary.shifts if s.ranker == CROSS)
    more = replace(mine, target=target, relative=change, relative_to_baseline=change)
    return replace(summary, shifts=[*summary.shifts, more])


def beyond_control(summary: Summary, difference: Estimate) -> Summary:
    control = AgainstControl(control="benign insertion", difference=difference, p=0.001, p_holm=0.004)
    attacks = [replace(r, against_controls=() if r.control else [control]) for r in summary.attacks]
    return replace(summary, attacks=attacks)


def test_the_audited_ranker_leads_and_the_baseline_does_not_unless_it_is_named(whole: Summary) -> None:
    assert audited(whole) == CROSS
    assert audited(replace(whole, audited=BI)) == BI
    assert audited(replace(whole, rankers=whole.rankers[:1])) == BM25
    effectiveness, _, attack, _ = view.build(replace(whole, audited=BI)).key_figures
    assert effectiveness.subject == BI
    assert attack.estimate == next(r for r in whole.attacks if r.ranker == BI).success["ASR@10"]
    assert headline(whole.attacks, BI).startswith(f"Against {BI}, ")


def test_the_extreme_of_a_noisy_slice_does_not_lead_and_a_smaller_certain_loss_does(whole: Summary) -> None:
    noisy = with_shift(whole, "noise", Estimate(-1.0, -1.0, 3.92, 5))
    loss = view.build(noisy).key_figures[1]
    assert (loss.estimate, loss.missing) == (None, "none is shown")
    certain = Estimate(-0.1, -0.15, -0.05, 400)
    loss = view.build(with_shift(noisy, "certain", certain)).key_figures[1]
    assert (loss.estimate, loss.subject) == (certain, "certain")


def test_proposed_gates_hold_at_their_limit_and_no_closer(whole: Summary) -> None:
    whole = with_shift(whole, "SelQA", Estimate(-0.2, -0.31, -0.1, 100))
    proposals = propose(whole)
    assert [p.gate.measure for p in proposals][:2] == ["nDCG@10", "ASR@10"]
    for proposal in proposals:
        limit = proposal.gate
        near = replace(limit, min=limit.min and limit.min + 0.01, max=limit.max and limit.max - 0.01)
        outcomes = [v.outcome for v in gate.judge([limit, near], whole)]
        assert outcomes == [Outcome.PASS, Outcome.INCONCLUSIVE], proposal.gate
        assert proposal.text.startswith("[[gate]]\nname = ")
    assert "Proposed gates" in html.render(whole)
    assert propose(replace(whole, finished=None)) == []


def test_no_gate_is_proposed_where_some_are_set(whole: Summary) -> None:
    verdict = Verdict(gate="g", outcome=Outcome.PASS, reason="", estimate=None, limit="", held=True)
    assert "Proposed gates" not in html.render(replace(whole, verdicts=[verdict]))
    assert view.build(replace(whole, verdicts=[verdict])).proposals == []


def test_advice_about_an_attack_needs_an_interval_beyond_every_control(whole: Summary) -> None:
    shown = beyond_control(whole, Estimate(0.6, 0.4, 0.8, 30))
    assert any("repeats the query" in a.do for a in advise(shown))
    assert not any(a.anchor == "attacks" for a in advise(beyond_control(whole, Estimate(0.6, -0.01, 0.8, 30))))
    bare = replace(whole, attacks=[replace(r, against_controls=()) for r in whole.attacks])
    assert not any(a.anchor == "attacks" for a in advise(bare))


def test_advice_about_a_shift_needs_a_loss_that_is_certain(whole: Summary) -> None:
    assert not any(a.anchor == "shift" for a in advise(with_shift(whole, "noise", Estimate(-1.0, -1.0, 0.01, 5))))
    assert any(a.anchor == "shift" for a in advise(with_shift(whole, "sure", Estimate(-0.2, -0.3, -0.1, 90))))


@pytest.mark.parametrize(
    ("adaptive", "clean", "flagged", "expected"),
    [
        (-0.4, 0.0, False, ["Consider deploying trim + it"]),
        (-0.4, -0.3, False, ["Weigh trim + it: it lowers the worst case, and clean effectiveness too"]),
        (0.0, -0.3, False, ["Do not deploy trim + it on these figures"]),
        (0.0, 0.0, False, []),
        (0.4, 0.0, False, []),
        (-0.4, 0.0, True, []),
    ],
)
def test_a_defense_is_advised_by_what_is_shown_of_it_and_not_where_its_figures_are_void(
    whole: Summary, adaptive: float, clean: float, flagged: bool, expected: list[str]
) -> None:
    def difference(value: float) -> Difference:
        estimate = Estimate(value, value - 0.1, value + 0.1, 40)
        return Difference(estimate=estimate, p=0.001 if value else 1.0, p_holm=0.002 if value else 1.0)

    row = Defended(
        ranker="trim + it", base=CROSS, defense="trim", collection=whole.home, sentence="It is so.",
        differences={ADAPTIVE: difference(adaptive), CLEAN: difference(clean)},
    )  # fmt: skip
    ranker = replace(whole.rankers[1], name="trim + it", base=CROSS)
    flag = RedFlag(check=Check.CONSTANT, severity=Severity.SERIOUS, title="t", detail="d", ranker="trim + it")
    audit = replace(
        whole, results={"defenses": typed.plain(Defenses(rows=[row]))}, rankers=[*whole.rankers, ranker],
        red_flags=[flag] if flagged else [],
    )  # fmt: skip
    assert [a.do for a in advise(audit) if a.anchor == "defenses"] == expected


def with_end(summary: Summary, same: int) -> Summary:
    """The query at the end of 20 documents of the audited ranker, of which so many keep their score."""
    [first, *_] = [a for a in summary.attacks if a.ranker == CROSS and not a.control]
    end = replace(first, attack="at the end", plugin="query_injection(place='end')", changed=20, same_score=same)
    return replace(summary, attacks=[end], results={}, red_flags=[])


LONGER = "Read longer inputs, or split documents into passages"


@pytest.mark.parametrize(
    ("same", "more", "given"),
    [
        (19, {}, True), (11, {}, False), (0, {}, False), (19, {"control": True}, False),
        (19, {"plugin": "random_edits"}, False), (19, {"ranker": "another"}, False),
    ],
)  # fmt: skip
def test_longer_inputs_are_advised_where_most_documents_are_cut_before_the_words_put_in(
    whole: Summary, same: int, more: dict[str, Any], given: bool
) -> None:
    found = [a for a in advise(replace_attack(with_end(whole, same), **more)) if a.do == LONGER]
    assert bool(found) is given
    if given:
        assert "19 of 20 documents keep their score bit for bit under “at the end”" in found[0].because
        assert "this audit does not measure" in found[0].because


def replace_attack(summary: Summary, **more: Any) -> Summary:
    return replace(summary, attacks=[replace(summary.attacks[0], **more)])


def test_what_a_longer_reading_brings_is_said_where_long_documents_were_measured(whole: Summary) -> None:
    def row(change: Estimate) -> LongDocument:
        return LongDocument(
            ranker=CROSS, words=400, where="start", filler="neutral", collection=whole.home, outcomes={},
            availability=None, blast=None, change=change, unread={"end": 18}, tally=Tally(planned=20),
        )  # fmt: skip

    def because(change: Estimate) -> str:
        results = {"long_documents": typed.plain(LongDocuments(rows=[row(change)]))}
        (found,) = [a for a in advise(replace(whole, attacks=[], results=results, red_flags=[])) if a.do == LONGER]
        assert found.anchor == "long_documents"
        return found.because

    assert because(Estimate(-5.2, -7.0, -3.0, 20)) == (
        "The end of a document padded by 400 words is not read in 18 of 20 lists. "
        "Pushed back by 400 words, a document changes its rank by -5.20 [-7.00, -3.00]."
    )
    assert "does not measure" in because(Estimate(-1.0, -3.0, 1.0, 20))


def test_failed_tasks_come_before_all_other_advice(whole: Summary) -> None:
    shown = beyond_control(whole, Estimate(0.6, 0.4, 0.8, 30))
    failed = Tally(planned=30, errors=2, error="connection refused")
    rankers = [replace(r, tasks={"attack": failed}) if r.name == CROSS else r for r in shown.rankers]
    first = advise(replace(shown, rankers=rankers))[0]
    assert first.do == "Make failed tasks run first"
    assert "connection refused" in first.because


def test_queries_are_advised_only_for_gates_that_are_undecided(whole: Summary) -> None:
    open_gate = Verdict(gate="g", outcome=Outcome.INCONCLUSIVE, reason="", estimate=None, limit="", queries_needed=1150)
    assert advise(replace(whole, verdicts=[open_gate]))[-1].do == "Audit about 1,150 queries"
    assert not any("queries" in a.do for a in advise(replace(whole, verdicts=[replace(open_gate, held=True)])))


def test_hostile_text_in_the_example_stays_text(whole: Summary) -> None:
    text = "<script>window.pwned=1</script>"
    [case, *_] = whole.worst_cases
    case = replace(case, ranker=CROSS, attack="query at the start", query=text, diff=[("insert", "", text)])
    page = html.render(replace(whole, worst_cases=[case], cases=replace(whole.cases, rows=())))
    example = page.partition('<div class="example">')[2].partition("Key figures")[0]
    assert example.count("&lt;script&gt;") == 2
    assert text not in page


def test_where_no_case_succeeded_there_is_no_example(whole: Summary) -> None:
    case = replace(whole.worst_cases[0], ranker=CROSS, attack="query at the start")
    row = replace(whole.cases.rows[0], key=case.key[:16], ranker=CROSS, attack="query at the start")

    def shown(success: bool) -> head.Example | None:
        cases = replace(whole.cases, rows=[replace(row, success=success)])
        return head.example(replace(whole, worst_cases=[case], cases=cases), CROSS)

    won = shown(True)
    assert won is not None
    assert won.case == case
    assert shown(False) is None


def test_the_worst_clean_queries_stand_with_what_was_ranked_first_and_their_cases(whole: Summary) -> None:
    row = whole.cases.rows[0]
    first = replace(whole.weakest[1], query_id=row.query_id)
    shown = replace(
        whole,
        weakest=[replace(whole.weakest[0], query_id="of no case"), first],
        audited=row.ranker,
        home=row.collection,
    )
    (failed, served) = view.build(shown).weakest
    assert (failed.cases, failed.case) == (0, "")
    same = [
        r.key
        for r in whole.cases.rows
        if (r.ranker, r.collection, r.query_id) == (row.ranker, row.collection, row.query_id)
    ]
    assert (served.cases, served.case) == (len(same), same[0])
    table = html.render(shown).partition('id="weakest"')[2].partition("</table>")[0]
    assert "could not be ranked: <bdi>HTTP 429</bdi>" in table
    assert [table.find(each.head) > 0 for each in first.first] == [True] * 3
    assert table.find(first.first[0].head) < table.find(first.first[2].head)
    assert "none of 20" in table
    assert f'href="#case-{same[0]}"' in table
