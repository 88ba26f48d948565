"""What an audit file asks for and cannot get is refused, or said, before anything is scored; by ``--plan`` too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from robustrank.auditing import cost
from robustrank.auditing import run as auditing
from robustrank.config import audit_file
from robustrank.core.errors import ConfigError
from robustrank.core.progress import Silent
from robustrank.judging import checks
from robustrank.perturbations import oracle
from robustrank.work import workbench

AUDIT = """
name = "planned"
measures = ["nDCG@10"]
[[collection]]
name = "SciFact"
use = "scifact"
queries = 4
depth = 12
[[ranker]]
name = "BM25"
use = "bm25"
[cases]
queries = 2
[[attack]]
use = "query_injection"
"""
GATE = '[[gate]]\nname = "g"\nmeasure = "ASR@10"\nwhere = { ranker = "BM25" }\n'


class Heard(Silent):
    def __init__(self) -> None:
        self.messages: list[str] = []

    def message(self, text: str) -> None:
        self.messages.append(text)


def refused(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The error, which plan and run share, and before which nothing is scored."""

    def scored(*_: Any) -> None:
        raise AssertionError("scored")

    monkeypatch.setattr(oracle.MeteredRanker, "score", scored)
    spec = audit_file.parse(text)
    with pytest.raises(ConfigError) as planned:
        cost.plan(spec)
    with pytest.raises(ConfigError) as run:
        auditing.run(spec, tmp_path / "audit")
    assert str(planned.value) == str(run.value)
    return str(run.value)


def test_strata_below_every_list_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    message = refused(AUDIT.replace("depth = 12", "depth = 5"), tmp_path, monkeypatch)
    assert "'11-20' lies below the lists of 'BM25', which have 5 documents" in message


def test_a_misspelt_measure_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    message = refused(AUDIT.replace('"nDCG@10"', '"nDGC@10"'), tmp_path, monkeypatch)
    assert "no measure named 'nDGC@10'; did you mean 'nDCG@10'?" in message


@pytest.mark.parametrize(
    ("limit", "message"),
    [
        ("max = 30", "max = 30, but ASR@10 lies between 0 and 1; did you mean 0.3?"),
        ("min = -0.5", "min = -0.5, but ASR@10 lies between 0 and 1"),
        ("max = 1.5", "max = 1.5, but ASR@10 lies between 0 and 1; did you mean 0.015?"),
    ],
)
def test_a_limit_outside_of_a_figures_bounds_is_refused(limit: str, message: str) -> None:
    with pytest.raises(ConfigError) as problem:
        checks.check(audit_file.parse(AUDIT + GATE + limit))
    assert message in str(problem.value)


@pytest.mark.parametrize(
    ("measure", "limit"),
    [
        ("ASR@10", "max = 1.0"), ("ASR@10", "min = 0"), ("nDCG@10", "min = 0.0"), ("harm", "max = 1"),
        ("harm", "min = -1"), ("nDCG@10", "worse_by = 1.0"), ("judged@10", "max = 1"),
    ],
)  # fmt: skip
def test_a_gate_that_cannot_fail_is_refused(measure: str, limit: str) -> None:
    text = 'ratchet = "x.json"\n' + AUDIT + GATE.replace("ASR@10", measure) + limit
    with pytest.raises(ConfigError, match=rf"gate '.*': {limit[:3]}.* cannot fail, because {measure} is never"):
        checks.check(audit_file.parse(text))


@pytest.mark.parametrize(
    ("measure", "limit"), [("boost", "max = 30"), ("harm", "max = -0.5"), ("ASR@10", "max = 0.99")]
)
def test_a_limit_that_a_figure_can_have_is_let_through(measure: str, limit: str) -> None:
    checks.check(audit_file.parse(AUDIT + GATE.replace("ASR@10", measure) + limit))


def test_more_queries_than_there_are_is_said_before_the_run(tmp_path: Path) -> None:
    spec = audit_file.parse(AUDIT.replace("queries = 4", "queries = 3000"))
    bench = workbench.Workbench(spec)
    there = len(bench.lists("SciFact").collection.queries)
    note = f"SciFact: `queries = 3000`, and it has {there}; all are used"
    assert list(cost.plan(spec).notes) == [note]
    heard = Heard()
    small = audit_file.parse(AUDIT.replace("queries = 2", "queries = 9"))
    auditing.run(small, tmp_path / "audit", progress=heard)
    assert "[cases]: `queries = 9`, and 4 of SciFact are audited; all are used" in heard.messages


def test_an_attack_that_needs_gradients_which_a_ranker_lacks_is_said() -> None:
    text = AUDIT.replace('use = "query_injection"', 'use = "prada"\nbudget = { edits = 3 }')
    [note] = cost.plan(audit_file.parse(text)).notes
    assert "attack 'prada' needs gradients, which 'BM25' does not provide" in note


@pytest.mark.parametrize(
    ("attack", "limit", "message"),
    [
        ("characters", "edits = 5", "its edits are counted in characters; limit them by `characters = N`"),
        ("query_injection", "characters = 5", "its edits are counted in words; limit them by `edits = N`"),
    ],
)
def test_a_limit_in_a_unit_that_binds_nothing_is_refused(
    attack: str, limit: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = AUDIT.replace('use = "query_injection"', f'use = "{attack}"\nbudget = {{ {limit} }}')
    assert message in refused(text, tmp_path, monkeypatch)


def test_similarity_is_left_unmeasured_on_request_and_records_are_of_that_audit_alone() -> None:
    unasked = AUDIT.replace("[cases]\n", "[cases]\nsimilarity = false\n")
    wanted, unwanted = (workbench.Workbench(audit_file.parse(text)) for text in (AUDIT, unasked))
    assert (unwanted.similarity, unwanted.similarity_by) == (None, None)
    assert wanted.similarity_by
