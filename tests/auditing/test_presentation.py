"""An audit of rankers that order documents, end to end: plan, records, gates, report and resuming."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import EntryPoint
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from robustrank.auditing import cost
from robustrank.auditing import run as audit
from robustrank.config import audit_file
from robustrank.config.specs import AuditSpec
from robustrank.core.answers import Answer, Faults, Repair
from robustrank.core.flags import Check
from robustrank.core.plugin_spec import Plugin
from robustrank.core.types import Document, Query, RankerCard
from robustrank.judging.gate import binding
from robustrank.plugins import registry
from robustrank.protocols import position, validity
from robustrank.report.html import render
from robustrank.results.figures import Figure
from robustrank.results.red_flags import RedFlag, Severity
from robustrank.results.summary import Summary, read
from robustrank.results.verdicts import Outcome
from robustrank.storage import journal
from robustrank.work.record_format import FORMAT
from robustrank.work.workbench import Workbench
from tests.ordering_rankers import Answering, copied, inserted


@dataclass(frozen=True, kw_only=True)
class Orders:
    """A ranker of made-up comparisons, or one that copies; answers about documents of an even length are invalid.

    Args:
        copies: Whether it gives the documents back as shown.
        faults: Whether some answers are invalid.
        repair: What it makes of them.
    """

    copies: bool = False
    faults: bool = False
    repair: str = "end"

    @property
    def card(self) -> RankerCard:
        fingerprint = f"{self.copies} {self.faults} {self.repair}"
        return RankerCard(name="orders", fingerprint=fingerprint, pointwise=False, whole_numbers=True, rank_only=True)

    def repaired(self, repair: Repair, /) -> Orders:
        return replace(self, repair=str(repair))

    def answer(self, query: Query, docs: Sequence[Document], /) -> Answer:
        def wrong(query: Query, docs: Sequence[Document]) -> Faults:
            return Faults(missing=int(self.faults and len(docs[0].text) % 2 == 0))

        return Answering(copied if self.copies else inserted, wrong, Repair(self.repair)).answer(query, docs)

    def score(self, query: Query, docs: Sequence[Document], /) -> list[float]:
        return list(self.answer(query, docs).scores)


AUDIT = """
name = "orders"
measures = ["nDCG@10"]
[[collection]]
name = "home"
use = "scifact"
queries = 12
depth = 12
[[ranker]]
name = "bm25"
use = "bm25"
[[ranker]]
name = "copies"
use = "made_up_orders"
copies = true
[[ranker]]
name = "faulty"
use = "made_up_orders"
faults = true
[[ranker]]
name = "strict"
use = "made_up_orders"
faults = true
repair = "error"
[presentation]
orders = 3
queries = 6
[cases]
queries = 6
strata = ["11-12"]
[[attack]]
name = "lift"
use = "query_injection"
[[attack]]
name = "by scores"
use = "word_insertion"
access = "scores"
budget = { edits = 1, calls = 20 }
rankers = ["faulty"]
"""


@pytest.fixture(scope="module", autouse=True)
def installed() -> Iterator[None]:
    """The made-up ranker, and no encoder."""
    patch = pytest.MonkeyPatch()
    entries = dict(registry._entries("ranker"))
    entries["made_up_orders"] = EntryPoint("made_up_orders", f"{__name__}:Orders", registry.KINDS["ranker"])
    whole = registry._entries
    patch.setattr(registry, "_entries", lambda kind: entries if kind == "ranker" else whole(kind))
    patch.setattr(Workbench, "similarity", None)
    patch.setattr(Workbench, "similarity_by", None)
    yield
    patch.undo()


GATES = (
    "".join(
        f'[[gate]]\nname = "{name}"\nmeasure = "{measure}"\nwhere = {{ {where} }}\n{limit}\n'
        for name, measure, where, limit in (
            ("steady", "top-1 flips", 'ranker = "bm25"', "max = 0.5"),
            ("copier", "top-1 flips", 'ranker = "copies"', "min = 0.01"),
            ("valid", "invalid answers", 'ranker = "faulty"', "max = 0.05"),
            ("missing", "invalid answers", 'ranker = "faulty", fault = "missing"', "max = 0.05"),
            ("repaired", "nDCG@10 repaired", 'ranker = "strict", repair = "error"', "min = 0.05"),
            ("lifted", "promoted", 'ranker = "faulty", attack = "lift"', "max = 0.99"),
        )
    )
    + '[[accept]]\nflag = "competence"\nreason = "made up"\n[[accept]]\nflag = "first stage"\nreason = "made up"\n'
    + ('[[accept]]\nflag = "chance"\nreason = "made up"\n')
)


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> AuditSpec:
    return audit_file.parse(AUDIT + GATES, folder=tmp_path_factory.mktemp("orders"))


@pytest.fixture(scope="module")
def folder(spec: AuditSpec, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a finished audit."""
    out = tmp_path_factory.mktemp("out") / "out"
    audit.run(spec, out, executor=registry.build("executor", Plugin(use="serial")))
    return out


