"""An attack that inserts, deletes and replaces words, and certificates at shares of the words, in a whole audit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from robustrank.auditing import run as audit
from robustrank.config import audit_file
from robustrank.core.interfaces import Oracle
from robustrank.core.types import AttackSet, Case, Perturbation, ThreatModel
from robustrank.core.words import words
from robustrank.report import html
from robustrank.storage import journal as store
from robustrank.work.record_format import FORMAT
from robustrank.work.records import AttackRecord
from robustrank_attacks.insertion.query_injection import QueryInjection

FILE = """
name = "edits"
measures = ["nDCG@10"]
[[collection]]
use = "selqa"
queries = 3
depth = 12
[[ranker]]
use = "bm25"
[cases]
queries = 3
strata = ["6-10"]
[[attack]]
name = "rewrite"
use = "query_injection"
budget = { edits = 4 }
[[attack]]
name = "over budget"
use = "query_injection"
budget = { edits = 1 }
[[defense]]
name = "deleting"
use = "randomized_smoothing"
rankers = ["bm25"]
attacked = true
distribution = "delete"
keep = 0.1
samples = 8
queries = 3
depth = 12
[certify]
k = [1]
radius = [0.05, 2]
"""


def test_an_edit_attack_is_counted_budgeted_reported_and_covered_by_certificates(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = QueryInjection().threat

    def threat(self: QueryInjection) -> ThreatModel:
        return replace(old, edits=AttackSet(operation="edit"))

    def perturb(self: QueryInjection, case: Case, oracle: Oracle, rng: Random, /) -> Perturbation:
        """Without its second word, with two words in front."""
        _, second, *_ = words(case.target.text)
        text = case.target.text[: second.start] + case.target.text[second.end :].lstrip()
        return Perturbation(target=f"new words {text}")

    monkeypatch.setattr(QueryInjection, "threat", property(threat))
    monkeypatch.setattr(QueryInjection, "perturb", perturb)
    spec = audit_file.parse(FILE)
    where = audit.folder(spec, tmp_path)
    summary = audit.run(spec, where)
    records = [r for r in store.read(where, FORMAT).values() if isinstance(r, AttackRecord)]
    assert {(r.attack, r.edits, r.status, r.error) for r in records} == {
        ("rewrite", 3, "ok", ""),
        ("over budget", 3, "invalid", "3 words edited, the budget is 1"),
    }
    assert {a.edits_allowed for a in summary.attacks} == {"edit"}
    assert "inserted text" not in summary.not_tested
    assert "words inserted, deleted or replaced" in html.render(summary)
    assert {c.radius for c in summary.certificates} == {0.05, 2}
    assert "5 % of the words" in html.render(summary)
    assert summary.cases is not None
    proven = [case.proofs for case in summary.cases.rows if case.ranker == "deleting + bm25"]
    assert proven, [(c.ranker, c.proofs) for c in summary.cases.rows]
    assert all({proof.radius for proof in proofs} == {0.05, 2} for proofs in proven)
