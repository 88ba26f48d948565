"""A gate's parts: the cases or queries that its figure is made of, those that count against it first, none hidden."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import pytest

from robustrank.config.specs import GateSpec
from robustrank.core.types import Status
from robustrank.judging import figures
from robustrank.judging.gate import judge
from robustrank.report import html
from robustrank.report.gate_cases import MOST, GateCases, of_gate
from robustrank.results.attack_cases import AttackedCase, Cases
from robustrank.results.outcomes import Ending
from robustrank.results.summary import Summary

QUERIES = [f"q{n}" for n in range(20)]


def case(
    key: str, after: int, *, ending: Ending = Ending.FAILED, attack: str = "stuffing", ranker: str = "net"
) -> AttackedCase:
    return AttackedCase(
        key=key, ranker=ranker, attack=attack, collection="home", stratum="11-20", status=Status.OK,
        ending=ending, error="HTTP 429" if ending is Ending.ERROR else "", query_id="q1", query=0, doc_id="d",
        document=0, changes=[], query_changed=False, rank_before=15, rank_after=after, list_length=20,
        score_before=0.0, score_after=1.0, harm=0.0, edits=1, similarity=None, calls=1,
        reached=["promoted", "ASR@10"] if after <= 10 else ["promoted"] if after < 15 else [], success=after <= 10,
        fell=[], proofs=[],
    )  # fmt: skip


@pytest.fixture
def attacked(keyed: Summary) -> Summary:
    rows = [
        case("stays", 15), case("rises", 12), case("won", 9, ending=Ending.SUCCEEDED),
        case("error", 15, ending=Ending.ERROR), case("won most", 1, ending=Ending.SUCCEEDED),
        case("of another attack", 1, attack="synonyms"), case("of another ranker", 1, ranker="bm25"),
    ]  # fmt: skip
    values = {"ASR@10": dict.fromkeys(QUERIES, 0.5)}
    attacks = [replace(a, per_query=values) for a in keyed.attacks]
    return replace(keyed, attacks=attacks, cases=Cases(texts=["does <b>it</b> help"], rows=rows))


def parts(summary: Summary, gate: GateSpec) -> GateCases | None:
    (verdict,) = judge([gate], summary)
    return of_gate(verdict, summary, figures.measured(summary))


def keys(found: GateCases | None) -> Sequence[str]:
    assert found is not None
    return [part.key for part in found.parts]


def test_the_cases_of_the_figure_stand_with_successes_first_and_undecided_ones_next(attacked: Summary) -> None:
    gate = GateSpec(name="g", measure="ASR@10", where={"ranker": "net", "attack": "stuffing"}, max=0.4)
    found = parts(attacked, gate)
    assert keys(found) == ["won most", "won", "error", "rises", "stays"]
    assert found is not None
    assert (found.of, found.total, found.against, found.undecided) == ("stuffing", 5, 2, 1)
    assert found.parts[2].value == "undecided: HTTP 429"


def test_a_gate_without_an_attack_shows_the_one_that_it_was_judged_by(attacked: Summary) -> None:
    gate = GateSpec(name="g", measure="ASR@10", where={"ranker": "net"}, max=0.4)
    found = parts(attacked, gate)
    assert found is not None
    assert found.of == "stuffing"  # 0.6 of cases, and 0.2 of "synonyms"


def test_a_stratum_has_its_own_cases_only(attacked: Summary) -> None:
    where = {"ranker": "net", "attack": "stuffing", "stratum": "11-20"}
    assert len(keys(parts(attacked, GateSpec(name="g", measure="ASR@10", where=where, max=0.4)))) == 5
    deeper = [replace(row, stratum="21-50") for row in attacked.cases.rows]
    elsewhere = replace(attacked, cases=replace(attacked.cases, rows=deeper))
    found = parts(elsewhere, GateSpec(name="g", measure="ASR@10", where=where, max=0.4))
    assert found is None or found.what == "queries"


def test_a_gate_on_clean_figures_lists_its_queries_from_the_worst_with_a_case_where_there_is_one(
    attacked: Summary,
) -> None:
    found = parts(attacked, GateSpec(name="g", measure="nDCG@10", where={"ranker": "net"}, min=0.5))
    assert found is not None
    assert (found.what, found.total) == ("queries", 20)
    assert [(p.query, p.value, p.key) for p in found.parts[:2]] == [
        ("q0", "0.700", ""), ("does <b>it</b> help", "0.710", "stays"),
    ]  # fmt: skip


def test_the_page_lists_them_escaped_with_links_and_says_how_many_are_left_out(attacked: Summary) -> None:
    many = [case(f"k{n:03}", 9, ending=Ending.SUCCEEDED) for n in range(MOST + 3)]
    gate = GateSpec(name="g", measure="ASR@10", where={"ranker": "net", "attack": "stuffing"}, max=0.4)
    whole = replace(attacked, cases=replace(attacked.cases, rows=many))
    text = html.render(replace(whole, verdicts=judge([gate], whole)))
    head = text.partition('id="gates"')[2].partition('id="rankers"')[0]
    assert len(re.findall('href="#case-k', head)) == MOST
    assert "And 3 more" in head
    assert "does &lt;b&gt;it&lt;/b&gt; help" in head
    assert f"{MOST + 3} succeeded" in head
