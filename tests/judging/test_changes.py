"""The ratchet file and the comparison of two audits: every field, every refusal and every caveat, by hand."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from robustrank.core.errors import ConfigError
from robustrank.core.types import Estimate, Range
from robustrank.judging import compare, ratchet
from robustrank.judging.compare import Change, QueryChange
from robustrank.judging.ratchet import Held, Ratchet
from robustrank.results.figures import Figure
from robustrank.results.summary import Summary
from robustrank.stats import comparisons, planning


def figure(**more: Any) -> Figure:
    given: dict[str, Any] = {
        "measure": "m", "labels": {"ranker": "net"}, "collection": "home", "per_query": {"q2": 0.75, "q10": 0.25},
        "made": "made", "fingerprint": "2",
    }  # fmt: skip
    return Figure(**given | more)


def held(**more: Any) -> Held:
    given: dict[str, Any] = {
        "measure": "m", "labels": {"ranker": "net"}, "made": "made", "fingerprint": "2", "mean": 0.5,
        "per_query": [("q10", "key of q10", 0.25), ("q2", "key of q2", 0.75)],
    }  # fmt: skip
    return Held(**given | more)


def test_the_file_is_written_as_it_is_read_one_query_a_line(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    text = (
        '{\n"schema": 1,\n"audit": "an \\"audit\\"",\n"figures": [\n'
        '{"measure": "m", "labels": {"ranker": "net"}, "made": "made", "fingerprint": "2",\n'
        ' "mean": 0.5, "per_query": [\n  ["q10", "key of q10", 0.25],\n  ["q2", "key of q2", 0.75]\n]},\n'
        '{"measure": "n", "labels": {}, "made": "made", "fingerprint": "2",\n'
        ' "mean": 0.5, "per_query": [\n  ["q10", "key of q10", 0.25],\n  ["q2", "key of q2", 0.75]\n]}\n]\n}\n'
    )
    both = Ratchet(audit='an "audit"', figures=[held(), held(measure="n", labels={})])
    ratchet.write(both, path)
    assert path.read_text() == text
    assert ratchet.read(path) == both
    assert ratchet.read(tmp_path / "none.json") is None
    path.write_text(text.replace('"schema": 1', '"schema": 2'))
    with pytest.raises(ConfigError, match=r"x\.json: not a ratchet file: schema 2, this version reads 1$"):
        ratchet.read(path)
    with pytest.raises(ConfigError, match="not a ratchet file"):
        ratchet.read(tmp_path)


def test_a_figure_is_found_by_measure_and_all_labels() -> None:
    some = [held(measure="n"), held(labels={"ranker": "net", "of": "x"}), held(), held(mean=0.6)]
    assert Ratchet(audit="a", figures=some).find(figure()) is some[2]
    assert Ratchet(audit="a", figures=some[:2]).find(figure()) is None


def test_losses_are_signed_by_what_is_better_and_sorted_by_query(keyed: Summary) -> None:
    new = figure(per_query={"q2": 0.5, "q10": 0.5, "q3": 0.1})
    lost = ratchet.losses(held(), new, keyed, "x.json")
    assert lost == {"q10": -0.25, "q2": 0.25}
    assert list(lost) == ["q10", "q2"]
    assert ratchet.losses(held(), replace(new, higher_is_better=False), keyed, "x.json") == {"q10": 0.25, "q2": -0.25}


def test_what_is_not_comparable_is_refused_with_the_way_out(keyed: Summary) -> None:
    anew = "write it anew with `robustrank gate DIR --update-ratchet --force`"
    name = "m (ranker 'net')"

    def refused(old: Held, new: Figure) -> str:
        with pytest.raises(ConfigError) as caught:
            ratchet.losses(old, new, keyed, "x.json")
        return str(caught.value)

    assert refused(held(made="other"), figure()) == (
        f"x.json: {name} was measured differently in this file (attack, budget, edits, strata or seed); {anew}"
    )
    moved = [("q10", "another", 0.25), ("q2", "key of q2", 0.75), ("q3", "key of q3", 0.5)]
    assert refused(held(per_query=moved), figure()) == (
        f"x.json: 1 of 3 queries of {name} now have a different text, other candidates or other judgments, "
        f"for example 'q10'; {anew}"
    )
    assert refused(held(), figure(per_query={"q2": 0.5})) == f"x.json: {name} has 1 queries in common with it; {anew}"
    gone = [("gone", "k", 0.25), *moved[1:]]  # a query that is no longer drawn is no obstacle
    assert set(ratchet.losses(held(per_query=gone), figure(per_query={"q2": 0, "q3": 0}), keyed, "")) == {"q2", "q3"}


def test_only_the_same_ranker_with_the_same_values_has_lost_exactly_nothing() -> None:
    nothing = {"q1": 0.0, "q2": 0.0}
    assert ratchet.unchanged(held(), figure(), nothing) == Estimate(0, 0, 0, 2)
    assert ratchet.unchanged(held(), figure(fingerprint="3"), nothing) is None
    assert ratchet.unchanged(held(), figure(), {"q1": 0.0, "q2": 0.1}) is None


def test_a_new_file_holds_the_figures_sorted_with_the_keys_of_their_queries(keyed: Summary) -> None:
    some = [figure(measure="n"), figure(labels={"ranker": "z"}), figure(labels={"ranker": "a"})]
    found = ratchet.updated(None, some, keyed)
    assert found.audit == "small"
    assert [(h.measure, h.labels["ranker"]) for h in found.figures] == [("m", "a"), ("m", "z"), ("n", "net")]
    assert found.figures[2] == held(measure="n")
    for broken in (figure(per_query={}), figure(per_query={"q1": 1, "gone": 1}), figure(collection="nowhere")):
        with pytest.raises(ConfigError) as caught:
            ratchet.updated(None, [broken], keyed)
        why = "m (ranker 'net') has no per-query values in this summary; run the audit's command again"
        assert str(caught.value) == why


@pytest.mark.parametrize(
    ("old", "higher_is_better", "force", "keeps"),
    [
        ({"mean": 0.6}, True, False, True),
        ({"mean": 0.6}, False, False, False),
        ({"mean": 0.4}, True, False, False),
        ({"mean": 0.4}, False, False, True),
        ({"mean": 0.5, "fingerprint": "1"}, True, False, False),  # as good: the newer one
        ({"mean": 0.6}, True, True, False),
        ({"mean": 0.6, "made": "other"}, True, False, False),
        ({"mean": 0.6, "measure": "n"}, True, False, False),
    ],
)
def test_a_figure_is_kept_only_where_the_new_one_is_worse(
    keyed: Summary, old: dict[str, Any], higher_is_better: bool, force: bool, keeps: bool
) -> None:
    before, new = held(**old), figure(higher_is_better=higher_is_better)
    found = ratchet.updated(Ratchet(audit="old", figures=[before]), [new], keyed, force=force)
    assert found.figures == [before if keeps else held()]


def only(summary: Summary, per_query: dict[str, float], measure: str = "nDCG@10") -> Summary:
    """The audit with one figure: a mean of "net" at home."""
    [row] = [e for e in summary.effectiveness if (e.ranker, e.collection, e.slice) == ("net", "home", None)]
    row = replace(row, per_query=per_query, measure=measure)
    return replace(summary, effectiveness=[row], attacks=[], certificates=[], shifts=[])


def test_every_field_of_a_change(keyed: Summary) -> None:
    about: Any = pytest.approx
    old = only(keyed, {"q2": 0.5, "q1": 0.5, "q3": 0.9, "q4": 0.25, "q5": 0.25, "gone": 1.0})
    new = only(keyed, {"q1": 0.25, "q2": 0.75, "q3": 0.4, "q4": 0.25, "q5": 0.5, "q6": 1.0})
    (found,) = compare.changes(old, new)
    after, before = [0.25, 0.75, 0.4, 0.25, 0.5], [0.5, 0.5, 0.9, 0.25, 0.25]
    contrast = comparisons.paired(after, before, bounds=(-1, 1))
    difference, p, _ = contrast
    seen = planning.detectable(contrast)
    assert found == Change(
        measure="nDCG@10", labels={"ranker": "net", "collection": "home"}, higher_is_better=True, old=2.4 / 5,
        new=about(2.15 / 5), difference=difference, p=p, p_holm=p, seen=seen,
        regressions=[QueryChange(query_id="q3", old=0.9, new=0.4), QueryChange(query_id="q1", old=0.5, new=0.25)],
        improvements=[QueryChange(query_id="q2", old=0.5, new=0.75), QueryChange(query_id="q5", old=0.25, new=0.5)],
    )  # fmt: skip
    assert found.what == "home"
    assert compare.as_data([found], ["a note"]) == {
        "schema": 4, "notes": ["a note"],
        "changes": [
            {
                "measure": "nDCG@10", "labels": {"ranker": "net", "collection": "home"}, "higher_is_better": True,
                "old": found.old, "new": found.new, "difference": difference._asdict(), "p": p, "p_holm": p,
                "regressions": [
                    {"query_id": "q3", "old": 0.9, "new": 0.4}, {"query_id": "q1", "old": 0.5, "new": 0.25},
                ],
                "improvements": [
                    {"query_id": "q2", "old": 0.5, "new": 0.75}, {"query_id": "q5", "old": 0.25, "new": 0.5},
                ],
                "seen": seen, "shown": "", "invalid": "",
            }
        ],
    }  # fmt: skip
    json.dumps(compare.as_data([found], []))


def test_where_less_is_better_a_rise_is_a_regression(keyed: Summary) -> None:
    one = replace(keyed, effectiveness=[], certificates=[], shifts=[], attacks=keyed.attacks[1:2])
    old, new = (
        replace(one, attacks=[replace(one.attacks[0], per_query={"ASR@10": {"q1": a, "q2": b, "q3": 0.5}})])
        for a, b in ((0.0, 1.0), (1.0, 0.0))
    )
    (found,) = compare.changes(old, new)
    assert [q.query_id for q in found.regressions] == ["q1"]
    assert [q.query_id for q in found.improvements] == ["q2"]
    assert found.what == "stuffing"


def shown(p: float, difference: float, *, higher_is_better: bool) -> tuple[bool, bool, object]:
    change = Change(
        measure="m", labels={}, higher_is_better=higher_is_better, old=0, new=0,
        difference=Estimate(difference, 0, 0, 2), p=p, p_holm=p, regressions=[], improvements=[], seen=0.0,
    )  # fmt: skip
    data: Any = compare.as_data([change], [])
    return change.worse, change.better, data["changes"][0]["shown"]


def test_a_change_is_shown_below_five_percent() -> None:
    assert shown(0.049, -0.1, higher_is_better=True) == (True, False, "worse")
    assert shown(0.049, 0.1, higher_is_better=True) == (False, True, "better")
    assert shown(0.049, 0.1, higher_is_better=False) == (True, False, "worse")
    assert shown(0.049, -0.1, higher_is_better=False) == (False, True, "better")
    assert shown(0.05, -0.1, higher_is_better=True) == shown(0.05, 0.1, higher_is_better=True) == (False, False, "")


def test_two_queries_in_common_are_compared_and_one_is_not(keyed: Summary) -> None:
    two, one = only(keyed, {"q1": 0.5, "q2": 0.5}), only(keyed, {"q1": 0.5, "q3": 0.5})
    assert [c.difference.n for c in compare.changes(two, two)] == [2]
    assert compare.changes(two, one) == []
    assert compare.changes(two, only(keyed, {"q1": 0.5, "q2": 0.5}, "P@1")) == []
    with pytest.raises(ConfigError) as caught:
        compare.check_any([])
    assert str(caught.value) == (
        "nothing to compare: no ranker of the same name has a figure over two of the same queries in both; "
        "--rankers A B compares rankers of different names"
    )
    compare.check_any(compare.changes(two, two))


def with_keys(summary: Summary, **keys: str) -> Summary:
    return replace(summary, collections=[replace(c, query_keys=keys) for c in summary.collections])


def test_queries_count_where_their_keys_agree_or_an_older_audit_has_none(keyed: Summary) -> None:
    base = only(keyed, {"q1": 0.1, "q2": 0.2, "q3": 0.3})
    same = with_keys(base, q1="a", q2="b", q3="c")
    other = with_keys(base, q1="a", q2="x", q3="c")
    assert [q.difference.n for q in compare.changes(same, other)] == [2]
    assert [q.difference.n for q in compare.changes(with_keys(base), other)] == [3]
    assert [q.difference.n for q in compare.changes(same, with_keys(base))] == [3]


def test_every_caveat(keyed: Summary) -> None:
    base = replace(only(keyed, {"q1": 0.1, "q2": 0.2}), rankers=keyed.rankers[:2], collections=keyed.collections[:1])
    old = with_keys(replace(base, finished=None), q1="a", q2="b", q3="c")
    new = with_keys(
        replace(
            base, rankers=[replace(base.rankers[0], name="newcomer"), base.rankers[1]],
            attacks=[replace(keyed.attacks[0], per_query={})],
        ),
        q1="a", q2="x", q3="y", q4="d",
    )  # fmt: skip
    assert compare.caveats(old, new) == [
        "home: 2 queries differ in text, candidates or judgments between the two and are left out",
        "unchanged between the two: net",
        "the first audit is not finished",
        "the second audit has no per-query values under attack; run its command again",
        "only in one of the two: bm25",
        "only in one of the two: newcomer",
    ]
    assert compare.caveats(with_keys(base), with_keys(base, q1="a"))[0] == (
        "home: an older summary without hashes of its queries; they are matched by id"
    )
    values = replace(keyed.attacks[0], per_query={"ASR@10": {"q1": 1.0}})
    mixed = replace(new, attacks=[values, *new.attacks])
    assert not [line for line in compare.caveats(old, mixed) if "per-query" in line]
    moved = replace(base, rankers=[replace(r, fingerprint="new") for r in base.rankers])
    assert compare.caveats(with_keys(base, q1="a"), with_keys(moved, q1="a")) == []
    elsewhere = replace(moved, collections=[replace(c, name="elsewhere") for c in moved.collections])
    assert compare.caveats(base, elsewhere) == []


def test_changes_that_may_reverse_are_named_with_the_shares_judged(keyed: Summary) -> None:
    row = only(keyed, {}).effectiveness[0]

    def side(value: float, judged: float | None, low: float, high: float, **more: Any) -> Summary:
        share = None if judged is None else Estimate(judged, 0, 1, 9)
        changed = replace(row, mean=Estimate(value, 0, 1, 9), judged=share, unjudged=Range(low, high), **more)
        return replace(keyed, rankers=[], collections=[], attacks=[], effectiveness=[changed])

    before, after = side(0.4, 0.5, 0.4, 0.7), side(0.6, 0.25, 0.6, 0.65)
    assert compare.caveats(before, after) == [
        "net on home: the change of nDCG@10 may reverse with further judgments (judged@10 0.50, then 0.25)"
    ]
    assert compare.caveats(side(0.4, 0.5, 0.4, 0.5), after) == []
    assert compare.caveats(side(0.6, 0.5, 0.55, 0.65), side(0.4, 0.5, 0.35, 0.5)) == []
    for left, right in (
        (side(0.6, 0.5, 0.4, 0.7), after),  # no change
        (side(0.4, None, 0.4, 0.7), after),
        (before, side(0.6, None, 0.6, 0.65)),
        (before, side(0.6, 0.25, 0.6, 0.65, measure="P@1")),
        (before, side(0.6, 0.25, 0.6, 0.65, slice="how")),
        (side(0.4, 0.5, 0.4, 0.7, slice="how"), after),
    ):
        assert compare.caveats(left, right) == []


def test_two_rankers_are_put_under_one_name(keyed: Summary) -> None:
    first, second = compare.of_rankers(keyed, keyed, ("bm25", "net"))
    name = "bm25 → net"
    assert (first.name, second.name) == ("bm25 (small)", "net (small)")
    for picked, ranker in ((first, "bm25"), (second, "net")):
        assert [r.name for r in picked.rankers] == [name]
        assert picked.rankers[0].fingerprint == next(r.fingerprint for r in keyed.rankers if r.name == ranker)
        assert {e.ranker for e in picked.effectiveness} == {a.ranker for a in picked.attacks} == {name}
        assert len(picked.effectiveness) == sum(e.ranker == ranker for e in keyed.effectiveness)
        assert len(picked.attacks) == sum(a.ranker == ranker for a in keyed.attacks)
        assert (picked.certificates, picked.shifts) == ([], [])
    smoothed, _ = compare.of_rankers(keyed, keyed, ("smoothed + bm25", "net"))
    assert [c.ranker for c in smoothed.certificates] == ["smoothed + bm25 → net"] * 2
    with pytest.raises(ConfigError, match=r"^ranker 'x' is not defined \(have: bm25, net, smoothed \+ bm25\)$"):
        compare.of_rankers(keyed, keyed, ("net", "x"))


def test_a_pair_has_the_bounds_of_a_difference_and_its_worst_case_goes_against_the_second_audit() -> None:
    def harm(values: dict[str, float], open_: dict[str, tuple[float, float]], higher: bool) -> Figure:
        return Figure(
            measure="harm", labels={}, bounds=(-1.0, 1.0), per_query=values, open=open_, higher_is_better=higher
        )

    for higher, (best, worst) in ((True, (0.75, -0.25)), (False, (0.25, 0.5))):
        was = harm({"a": 0.1, "b": 0.2}, {"c": (0.25, 0.75)}, higher)
        now = harm({"a": 0.1}, {"b": (-0.25, 0.5), "c": (-0.25, 0.5)}, higher)
        pair = compare._Pair(was, now, compare._common(was, now, {}, {}))
        assert pair.bounds == (-2.0, 2.0)
        assert (pair.common, pair.undecided) == (["a", "b", "c"], ["b", "c"])
        old, new = pair._worst()
        assert (old["c"], new["b"], new["c"]) == (best, worst, worst)


def test_only_queries_of_both_audits_are_common() -> None:
    was = Figure(measure="m", labels={}, per_query={"a": 1.0, "gone": 0.0})
    now = Figure(measure="m", labels={}, per_query={"a": 0.5, "new": 0.0})
    assert compare._common(was, now, {}, {}) == ["a"]
