"""The worst case over attacks, against enumeration; and the standard suite."""

from __future__ import annotations

from dataclasses import replace as replaced
from pathlib import Path
from random import Random
from typing import Any

import pytest
from click.testing import CliRunner
from msgspec.structs import replace

from robustrank.auditing import planned
from robustrank.auditing import run as audit
from robustrank.cli.main import main
from robustrank.config import audit_file
from robustrank.config.cases import CasesSpec
from robustrank.config.specs import GateSpec
from robustrank.config.suites import SEARCHABLE
from robustrank.core.errors import ConfigError
from robustrank.core.plugin_spec import Plugin
from robustrank.core.types import Access, AttackSet, Budget, Status, Surface, ThreatModel
from robustrank.judging import gate
from robustrank.protocols import ensembles
from robustrank.protocols.ensembles import ROBUST, WORST
from robustrank.results.outcomes import Tally
from robustrank.results.summary import Summary
from robustrank.retrieval.first_stage import searches
from robustrank.storage import typed
from robustrank.work.records import AttackRecord
from robustrank.work.workbench import Workbench
from tests.evidence import evidence
from tests.protocols.test_adversarial import record


def attack(name: str, query: str, after: int, harm: float, *, access: str = "none", **more: Any) -> AttackRecord:
    """On the document of a query at rank 15 of a list that is worth 0.8; ``harm`` is what it is worth afterwards."""
    operation = more.pop("operation", "insert")
    threat = ThreatModel(
        surface=Surface.DOCUMENT, access=Access(access), edits=AttackSet(operation=operation),
        control=more.pop("control", False),
    )  # fmt: skip
    made = record(query, 15, after)
    return replace(made, attack=name, threat=threat, harm_before=0.8, harm_after=harm, calls=3, doc_id="d", **more)


def rows(records: list[AttackRecord]) -> dict[tuple[str, str], ensembles.Ensemble]:
    result = ensembles.summarise(evidence(records))
    return {(row.operation, row.access): row for row in result.rows} if result else {}


def test_it_is_the_worst_of_all_attacks_target_by_target() -> None:
    rng = Random(3)
    plan = {"a": ("insert", "none"), "b": ("insert", "scores"), "c": ("substitute", "weights")}
    records = [
        attack(name, str(q), rng.randint(1, 20), rng.random(), operation=operation, access=access)
        for q in range(12)
        for name, (operation, access) in plan.items()
    ]
    records.append(attack("control", "0", 1, 0.0, control=True))
    found = rows(records)
    members = {
        ("any", "none"): "a", ("any", "scores"): "ab", ("any", "weights"): "abc",
        ("insert", "none"): "a", ("insert", "scores"): "ab", ("substitute", "weights"): "c",
    }  # fmt: skip
    assert {key: "".join(m.attack for m in row.members) for key, row in found.items()} == members
    for key, names in members.items():
        mine = [r for r in records if r.attack in names]
        by_query = {q: [r for r in mine if r.query_id == q] for q in {r.query_id for r in mine}}
        lost = sum(any(r.rank_after <= 10 for r in each) for each in by_query.values())
        robust = sum(min(0.8, *(r.harm_after for r in each)) for each in by_query.values())
        row = found[key]
        assert row.worst is not None
        assert row.robust is not None
        assert row.worst.value == pytest.approx(lost / 12)
        assert row.robust.value == pytest.approx(robust / 12)
        assert row.clean == pytest.approx(0.8)
        assert row.pairs == 3 * len(mine)
        alone = {m.attack: m for m in row.members}
        for name in names:
            wins = [q for q, each in by_query.items() if any(r.attack == name and r.rank_after <= 10 for r in each)]
            only = [q for q in wins if not any(r.attack != name and r.rank_after <= 10 for r in by_query[q])]
            assert alone[name].alone == pytest.approx(len(wins) / 12)
            assert alone[name].adds == pytest.approx(len(only) / 12)
    order = [found["any", access].worst for access in ("none", "scores", "weights")]
    values = [each.value for each in order if each]
    assert values == sorted(values), "more access never shows less"


