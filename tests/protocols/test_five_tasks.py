"""The five tasks on records made by hand, where every figure can be told in advance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from robustrank.core.types import Status
from robustrank.protocols import out_of_distribution
from robustrank.protocols.five_tasks import (
    assemble,
    manipulation,
    query_types,
    query_variations,
    variance,
    worst_slices,
)
from robustrank.results.five_tasks import Cell
from robustrank.results.outcomes import Tally
from robustrank.retrieval.lists import DescribedQuery
from robustrank.work.records import EditedDocument, EditRecord, RankingRecord, TaskRecord, VariantValue, VariationRecord


def ranking(query: str, value: float, ranker: str = "r", collection: str = "home", **more: Any) -> RankingRecord:
    return RankingRecord(
        ranker=ranker, collection=collection, query_id=query, measures={"nDCG@10": value}, doc_ids=["d"], scores=[1.0],
        **more,
    )  # fmt: skip


def variation(query: str, clean: float, values: dict[str, float], ranker: str = "r", **more: Any) -> VariationRecord:
    variants = [VariantValue(operation=name, text=name, fixed=v, end=None) for name, v in values.items()]
    body: dict[str, Any] = {"clean": clean, "query": "q", "variants": variants}
    return VariationRecord(
        ranker=ranker, collection="home", query_id=query, variation="ops", plugin="ops", measure="nDCG@10", unit="",
        **body | more,
    )  # fmt: skip


def edit(before: int, after: int, grades: tuple[int, int]) -> EditedDocument:
    return EditedDocument(
        before="a", after="b", rivals=9, rank_before=before, rank_after=after, score_before=0.0, score_after=0.0,
        grade_before=grades[0], grade_after=grades[1],
    )  # fmt: skip


def described_as(types: dict[str, str], features: dict[str, float] | None = None) -> DescribedQuery:
    return DescribedQuery(types=types, features=features or {})


def test_a_loss_against_the_baseline_counts_twice() -> None:
    found = variance.u_risk([0.5, 0.2, 0.4], [0.4, 0.4, 0.4])
    assert found.value == pytest.approx((0.1 - 2 * 0.2 + 0) / 3)


def test_geometric_risk_by_hand() -> None:
    # Totals: systems 1.0 and 0.5, queries 0.9 and 0.6, all 1.5; expected of a: 0.6 and 0.4, of b: 0.3 and 0.2.
    found = variance.geo_risk({"a": {"1": 0.6, "2": 0.4}, "b": {"1": 0.3, "2": 0.2}})
    assert found["a"] == pytest.approx((0.5 * 0.5) ** 0.5)  # z is 0 everywhere, and the normal CDF of 0 is one half
    uneven = variance.geo_risk({"a": {"1": 0.7, "2": 0.3}, "b": {"1": 0.2, "2": 0.3}})
    e = [1.0 * 0.9 / 1.5, 1.0 * 0.6 / 1.5]
    z = (0.7 - e[0]) / e[0] ** 0.5 + (0.3 - e[1]) / e[1] ** 0.5
    from statistics import NormalDist

    assert uneven["a"] == pytest.approx((0.5 * NormalDist().cdf(z / 2)) ** 0.5)


def test_the_coefficient_of_variation_by_hand() -> None:
    found = variance.cv([0.2, 0.4, 0.6] * 10)
    assert found is not None
    assert found.value == pytest.approx((8 / 300) ** 0.5 / 0.4)


def test_the_mixed_model_finds_what_analysis_of_variance_finds() -> None:
    rng = np.random.default_rng(0)
    table = 0.5 + 0.3 * rng.normal(size=(1, 40)) + 0.1 * rng.normal(size=(4, 1)) + 0.05 * rng.normal(size=(4, 40))
    grand, seeds, queries = table.mean(), table.mean(1), table.mean(0)
    rest = ((table - seeds[:, None] - queries + grand) ** 2).sum() / (3 * 39)
    over_query = (4 * ((queries - grand) ** 2).sum() / 39 - rest) / 4
    over_seed = (40 * ((seeds - grand) ** 2).sum() / 3 - rest) / 40
    assert variance.components(table) == pytest.approx((over_query, over_seed, rest), rel=1e-3)


def test_rankers_of_one_family_are_told_apart_from_queries() -> None:
    records = [ranking(str(q), q / 10, r) for q in range(8) for r in ("s1", "s2", "s3")]
    (found,) = variance.seeds(records, {"s1": "f", "s2": "f", "s3": "f"}, "home", "nDCG@10")
    assert (found.members, found.queries) == (3, 8)
    assert found.query_variance == pytest.approx(0.06, rel=0.01)  # of 0, 0.1 ... 0.7
    assert found.seed_variance == pytest.approx(0, abs=1e-6)


def test_a_type_is_compared_with_all_others_of_its_axis_and_with_the_baseline() -> None:
    described = {"home": {str(i): described_as({"wh": "who" if i < 6 else "what"}) for i in range(12)}}
    records = [ranking(str(i), (0.2 if i < 6 else 0.8) + i / 100) for i in range(12)]
    records += [ranking(str(i), (0.4 if i < 6 else 0.8) + i / 100, "base") for i in range(12)]
    found = {(f.ranker, f.type): f for f in query_types.losses(records, described, "nDCG@10", "base")}
    who = found["r", "who"]
    assert who.change.value == pytest.approx(0.225 - 0.885)
    assert who.relative is not None
    assert who.relative.value == pytest.approx(0.225 / 0.885 - 1)
    assert who.versus_baseline is not None
    assert who.versus_baseline.value == pytest.approx(0.225 / 0.885 - 0.425 / 0.885)
    assert found["base", "who"].versus_baseline is None


@pytest.mark.parametrize("agree", [False, True])
def test_a_query_type_has_one_interval_in_every_table(agree: bool) -> None:
    kinds = ["who" if i < 6 else "what" for i in range(15)]
    described = {"home": {str(i): described_as({"wh": kind}) for i, kind in enumerate(kinds)}}
    rng = np.random.default_rng(1)
    values = {r: [1.0 if agree else float(x) for x in rng.random(15)] for r in ("r", "base")}
    records = [ranking(str(i), values[r][i], r, type=kinds[i]) for r in values for i in range(15)]
    tasks = {(f.ranker, f.type): f for f in query_types.losses(records, described, "nDCG@10", "base")}
    shifts = out_of_distribution.shifts(records, home="home", measure="nDCG@10", baseline="base")
    assert len(shifts) == len(tasks) == 4
    for shift in shifts:
        row = tasks[shift.ranker, shift.target.removeprefix("home: ")]
        assert (row.change, row.relative, row.versus_baseline) == (
            shift.change, shift.relative, shift.relative_to_baseline
        )  # fmt: skip
        assert row.change.low < row.change.value < row.change.high
        assert row.p is not None
        assert row.p > 0


@pytest.mark.parametrize("queries", [2, 4, 23, 30])
def test_queries_that_agree_are_no_certainty_in_the_table(queries: int) -> None:
    after = {"r": 3, "base": 9}
    records: list[TaskRecord] = [ranking(str(i), 1.0, r) for i in range(queries) for r in after]
    records += [
        EditRecord(ranker=r, collection="home", query_id=str(i), query="q", edits=[edit(9, rank, (0, 0))])
        for i in range(queries)
        for r, rank in after.items()
    ]
    found = assemble.five_tasks(records, {}, home="home", measure="nDCG@10", baseline="base", families={})
    cells = [cell for cell in found.table if cell.ranker == "r"]
    assert {cell.task for cell in cells} == ({"1 i.i.d. variance"} if queries >= 30 else set()) | {
        "5 document operations"
    }
    for cell in cells:
        assert cell.value.high > cell.value.low
        assert cell.versus_baseline is not None
        assert cell.versus_baseline.high > cell.versus_baseline.low
        assert cell.p is not None
        assert cell.p >= min(2 * 0.5**queries, 1e-3)
        assert cell.detectable is not None
    (fooled,) = [cell for cell in cells if cell.task == "5 document operations"]
    assert fooled.value.low == pytest.approx(0.025 ** (1 / queries), abs=0.01)


def test_variations_are_reported_by_mean_worst_and_share_that_hurts() -> None:
    records = [variation(str(i), 0.8, {"identity": 0.8, "typo": 0.4, "order": 0.8}) for i in range(6)]
    records += [variation(str(i), 0.5, {"identity": 0.5, "typo": 0.4, "order": 0.5}, "base") for i in range(6)]
    found = {(f.ranker, f.operation): f for f in query_variations.losses(records, "nDCG@10", "base")}
    whole = found["r", "all"]
    assert whole.variants == 12  # the identity is no variant
    assert whole.loss is not None
    assert whole.loss.value == pytest.approx(0.25)
    assert whole.versus_baseline is not None
    assert whole.versus_baseline.value == pytest.approx(0.25 - 0.1)
    assert whole.worst.value == pytest.approx(0.4)
    assert whole.hurt.value == 0.5
    assert (whole.queries_hurt.value, whole.queries_hurt.n) == (1.0, 6)  # the typo hurts every query
    same = found["r", "identity"]
    assert same.loss is not None
    assert same.loss.low < same.loss.value == 0 < same.loss.high
    assert {f.setting for f in found.values()} == {"re-rank fixed"}  # nothing was searched again


def test_variations_that_failed_are_counted_and_leave_the_loss_open() -> None:
    records = [variation(str(i), 0.8, {"typo": 0.4}) for i in range(6)]
    records += [variation(str(i), 0.0, {}, status=Status.ERROR, error="died") for i in range(6, 8)]
    clean = {("r", "home", str(i)): 0.8 for i in range(8)}
    for found in query_variations.losses(records, "nDCG@10", None, clean):
        assert found.tally == Tally(planned=8, errors=2, error="died")
        assert found.loss is not None
        assert found.loss.value == pytest.approx(0.5)
        assert found.loss.n == 6
        assert found.ends is not None
        assert found.ends.low.value == pytest.approx(1 - (6 * 0.4 + 2 * 1) / (8 * 0.8))
        assert found.ends.high.value == pytest.approx(1 - 6 * 0.4 / (8 * 0.8))
    [whole] = query_variations.losses(records[:6], "nDCG@10", None)[:1]
    assert (whole.tally, whole.ends) == (Tally(planned=6), None)


def test_a_cell_of_the_table_that_failed_variations_could_turn_is_undecided() -> None:
    records: list[TaskRecord] = [ranking(str(i), 0.8, name) for name in ("r", "base") for i in range(40)]
    records += [variation(str(i), 0.8, {"typo": 0.75}, "base") for i in range(40)]

    def cell(of: Sequence[TaskRecord]) -> Cell:
        table = assemble.five_tasks(of, {}, home="home", measure="nDCG@10", baseline="base", families={}).table
        [found] = [c for c in table if c.ranker == "r" and c.task == "4 query operations"]
        return found

    whole = cell([*records, *(variation(str(i), 0.8, {"typo": 0.2}) for i in range(40))])
    assert (whole.verdict, whole.undecided) == ("less robust", False)
    failed = [variation(str(i), 0.0, {}, status=Status.ERROR, error="died") for i in range(20, 40)]
    open_ = cell([*records, *(variation(str(i), 0.8, {"typo": 0.2}) for i in range(20)), *failed])
    assert (open_.verdict, open_.undecided) == ("undecided", True)


def test_a_ranker_is_fooled_by_edits_that_made_nothing_more_relevant() -> None:
    edits = [edit(3, 1, (1, 1)), edit(3, 3, (1, 0)), edit(2, 1, (0, 2)), edit(1, 2, (0, 1))]
    records = [EditRecord(ranker="r", collection="c", query_id=str(i), query="q", edits=edits) for i in range(3)]
    (found,) = manipulation.manipulations(records, None)
    assert found.fooled is not None
    assert found.earned is not None
    assert (found.edits, found.promoted.value, found.fooled.value, found.earned.value) == (12, 0.5, 0.5, 0.5)
    assert found.gain.value == pytest.approx((2 + 0 + 1 - 1) / 4)


def test_a_planted_slice_is_found_and_confirmed_and_noise_is_not() -> None:
    rng = np.random.default_rng(1)
    queries = [f"q{i}" for i in range(200)]
    features = {q: {"words": float(i % 7), "noise": float(rng.random())} for i, q in enumerate(queries)}
    described = {"home": {q: described_as({}, f) for q, f in features.items()}}
    records = [
        ranking(q, float(np.clip(rng.normal(0.3 if features[q]["words"] > 4 else 0.8, 0.1), 0, 1))) for q in queries
    ]
    found, looked = worst_slices.search(records, described, "nDCG@10")
    assert looked == 4
    assert [(s.slice, s.confirmed) for s in found] == [("words at least 4.00", True)]


def test_a_slice_that_is_hard_for_everyone_is_not_held_against_a_ranker() -> None:
    rng = np.random.default_rng(3)
    hard, lost = {f"q{i}" for i in range(60)}, {f"q{i}" for i in range(60, 120)}
    kinds = {f"q{i}": "hard" if i < 60 else "lost" if i < 120 else "easy" for i in range(240)}
    described = {"home": {q: described_as({"kind": kind}) for q, kind in kinds.items()}}
    records = []
    for q in kinds:
        level = (0.3 if q in hard else 0.8) + float(rng.normal(0, 0.05))
        records += [
            ranking(q, level, "base"),
            ranking(q, level - (0.4 if q in lost else 0) + float(rng.normal(0, 0.05))),
        ]
    found, _ = worst_slices.search(records, described, "nDCG@10", "base")
    told = {(s.ranker, s.versus, s.slice) for s in found if s.confirmed}
    assert ("base", None, "kind: hard") in told
    assert {x for x in told if x[1] is not None} == {("r", "base", "kind: lost")}


def test_false_discoveries_are_rare_where_there_is_nothing_to_find() -> None:
    found = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        queries = [f"q{i}" for i in range(80)]
        described = {
            "home": {q: described_as({"t": str(rng.integers(4))}, {"f": float(rng.random())}) for q in queries}
        }
        records = [ranking(q, float(rng.random())) for q in queries]
        found += sum(s.confirmed for s in worst_slices.search(records, described, "nDCG@10")[0])
    assert found <= 2


def test_the_table_tells_every_task_against_the_baseline_and_corrects_all_cells_together() -> None:
    rng = np.random.default_rng(2)
    records: list[TaskRecord] = []
    for i in range(30):
        level = float(rng.uniform(0.5, 0.9))
        for ranker, away in (("base", 0.9), ("r", 0.4)):
            records += [ranking(str(i), level, ranker), ranking(str(i), level * away, ranker, "away")]
            records.append(variation(str(i), level, {"typo": level * away}, ranker))
    found = assemble.five_tasks(records, {}, home="home", measure="nDCG@10", baseline="base", families={})
    cells = {(c.task[0], c.ranker): c for c in found.table}
    assert set(cells) == {(t, r) for t in "134" for r in ("base", "r")}
    assert cells["1", "r"].verdict == "inconclusive"  # the same values
    for task in "34":
        cell = cells[task, "r"]
        assert cell.versus_baseline is not None
        assert cell.versus_baseline.value == pytest.approx(0.5)
        assert cell.verdict == "less robust"
        assert cells[task, "base"].verdict == ""


def test_verdicts_of_a_ranker_that_equals_the_baseline_are_inconclusive() -> None:
    records = [ranking(str(i), i / 10, r, c) for i in range(9) for r in ("base", "r") for c in ("home", "away")]
    found = assemble.five_tasks(records, {}, home="home", measure="nDCG@10", baseline="base", families={})
    assert {c.verdict for c in found.table if c.ranker == "r"} == {"inconclusive"}


def test_a_group_is_the_mean_of_its_rankers_and_is_corrected_with_the_others() -> None:
    kept = {"base": 0.9, "n1": 0.4, "n2": 0.6, "alone": 0.9}
    records = []
    for i in range(30):
        for ranker, share in kept.items():
            records += [
                ranking(str(i), 0.5 + i / 100, ranker),
                ranking(str(i), (0.5 + i / 100) * share, ranker, "away"),
            ]
    found = assemble.five_tasks(
        records, {}, home="home", measure="nDCG@10", baseline="base", families={},
        groups={"n1": "neural", "n2": "neural", "alone": "one of a kind"},
    )  # fmt: skip
    cells = {c.ranker: c for c in found.table if c.task[0] == "3"}
    assert set(cells) == {*kept, "neural"}  # a group of one is that ranker, and is not told twice
    neural = cells["neural"]
    assert neural.members == ["n1", "n2"]
    assert neural.value.value == pytest.approx(0.5)
    assert neural.versus_baseline is not None
    assert neural.versus_baseline.value == pytest.approx(0.4)
    assert neural.verdict == "less robust"
    assert (cells["n1"].members, cells["alone"].verdict) == ((), "inconclusive")


def test_the_interval_of_a_worst_slice_is_of_the_half_that_was_not_searched() -> None:
    queries = [f"q{i}" for i in range(200)]
    kinds = {q: "bad" if i % 3 == 0 else "good" for i, q in enumerate(queries)}
    described = {"home": {q: described_as({"kind": kind}) for q, kind in kinds.items()}}
    rng = np.random.default_rng(4)
    level = {q: (0.0 if kinds[q] == "bad" else 0.8) + 0.2 * float(rng.random()) for q in queries}
    found, _ = worst_slices.search([ranking(q, v) for q, v in level.items()], described, "nDCG@10")
    (slice_,) = [s for s in found if s.slice == "kind: bad"]
    # Whatever the searched half looked like does not move what is said of the other.
    even = {q: v - 0.3 if worst_slices.searched(q) and kinds[q] == "good" else v for q, v in level.items()}
    (again,) = [
        s
        for s in worst_slices.search([ranking(q, v) for q, v in even.items()], described, "nDCG@10")[0]
        if s.slice == "kind: bad"
    ]
    kept = [q for q in queries if not worst_slices.searched(q)]
    inside, outside = ([level[q] for q in kept if kinds[q] == kind] for kind in ("bad", "good"))
    assert slice_.difference.value == pytest.approx(np.mean(inside) - np.mean(outside))
    assert slice_.difference.n == min(len(inside), len(outside))
    assert (again.difference, again.confirmed_p) == (slice_.difference, slice_.confirmed_p)
    assert (slice_.confirmed_p < 0.05) == (slice_.difference.high < 0)


def test_a_coefficient_of_variation_of_few_queries_has_no_figure() -> None:
    assert variance.cv([0.2, 0.4] * 14 + [0.3]) is None
    told = variance.cv([0.2, 0.4] * 15)
    assert told is not None
    assert 0 <= told.low < told.value < told.high


def test_a_query_type_against_the_others_has_one_interval_wherever_it_is_told() -> None:
    rng = np.random.default_rng(8)
    kinds = {f"q{i:02}": "how" if i % 3 else "who" for i in range(30)}
    records = [
        ranking(q, float(rng.random()), ranker, type=kind) for ranker in ("base", "r") for q, kind in kinds.items()
    ]
    described = {"home": {q: described_as({"wh": kind}) for q, kind in kinds.items()}}
    shifts = out_of_distribution.shifts(records, home="home", measure="nDCG@10", baseline="base")
    told = {
        (t.ranker, t.type): (t.change, t.relative, t.versus_baseline)
        for t in query_types.losses(records, described, "nDCG@10", "base")
    }
    assert len(told) == 4
    for shift in shifts:
        assert told[shift.ranker, shift.target.removeprefix("home: ")] == (
            shift.change,
            shift.relative,
            shift.relative_to_baseline,
        )
