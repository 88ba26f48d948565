"""Effectiveness on records made by hand: every field of a mean and of a comparison."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from robustrank.core.types import Range, Status
from robustrank.protocols import effectiveness
from robustrank.results.outcomes import Tally
from robustrank.results.summary import Comparison, Effectiveness
from robustrank.stats import comparisons, intervals
from robustrank.work.records import BaseRanking, RankingRecord


def ranking(query: str, value: float, *, ranker: str = "r", collection: str = "home", **more: Any) -> RankingRecord:
    """A list of one document, judged relevant; ``value`` is its nDCG@10 as recorded."""
    body: dict[str, Any] = {
        "doc_ids": ["a"], "scores": [1.0], "measures": {"nDCG@10": value}, "judged": value / 2, "relevant": 1,
        "qrels": {"a": 1},
    }  # fmt: skip
    return RankingRecord(ranker=ranker, collection=collection, query_id=query, **body | more)


def test_values_are_kept_by_ranker_collection_measure_and_query() -> None:
    records = [
        ranking("1", 0.1, measures={"nDCG@10": 0.1, "P@1": 1.0}), ranking("2", 0.2), ranking("1", 0.3, ranker="s"),
        ranking("1", 0.4, collection="away"),
    ]  # fmt: skip
    assert effectiveness.values(records) == {
        ("r", "home", "nDCG@10"): {"1": 0.1, "2": 0.2},
        ("r", "home", "P@1"): {"1": 1.0},
        ("s", "home", "nDCG@10"): {"1": 0.3},
        ("r", "away", "nDCG@10"): {"1": 0.4},
    }


def test_query_types_need_five_queries_and_are_sorted() -> None:
    records = [
        ranking(q, 0.5, type=t) for t, ids in {"who": "jihgf", "how": "abcde", "rare": "xyzw"}.items() for q in ids
    ]
    records += [
        ranking("j", 0.5, type="who", ranker="s"),
        ranking("t", 0.5),
        ranking("k", 0.5, collection="away", type="how"),
    ]
    found = effectiveness.query_types(records)
    assert found == {"home": {"how": list("abcde"), "who": list("fghij")}, "away": {}}
    assert list(found["home"]) == ["how", "who"]


def test_every_field_of_a_mean_and_of_its_slices() -> None:
    data = {q: n / 20 for n, q in enumerate("abcdefghij")}
    records = [ranking(q, v, type="who" if q < "f" else "how") for q, v in reversed(data.items())]
    whole, how, who = effectiveness.effectiveness(records)

    def expected(ids: str, name: str | None) -> Effectiveness:
        some = [data[q] for q in ids]
        return Effectiveness(
            ranker="r", collection="home", measure="nDCG@10", slice=name, mean=intervals.mean(some, bounds=(0, 1)),
            judged=intervals.mean([v / 2 for v in some], bounds=(0, 1)), unjudged=Range(1, 1),
            deviation=float(np.std(some, ddof=1)), lowest_decile=intervals.lowest_decile(some, bounds=(0, 1)),
            per_query={q: data[q] for q in ids} if name is None else {}, tally=Tally(planned=len(ids)),
        )  # fmt: skip

    assert whole == expected("abcdefghij", None)
    assert list(whole.per_query) == list("abcdefghij")
    assert how == expected("fghij", "how")
    assert who == expected("abcde", "who")


def test_one_type_alone_is_no_slice_and_one_query_has_no_deviation() -> None:
    records = [ranking(q, 0.5, type="who") for q in "abcde"]
    records += [ranking("a", 0.5, ranker="s")]
    found = effectiveness.effectiveness(records)
    assert [(f.ranker, f.slice, f.deviation) for f in found] == [("r", None, 0.0), ("s", None, None)]


def test_a_ranker_without_queries_of_a_type_has_no_slice_of_it() -> None:
    records = [ranking(q, 0.5, type="who" if q < "f" else "how") for q in "abcdefghij"]
    records += [ranking(q, 0.5, ranker="s", type="how") for q in "fghij"]
    assert [f.slice for f in effectiveness.effectiveness(records) if f.ranker == "s"] == [None, "how"]


def test_every_field_of_a_comparison_and_its_correction() -> None:
    ours = [0.9, 0.8, 0.7, 0.9, 0.6, 0.9]
    theirs = [0.1, 0.3, 0.2, 0.2, 0.3, 0.1]
    records = [ranking(str(n), v, ranker="a") for n, v in enumerate(ours)]
    records += [ranking(str(n), v, ranker="b") for n, v in enumerate(theirs)]
    records += [ranking("0", 0.5, ranker="b", collection="away"), ranking("1", 0.5, ranker="c")]
    records += [ranking(str(n), 0.5, ranker="c", measures={"P@1": 0.5}) for n in (0, 2, 3)]
    (found,) = effectiveness.comparisons(records, "nDCG@10")
    difference, p, _ = comparisons.paired(ours, theirs, bounds=(-1, 1))
    assert found == Comparison(
        a="a", b="b", collection="home", measure="nDCG@10", difference=difference, p=p, p_holm=p,
        test="paired over queries, two-sided, by the interval",
        judged_a=intervals.mean([v / 2 for v in ours], bounds=(0, 1)),
        judged_b=intervals.mean([v / 2 for v in theirs], bounds=(0, 1)),
        unjudged=Range(0, 0), may_change=False, tally=Tally(planned=6),
    )  # fmt: skip


def test_lists_that_could_not_be_ranked_are_counted_and_make_no_difference_significant_that_they_could_undo() -> None:
    records = [ranking(str(n), 0.9, ranker="a") for n in range(20)] + [
        ranking(str(n), 0.4, ranker="b") for n in range(10)
    ]
    broken = {"status": Status.ERROR, "error": "HTTP 429"}
    records += [ranking(str(n), 0.0, ranker="b", **broken) for n in range(10, 20)]
    (found,) = effectiveness.comparisons(records, "nDCG@10")
    assert found.tally == Tally(planned=20, errors=10, error="HTTP 429")
    assert found.ends is not None
    assert found.ends.low.value == pytest.approx((10 * 0.5 + 10 * -0.1) / 20)
    assert found.ends.high.value == pytest.approx((10 * 0.5 + 10 * 0.9) / 20)
    assert comparisons.paired([0.9] * 20, [0.4] * 10 + [0.0] * 10).p < 0.001
    assert found.p > 0.05
    worse = [replace(r, ranker={"a": "b", "b": "a"}[r.ranker]) for r in records]
    (turned,) = effectiveness.comparisons(worse, "nDCG@10")
    assert turned.p > 0.05
    more = [ranking(str(n), 0.9 if name == "a" else 0.6, ranker=name) for name in "ab" for n in range(10)]
    more[-1] = replace(more[-1], measures={"nDCG@10": 0.0}, **broken)
    even = [replace(r, measures={"nDCG@10": 0.61}) if r.ranker == "a" else r for r in more]
    (reversed_,) = effectiveness.comparisons(even, "nDCG@10")
    assert reversed_.ends is not None
    assert reversed_.ends.low.value < 0
    assert reversed_.p == 1.0


def test_defended_lists_that_could_not_be_ranked_are_counted_too() -> None:
    base = BaseRanking(ranker="r", scores=[1.0], measures={"nDCG@10": 0.5}, judged=0.3)
    records = [ranking(str(n), 0.5 + n / 10, ranker="s + r", base=base) for n in range(4)]
    records += [ranking("9", 0.0, ranker="s + r", status=Status.ERROR, error="died")]
    (found,) = effectiveness.comparisons(records, "nDCG@10")
    assert (found.tally, found.difference.n) == (Tally(planned=5, errors=1, error="died"), 4)
    assert found.ends is not None
    assert found.ends.low.value == pytest.approx((0.6 - 1) / 5)
    assert found.ends.high.value == pytest.approx((0.6 + 1) / 5)


def test_p_values_are_corrected_over_every_pair_and_two_queries_are_enough() -> None:
    records = [ranking(str(n), v, ranker=r) for r, v in {"a": 0.9, "b": 0.5, "c": 0.1}.items() for n in range(6)]
    found = effectiveness.comparisons(records, "nDCG@10")
    assert [(f.a, f.b) for f in found] == [("a", "b"), ("a", "c"), ("b", "c")]
    expected = [comparisons.paired([gap] * 6, [0.0] * 6).p for gap in (0.4, 0.8, 0.4)]
    assert [f.p for f in found] == pytest.approx(expected)
    assert [f.p_holm for f in found] == comparisons.holm([f.p for f in found])
    assert [f.difference.n for f in effectiveness.comparisons(records[:2] + records[6:8], "nDCG@10")] == [2]
    assert effectiveness.comparisons(records[:1] + records[6:7], "nDCG@10") == []


def test_a_defended_ranker_is_compared_with_its_base_alone_and_only_where_the_base_was_measured() -> None:
    base = BaseRanking(ranker="r", scores=[1.0], measures={"nDCG@10": 0.5}, judged=0.3)
    records = [ranking(str(n), v, ranker="s + r", base=base) for n, v in enumerate([0.9, 0.2, 0.4])]
    records += [ranking("3", 0.1, ranker="s + r"), ranking("4", 0.7, ranker="s + r", base=base, collection="away")]
    records += [ranking(str(n), 0.9, ranker="r") for n in range(4)]
    (found,) = effectiveness.comparisons(records, "nDCG@10")
    assert (found.a, found.b, found.collection) == ("s + r", "r (same lists)", "home")
    assert (found.difference, found.p) == comparisons.paired([0.9, 0.2, 0.4], [0.5] * 3, bounds=(-1, 1))[:2]
    assert found.judged_a == intervals.mean([0.45, 0.1, 0.2], bounds=(0, 1))
    assert found.judged_b == intervals.mean([0.3] * 3, bounds=(0, 1))
    assert found.unjudged == Range(0, 0)


def test_a_difference_over_an_unjudged_document_may_change() -> None:
    """Of two documents the first is judged not relevant; ``b`` ranks the unjudged one first."""
    both: dict[str, Any] = {"doc_ids": ["non", "open"], "qrels": {"non": 0, "rel": 1}, "measures": {"P@1": 0.0}}
    records = [ranking(q, 0, ranker="a", **both | {"scores": [2.0, 1.0]}) for q in "12"]
    records += [ranking(q, 0, ranker="b", **both | {"scores": [1.0, 2.0]}) for q in "12"]
    (found,) = effectiveness.comparisons(records, "P@1")
    assert (found.unjudged, found.may_change) == (Range(-1, 0), True)
    assert [f.unjudged for f in effectiveness.effectiveness(records)] == [Range(0, 0), Range(0, 1)]


def test_lists_that_could_not_be_ranked_leave_the_means_open() -> None:
    broken: dict[str, Any] = {"status": Status.ERROR, "error": "HTTP 429", "type": "who"}
    records = [ranking(q, n / 10, type="who") for n, q in enumerate("abcde")]
    records += [ranking(q, 0.0, judged=0.0, **broken) for q in "fg"]
    records += [ranking(q, 0.9, type="how") for q in "hijkl"]
    whole, how, who = effectiveness.effectiveness(records)
    assert (whole.slice, how.slice, who.slice) == (None, "how", "who")
    assert whole.tally == Tally(planned=12, errors=2, error="HTTP 429")
    values = [0.0, 0.1, 0.2, 0.3, 0.4]
    for row, known in ((whole, [*values, *[0.9] * 5]), (who, values)):
        sides = [[*known[:5], end, end, *known[5:]] for end in (0.0, 1.0)]
        assert row.ends["mean"] == tuple(intervals.mean(side, bounds=(0, 1)) for side in sides)
        assert row.ends["lowest decile"] == tuple(intervals.lowest_decile(side, bounds=(0, 1)) for side in sides)
        judged = [[*(v / 2 for v in known[:5]), end, end, *(v / 2 for v in known[5:])] for end in (0.0, 1.0)]
        assert row.ends["judged"] == tuple(intervals.mean(side, bounds=(0, 1)) for side in judged)
    assert whole.open == {"f": (0.0, 1.0), "g": (0.0, 1.0)}
    assert who.open == how.open == {}
    assert how.ends == {}
    # A measure without bounds keeps the value of an empty list.
    failed = ranking("x", 0.0, measures={"NumRet": 0.0, "WSS@95": 0.0}, **broken)
    assert effectiveness.ends_of(failed, "NumRet") == (0.0, 0.0)
    assert list(effectiveness.ends_of(failed, "WSS@95")) == pytest.approx([-0.05, 0.95])


def test_two_queries_have_a_deviation() -> None:
    (found,) = effectiveness.effectiveness([ranking("a", 0.2), ranking("b", 0.6)])
    assert found.deviation == pytest.approx(0.4 / 2**0.5)


def test_where_errors_cannot_turn_a_difference_its_p_is_the_greatest_of_the_three() -> None:
    records = [ranking(str(n), v, ranker=r) for r, v in {"a": 0.9, "b": 0.1}.items() for n in range(30)]
    records[-1] = replace(records[-1], status=Status.ERROR, error="died", measures={"nDCG@10": 0.0})
    (found,) = effectiveness.comparisons(records, "nDCG@10")
    sides = [comparisons.paired([0.9] * 30, [0.1] * 29 + [end]).p for end in (0.0, 1.0)]
    assert found.p == pytest.approx(max(sides))
    assert 0 < found.p < 0.01


def test_a_variant_is_compared_with_its_parent_and_the_baseline_and_with_nothing_else() -> None:
    names = ["early", "base", "other", "int8", "lora"]
    records = [ranking(query, 0.5, ranker=name) for name in names for query in "abc"]
    parents = {"early": "base", "int8": "base", "lora": "base"}
    found = effectiveness.comparisons(records, "nDCG@10", parents)
    expected = [("early", "base"), ("base", "other"), ("base", "int8"), ("base", "lora")]
    assert [(each.a, each.b) for each in found] == expected
    found = effectiveness.comparisons(records, "nDCG@10", parents, "other")
    others = {("early", "other"), ("other", "int8"), ("other", "lora")}
    assert {(each.a, each.b) for each in found} == {*expected, *others}
    assert len(effectiveness.comparisons(records, "nDCG@10")) == 10