def test_an_attack_that_failed_leaves_a_target_open_unless_another_wins_it() -> None:
    error = {"status": Status.ERROR, "error": "HTTPError: 429"}
    records = [
        attack("a", "1", 1, 0.3), attack("b", "1", 15, 0.8, **error),  # lost all the same
        attack("a", "2", 15, 0.8), attack("b", "2", 15, 0.8, **error),  # open
        attack("a", "3", 15, 0.8), attack("b", "3", 15, 0.7),  # held
    ]  # fmt: skip
    (row,) = rows(records).values()  # of one kind of edit there is no row beside that of any
    assert (row.operation, row.access) == ("any", "none")
    assert row.worst is not None
    assert (row.worst.value, row.worst.n) == (0.5, 2)
    assert row.tallies[WORST] == Tally(planned=3, errors=1, error="HTTPError: 429")
    assert row.tallies[ROBUST] == Tally(planned=3, errors=2, error="HTTPError: 429")
    assert row.robust is not None
    assert (row.robust.value, row.robust.n, row.clean) == pytest.approx((0.7, 1, 0.8))
    assert row.open[WORST] == {"2": (0.0, 1.0)}
    assert row.open[ROBUST] == {"1": (0.0, 0.3), "2": (0.0, 0.8)}
    assert (row.ends[WORST].low.value, row.ends[WORST].high.value) == pytest.approx((1 / 3, 2 / 3))
    assert row.ends[ROBUST].low.value == pytest.approx(0.7 / 3)
    assert row.ends[ROBUST].high.value == pytest.approx((0.3 + 0.8 + 0.7) / 3)


def test_an_attack_that_failed_on_a_lost_target_leaves_the_worth_of_its_list_open_and_its_gate_invalid(
    summary: Summary,
) -> None:
    records = [attack("a", str(q), 1, 0.7) for q in range(30)]
    records += [attack("b", str(q), 15, 0.8, status=Status.ERROR, error="HTTPError: 429") for q in range(30)]
    (row,) = rows(records).values()
    assert row.tallies[WORST] == Tally(planned=30)  # each is lost all the same
    assert row.tallies[ROBUST] == Tally(planned=30, errors=30, error="HTTPError: 429")
    assert row.robust is None  # what b would have left is not known of a single list
    result = typed.plain(ensembles.Ensembles(rows=[row]))
    where = {"ranker": "r", "operation": "any", "access": "none"}
    wanted = GateSpec(name="g", measure=ROBUST, where=where, min=0.5)
    [verdict] = gate.judge([wanted], replaced(summary, results={"ensembles": result}, red_flags=[]))
    assert verdict.outcome == "invalid"
    assert "30 of 30 lists ended in an error, first: HTTPError: 429" in verdict.reason


DOWN = """
def overlap(query, texts):
    if len(query) % 4 == 0:
        raise RuntimeError("the ranker is down")
    asked = set(query.lower().split())
    return [len(asked & set(t.lower().split())) - len(t) / 1e6 for t in texts]
"""


def test_lists_that_could_not_be_ranked_are_open_in_the_worst_case(tmp_path: Path) -> None:
    (tmp_path / "down.py").write_text(DOWN)
    text = AUDIT.replace('use = "bm25"', 'use = "callable"\nfunction = "down:overlap"').replace("= 3", "= 20")
    spec = audit_file.parse(text.replace('access = "scores"', 'access = "none"'), folder=tmp_path)
    summary = audit.run(spec, tmp_path / "out")
    failed = summary.rankers[0].tasks["ranking"].errors
    assert 1 <= failed < 20
    (row,) = ensembles.PROTOCOL.result_in(summary).rows
    for name in (WORST, ROBUST):
        assert row.tallies[name].errors == failed
        assert "the ranker is down" in row.tallies[name].error
        assert list(row.open[name].values()) == [(0.0, 1.0)] * failed
        assert row.ends[name].low.n == row.tallies[name].planned
    assert row.robust.n == 20 - failed
    (verdict,) = summary.verdicts
    assert f"{failed} of 20 lists ended in an error" in verdict.reason


