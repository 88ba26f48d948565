"""Rankers and attacks that fail, lie or cheat, audited end to end: no gate of theirs holds."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from robustrank.auditing import run as auditing
from robustrank.config import audit_file
from robustrank.core.flags import Check
from robustrank.core.types import Access, AttackSet, Case, Perturbation, Surface, ThreatModel
from robustrank.judging.gate import exit_code
from robustrank.results.summary import Summary
from robustrank.results.verdicts import Verdict
from robustrank.storage import journal
from robustrank.work import records
from robustrank.work.record_format import FORMAT
from robustrank_attacks.insertion.query_injection import QueryInjection

AUDIT = """
name = "hostile"
measures = ["nDCG@10"]
[[collection]]
name = "SciFact"
use = "scifact"
queries = 10
depth = 15
[[ranker]]
name = "mine"
use = "callable"
function = "hostile_ranker:score"
[cases]
queries = 8
strata = ["11-15"]
[[attack]]
name = "injection"
use = "query_injection"
[[gate]]
name = "injected queries do not reach the top"
measure = "ASR@10"
where = { ranker = "mine" }
max = 0.2
allow_inconclusive = true
[[gate]]
name = "ranks"
measure = "nDCG@10"
where = { ranker = "mine" }
min = 0.05
"""

OVERLAP = """
def overlap(query, doc):
    return len(set(query.lower().split()) & set(doc.lower().split())) + hash_(doc) / 1e4


def holds(doc, query):
    first, second = ("".join(filter(str.isalpha, text.lower())) for text in (doc, query))
    return second[:12] in first


def hash_(doc):
    return sum(map(ord, doc)) % 997
"""


@pytest.fixture
def audited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A function from the source of a ranker to the audit of it."""
    monkeypatch.syspath_prepend(tmp_path)

    def run(source: str, text: str = AUDIT) -> Summary:
        name = f"hostile_{abs(hash(source))}"
        (tmp_path / f"{name}.py").write_text(OVERLAP + source, encoding="utf-8")
        return auditing.run(audit_file.parse(text.replace("hostile_ranker", name)), tmp_path / name)

    return run


def first(summary: Summary) -> Verdict:
    return summary.verdicts[0]


def flags(summary: Summary) -> set[Check]:
    return {flag.check for flag in summary.red_flags if flag.binds}


HONEST = "def score(query, docs):\n    return [overlap(query, doc) for doc in docs]\n"


def test_an_honest_ranker_is_judged(audited: Any) -> None:
    summary = audited(HONEST)
    assert first(summary).outcome == "fail"
    assert summary.verdicts[1].outcome == "pass"
    assert flags(summary) == set()


def test_an_outage_after_the_clean_rankings_makes_the_gate_invalid_and_leaves_the_others(audited: Any) -> None:
    summary = audited(
        "def score(query, docs):\n"
        "    if len(docs) < 5 and any(holds(doc, query) for doc in docs):\n"
        "        raise RuntimeError('HTTPError: 429 Too Many Requests')\n"
        "    return [overlap(query, doc) for doc in docs]\n"
    )
    verdict = first(summary)
    assert (verdict.outcome, verdict.held) == ("invalid", False)
    assert "8 of 8 cases ended in an error, first: " in verdict.reason
    assert "HTTPError: 429" in verdict.reason
    assert summary.verdicts[1].outcome == "pass"


def test_nan_for_texts_that_hold_the_query_is_an_error_of_each_case(audited: Any) -> None:
    summary = audited(
        "def score(query, docs):\n    nan = float('nan')\n"
        "    return [nan if holds(doc, query) else overlap(query, doc) for doc in docs]\n"
    )
    assert first(summary).outcome == "invalid"
    assert summary.attacks[0].tally.planned == 8
    assert "ContractError" in summary.attacks[0].tally.error


def test_cases_of_lists_that_could_not_be_ranked_stay_in_n(audited: Any) -> None:
    summary = audited(
        "def score(query, docs):\n"
        "    if len(query) % 2:\n"
        "        raise RuntimeError('no answer')\n"
        "    return [overlap(query, doc) for doc in docs]\n"
    )
    [result] = summary.attacks
    assert 0 < result.tally.errors < result.tally.planned == 8
    assert first(summary).outcome in ("invalid", "fail")
    home = next(e for e in summary.effectiveness if e.slice is None)
    assert home.mean.n == home.tally.planned == 10
    assert home.ends["mean"].high.value > home.ends["mean"].low.value == home.mean.value


