"""Comparisons: what is paired with what, what counts as worse, and which queries regressed and improved."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from robustrank.cli.main import main
from robustrank.core.errors import ConfigError
from robustrank.judging import compare
from robustrank.results import summary as summaries
from robustrank.results.summary import Summary
from robustrank.stats import comparisons

QUERIES = [f"q{n}" for n in range(20)]


@pytest.fixture
def old(keyed: Summary) -> Summary:
    hits = {query_id: float(n < 4) for n, query_id in enumerate(QUERIES)}
    ranks = {query_id: float(n) for n, query_id in enumerate(QUERIES)}
    values = {"ASR@10": hits, "promoted": hits, "boost": ranks}
    return replace(
        keyed,
        attacks=[replace(a, per_query=values) for a in keyed.attacks],
        certificates=[replace(c, per_query=hits) for c in keyed.certificates],
    )  # fmt: skip


def certain(summary: Summary) -> Summary:
    """The same audit, in which every query of "net" at home has 1: enough to be lost by twenty queries."""
    return replace(
        summary,
        effectiveness=[
            replace(e, per_query=dict.fromkeys(e.per_query, 1.0)) if (e.ranker, e.collection) == ("net", "home") else e
            for e in summary.effectiveness
        ],
    )


def with_values(summary: Summary, moves: Mapping[str, float]) -> Summary:
    """Another version, in which the mean of some queries of "net" at home moved."""
    return replace(
        summary,
        effectiveness=[
            replace(e, per_query={q: v + moves.get(q, 0) for q, v in e.per_query.items()})
            if (e.ranker, e.collection) == ("net", "home")
            else e
            for e in summary.effectiveness
        ],
    )


def change(found: list[compare.Change], measure: str, ranker: str = "net") -> compare.Change:
    return next(c for c in found if c.measure == measure and c.labels["ranker"] == ranker)


def test_differences_are_those_of_the_paired_test(old: Summary) -> None:
    new = with_values(old, {"q1": -0.3, "q2": 0.1, "q3": -0.1})
    found = change(compare.changes(old, new), "nDCG@10")
    before, after = (next(e for e in s.effectiveness if e.ranker == "net").per_query for s in (old, new))
    difference, p, _ = comparisons.paired([after[q] for q in sorted(QUERIES)], [before[q] for q in sorted(QUERIES)])
    assert (found.difference, found.p) == (difference, p)
    assert [(q.query_id, round(q.new - q.old, 6)) for q in found.regressions] == [("q1", -0.3), ("q3", -0.1)]
    assert [q.query_id for q in found.improvements] == ["q2"]


def test_all_figures_share_one_correction(old: Summary) -> None:
    found = compare.changes(certain(old), with_values(certain(old), dict.fromkeys(QUERIES, -0.9)))
    assert comparisons.holm([c.p for c in found]) == [c.p_holm for c in found]
    worse = change(found, "nDCG@10")
    assert (worse.worse, worse.better) == (True, False)
    assert not any(c.worse or c.better for c in found if c is not worse)


def test_of_an_attack_the_leading_success_and_the_ranks_gained_are_compared(old: Summary) -> None:
    resists = dict.fromkeys(QUERIES, 0.0)
    new = replace(old, attacks=[replace(a, per_query={**a.per_query, "ASR@10": resists}) for a in old.attacks])
    found = compare.changes(old, new)
    assert {c.measure for c in found if "attack" in c.labels} == {"ASR@10", "boost"}
    attack = change(found, "ASR@10")
    assert [q.query_id for q in attack.improvements] == ["q0", "q1", "q2", "q3"]
    assert not attack.regressions


def test_queries_that_changed_are_left_out_and_said_to_be(old: Summary) -> None:
    keys = {**old.collections[0].query_keys, "q5": "other candidates"}
    new = replace(old, collections=[replace(old.collections[0], query_keys=keys), *old.collections[1:]])
    assert change(compare.changes(old, new), "nDCG@10").difference.n == 19
    assert any(line.startswith("home: 1 queries differ in text") for line in compare.caveats(old, new))


def test_two_rankers_of_one_audit_are_compared_under_one_name(old: Summary) -> None:
    found = compare.changes(*compare.of_rankers(old, old, ("bm25", "net")))
    ndcg = change(found, "nDCG@10", "bm25 → net")
    assert ndcg.difference.value == pytest.approx(0.2)
    with pytest.raises(ConfigError, match=r"ranker 'nte' is not defined; did you mean 'net'"):
        compare.of_rankers(old, old, ("bm25", "nte"))


@pytest.fixture
def folders(old: Summary, tmp_path: Path) -> tuple[Path, Path]:
    worse = with_values(certain(old), dict.fromkeys(QUERIES, -0.9))
    for name, audit in (("a", certain(old)), ("b", worse)):
        (tmp_path / name).mkdir()
        summaries.write(audit, tmp_path / name / "summary.json")
    return tmp_path / "a", tmp_path / "b"


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["compare", *(str(argument) for argument in arguments)])


def test_the_exit_code_is_about_losses_only_where_that_is_asked_for(folders: tuple[Path, Path]) -> None:
    old, new = folders
    assert [run(old, new).exit_code, run(old, new, "--check").exit_code] == [0, 1]
    assert run(new, old, "--check").exit_code == 0
    assert run(old).exit_code == 2


def test_json_has_every_query_that_moved(folders: tuple[Path, Path]) -> None:
    data = json.loads(run(*folders, "--format", "json").stdout)
    [moved] = [c for c in data["changes"] if c["shown"]]
    assert (moved["measure"], moved["labels"]["ranker"], moved["shown"]) == ("nDCG@10", "net", "worse")
    assert len(moved["regressions"]) == 20


def test_the_page_has_table_charts_and_queries_and_hostile_names_do_nothing(old: Summary, tmp_path: Path) -> None:
    evil = "<script>alert(1)</script>\u202e"
    named = replace(
        old,
        name=evil,
        rankers=[replace(r, name=evil) if r.name == "net" else r for r in old.rankers],
        effectiveness=[replace(e, ranker=evil) if e.ranker == "net" else e for e in old.effectiveness],
    )
    moved = replace(named, effectiveness=[
        replace(e, per_query={q: v - 0.1 for q, v in e.per_query.items()}) if e.ranker == evil else e
        for e in named.effectiveness
    ])  # fmt: skip
    from robustrank.report import comparison

    path = tmp_path / "page.html"
    comparison.write(named, moved, compare.changes(named, moved), compare.caveats(named, moved), path)
    text = path.read_text()
    assert "<script" not in text
    assert "\u202e" not in text
    assert text.count("<svg") == 2  # one a collection
    assert "Regressed: 20 queries" in text