def test_pairs_until_a_target_is_won_are_those_of_attacks_in_order_cheapest_first() -> None:
    made = [
        attack("free", "0", 20, 0.8), attack("free", "1", 9, 0.8), attack("free", "2", 20, 0.8),
        attack("dear", "0", 3, 0.8, access="scores"), attack("dear", "1", 1, 0.8, access="scores"),
        attack("dear", "2", 11, 0.8, access="scores"), attack("cheap", "0", 12, 0.8, access="scores"),
        attack("cheap", "1", 12, 0.8, access="scores"), attack("cheap", "2", 12, 0.8, access="scores"),
    ]  # fmt: skip
    calls = {"free": 0, "cheap": 10, "dear": 100}
    records = [replace(r, calls=calls[r.attack], budget=Budget(edits=5)) for r in made]
    records[3] = replace(records[3], trajectory=[(4, 15), (30, 10), (60, 3)])
    found = rows(records)
    assert found["any", "none"].until_won == 0
    # Query 0 after cheap's 10 and 30 of dear's, query 1 at once, query 2 after all of both.
    assert found["any", "scores"].until_won == pytest.approx((10 + 30 + 0 + 110) / 3)


AUDIT = """
name = "suite"
measures = ["nDCG@10"]
[[collection]]
name = "home"
use = "scifact"
queries = 3
depth = 20
[[ranker]]
name = "BM25"
use = "bm25"
[cases]
queries = 3
ladder = false
[[attack]]
name = "my own"
use = "query_injection"
[[gate]]
name = "worst"
measure = "robust nDCG@10"
where = { ranker = "BM25", operation = "any", access = "scores" }
min = 0.01
"""


def test_the_standard_suite_goes_before_the_attacks_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(AUDIT)
    spec = audit_file.load(tmp_path / "a.toml", suite="standard")
    assert spec.suite == "standard/1"
    assert spec.attacks[-1].name == "my own"
    assert len(spec.attacks) > 12
    assert spec == audit_file.parse('suite = "standard"\n' + AUDIT, folder=tmp_path, where=str(tmp_path / "a.toml"))
    with pytest.raises(ConfigError, match=r"suite.*'standrad'.*did you mean 'standard'"):
        audit_file.parse('suite = "standrad"\n' + AUDIT)


def test_the_suite_draws_its_own_targets_and_only_ranges_that_the_lists_have(tmp_path: Path) -> None:
    file = AUDIT.replace("[cases]", '[cases]\nstrata = ["2-3"]\ngoal_rank = 9\ntargets = 7')
    spec = audit_file.parse('suite = "standard"\n' + file)
    assert spec.cases == CasesSpec(queries=3, strata=("11-20",), targets=2, goal_rank=1, common=True, ladder=False)
    assert audit_file.parse('suite = "standard"\n' + file.replace("ladder = false", "ladder = true")).cases.ladder
    assert any("of each of the ranks 11-20 of the first stage" in note for note in planned.notes(Workbench(spec)))
    assert not planned.notes(Workbench(audit_file.parse(file)))
    deep = audit_file.parse('suite = "standard"\n' + file.replace("depth = 20", "depth = 60"))
    assert deep.cases.strata == ("11-20", "21-50", "51-100")
    with pytest.raises(ConfigError, match=r"'standard/1': its targets stand at rank 11 .* which have 9 documents"):
        audit_file.parse('suite = "standard"\n' + file.replace("depth = 20", "depth = 9"))


def test_the_suite_adds_documents_where_the_first_stage_searches(tmp_path: Path) -> None:
    spec = audit_file.parse('suite = "standard"\n' + AUDIT)
    assert spec.corpus is not None
    assert next(a.name for a in spec.corpus.attacks) == "standard: documents that begin with a query"
    own = "[corpus]\nqueries = 7\n[[corpus.attack]]\nname = 'mine'\nuse = 'plant_copy'\nbudget = { plants = 1 }\n"
    both = audit_file.parse('suite = "standard"\n' + AUDIT.replace("[cases]", own + "[cases]"))
    assert both.corpus is not None
    assert both.corpus.queries == 7
    assert [a.name for a in both.corpus.attacks] == [*(a.name for a in spec.corpus.attacks), "mine"]
    given = AUDIT.replace('use = "scifact"', 'use = "selqa"\nfirst_stage = { use = "candidates" }')
    assert audit_file.parse('suite = "standard"\n' + given).corpus is None
    for use in ("bm25", "dense", "candidates", "run", "judged"):
        assert searches(Plugin(use=use)) == (use in SEARCHABLE)


