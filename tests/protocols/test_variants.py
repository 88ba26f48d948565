"""Variants against their parent: known answers of made-up records, gates on them, and the report's section."""

from __future__ import annotations

from collections.abc import Sequence
from math import log2
from types import SimpleNamespace
from typing import Any, cast

import pytest
from msgspec.structs import replace

from robustrank.config import audit_file
from robustrank.core.errors import ConfigError
from robustrank.core.types import Estimate, Status
from robustrank.protocols import builtin, variants
from robustrank.protocols.defenses.results import Difference
from robustrank.protocols.interface import Evidence
from robustrank.protocols.variants.results import CLEAN, LOST, ROBUST, VariantRow, Variants
from robustrank.results.figures import EVERY, Figure
from robustrank.results.summary import Summary
from robustrank.storage import typed
from robustrank.work.records import RankingRecord, SetupRecord, TaskRecord
from tests.protocols.test_defenses import IDS
from tests.protocols.test_ensembles import attack

SPEC = """
name = "made up"
measures = ["nDCG@10"]
[[collection]]
use = "jsonl"
path = "x"
name = "home"
[[ranker]]
use = "random"
name = "r"
[[ranker]]
use = "random"
name = "int8"
variant = { parent = "r", stored_bytes = 1000 }
[[ranker]]
use = "random"
name = "lora 1"
variant = { parent = "r", name = "lora", trained = 8 }
[[ranker]]
use = "random"
name = "lora 2"
variant = { parent = "r", name = "lora", trained = 8 }
[cases]
queries = 30
common = true
[[attack]]
name = "a"
use = "query_injection"
"""
QUERIES = [f"q{n:02}" for n in range(30)]
SECOND = 1 / log2(3)
"""nDCG@10 of a list whose only relevant document is second."""


def ranking(ranker: str, query: str, *, first: int = 1, **more: Any) -> RankingRecord:
    """A list whose relevant document stands at rank ``first``."""
    others = [*IDS[1:first], IDS[0], *IDS[first:]]
    body: dict[str, Any] = {
        "ranker": ranker, "collection": "home", "query_id": query, "candidates": 20, "doc_ids": IDS,
        "scores": [float(-others.index(doc_id)) for doc_id in IDS], "measures": {"nDCG@10": 1.0}, "qrels": {"d01": 1},
        "pairs": 20, "call_seconds": 0.5 if ranker == "r" else 0.25,
    }  # fmt: skip
    return RankingRecord(**body | more)


def of(first: dict[str, int], attacks: Sequence[TaskRecord] = (), spec: str = SPEC) -> Variants:
    """The rows, of rankers whose relevant document stands at some rank in every list."""
    records = [ranking(ranker, query, first=rank) for ranker, rank in first.items() for query in QUERIES]
    return made([*records, *attacks], spec)


def made(records: Sequence[TaskRecord], spec: str = SPEC) -> Variants:
    setup = cast("SetupRecord", SimpleNamespace(rankers=[], collections=[]))
    result = variants.summarise(Evidence(spec=audit_file.parse(spec), setup=setup, tasks=records))
    assert result is not None
    return result


def row(result: Variants, name: str) -> VariantRow:
    (only,) = [each for each in result.rows if each.variant == name]
    return only


def figures(result: Variants, measure: str) -> dict[str, Figure]:
    (kind,) = [each for each in variants.PROTOCOL.figures if each.name == measure]
    summary = cast("Summary", SimpleNamespace(results={"variants": typed.plain(result)}))
    return {each.labels["variant"]: each for each in kind.measured(summary)}


PLAIN = {"r": 1, "int8": 1, "lora 1": 1, "lora 2": 1}


def test_a_variant_that_ranks_as_its_parent_differs_in_nothing() -> None:
    int8 = row(of(PLAIN), "int8")
    change = int8.endpoints[CLEAN].difference
    assert change is not None
    assert (change.estimate.value, change.p_holm) == (0.0, 1.0)
    assert int8.order is not None
    assert (int8.order.tau.value, int8.order.overlap.value) == (1.0, 1.0)
    assert (int8.order.other_first.value, int8.order.other_top.value) == (0.0, 0.0)
    assert int8.order.worse == []
    assert (int8.seconds, int8.parent_seconds, int8.stored_bytes) == (0.25, 0.5, 1000)


def test_what_is_lost_is_the_mean_difference_and_the_order_is_counted() -> None:
    int8 = row(of({**PLAIN, "int8": 2}), "int8")
    change = int8.endpoints[CLEAN].difference
    assert change is not None
    assert change.estimate.value == pytest.approx(SECOND - 1)
    assert change.shown
    assert int8.order is not None
    assert int8.order.other_first.value == 1.0
    assert int8.order.overlap.value == 1.0
    assert int8.order.tau.value == pytest.approx(1 - 2 / 190)
    assert int8.order.worse[0][1] == pytest.approx(SECOND - 1)
    assert len(int8.order.worse) == 10
    assert "another document first for 100 % of queries, and other documents into the top ten for 0 %" in int8.sentence
    assert "Worse: effectiveness" in int8.sentence
    assert "Nothing is shown" in row(of(PLAIN), "int8").sentence


