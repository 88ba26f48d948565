"""Gates on figures made by hand: which are picked, in which order values count, and what every reason says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from robustrank.config import audit_file
from robustrank.config.specs import Bound, GateSpec
from robustrank.core.errors import ConfigError
from robustrank.core.types import Estimate
from robustrank.judging import checks, figures, gate, ratchet
from robustrank.judging.selection import NoFigureError, pick
from robustrank.results.figures import Figure
from robustrank.results.sequential import Sequential, Stopped
from robustrank.results.summary import Summary
from robustrank.results.verdicts import Outcome, Verdict
from robustrank.stats import anytime, intervals, planning

NET: dict[str, Any] = {"ranker": "net"}


def spec(measure: str, where: dict[str, Any] | None = None, **limits: Any) -> GateSpec:
    return GateSpec(name="g", measure=measure, where=where or {}, **limits)


def judge(summary: Summary, measure: str, where: dict[str, Any] | None = None, **limits: Any) -> Verdict:
    [verdict] = gate.judge([spec(measure, where, **limits)], summary)
    return verdict


def figure(measure: str = "m", **labels: str) -> Figure:
    return Figure(measure=measure, labels=labels)


def picked(gate_: GateSpec, *every: Figure) -> list[Figure]:
    return pick(gate_, every, "home", "nDCG@10")


def test_a_gate_picks_by_measure_labels_and_defaults() -> None:
    home, away = figure(ranker="a", collection="home"), figure(ranker="a", collection="away")
    part = figure(ranker="a", collection="home", slice="how")
    assert picked(spec("m"), home, away, part, figure("other", ranker="a", collection="home")) == [home]
    assert picked(spec("m", {"collection": "away"}), home, away, part) == [away]
    assert picked(spec("m", {"slice": "how"}), home, away, part) == [part]
    everywhere = replace(away, home_is_default=False)
    assert picked(spec("m"), everywhere) == [everywhere]
    assert picked(spec("m", {"radius": 2}), figure(radius="1"), figure(radius="2")) == [figure(radius="2")]


def test_left_out_keys_mean_all_strata_and_the_leading_measure() -> None:
    whole, part = figure(attack="a", stratum="all"), figure(attack="a", stratum="11-20")
    assert picked(spec("m"), part, whole) == [whole]
    assert picked(spec("m", {"stratum": "11-20"}), part, whole) == [part]
    first, second = figure(of="nDCG@10"), figure(of="P@1")
    assert picked(spec("m"), second, first) == [first]
    assert picked(spec("m", {"of": "P@1"}), second, first) == [second]


def test_without_an_attack_all_but_controls_are_picked() -> None:
    one, two = figure(ranker="a", attack="one"), figure(ranker="a", attack="two")
    control = replace(figure(ranker="a", attack="control"), control=True)
    assert picked(spec("m"), one, control, two) == [one, two]
    assert picked(spec("m", {"attack": "control"}), one, control, two) == [control]


def test_several_figures_are_an_error_that_lists_six() -> None:
    many = [figure(ranker=f"r{n}", attack="a") for n in range(8)]
    with pytest.raises(ConfigError) as caught:
        picked(spec("m", {"attack": "a"}), *many)
    listed = "; ".join(f"m (ranker 'r{n}', attack 'a')" for n in range(6))
    assert str(caught.value) == f"gate 'g': 8 figures match m (attack 'a'); say which: {listed}"


def test_no_figure_is_an_error_with_the_five_nearest_or_the_measures_there_are() -> None:
    every = [figure(ranker=r, collection=c) for r in "abc" for c in ("home", "away")]
    with pytest.raises(NoFigureError) as caught:
        picked(spec("m", {"ranker": "b", "collection": "hme"}), *every)
    near = [("b", "away"), ("b", "home"), ("a", "away"), ("a", "home"), ("c", "away")]
    listed = "; ".join(f"m (ranker '{r}', collection '{c}')" for r, c in near)
    assert str(caught.value) == f"gate 'g': no figure m (ranker 'b', collection 'hme'); near: {listed}"
    with pytest.raises(NoFigureError) as caught:
        picked(spec("m1"), *every, figure("zz"))
    assert str(caught.value) == "gate 'g': no figure m1; did you mean 'm'? (have: m, zz)"
    with pytest.raises(NoFigureError) as caught:
        picked(
            spec("m", {"ranker": "b", "radius": "b"}), figure(radius="b"), figure(ranker="b", slice="x"), figure(of="b")
        )
    assert str(caught.value).endswith("; near: m (radius 'b'); m (ranker 'b', slice 'x'); m (of 'b')")
    with pytest.raises(NoFigureError, match=r"no figure m1 \(have: none\)"):
        picked(spec("m1"))


def drawn_in(summary: Summary, order: list[str], **values: float) -> Summary:
    """A sequential audit that drew the queries in this order; ``values`` are those of nDCG@10 of "net"."""
    keys = {query_id: f"key of {query_id}" for query_id in order}
    collections = [replace(c, query_keys=keys if c.name == "home" else {}) for c in summary.collections]
    [row] = [e for e in summary.effectiveness if (e.ranker, e.collection, e.slice) == ("net", "home", None)]
    return replace(
        summary, collections=collections, effectiveness=[replace(row, per_query=values)],
        sequential=Sequential(queries=len(order), stopped=Stopped.NOT_YET),
    )  # fmt: skip


def test_intervals_that_hold_at_any_time_take_values_in_the_order_of_drawing(summary: Summary) -> None:
    order = ["q9", "q1", "q5", "q2", "q8", "q3"]
    values = {"q1": 0.9, "q2": 0.1, "q3": 0.3, "q5": 0.8, "q8": 0.2, "q9": 1.0}
    verdict = judge(drawn_in(summary, order, **values), "nDCG@10", NET, max=0.99)
    assert verdict.estimate == anytime.mean([values[q] for q in order], bounds=(0, 1))
    assert verdict.estimate != anytime.mean([values[q] for q in sorted(order)], bounds=(0, 1))
    assert "] at any time with n=6; wanted at most 0.99" in verdict.reason


def test_queries_that_were_not_drawn_come_last_by_id(summary: Summary) -> None:
    values = {"q1": 0.9, "q2": 0.1, "q3": 0.3, "q9": 1.0}
    verdict = judge(drawn_in(summary, ["q9", "q2"], **values), "nDCG@10", NET, max=0.99)
    assert verdict.estimate == anytime.mean([1.0, 0.1, 0.9, 0.3], bounds=(0, 1))


def test_an_interval_at_any_time_needs_values_by_query(summary: Summary) -> None:
    verdict = judge(drawn_in(summary, ["q9"]), "nDCG@10", NET, max=0.99)
    assert verdict.outcome == "invalid"
    assert verdict.reason.startswith("nDCG@10 (ranker 'net', collection 'home') has no per-query values in th")


def test_a_loss_at_any_time_has_twice_the_width_of_the_figure(summary: Summary, tmp_path: Path) -> None:
    order = ["q9", "q1", "q5", "q2"]
    old = drawn_in(summary, order, q1=0.9, q2=0.1, q5=0.8, q9=1.0)
    new = drawn_in(summary, order, q1=0.4, q2=0.3, q5=0.8, q9=0.9)
    gate_ = spec("nDCG@10", NET, worse_by=0.1)
    path = tmp_path / "x.json"
    ratchet.write(ratchet.updated(None, gate.named(gate_, old), old), path)
    lost = [1.0 - 0.9, 0.9 - 0.4, 0.8 - 0.8, 0.1 - 0.3]
    [verdict] = gate.judge([gate_], new, path)
    assert verdict.estimate == anytime.mean(lost, bounds=(-1, 1))
    settled = replace(new, sequential=None)
    [verdict] = gate.judge([gate_], settled, path)
    assert verdict.estimate == intervals.mean([0.9 - 0.4, 0.1 - 0.3, 0.8 - 0.8, 1.0 - 0.9], bounds=(-1, 1))
    assert verdict.reason.startswith("nDCG@10 (ranker 'net', collection 'home') is worse than in x.json by ")
    assert verdict.reason.partition("; ")[0].endswith("with n=4")
    assert "; wanted worse by at most 0.1; " in verdict.reason
    [verdict] = gate.judge([gate_], new, tmp_path / "none.json")
    assert verdict == Verdict(
        gate="g", outcome=Outcome.INCONCLUSIVE, estimate=None, limit="worse by at most 0.1", at=0.1,
        queries_needed=None, measure="nDCG@10", where=NET, held=False,
        reason=f"nDCG@10 (ranker 'net', collection 'home') is not in {tmp_path / 'none.json'} yet; "
        "`robustrank gate DIR --update-ratchet` writes it",
    )  # fmt: skip


def exact(summary: Summary, value: float, low: float, high: float) -> Summary:
    [row] = [e for e in summary.effectiveness if (e.ranker, e.collection, e.slice) == ("net", "home", None)]
    return replace(summary, effectiveness=[replace(row, mean=Estimate(value, low, high, 20))])


@pytest.mark.parametrize(
    ("limits", "outcome"),
    [
        ({"max": 0.8}, "pass"), ({"max": 0.79}, "inconclusive"), ({"max": 0.6}, "inconclusive"),
        ({"max": 0.59}, "fail"),
        ({"min": 0.6}, "pass"), ({"min": 0.61}, "inconclusive"), ({"min": 0.8}, "inconclusive"),
        ({"min": 0.81}, "fail"),
        ({"max": 0.7, "bound": Bound.VALUE}, "pass"), ({"max": 0.69, "bound": Bound.VALUE}, "fail"),
        ({"min": 0.7, "bound": Bound.VALUE}, "pass"), ({"min": 0.71, "bound": Bound.VALUE}, "fail"),
    ],
)  # fmt: skip
def test_a_bound_on_the_limit_itself_holds(summary: Summary, limits: dict[str, Any], outcome: str) -> None:
    assert judge(exact(summary, 0.7, 0.6, 0.8), "nDCG@10", NET, **limits).outcome == outcome


def test_every_field_of_an_inconclusive_verdict(summary: Summary) -> None:
    held = exact(summary, 0.7, 0.6, 0.8)
    name = "nDCG@10 (ranker 'net', collection 'home') is 0.700 [0.600, 0.800] with n=20"
    needed = planning.needed(Estimate(0.7, 0.6, 0.8, 20), 0.65, "low", (0, 1))
    assert judge(held, "nDCG@10", NET, min=0.65, allow_inconclusive=True) == Verdict(
        gate="g", outcome=Outcome.INCONCLUSIVE, estimate=Estimate(0.7, 0.6, 0.8, 20), limit="at least 0.65", at=0.65,
        held=True, queries_needed=needed, measure="nDCG@10", where=NET,
        reason=f"{name}; wanted at least 0.65; about {needed} queries would decide it, and home has only 30",
    )  # fmt: skip
    on = judge(held, "nDCG@10", NET, max=0.7)
    assert (on.queries_needed, on.held) == (None, False)
    assert on.reason == f"{name}; wanted at most 0.7; the value is the limit itself"
    decided = judge(held, "nDCG@10", NET, max=0.9)
    assert (decided.queries_needed, decided.held) == (None, True)
    assert decided.reason == f"{name}; wanted at most 0.9"
    # The bound on the side of the limit decides: the intervals are lopsided.
    for low, high, limits in ((0.6, 0.9, {"max": 0.8}), (0.5, 0.75, {"min": 0.6})):
        expected = planning.needed(
            Estimate(0.7, low, high, 20), next(iter(limits.values())), "high" if "max" in limits else "low", (0, 1)
        )
        assert judge(exact(summary, 0.7, low, high), "nDCG@10", NET, **limits).queries_needed == expected


def test_the_worst_figure_counts_by_outcome_and_then_by_value(summary: Summary) -> None:
    def attacks(**estimates: Estimate) -> Summary:
        one = summary.attacks[1]
        return replace(
            summary, attacks=[replace(one, attack=name, success={"ASR@10": e}) for name, e in estimates.items()]
        )

    wide = {"a": Estimate(0.3, 0.1, 0.9, 9), "b": Estimate(0.4, 0.39, 0.41, 9), "c": Estimate(0.2, 0.1, 0.3, 9)}
    unsure = judge(attacks(**wide), "ASR@10", NET, max=0.5)
    assert "attack 'a'" in unsure.reason
    assert ", the worst of 3 attacks, is 0.300" in unsure.reason
    assert "attack 'b'" in judge(attacks(**wide), "ASR@10", NET, max=0.95).reason
    assert "attack 'c'" in judge(attacks(**wide), "ASR@10", NET, min=0.01).reason
    two = judge(attacks(a=wide["a"], c=wide["c"]), "ASR@10", NET, max=0.5)
    assert ", the worst of 2 attacks," in two.reason
    assert "worst" not in judge(attacks(a=wide["a"]), "ASR@10", NET, max=0.5).reason


def test_a_missing_figure_is_inconclusive_until_the_audit_is_finished_and_then_invalid(
    summary: Summary,
) -> None:
    bare = replace(summary, attacks=[])
    verdict = judge(replace(bare, finished=None), "ASR@10", NET, max=0.5)
    reason = "the audit is not finished, and has no ASR@10 for this gate yet"
    assert (verdict.reason, verdict.outcome, verdict.limit) == (reason, "inconclusive", "at most 0.5")
    done = judge(bare, "ASR@10", NET, max=0.5)
    assert (done.outcome, done.held) == ("invalid", False)
    assert done.reason.startswith("gate 'g': no figure ASR@10 (ranker 'net')")


def test_a_gate_without_a_limit_is_an_error(summary: Summary) -> None:
    with pytest.raises(ConfigError, match=r"^gate 'g' needs either `max`, `min` or `worse_by`$"):
        judge(summary, "nDCG@10", NET)


def test_verdicts_come_in_the_order_of_the_gates_and_all_must_hold(summary: Summary) -> None:
    good, bad = spec("nDCG@10", NET, min=0.5), spec("nDCG@10", NET, min=0.9)
    verdicts = gate.judge([bad, good], summary)
    assert [v.held for v in verdicts] == [False, True]
    assert [gate.exit_code(replace(summary, verdicts=v)) for v in (verdicts, verdicts[1:], [])] == [1, 0, 0]


AUDIT = """
name = "x"
measures = ["nDCG@10", "P@1"]
baseline = "bm25"
[[collection]]
use = "scifact"
[[ranker]]
use = "bm25"
[[attack]]
use = "query_injection"
[cases]
strata = ["11-20", "last 5"]
[[defense]]
name = "smoothed"
use = "randomized_smoothing"
rankers = ["bm25"]
[certify]
radius = [1, 2]
k = [5]
"""


def checked(measure: str, where: str = "", limit: str = "max = 0.1", audit: str = AUDIT) -> None:
    checks.check(
        audit_file.parse(f'{audit}[[gate]]\nname = "g"\n{limit}\nmeasure = "{measure}"\nwhere = {{ {where} }}\n')
    )


@pytest.mark.parametrize(
    ("measure", "where", "have"),
    [
        ("nDCG@10", 'ranker = "x"', "ranker 'x' is not defined (have: bm25, smoothed + bm25)"),
        ("nDCG@10", 'collection = "x"', "collection 'x' is not defined (have: scifact)"),
        ("boost", 'attack = "x"', "attack 'x' is not defined (have: query_injection)"),
        ("boost", 'stratum = "x"', "stratum 'x' is not defined (have: all, 11-20, last 5)"),
        ("CRQ@5", "radius = 7", "radius '7' is not defined (have: 1, 2)"),
        ("lowest decile", 'of = "x"', "of 'x' is not defined (have: nDCG@10, P@1)"),
        ("boost", "x = 7", "`where` key 'x' is not defined (have: ranker, attack, stratum)"),
    ],
)
def test_names_are_checked_against_the_audit_file(measure: str, where: str, have: str) -> None:
    with pytest.raises(ConfigError) as caught:
        checked(measure, where)
    assert str(caught.value) == f"gate 'g': {have}"


def test_names_of_the_audit_file_and_free_labels_pass() -> None:
    checked("boost", 'ranker = "bm25", attack = "query_injection", stratum = "last 5"')
    checked("CRQ@5", "radius = 2")
    checked("nDCG@10", 'slice = "anything"')
    checked("drop vs baseline", 'ranker = "bm25"')
    checks.check(audit_file.parse(AUDIT))
    with pytest.raises(ConfigError, match=r"^gate 'g': measure 'boots' is not defined; did you mean 'boost'\?"):
        checked("boots")
    with pytest.raises(ConfigError, match=r"^gate 'g': the audit file sets no `baseline`$"):
        checked("drop vs baseline", audit=AUDIT.replace('baseline = "bm25"\n', ""))
    one = AUDIT.replace('["11-20", "last 5"]', '["11-20"]')
    with pytest.raises(ConfigError, match=r"stratum '11-20' is not defined .*\(have: all\)"):
        checked("boost", 'stratum = "11-20"', audit=one)


def test_a_defense_around_no_ranker_is_refused_before_anything_is_scored() -> None:
    defense = '\n[[defense]]\nname = "another"\nuse = "randomized_smoothing"\n'
    around = audit_file.parse(AUDIT + defense)
    with pytest.raises(ConfigError, match=f"'another' is around no ranker.*'{around.rankers[0].name}'"):
        checks.check(around)
    checks.check(audit_file.parse(f'{AUDIT}{defense}rankers = ["{around.rankers[0].name}"]\n'))


@pytest.mark.parametrize(
    ("measure", "where", "limit", "sequential", "why"),
    [
        ("boost", "", "worse_by = 0.9", False, None),
        ("boost", "", "max = 0.9", True, "[sequential]: ranks gained have no bounds that are known beforehand"),
        ("lowest decile", "", "max = 0.9", False, None),
        ("lowest decile", "", "worse_by = 0.9", False, "worse_by: the lowest tenth is not a mean over all queries"),
        ("lowest decile", "", "max = 0.9", True, "[sequential]: the lowest tenth is not a mean over all queries"),
        ("nDCG@10", 'slice = "a"', "worse_by = 0.9", False, "worse_by: a slice keeps no values of its queries"),
        ("nDCG@10", 'slice = "a"', "max = 0.9", False, None),
        ("nDCG@10", "", 'max = 0.9\nbound = "value"', False, None),
        ("nDCG@10", "", "max = 0.9", True, None),
        ("nDCG@10", "", "worse_by = 0.9", True, None),
        (
            "nDCG@10", "", 'max = 0.9\nbound = "value"', True,
            "[sequential]: bound = 'value' looks at no interval, and would be decided by the first batch",
        ),
    ],
)  # fmt: skip
def test_only_means_with_known_bounds_are_compared_by_query_or_judged_at_any_time(
    measure: str, where: str, limit: str, sequential: bool, why: str | None
) -> None:
    table = dict(part.split(" = ", 1) for part in limit.split("\n"))
    values: dict[str, Any] = {k: v.strip('"') if k == "bound" else float(v) for k, v in table.items()}
    values["bound"] = Bound(values.get("bound", "interval"))
    given = spec(measure, {"slice": "a"} if where else {}, **values)
    audit = replace(audit_file.parse(AUDIT), gates=(given,))
    audit = replace(audit, sequential=cast(Any, SimpleNamespace())) if sequential else audit
    if why is None:
        checks.check(audit)
    else:
        with pytest.raises(ConfigError) as caught:
            checks.check(audit)
        assert str(caught.value) == f"gate 'g': {measure} does not support {why}"


def test_gates_are_checked_against_the_figures_that_an_audit_will_have(monkeypatch: pytest.MonkeyPatch) -> None:
    every = [figure("lowest decile", collection="home", of="P@1"), figure("lowest decile", collection="home", of="Q")]
    monkeypatch.setattr(figures, "expected", lambda bench: every)
    home = SimpleNamespace(name="home")
    bench: Any = SimpleNamespace(spec=SimpleNamespace(home=home, measures=["P@1", "Q"]))
    checks.check_planned([spec("lowest decile")], bench)
    with pytest.raises(NoFigureError, match=r"^gate 'g': no figure nDCG@10"):
        checks.check_planned([spec("lowest decile"), spec("nDCG@10")], bench)
    monkeypatch.setattr(figures, "expected", None)
    checks.check_planned([], bench)


def test_measured_figures_carry_the_fingerprint_of_their_ranker(summary: Summary) -> None:
    every = figures.measured(summary)
    assert {f.fingerprint for f in every if f.labels.get("ranker") == "net"} == {"2"}
    assert {f.fingerprint for f in every if f.labels.get("ranker") == "smoothed + bm25"} == {"3"}
    unknown = figures.measured(replace(summary, rankers=[]))
    assert {f.fingerprint for f in unknown} == {""}
    assert [f.measure for f in every if f.labels.get("attack") == "synonyms"] == ["ASR@10", "promoted", "boost", "harm"]


def test_the_order_of_drawing_is_that_of_the_keys(summary: Summary) -> None:
    held = drawn_in(summary, ["b", "a", "c"])
    assert figures.drawing_order(held, "home") == {"b": 0, "a": 1, "c": 2}
    assert figures.drawing_order(held, "away") == figures.drawing_order(held, "nowhere") == {}


def test_figures_come_of_every_protocol_and_each_name_belongs_to_one_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    audit = audit_file.parse(AUDIT)
    named = figures.named(audit)
    assert named["ASR@3"].name == "ASR@10"
    assert {"nDCG@10", "P@1", "drop", "CRQ@5", "boost"} <= set(named)
    one = named["boost"]
    clash = replace(one, about="another one")
    monkeypatch.setattr(figures, "kinds", lambda: [one, one, clash])
    with pytest.raises(ConfigError) as caught:
        figures.named(audit)
    assert str(caught.value) == f"two kinds of figures are named 'boost': {one.about}; another one"