def test_an_audit_by_the_standard_suite_leaves_out_what_a_ranker_does_not_lend(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(AUDIT)
    done = CliRunner().invoke(
        main, ["audit", str(tmp_path / "a.toml"), "--suite", "standard", "--out", str(tmp_path), "--executor", "serial"]
    )
    assert "needs gradients, which 'BM25' does not provide: it is left out there" in done.stderr + done.stdout
    summary = audit.run(audit_file.load(tmp_path / "a.toml", suite="standard"), next(tmp_path.glob("suite-*")))
    assert not any(attack.access == "weights" for attack in summary.attacks)
    result = ensembles.PROTOCOL.result_in(summary)
    assert result.suite == "standard/1"
    found = {(row.operation, row.access): row for row in result.rows}
    assert {access for _, access in found} == {"none", "ranks", "scores"}
    assert all(not each.undecided for row in result.rows for each in row.tallies.values())
    members = {member.attack for member in found["render", "scores"].members}
    assert members == {
        f"standard: {name}" for name in ("homoglyphs", "fillers", "bidirectional characters", "hidden text")
    }
    assert members < {member.attack for member in found["any", "scores"].members}
    apart = {r.attack: r for r in summary.attacks if r.attack.startswith("standard, demote")}
    assert {r.goal for r in apart.values()} == {"demote"}
    assert all("out@10" in {**r.success, **r.ends} for r in apart.values())
    assert not {member.attack for row in result.rows for member in row.members} & set(apart)  # rows of their own
    (verdict,) = summary.verdicts
    assert verdict.estimate == found["any", "scores"].robust


def test_attacks_tried_one_after_another_show_the_same_worst_case_for_fewer_pairs(tmp_path: Path) -> None:
    """Every row, of every kind of edit and access: targets lost, robust nDCG@10, best ranks, all targets at once."""
    found = {}
    for ladder in ("false", "true"):
        spec = audit_file.parse('suite = "standard"\n' + AUDIT.replace("ladder = false", f"ladder = {ladder}"))
        summary = audit.run(spec, tmp_path / ladder)
        found[ladder] = summary, ensembles.PROTOCOL.result_in(summary)
    (whole, full), (short, climbed) = found["false"], found["true"]
    assert (full.ladder, climbed.ladder) == (False, True)
    for row in full.rows:
        mine = next(r for r in climbed.rows if (r.operation, r.access) == (row.operation, row.access))
        assert (mine.worst, mine.robust, mine.joint, mine.ranks) == (row.worst, row.robust, row.joint, row.ranks)
        assert mine.per_query == row.per_query
        assert mine.pairs <= row.pairs
    assert sum(row.pairs for row in climbed.rows) < sum(row.pairs for row in full.rows)
    tried = {r.attack: r for r in short.attacks if r.stratum == "all"}
    skipped = [r for r in tried.values() if r.tally.untried]
    assert skipped
    for row in skipped:
        other = next(r for r in whole.attacks if (r.attack, r.stratum) == (row.attack, "all"))
        assert row.tally.planned == other.tally.planned, "no target is forgotten"
        ends, truth = row.ends["promoted"], other.success["promoted"].value
        assert ends.low.value <= truth <= ends.high.value, "what it would have done lies between the ends"
        assert "were not tried: an earlier attack was first already" in row.tally.sentence()
    assert all(not r.tally.untried for r in tried.values() if r.control or r.goal != "promote")
    assert all(not each.undecided for row in climbed.rows for each in row.tallies.values())
    written = (tmp_path / "true" / "summary.json").read_bytes()
    audit.run(spec, tmp_path / "true")
    assert (tmp_path / "true" / "summary.json").read_bytes() == written, "another run finds nothing to do"