@pytest.fixture(scope="module")
def summary(folder: Path) -> Summary:
    return read(folder / "summary.json")


def test_every_ranker_has_figures_and_gates_judge_them(summary: Summary) -> None:
    places, answers = position.PROTOCOL.result_in(summary), validity.PROTOCOL.result_in(summary)
    assert [row.ranker for row in places.rows] == ["bm25", "copies", "faulty", "strict"]
    assert [row.repair for row in answers.rows] == ["", "end", "end", "error"]
    assert {verdict.gate: verdict.outcome for verdict in summary.verdicts} == {
        "steady": Outcome.PASS, "copier": Outcome.INVALID, "valid": Outcome.FAIL, "missing": Outcome.FAIL,
        "repaired": Outcome.INCONCLUSIVE, "lifted": Outcome.PASS,
    }  # fmt: skip
    (lifted,) = [verdict for verdict in summary.verdicts if verdict.gate == "lifted"]
    assert "cases have an invalid answer of the ranker" in lifted.reason
    (point,) = [row for row in places.rows if row.pointwise]
    assert point.figure("nDCG@10 spread over orders").estimate.value == 0


def test_a_ranker_that_copies_is_flagged_and_its_gates_say_why(summary: Summary) -> None:
    assert [flag.ranker for flag in summary.red_flags if flag.check is Check.COPIES] == ["copies"]
    reason = next(verdict.reason for verdict in summary.verdicts if verdict.gate == "copier")
    assert "red flag" in reason


def test_flags_that_nothing_is_ranked_bind_claims_of_robustness_and_not_what_is_measured() -> None:
    figures = {name: Figure(measure=name, labels={"ranker": "r"}, robustness=name == "tau between orders")
               for name in ("tau between orders", "invalid answers")}  # fmt: skip
    flags = [
        RedFlag(check=check, severity=Severity.SERIOUS, title="t", detail="d", ranker="r")
        for check in (Check.COPIES, Check.COMPETENCE)
    ]
    summary = cast(Summary, SimpleNamespace(rankers=[], red_flags=flags))
    assert {name: bool(binding(figure, summary)) for name, figure in figures.items()} == {
        "tau between orders": True, "invalid answers": False,
    }  # fmt: skip


def test_figures_of_validity_are_no_claims_of_robustness(summary: Summary) -> None:
    claims = {
        protocol.name: {figure.robustness for kind in protocol.figures for figure in kind.measured(summary)}
        for protocol in (position.PROTOCOL, validity.PROTOCOL)
    }
    assert claims == {"position": {True}, "validity": {False}}


def test_lists_that_are_lost_to_invalid_answers_are_errors_of_the_audit_and_open_in_its_figures(
    summary: Summary,
) -> None:
    lost = next(e for e in summary.effectiveness if e.ranker == "strict")
    assert lost.tally.errors > 0
    assert lost.valid_share is not None
    assert lost.valid_share.value == pytest.approx(lost.tally.decided / lost.tally.planned)
    row = next(r for r in position.PROTOCOL.result_in(summary).rows if r.ranker == "strict")
    assert row.figure("tau between orders").tally.errors > 0


def test_the_plan_counts_the_calls_and_the_report_shows_what_they_gave(
    spec: AuditSpec, summary: Summary, folder: Path
) -> None:
    records = [r for r in journal.read(folder, FORMAT).values() if getattr(r, "written_as", "") == "presentation"]
    assert len(records) == 4 * 6
    planned = {(each.ranker, each.phase): each.pairs for each in cost.plan(spec).costs if each.phase == "position"}
    lists, length, repeats, orders, repairs = 6, 12, 2, 3, 2
    asked = lists * length * (repeats + orders)
    assert planned["bm25", "position"] >= asked
    assert planned["faulty", "position"] >= asked + lists * length * repairs
    page = render(summary)
    for text in ("Position in the list", "nDCG@10 under each repair", "drawn", "as deployed"):
        assert text in page
    assert "attacks that need scores on faulty, whose scores say the order alone: by scores" in summary.not_tested


def test_a_finished_audit_asks_nothing_again(spec: AuditSpec, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def asked(*_: object) -> None:
        raise AssertionError("a list was asked again")

    monkeypatch.setattr("robustrank.work.presentation.PresentationTask.perform", asked)
    again = audit.run(spec, folder, executor=registry.build("executor", Plugin(use="serial")))
    assert position.PROTOCOL.result_in(again) == position.PROTOCOL.result_in(read(folder / "summary.json"))
