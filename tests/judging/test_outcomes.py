"""Outcomes: errors and invalid cases decide no gate, and no problem of one gate loses another's verdict."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from robustrank.config import audit_file
from robustrank.config.specs import Bound, GateSpec
from robustrank.core.errors import ConfigError
from robustrank.core.flags import Check
from robustrank.core.types import Estimate
from robustrank.judging import compare, figures, formats, gate
from robustrank.results.outcomes import Ends, Tally
from robustrank.results.red_flags import RedFlag, Severity, accept
from robustrank.results.summary import AttackResult, Summary
from robustrank.results.verdicts import Verdict, sentence
from robustrank.stats import intervals

NET: dict[str, Any] = {"ranker": "net", "attack": "stuffing"}
ERROR = "HTTPError: 429"


def attacked(summary: Summary, successes: int, failures: int, *, errors: int = 0, invalid: int = 0) -> Summary:
    """The summary with one attack on ``net``, a case a query."""
    like = next(a for a in summary.attacks if (a.ranker, a.attack) == ("net", "stuffing"))
    decided = [True] * successes + [False] * failures
    open_ = errors + invalid
    result: AttackResult = replace(
        like,
        success={"ASR@10": intervals.share(decided)} if decided else {},
        per_query={"ASR@10": {f"q{n}": float(flag) for n, flag in enumerate(decided)}},
        tally=Tally(
            planned=len(decided) + open_, errors=errors, invalid=invalid,
            error=ERROR if errors else "", breach="nine edits" if invalid else "",
        ),
        ends={"ASR@10": Ends(*(intervals.share([*decided, *[end] * open_]) for end in (False, True)))} if open_ else {},
        open={"ASR@10": {f"x{n}": (0.0, 1.0) for n in range(open_)}},
    )  # fmt: skip
    return replace(summary, attacks=[result], red_flags=[])


def judged(summary: Summary, **limits: Any) -> Verdict:
    [verdict] = gate.judge([GateSpec(name="g", measure="ASR@10", where=NET, **limits)], summary)
    return verdict


def test_a_gate_that_errors_could_decide_is_invalid_and_never_held(summary: Summary) -> None:
    for successes, failures, errors in ((0, 10, 5), (0, 0, 15), (1, 20, 2)):
        lost = attacked(summary, successes, failures, errors=errors)
        verdict = judged(lost, max=0.3, allow_inconclusive=True)
        assert (verdict.outcome, verdict.held) == ("invalid", False), (successes, failures, errors)
        assert f"{errors} of {successes + failures + errors} cases ended in an error, first: {ERROR}" in verdict.reason


def test_a_gate_that_holds_whatever_the_errors_would_have_been_holds(summary: Summary) -> None:
    verdict = judged(attacked(summary, 0, 200, errors=2), max=0.1)
    assert (verdict.outcome, verdict.held) == ("pass", True)
    assert "2 of 202 cases ended in an error" in verdict.reason
    assert judged(attacked(summary, 50, 0, errors=2), max=0.1).outcome == "fail"


def test_invalid_cases_count_at_the_unfavourable_end_like_errors(summary: Summary) -> None:
    verdict = judged(attacked(summary, 0, 12, invalid=3), max=0.3)
    assert verdict.outcome == "invalid"
    assert "3 of 15 cases are invalid, first: nine edits" in verdict.reason


def test_the_unfavourable_end_is_the_low_one_where_a_figure_has_a_least_value(summary: Summary) -> None:
    home = next(e for e in summary.effectiveness if (e.ranker, e.collection, e.slice) == ("net", "home", None))
    low, high = Estimate(0.1, 0.05, 0.2, 20), Estimate(0.9, 0.8, 0.95, 20)
    row = replace(
        home, tally=Tally(planned=20, errors=12, error="ValueError: nan"), ends={"mean": Ends(low, high)},
        mean=Estimate(0.8, 0.7, 0.9, 20),
    )  # fmt: skip
    where = {"ranker": "net"}
    [verdict] = gate.judge(
        [GateSpec(name="g", measure="nDCG@10", where=where, min=0.3)],
        replace(summary, effectiveness=[row], red_flags=[]),
    )
    assert verdict.outcome == "invalid"
    assert "12 of 20 lists ended in an error, first: ValueError: nan" in verdict.reason


def test_errors_decide_a_gate_on_the_value_too(summary: Summary) -> None:
    assert judged(attacked(summary, 0, 9, errors=1), max=0.05, bound=Bound.VALUE).outcome == "invalid"


def test_where_errors_outnumber_what_was_measured_a_gate_is_never_inconclusive(summary: Summary) -> None:
    assert judged(attacked(summary, 1, 0, errors=2), max=0.5).outcome == "invalid"


def test_the_problem_of_one_gate_loses_no_other_verdict(summary: Summary) -> None:
    gates = [
        GateSpec(name="nothing", measure="ASR@10", where={"ranker": "gone"}, max=0.1),
        GateSpec(name="fails", measure="nDCG@10", where={"ranker": "net", "collection": "home"}, min=0.99),
    ]
    verdicts = gate.judge(gates, replace(summary, red_flags=[]))
    assert [v.outcome for v in verdicts] == ["invalid", "fail"]


def test_a_figure_that_is_not_defined_is_inconclusive_with_its_reason(summary: Summary) -> None:
    shifts = [replace(s, relative=None) for s in summary.shifts]
    [verdict] = gate.judge(
        [GateSpec(name="g", measure="drop", where={"ranker": "net", "collection": "away"}, max=0.1)],
        replace(summary, shifts=shifts, red_flags=[]),
    )
    assert verdict.outcome == "inconclusive"
    assert "the mean at home is 0" in verdict.reason


def test_an_audit_in_which_every_list_failed_could_not_run(summary: Summary) -> None:
    lost = Tally(planned=8, errors=8, error="ValueError: no pad token")
    dead = replace(summary, rankers=[replace(r, tasks={"ranking": lost}) for r in summary.rankers], attacks=[])
    verdict = judged(dead, max=0.1)
    assert verdict.outcome == "invalid"
    rankers = len(dead.rankers)
    lists = f"{8 * rankers} of {8 * rankers}" if "net" not in {r.name for r in dead.rankers} else "8 of 8"
    assert verdict.reason.startswith(f"could not run: no ASR@10, because {lists} lists ended in an error, first: Value")
    assert gate.exit_code(replace(dead, verdicts=[verdict])) == 3
    assert gate.exit_code(replace(summary, verdicts=[verdict])) == 1


FLAG = RedFlag(check=Check.BATCH, severity=Severity.SERIOUS, title="net: batches matter", detail="13 %", ranker="net")


@pytest.mark.parametrize(
    ("change", "outcome"),
    [
        ({}, "invalid"),
        ({"severity": Severity.WARNING}, "pass"),
        ({"accepted": "a known limit"}, "pass"),
        ({"ranker": "bm25"}, "pass"),
        ({"attack": "stuffing"}, "invalid"),
        ({"attack": "another"}, "pass"),
        ({"ranker": "", "collection": "home"}, "invalid"),
        ({"ranker": "", "collection": "away"}, "pass"),
        ({"check": Check.ERRORS}, "pass"),
    ],
)
def test_a_serious_flag_on_what_a_gate_names_makes_it_invalid(
    summary: Summary, change: dict[str, Any], outcome: str
) -> None:
    whole = attacked(summary, 0, 200)
    whole = replace(whole, attacks=[replace(whole.attacks[0], collection="home")], red_flags=[replace(FLAG, **change)])
    verdict = judged(whole, max=0.1)
    assert verdict.outcome == outcome
    assert (FLAG.title in verdict.reason) == (outcome == "invalid")


def test_a_verdict_names_the_first_of_several_flags_and_counts_the_others(summary: Summary) -> None:
    whole = attacked(summary, 0, 200)
    for count, words in ((1, f"{str(FLAG.check)!r}: "), (2, f"{str(FLAG.check)!r}, and 1 more: "), (3, "and 2 more: ")):
        reason = judged(replace(whole, red_flags=[FLAG] * count), max=0.1).reason
        assert words in reason
        assert ("more" in reason) is (count > 1)
        assert "so there is no verdict, and without it: pass, " in reason


def test_of_several_attacks_the_worst_is_judged_and_one_without_a_value_counts_as_no_success(summary: Summary) -> None:
    [mild] = attacked(summary, 1, 19).attacks
    harsh = replace(mild, attack="harsh", success={"ASR@10": intervals.share([True] * 9 + [False] * 11)})
    wanted = GateSpec(name="g", measure="ASR@10", where={"ranker": "net"}, max=0.01, allow_inconclusive=True)
    [verdict] = gate.judge([wanted], replace(summary, attacks=[mild, harsh], red_flags=[]))
    assert "attack 'harsh'" in verdict.reason
    assert "the worst of 2 attacks" in verdict.reason
    assert verdict.outcome == "fail"
    assert gate.judge([wanted], replace(summary, attacks=[harsh, mild], red_flags=[])) == [verdict]


def test_with_few_errors_an_undecided_gate_stays_inconclusive_and_says_both_ends(summary: Summary) -> None:
    verdict = judged(attacked(summary, 3, 27, errors=1), max=0.2)
    assert verdict.outcome == "inconclusive"
    assert "1 of 31 cases ended in an error" in verdict.reason
    ends = [intervals.share([*[True] * 3, *[False] * 27, end]) for end in (False, True)]
    shown = " or ".join(f"{end.value:.3f} [{end.low:.3f}, {end.high:.3f}]" for end in ends)
    assert f"the outcome is the same with all of them at either end ({shown})" in verdict.reason
    assert verdict.queries_needed


def test_a_flag_on_the_ranker_behind_a_defended_one_binds_too(summary: Summary) -> None:
    defended = next(r for r in summary.rankers if r.base)
    whole = replace(summary, red_flags=[replace(FLAG, ranker=str(defended.base))])
    radius = summary.certificates[0].radius
    wanted = GateSpec(
        name="g", measure=f"CRQ@{summary.certificates[0].k}", min=0.0,
        where={"ranker": defended.name, "radius": radius},
    )  # fmt: skip
    [verdict] = gate.judge([wanted], whole)
    assert verdict.outcome == "invalid"


def test_an_invalid_gate_shows_in_every_format(summary: Summary) -> None:
    lost = attacked(summary, 0, 0, errors=15)
    verdict = judged(lost, max=0.1)
    report = formats.GateReport(summary=lost, verdicts=[verdict], path=Path("x.audit.toml"))
    suite = ElementTree.fromstring(formats.as_junit(report))
    assert (suite.get("errors"), suite.get("failures")) == ("1", "0")
    error = suite.find(".//testcase/error")
    assert error is not None
    assert ERROR in str(error.text)
    assert '"outcome": "invalid"' in formats.as_json(report)
    sarif = formats.as_sarif(report)
    assert '"level": "error"' in sarif
    assert "15 of 15" in sarif
    github = formats.as_github(report)
    assert github.startswith("::error ")
    assert "15 of 15" in github
    assert "⛔ invalid" in formats.as_markdown(report)
    assert sentence([verdict]) == "1 of 1 gate does not hold: 1 invalid"


def test_a_comparison_whose_errors_may_hide_a_loss_is_invalid(summary: Summary) -> None:
    queries = [f"q{n}" for n in range(40)]
    keys = [replace(c, query_keys=dict.fromkeys(queries, "same")) for c in summary.collections]
    before = attacked(replace(summary, collections=keys), 0, 40)
    before = replace(before, attacks=[replace(before.attacks[0], collection="home")])
    [old] = before.attacks

    def later(values: int) -> Summary:
        """The rest of the forty ended in an error."""
        some = dict.fromkeys(queries[:values], 0.0)
        lost = dict.fromkeys(queries[values:], (0.0, 1.0))
        counts = Tally(planned=40, errors=len(lost), error=ERROR)
        both = Ends(Estimate(0, 0, 0.1, 40), Estimate(len(lost) / 40, 0, 1, 40))
        success = {} if not some else old.success
        new = replace(old, success=success, per_query={"ASR@10": some}, tally=counts, ends={"ASR@10": both})
        return replace(before, attacks=[replace(new, open={"ASR@10": lost})])

    for measured in (0, 20):
        [change] = [c for c in compare.changes(before, later(measured)) if c.measure == "ASR@10"]
        assert change.worse or f"{40 - measured} of 40 cases ended in an error, first: {ERROR}" in change.invalid
    [change] = [c for c in compare.changes(before, later(39)) if c.measure == "ASR@10"]
    assert (change.invalid, change.worse) == ("", False)
    assert any(ERROR in note for note in compare.caveats(before, later(20)))


def test_a_ratchet_is_never_written_from_a_figure_with_undecided_cases_or_a_serious_flag(summary: Summary) -> None:
    [clean] = [f for f in figures.measured(attacked(summary, 0, 9)) if f.measure == "ASR@10"]
    [lost] = [f for f in figures.measured(attacked(summary, 0, 9, errors=1)) if f.measure == "ASR@10"]
    assert gate.unfit(clean, replace(summary, red_flags=[])) == ""
    assert "1 of 10 cases ended in an error" in gate.unfit(lost, replace(summary, red_flags=[]))
    assert "red flag 'batch'" in gate.unfit(clean, replace(summary, red_flags=[FLAG]))


ACCEPT = """
name = "x"
[[collection]]
use = "scifact"
name = "home"
[[ranker]]
use = "bm25"
name = "net"
[[accept]]
flag = "batch"
ranker = "net"
reason = "normalised over the list"
"""


def test_an_audit_file_accepts_a_flag_by_name_with_a_reason() -> None:
    spec = audit_file.parse(ACCEPT)
    [mine, other] = accept([FLAG, replace(FLAG, check=Check.TIES)], spec.accepted)
    assert (mine.accepted, mine.binds) == ("normalised over the list", False)
    assert (other.accepted, other.binds) == ("", True)
    assert spec.to_json() == audit_file.parse(ACCEPT[: ACCEPT.index("[[accept]]")]).to_json()  # the same audit folder
    for change, message in (
        (('"batch"', '"batsh"'), "did you mean 'batch'"),
        (('ranker = "net"\nreason', 'ranker = "nett"\nreason'), "did you mean 'net'"),
        (('"normalised over the list"', '" "'), "needs a `reason`"),
    ):
        with pytest.raises(ConfigError, match=message):
            audit_file.parse(ACCEPT.replace(*change))
