"""The figures that each protocol declares: their names, those expected before a run, and those measured."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from math import inf
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from robustrank.config import audit_file
from robustrank.config.specs import AuditSpec
from robustrank.core.types import Access, AttackSet, Document, Estimate, Goal, Query, Surface, ThreatModel
from robustrank.protocols.figures import adversarial, certified, effectiveness, out_of_distribution, pooling
from robustrank.results.figures import Figure, FigureKind
from robustrank.results.outcomes import Tally
from robustrank.results.pooling import LeftOut, LeftOutKind
from robustrank.results.summary import ShiftKind, Summary
from robustrank.storage.hashing import digest
from robustrank.work.workbench import Workbench

FILE = """
name = "figures"
measures = ["nDCG@10", "P@1"]
baseline = "bm25"
[[collection]]
use = "scifact"
name = "home"
[[collection]]
use = "selqa"
name = "away"
[[ranker]]
use = "bm25"
[[ranker]]
use = "random"
[[ranker]]
use = "bm25"
name = "spared"
attacked = false
[cases]
strata = ["5-9", "11-20"]
[[attack]]
name = "lift"
use = "query_injection"
[[attack]]
name = "control"
use = "query_injection"
rankers = ["random"]
[[attack]]
name = "sink"
use = "query_typos"
rankers = ["bm25"]
[[defense]]
name = "smoothed"
use = "randomized_smoothing"
rankers = ["bm25"]
[certify]
k = [1, 5]
radius = [1, 2]
"""
INSERT = AttackSet(operation="insert")
THREATS = {
    "lift": ThreatModel(surface=Surface.DOCUMENT, access=Access.NONE, edits=INSERT),
    "control": ThreatModel(surface=Surface.DOCUMENT, access=Access.NONE, edits=INSERT, control=True),
    "sink": ThreatModel(surface=Surface.QUERY, access=Access.NONE, edits=INSERT, goal=Goal.DEMOTE),
}
TYPES = {"home": ["how"] * 5 + ["who"] * 6 + ["why"] * 4, "away": ["how"] * 9}


class Certifying:
    """A ranker that can certify."""

    edits = INSERT

    def certify(self, query: Query, docs: Any, k: Any, radius: Any, /) -> Any: ...


class Bench:
    """What the declarations ask of a workbench, without loading anything."""

    def __init__(self, text: str = FILE) -> None:
        self.spec: AuditSpec = audit_file.parse(text)

    def attack(self, name: str) -> SimpleNamespace:
        return SimpleNamespace(threat=THREATS[name])

    def lists(self, name: str) -> SimpleNamespace:
        queries = {f"q{n}": Query(f"q{n}", "text") for n in range(len(TYPES[name]))}
        labels = dict(zip(queries, TYPES[name], strict=True))
        extra = {"no label": Query("no label", "text")}
        return SimpleNamespace(
            queries=queries | extra, collection=SimpleNamespace(query_types=labels | {"not audited": "why"})
        )

    def victim(self, ranker: str, collection: str) -> SimpleNamespace:
        inner = Certifying() if ranker.startswith("smoothed") else Document("d", "text")
        return SimpleNamespace(ranker=SimpleNamespace(ranker=inner))


def bench(text: str = FILE) -> Workbench:
    return cast(Workbench, Bench(text))


def kind(kinds: Any, name: str) -> FigureKind:
    (found,) = [each for each in kinds if each.name == name]
    assert isinstance(found, FigureKind)
    return found


def expected(kinds: Any, name: str, text: str = FILE) -> list[Figure]:
    return list(kind(kinds, name).expected(bench(text)))


def labelled(*values: tuple[str, ...], keys: tuple[str, ...]) -> list[dict[str, str]]:
    return [dict(zip(keys, each, strict=False)) for each in values]


RANKED = [*product(("bm25", "random", "spared"), ("home", "away")), ("smoothed + bm25", "home")]


def test_effectiveness_is_expected_of_every_list_and_every_type_with_five_queries() -> None:
    assert effectiveness.slices(bench(), "home") == ["how", "who"]
    assert effectiveness.slices(bench(), "away") == []  # one type alone is no slice
    places = labelled(*RANKED, keys=("ranker", "collection"))
    assert list(effectiveness.ranked(bench())) == places
    sliced = [
        labels | more
        for labels in places
        for more in ({}, *({"slice": s} for s in ("how", "who") if labels["collection"] == "home"))
    ]
    assert expected(effectiveness.KINDS, "nDCG@10") == [
        Figure(measure=m, labels=labels) for labels in sliced for m in ("nDCG@10", "P@1")
    ]
    assert expected(effectiveness.KINDS, "judged@10") == [Figure(measure="judged@10", labels=each) for each in sliced]
    assert expected(effectiveness.KINDS, "lowest decile") == [
        Figure(measure="lowest decile", labels={**labels, "of": m}) for labels in places for m in ("nDCG@10", "P@1")
    ]


def test_a_defense_of_other_collections_is_expected_there() -> None:
    text = FILE.replace('use = "randomized_smoothing"', 'use = "randomized_smoothing"\ncollections = ["away"]')
    assert [p for p in effectiveness.ranked(bench(text)) if p["ranker"].startswith("smoothed")] == [
        {"ranker": "smoothed + bm25", "collection": "away"}
    ]


def test_attacks_are_expected_on_every_attacked_ranker_and_stratum_at_the_cutoffs_above_it() -> None:
    below_five, below_eleven = ("ASR@1", "ASR@3"), ("ASR@1", "ASR@3", "ASR@5", "ASR@10")
    cases = [("bm25", "lift"), ("random", "lift"), ("random", "control")]
    strata = {"all": below_five, "5-9": below_five, "11-20": below_eleven}
    assert expected(adversarial.KINDS, "ASR@10") == [
        Figure(measure=m, labels={"ranker": r, "attack": a, "stratum": s}, control=a == "control")
        for r, a in cases
        for s, names in strata.items()
        for m in names
    ]
    every = [(r, a, s) for r, a in cases for s in strata]
    keys = ("ranker", "attack", "stratum")
    for name in ("promoted", "goal"):
        found = expected(adversarial.KINDS, name)
        assert [f.labels for f in found] == labelled(*every, keys=keys)
        assert {f.measure for f in found} == {name}
    for name in ("demoted", "harmed"):
        assert expected(adversarial.KINDS, name) == [
            Figure(measure=name, labels={"ranker": "bm25", "attack": "sink", "stratum": "all"})
        ]
    # A query attack has no strata.
    both = [*every[:3], ("bm25", "sink", "all"), *every[3:]]
    for name in ("boost", "harm"):
        assert [f.labels for f in expected(adversarial.KINDS, name)] == labelled(*both, keys=keys)


def test_one_stratum_is_expected_as_all_and_its_own_cutoffs() -> None:
    text = FILE.replace('strata = ["5-9", "11-20"]', 'strata = ["6-20"]')
    found = expected(adversarial.KINDS, "ASR@10", text)
    assert {f.labels["stratum"] for f in found} == {"all"}
    assert [f.measure for f in found if f.labels["ranker"] == "bm25"] == ["ASR@1", "ASR@3", "ASR@5"]


def test_measures_are_named_by_what_the_audit_file_makes_possible() -> None:
    spec, bare = audit_file.parse(FILE), audit_file.parse(FILE.partition("[cases]")[0])

    def names(kinds: Any, name: str, of: AuditSpec = spec) -> list[str]:
        return list(kind(kinds, name).names(of))

    assert names(adversarial.KINDS, "ASR@10") == ["ASR@1", "ASR@3"]
    assert names(adversarial.KINDS, "boost") == ["boost"]
    assert [names(adversarial.KINDS, name, bare) for name in ("ASR@10", "boost", "harm", "goal")] == [[]] * 4
    assert names(effectiveness.KINDS, "nDCG@10") == ["nDCG@10", "P@1"]
    assert names(effectiveness.KINDS, "lowest decile") == ["lowest decile"]
    assert names(effectiveness.KINDS, "judged@10") == ["judged@10"]
    assert names(certified.KINDS, "CRQ@5") == ["CRQ@1", "CRQ@5"]
    assert names(certified.KINDS, "CRQ@5", bare) == []
    assert names(out_of_distribution.KINDS, "drop") == ["drop"]
    assert names(out_of_distribution.KINDS, "drop vs baseline") == ["drop vs baseline"]
    assert names(pooling.KINDS, "tau") == []


def test_every_kind_says_which_keys_it_takes_and_why_some_judgments_do_not_apply() -> None:
    attacked = ("ranker", "attack", "stratum")
    for each in adversarial.KINDS:
        assert (each.where, each.not_a_mean, bool(each.unbounded)) == (attacked, "", each.name == "boost")
        assert each.defaults == {"attack": "the strongest that is not a control", "stratum": "all"}
    means, lowest, judged = effectiveness.KINDS
    assert [k.where for k in effectiveness.KINDS] == [
        ("ranker", "collection", "slice"), ("ranker", "collection", "of"), ("ranker", "collection", "slice")
    ]  # fmt: skip
    assert [bool(k.not_a_mean) for k in (means, lowest, judged)] == [False, True, True]
    assert [k.defaults for k in effectiveness.KINDS] == [
        {"collection": "home"}, {"collection": "home", "of": "the first measure"}, {"collection": "home"}
    ]  # fmt: skip
    (crq,) = certified.KINDS
    assert (crq.where, crq.defaults, crq.not_a_mean) == (
        ("ranker", "radius", "collection"), {"collection": "home"}, ""
    )  # fmt: skip
    drop, against = out_of_distribution.KINDS
    assert (drop.needs_baseline, against.needs_baseline) == (False, True)
    assert [k.where for k in (drop, against)] == [("ranker", "collection", "slice")] * 2
    assert all(k.not_a_mean for k in (drop, against, *pooling.KINDS))
    assert all(k.about for k in (*adversarial.KINDS, *effectiveness.KINDS, *certified.KINDS, drop, against))


def test_certificates_are_expected_of_rankers_that_can_certify() -> None:
    place = {"ranker": "smoothed + bm25", "collection": "home"}
    assert expected(certified.KINDS, "CRQ@5") == [
        Figure(measure=f"CRQ@{k}", labels={**place, "radius": str(radius)}) for k in (1, 5) for radius in (1, 2)
    ]


def test_drops_are_expected_at_other_collections_and_slices_and_against_the_baseline_of_others_alone() -> None:
    targets = [{"collection": "away"}, {"collection": "home", "slice": "how"}, {"collection": "home", "slice": "who"}]

    def drops(measure: str, *rankers: str) -> list[Figure]:
        return [
            Figure(
                measure=measure, labels={"ranker": r, **t}, higher_is_better=False, home_is_default="slice" in t
            )
            for r in rankers
            for t in targets
        ]  # fmt: skip

    assert expected(out_of_distribution.KINDS, "drop") == drops("drop", "bm25", "random", "spared")
    assert expected(out_of_distribution.KINDS, "drop vs baseline") == drops("drop vs baseline", "random", "spared")
    none = FILE.replace('baseline = "bm25"', "")
    assert expected(out_of_distribution.KINDS, "drop vs baseline", none) == []


def test_a_drop_is_the_relative_change_with_its_sign_and_ends_turned_round(summary: Summary) -> None:
    shifts = [replace(s, relative=None) if s.ranker == "bm25" else s for s in summary.shifts]
    every = list(kind(out_of_distribution.KINDS, "drop").measured(replace(summary, shifts=shifts)))
    assert [f.missing.startswith("the mean at home is 0") for f in every if f.labels["ranker"] == "bm25"] == [True]
    assert [figure for figure in every if figure.labels["ranker"] != "bm25"] == [
        Figure(
            measure="drop", labels={"ranker": "net", "collection": "away"}, higher_is_better=False, tally=Tally(),
            home_is_default=False, estimate=Estimate(0.4, -(-0.4 + 0.1), -(-0.4 - 0.1), 20),
        ),
        Figure(
            measure="drop", labels={"ranker": "net", "collection": "home", "slice": "how"}, higher_is_better=False,
            estimate=Estimate(0.1, 0.0, 0.2, 20), tally=Tally(),
        ),
    ]  # fmt: skip
    against = list(kind(out_of_distribution.KINDS, "drop vs baseline").measured(summary))
    assert [f.labels["ranker"] for f in against] == ["net", "net"]
    assert [f.estimate.value for f in against if f.estimate] == [pytest.approx(0.35), pytest.approx(0.05)]
    assert ShiftKind.QUERY_TYPE in {s.kind for s in summary.shifts}


def test_every_field_of_measured_effectiveness(summary: Summary) -> None:
    judged = Estimate(0.5, 0.4, 0.6, 9)
    rows = [replace(row, judged=judged) if row.ranker == "net" else row for row in summary.effectiveness]
    rows.append(replace(rows[1], measure="Judged@5", lowest_decile=None))
    held = replace(summary, effectiveness=rows)
    means = list(kind(effectiveness.KINDS, "nDCG@10").measured(held))
    assert means[1] == Figure(
        measure="nDCG@10", labels={"ranker": "net", "collection": "home"}, estimate=rows[1].mean, collection="home",
        per_query=rows[1].per_query, bounds=(0, 1), tally=Tally(), robustness=False,
    )  # fmt: skip
    assert means[3].labels == {"ranker": "net", "collection": "home", "slice": "how"}
    assert len(means) == 5
    lowest = list(kind(effectiveness.KINDS, "lowest decile").measured(held))
    assert lowest[2] == Figure(
        measure="lowest decile", labels={"ranker": "net", "collection": "away", "of": "nDCG@10"},
        estimate=rows[2].lowest_decile, collection="away", tally=Tally(), robustness=False,
    )  # fmt: skip
    assert len(lowest) == 3  # neither the slice nor a measure without it
    shares = list(kind(effectiveness.KINDS, "judged@10").measured(held))
    assert [f.labels for f in shares] == [
        {"ranker": "net", "collection": "home"}, {"ranker": "net", "collection": "away"},
        {"ranker": "net", "collection": "home", "slice": "how"},
    ]  # fmt: skip
    assert shares[0] == Figure(
        measure="judged@10", labels=shares[0].labels, estimate=judged, collection="home", tally=Tally(),
        robustness=False,
    )  # fmt: skip


def test_every_field_of_measured_attacks(summary: Summary) -> None:
    values = {"ASR@10": {"q1": 1.0}, "promoted": {"q1": 0.5}, "boost": {"q1": 3.0}, "harm": {"q1": -0.1}}
    first = replace(
        summary.attacks[3], per_query=values, collection="home",
        success={
            "promoted": Estimate(0.4, 0.3, 0.5, 9),
            "ASR@5": Estimate(0.2, 0.1, 0.3, 9), "ASR@10": Estimate(0.3, 0, 1, 9),
        },
    )  # fmt: skip
    held = replace(
        summary,
        attacks=[first, replace(summary.attacks[0], goal=Goal.DEMOTE, success={"demoted": Estimate(1, 0, 1, 2)})],
    )

    def made(name: str, seed: int = 13) -> str:
        return digest(name, first.plugin, first.budget, first.edits_allowed, first.stratum, seed)[:12]

    labels = {"ranker": "net", "attack": "control", "stratum": "all"}
    assert list(kind(adversarial.KINDS, "ASR@10").measured(held)) == [
        Figure(
            measure=name, labels=labels, estimate=first.success[name], control=True, collection="home",
            per_query=values.get(name, {}), bounds=(0, 1), higher_is_better=False, made=made(name), tally=Tally(),
        )
        for name in ("ASR@5", "ASR@10")
    ]  # fmt: skip
    (promoted,) = kind(adversarial.KINDS, "promoted").measured(held)
    assert (promoted.measure, promoted.estimate, promoted.made) == (
        "promoted",
        first.success["promoted"],
        made("promoted"),
    )
    assert [f.estimate for f in kind(adversarial.KINDS, "demoted").measured(held)] == [Estimate(1, 0, 1, 2)]
    assert list(kind(adversarial.KINDS, "goal").measured(held)) == []
    boost, sunk = kind(adversarial.KINDS, "boost").measured(held)
    assert boost == Figure(
        measure="boost", labels=labels, estimate=first.boost, control=True, collection="home",
        per_query={"q1": 3.0}, bounds=(-inf, inf), higher_is_better=False, made=made("boost"), tally=Tally(),
    )  # fmt: skip
    assert sunk.higher_is_better  # ranks gained by a target that the attacker wants to fall
    harm, harmed = kind(adversarial.KINDS, "harm").measured(held)
    assert (harm.estimate, harm.per_query, harm.bounds) == (first.harm, {"q1": -0.1}, (-1, 1))
    assert not harmed.higher_is_better


def test_every_field_of_measured_certificates(summary: Summary) -> None:
    row = replace(summary.certificates[1], per_query={"q1": 1.0})
    (found,) = kind(certified.KINDS, "CRQ@5").measured(replace(summary, certificates=[row]))
    assert found == Figure(
        measure="CRQ@5", labels={"ranker": "smoothed + bm25", "radius": "2", "collection": "home"}, estimate=row.crq,
        collection="home", per_query={"q1": 1.0}, made=digest(5, 2, "substitute(table)")[:12], tally=Tally(),
    )  # fmt: skip


def test_tau_is_expected_of_every_run_ranker_and_group_and_measured_where_there_is_a_pool(
    summary: Summary, tmp_path: Path
) -> None:
    for name in ("one", "two"):
        (tmp_path / f"{name}.run").write_text(f"q1 Q0 d1 1 1.0 {name}\n")
    text = FILE + f'[pooling]\nruns = ["{tmp_path}"]\n[pooling.groups]\nboth = ["one", "two"]\n'
    found = expected(pooling.KINDS, "tau", text)
    names = ["one", "two", "bm25", "random", "spared", "smoothed + bm25", "both"]
    assert found == [Figure(measure="tau", labels={"left_out": name}) for name in names]
    assert expected(pooling.KINDS, "tau") == []
    assert list(kind(pooling.KINDS, "tau").names(audit_file.parse(text))) == ["tau"]
    tau = Estimate(0.5, -0.5, 1.0, 3)
    left = LeftOut(name="one", kind=LeftOutKind.SYSTEM, unique=1, judgments=2, tau=tau, systems=[])
    held = cast(Summary, SimpleNamespace(pooling=SimpleNamespace(left_out=[left]), rankers=[]))
    (measured,) = kind(pooling.KINDS, "tau").measured(held)
    assert measured == Figure(measure="tau", labels={"left_out": "one"}, estimate=tau, bounds=(-1, 1), tally=Tally())
    assert list(kind(pooling.KINDS, "tau").measured(summary)) == []