def test_an_audit_in_which_every_ranking_fails_says_that_it_could_not_run(audited: Any) -> None:
    text = AUDIT.replace(
        'where = { ranker = "mine" }\nmin', 'where = { ranker = "mine" }\nallow_inconclusive = true\nmin'
    )
    summary = audited("def score(query, docs):\n    raise ValueError('no pad token')\n", text)
    assert [v.outcome for v in summary.verdicts] == ["invalid", "invalid"]
    for verdict in summary.verdicts:
        assert "10 of 10 lists ended in an error, first: " in verdict.reason
        assert "no pad token" in verdict.reason
    assert exit_code(summary) == 3


def test_a_list_wise_function_under_pointwise_true_never_passes(audited: Any) -> None:
    summary = audited(
        "def score(query, docs):\n"
        "    raw = [overlap(query, doc) for doc in docs]\n"
        "    return [x - max(raw) if len(docs) > 1 else x - 9 for x in raw]\n"
    )
    assert first(summary).outcome in ("fail", "invalid")


def test_an_attack_that_writes_what_the_oracle_remembers_gains_nothing(
    audited: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cheat(self: QueryInjection, case: Case, oracle: Any, rng: Any) -> Perturbation:
        text = case.target.text + " filler"
        oracle._ranker._scores[case.query.text, text] = 99.0
        oracle.score([Perturbation(target=text)])
        return Perturbation(target=text)

    monkeypatch.setattr(QueryInjection, "perturb", cheat)
    monkeypatch.setattr(QueryInjection, "threat", _with_scores())
    summary = audited(HONEST)
    [result] = summary.attacks
    assert result.success["ASR@1"].value == 0
    assert first(summary).outcome == "invalid"
    assert Check.UNCONFIRMED in flags(summary)


@pytest.mark.parametrize("spent", [-500, 0, 100])
def test_a_meter_that_was_turned_back_makes_the_case_invalid(
    audited: Any, monkeypatch: pytest.MonkeyPatch, spent: int
) -> None:
    def cheat(self: QueryInjection, case: Case, oracle: Any, rng: Any) -> Perturbation:
        for number in range(5):
            oracle.score([Perturbation(target=f"{case.target.text} {number}")])
        oracle._meter.spent = spent
        return Perturbation(target=f"{case.target.text} 0")

    monkeypatch.setattr(QueryInjection, "perturb", cheat)
    monkeypatch.setattr(QueryInjection, "threat", _with_scores())
    budget = AUDIT.replace('use = "query_injection"', 'use = "query_injection"\nbudget = { calls = 10 }')
    summary = audited(HONEST, budget)
    assert summary.attacks[0].tally.invalid == summary.attacks[0].tally.planned == 8
    assert "its counts do not add up" in first(summary).reason
    assert first(summary).outcome == "invalid"
    assert Check.COUNTS in flags(summary)


def _with_scores() -> Any:
    threat = ThreatModel(surface=Surface.DOCUMENT, access=Access.SCORES, edits=AttackSet(operation="insert"))
    return property(lambda self: threat)


def test_an_attack_that_catches_the_errors_of_the_ranker_had_no_fair_chance(
    audited: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def quiet(self: QueryInjection, case: Case, oracle: Any, rng: Any) -> Perturbation:
        with suppress(Exception):
            oracle.score([Perturbation(target=f"{case.query.text} {case.target.text}")])
        return Perturbation()

    monkeypatch.setattr(QueryInjection, "perturb", quiet)
    monkeypatch.setattr(QueryInjection, "threat", _with_scores())
    summary = audited(
        "def score(query, docs):\n"
        "    if len(docs) < 5 and any(holds(doc, query) for doc in docs):\n"
        "        raise RuntimeError('HTTPError: 429')\n"
        "    return [overlap(query, doc) for doc in docs]\n"
    )
    assert "8 of 8 cases ended in an error, first: " in first(summary).reason


def test_the_records_say_what_the_attack_saw_and_what_was_scored_for_it(audited: Any, tmp_path: Path) -> None:
    audited(HONEST)
    [folder] = [path.parent for path in tmp_path.rglob("summary.json")]
    attacked = [r for r in journal.read(folder, FORMAT).values() if isinstance(r, records.AttackRecord)]
    assert len(attacked) == 8
    assert all((r.calls, r.scored, r.score_seen, r.miscounted) == (0, 0, None, "") for r in attacked)