def test_a_query_without_candidates_has_an_nDCG_of_zero_and_no_order() -> None:
    empty: dict[str, Any] = {
        "candidates": 0,
        "doc_ids": [],
        "scores": [],
        "measures": {CLEAN: 0.0},
        "pairs": 0,
        "call_seconds": None,
    }
    lists = [ranking(ranker, query, first=1 + (ranker == "int8")) for ranker in PLAIN for query in QUERIES[1:]]
    int8 = row(made([*lists, *(ranking(ranker, QUERIES[0], **empty) for ranker in PLAIN)]), "int8")
    change = int8.endpoints[CLEAN].difference
    assert change is not None
    assert (change.estimate.n, change.per_query[QUERIES[0]]) == (30, 0.0)
    assert int8.order is not None
    assert (int8.order.other_first.n, int8.order.other_first.value) == (29, 1.0)
    assert row(made([ranking(r, q, **empty) for r in PLAIN for q in QUERIES]), "int8").order is None


def test_the_comparisons_of_an_audit_are_not_those_of_seeds_among_each_other() -> None:
    records = [ranking(ranker, query) for ranker in (*PLAIN, "b") for query in QUERIES]
    setup = cast("SetupRecord", SimpleNamespace(rankers=[], collections=[]))
    baseline = SPEC.replace("[cases]", '[[ranker]]\nuse = "random"\nname = "b"\n[cases]')
    evidence = Evidence(spec=audit_file.parse(f'baseline = "b"\n{baseline}'), setup=setup, tasks=records)
    found = cast("dict[str, Any]", builtin.EFFECTIVENESS.summarise(evidence))["comparisons"]
    of_the_parent = {("r", "int8"), ("r", "lora 1"), ("r", "lora 2")}
    assert {(each.a, each.b) for each in found} == {*of_the_parent, *((ranker, "b") for ranker in PLAIN)}


def test_seeds_are_averaged_query_by_query_and_shown_one_by_one() -> None:
    lora = row(of({**PLAIN, "lora 2": 2}), "lora")
    each = lora.endpoints[CLEAN]
    assert each.difference is not None
    assert each.difference.estimate.value == pytest.approx((SECOND - 1) / 2)
    assert each.difference.estimate.n == 30
    assert list(each.seeds) == pytest.approx([0.0, SECOND - 1])
    assert lora.rankers == ["lora 1", "lora 2"]


def test_holm_corrects_over_all_variants_and_endpoints() -> None:
    result = of({**PLAIN, "int8": 2})
    assert result.comparisons == 2
    change = row(result, "int8").endpoints[CLEAN].difference
    assert change is not None
    assert change.p_holm == pytest.approx(min(1.0, 2 * change.p))


def attacks(won: dict[str, set[str]]) -> list[TaskRecord]:
    """One attack on every list, which is worth 0.8; on some, a ranker lets it through, and 0.5 is left."""
    return [
        replace(
            attack("a", query, 5, 0.5) if query in won.get(ranker, ()) else attack("a", query, 15, 0.8), ranker=ranker
        )
        for ranker in PLAIN
        for query in QUERIES
    ]


def test_targets_that_a_variant_loses_and_its_parent_keeps_are_its_cost() -> None:
    result = of(PLAIN, attacks({"int8": set(QUERIES[:20]), "r": set(QUERIES[:5])}))
    int8 = row(result, "int8")
    lost, robust = int8.endpoints[LOST].difference, int8.endpoints[ROBUST].difference
    assert lost is not None
    assert robust is not None
    assert lost.estimate.value == pytest.approx(15 / 30)
    assert robust.estimate.value == pytest.approx(-0.3 * 15 / 30)
    assert int8.lost(LOST) == pytest.approx(0.5)
    assert int8.lost(ROBUST) == pytest.approx(0.15)


def test_each_attack_is_compared_by_itself_in_a_family_of_its_own() -> None:
    second = [
        replace(attack("b", query, 5 if ranker == "r" or n < 10 else 15, 0.8), ranker=ranker)
        for ranker in PLAIN
        for n, query in enumerate(QUERIES)
    ]
    won = {ranker: set(QUERIES) for ranker in PLAIN}
    result = of(PLAIN, [*attacks(won), *second])
    int8 = row(result, "int8")
    worst, first, other = int8.endpoints[LOST], int8.by_attack["a"], int8.by_attack["b"]
    assert [each.difference.estimate.value for each in (worst, first, other) if each.difference] == [
        0.0, 0.0, pytest.approx(-20 / 30)
    ]  # fmt: skip
    assert result.comparisons == 2 * len(int8.endpoints)
    assert other.difference is not None
    assert other.difference.p_holm == pytest.approx(min(1.0, 4 * other.difference.p))
    assert not row(of(PLAIN, attacks({})), "int8").by_attack
    in_turn = of(PLAIN, [*attacks(won), *second], SPEC.replace("common = true", "common = true\nladder = true"))
    assert not row(in_turn, "int8").by_attack, "the second met only what the first left"


def test_an_attack_that_only_the_parent_met_makes_no_variant_look_robust() -> None:
    only = [replace(attack("b", query, 1, 0.1), ranker="r") for query in QUERIES]
    int8 = row(of(PLAIN, [*attacks({}), *only]), "int8")
    lost = int8.endpoints[LOST].difference
    assert lost is not None
    assert lost.estimate.value == 0.0
    assert int8.left_out == ["b"]
    assert "left out: b" in int8.sentence


def test_a_variant_that_met_no_attack_has_no_worst_case() -> None:
    met = [record for record in attacks({}) if record.ranker != "int8"]
    result = of(PLAIN, met)
    int8 = row(result, "int8")
    assert LOST not in int8.endpoints
    assert int8.left_out == ["a"]
    each = figures(result, "variant lost targets")
    assert each["int8"].estimate is None
    assert each[EVERY].estimate is None


def test_what_was_not_measured_of_a_variant_is_named() -> None:
    result = of({ranker: 1 for ranker in PLAIN if ranker != "int8"}, attacks({}))
    int8 = row(result, "int8")
    assert int8.missing == [CLEAN]
    assert "Not measured on it: nDCG@10" in int8.sentence
    alone = row(of({"int8": 1}), "int8")
    assert not alone.endpoints


def test_the_figure_over_all_variants_holds_where_each_one_does() -> None:
    result = of(PLAIN, attacks({"int8": set(QUERIES[:20]), "lora 1": set(QUERIES[:2])}))
    each = figures(result, "variant robust cost")
    assert set(each) == {"int8", "lora", EVERY}
    estimates = {name: figure.estimate for name, figure in each.items()}
    worst, int8, lora = estimates[EVERY], estimates["int8"], estimates["lora"]
    assert worst is not None
    assert int8 is not None
    assert lora is not None
    assert worst.value == int8.value == pytest.approx(0.3 * 20 / 30)
    assert worst.high == max(int8.high, lora.high)
    assert worst.low == int8.low > 0


def test_the_high_end_over_all_variants_is_the_highest_and_its_low_end_that_of_what_is_shown() -> None:
    def loss(value: float, low: float, high: float, p: float) -> tuple[VariantRow, Difference]:
        estimate = Estimate(value=value, low=low, high=high, n=30, confidence=0.95)
        return VariantRow(variant="v", parent="r"), Difference(estimate=estimate, p=p, p_holm=p)

    shown, wide, sure = loss(0.10, 0.05, 0.15, 0.01), loss(0.08, -0.10, 0.30, 0.6), loss(0.02, 0.01, 0.03, 0.02)
    worst = variants._worst([shown, wide, sure])
    assert worst is not None
    assert worst.estimate[:3] == (0.10, 0.05, 0.30)
    unsure = variants._worst([loss(0.10, 0.05, 0.15, 0.3), wide])
    assert unsure is not None
    assert unsure.estimate.low == -0.10


def test_where_one_variant_is_not_measured_the_figure_over_all_is_missing() -> None:
    records = [ranking(ranker, query) for ranker in ("r", "int8") for query in QUERIES]
    each = figures(made(records), "variant cost")
    assert each["lora"].estimate is None
    assert each[EVERY].estimate is None
    assert each[EVERY].missing


def test_a_list_that_a_variant_could_not_rank_leaves_its_figures_open() -> None:
    records: list[TaskRecord] = [ranking(ranker, query) for ranker in PLAIN for query in QUERIES]
    failed = ranking(
        "int8", "q00", status=Status.ERROR, error="killed", doc_ids=(), scores=(), measures={"nDCG@10": 0.0}
    )
    records = [failed if (r.ranker, r.query_id) == ("int8", "q00") else r for r in records]
    result = made(records)
    change = row(result, "int8").endpoints[CLEAN].difference
    assert change is not None
    assert change.undecided == 1
    assert change.ends is not None
    assert change.ends.low.value < -0.02
    assert "1 queries undecided" in row(result, "int8").sentence
    each = figures(result, "variant cost")
    assert each["int8"].estimate is None
    assert each[EVERY].estimate is None


def test_an_audit_without_variants_has_no_rows() -> None:
    plain = "\n".join(line for line in SPEC.splitlines() if not line.startswith("variant ="))
    setup = cast("SetupRecord", SimpleNamespace(rankers=[], collections=[]))
    assert variants.summarise(Evidence(spec=audit_file.parse(plain), setup=setup, tasks=[])) is None


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('parent = "r", stored', 'parent = "x", stored', "parent 'x' is not defined"),
        ('parent = "r", stored', 'parent = "lora 1", stored', "parent 'lora 1' is not defined"),
        ('name = "lora 2"\nvariant = { parent = "r"', 'name = "lora 2"\nvariant = { parent = "s"', "several parents"),
    ],
)
def test_a_variant_needs_a_parent_that_is_none(old: str, new: str, message: str) -> None:
    other = '[[ranker]]\nuse = "random"\nname = "s"\n'
    with pytest.raises(ConfigError, match=message):
        audit_file.parse(SPEC.replace(old, new).replace("[cases]", f"{other}[cases]"))
