"""Pooling in an audit: the audit file's table, the records, and what every figure says of unjudged documents."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from robustrank.auditing import run as audit
from robustrank.config import audit_file
from robustrank.core.errors import ConfigError, DataError
from robustrank.core.types import Estimate, Range
from robustrank.judging import checks, compare
from robustrank.measures import runs
from robustrank.protocols import effectiveness, out_of_distribution, pooling
from robustrank.results.summary import Summary, read
from robustrank.work.audited import RecordedPool
from robustrank.work.records import BaseRanking, RankingRecord

DOCS = {f"d{i}": f"about {'cats ' * (i % 3)} and {'dogs' if i % 2 else 'birds'} number {i}" for i in range(12)}
QRELS = {"q1": {"d1": 1, "d3": 1, "d2": 0}, "q2": {"d5": 1, "d4": 0}}
AUDIT = """
name = "pooled"
measures = ["nDCG@5", "RR@5"]
[[collection]]
name = "pets"
use = "beir"
path = "pets"
[[ranker]]
name = "BM25"
use = "bm25"
[[ranker]]
name = "random"
use = "random"
[pooling]
runs = ["pets/runs"]
groups = { both = ["one", "two"] }
depth = 3
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return _written(tmp_path)


def _written(place: Path) -> Path:
    """A collection, two runs and an audit file."""
    pets = place / "pets"
    (pets / "qrels").mkdir(parents=True)
    (pets / "runs").mkdir()
    corpus = "".join(f'{{"_id": "{d}", "text": "{text}"}}\n' for d, text in DOCS.items())
    (pets / "corpus.jsonl").write_text(corpus)
    (pets / "queries.jsonl").write_text('{"_id": "q1", "text": "cats"}\n{"_id": "q2", "text": "dogs"}\n')
    judged = [f"{q}\t{d}\t{g}\n" for q, grades in QRELS.items() for d, g in grades.items()]
    (pets / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\n" + "".join(judged))
    for name, order in {"one": ["d1", "d2", "d5"], "two": ["d3", "d4", "d9"]}.items():
        lines = [f"{q} Q0 {d} {i} {9 - i} {name}\n" for q in QRELS for i, d in enumerate(order)]
        (pets / "runs" / f"{name}.trec").write_text("".join(lines))
    (place / "audit.toml").write_text(AUDIT)
    return place


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = _written(tmp_path_factory.mktemp("pooled"))
    audit.run(audit_file.load(place / "audit.toml"), place / "out")
    return place / "out" / "summary.json"


@pytest.fixture
def summary(done: Path) -> Summary:
    return read(done)


def test_runs_and_rankers_are_systems_alike(summary: Summary) -> None:
    found = summary.pooling
    assert found is not None
    assert [(s.system, s.kind) for s in found.systems] == [
        ("one", "run"), ("two", "run"), ("BM25", "ranker"), ("random", "ranker"),
    ]  # fmt: skip
    assert [(each.name, each.kind) for each in found.left_out][-1] == ("both", "group")
    assert (found.queries, found.judgments, found.depth) == (2, 5, 3)
    assert [other.pool for other in found.shallow] == ["depth 1", "depth 2"]


def test_the_summary_that_was_read_back_holds_intervals_and_ranges_again(summary: Summary) -> None:
    assert summary.pooling is not None
    assert isinstance(summary.pooling.systems[0].unjudged, Range)
    assert isinstance(summary.pooling.left_out[0].systems[0].change, Estimate)
    assert isinstance(summary.comparisons[0].unjudged, Range)


def test_every_figure_of_effectiveness_says_what_was_judged(summary: Summary) -> None:
    for figure in summary.effectiveness:
        assert figure.judged is not None
        assert 0 < figure.judged.value < 1
        assert figure.judged.low <= figure.judged.value <= figure.judged.high
        assert figure.unjudged is not None
        assert figure.unjudged.low <= figure.mean.value <= figure.unjudged.high
    (comparison,) = summary.comparisons
    assert comparison.judged_a is not None
    assert comparison.unjudged is not None
    assert comparison.unjudged.low <= comparison.difference.value <= comparison.unjudged.high
    assert comparison.may_change is True  # one or two relevant documents, most of the list unjudged


def test_gates_judge_how_much_was_judged_and_whether_the_order_survives(folder: Path) -> None:
    gates = """
[[gate]]
name = "half of the top is judged"
measure = "judged@10"
where = { ranker = "BM25" }
min = 0.9
bound = "value"
[[gate]]
name = "the order does not depend on both runs"
measure = "tau"
where = { left_out = "both" }
min = -0.99
bound = "value"
"""
    spec = audit_file.parse(AUDIT + gates, folder=folder)
    checks.check(spec)
    first, second = audit.run(spec, folder / "out").verdicts
    assert (first.outcome, second.outcome) == ("fail", "pass")
    wrong = audit_file.parse(AUDIT + gates.replace('"both"', '"bothe"'), folder=folder)
    with pytest.raises(ConfigError, match=r"near: .*tau \(left_out 'both'\)"):
        audit.run(wrong, folder / "wrong")


def test_an_audit_without_the_table_has_no_pool_and_its_old_folder(folder: Path) -> None:
    text = AUDIT.partition("[pooling]")[0]
    spec = audit_file.parse(text, folder=folder)
    assert "pooling" not in spec.to_json()
    assert audit.run(spec, folder / "other").pooling is None


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('runs = ["pets/runs"]\n', "", "needs 'runs'"),
        ('["pets/runs"]', "[1]", r"runs\[0\] must be text, not 1"),
        ('["one", "two"]', '"one"', r"groups: both must be a list"),
        ("depth = 3", "depth = 0", "depth must be a whole number of at least 1, not 0"),
        ("depth = 3", 'collection = "pet"', r"did you mean 'pets'"),
        ("depth = 3", "depht = 3", r"did you mean 'depth'"),
        ("depth = 3", 'measure = "AP"', r"cannot bound 'AP'"),
        ('["one", "two"]', '["one", "too"]', r"group 'both': system 'too' is not defined; did you mean 'two'"),
    ],
)
def test_a_wrong_table_is_an_error_that_names_the_fix(old: str, new: str, said: str, folder: Path) -> None:
    with pytest.raises(ConfigError, match=said):
        audit.run(audit_file.parse(AUDIT.replace(old, new), folder=folder), folder / "out")


def test_run_files_must_exist_be_of_these_queries_and_have_names_of_their_own(folder: Path) -> None:
    one = folder / "pets" / "runs" / "one.trec"
    with pytest.raises(DataError, match="no such file"):
        runs.read([str(folder / "absent.trec")])
    with pytest.raises(DataError, match="a second run named 'one'"):
        runs.read([str(one), str(folder / "pets" / "runs")])
    (folder / "empty").mkdir()
    with pytest.raises(DataError, match="no run in this folder"):
        runs.read([str(folder / "empty")])
    one.write_text("other Q0 d1 1 1 one\n")
    with pytest.raises(DataError, match="run 'one' has none of the queries of 'pets'"):
        audit.run(audit_file.load(folder / "audit.toml"), folder / "out")


def record(
    query: str, scores: list[float], *, ranker: str = "r", collection: str = "home", **more: Any
) -> RankingRecord:
    """A list of three documents, of which the first is relevant, the second not, the third not judged."""
    ids = ["rel", "non", "unjudged"]
    best = max(range(3), key=scores.__getitem__)
    return RankingRecord(
        ranker=ranker, collection=collection, query_id=query, doc_ids=ids, scores=scores, judged=2 / 3,
        qrels={"rel": 1, "non": 0}, relevant_from=1, top_grade=1, measures={"P@1": float(best == 0)}, **more,
    )  # fmt: skip


def test_a_difference_that_the_unjudged_could_reverse_is_marked() -> None:
    good = [record(q, [3, 2, 1], ranker="good") for q in "abc"]
    unknown = [record(q, [1, 2, 3], ranker="unknown") for q in "abc"]
    bad = [record(q, [1, 3, 2], ranker="bad") for q in "abc"]
    found = {(c.a, c.b): c for c in effectiveness.comparisons([*good, *unknown, *bad], "P@1")}
    assert found["good", "bad"].unjudged == Range(1, 1)
    assert found["good", "bad"].may_change is False
    assert found["good", "unknown"].unjudged == Range(0, 1)  # level at best: not reversed
    assert found["good", "unknown"].may_change is False
    assert found["unknown", "bad"].difference.value == 0
    assert found["unknown", "bad"].may_change is True


def test_a_defended_ranker_is_bounded_against_its_base_on_the_same_unjudged_documents() -> None:
    base = BaseRanking(ranker="r", measures={"P@1": 0.0}, scores=[1, 2, 3], judged=1 / 3)
    (found,) = effectiveness.comparisons([record(q, [1, 2, 3], ranker="s + r", base=base) for q in "ab"], "P@1")
    assert found.unjudged == Range(0, 0)  # the same document is first in both
    assert found.judged_a is not None
    assert found.judged_b is not None
    assert (found.judged_a.value, found.judged_b.value) == pytest.approx((2 / 3, 1 / 3))


def test_a_drop_that_the_unjudged_could_undo_is_marked() -> None:
    home = [record(q, [3, 2, 1], ranker=r) for q in "abcd" for r in ("r", "base")]
    away = [record(f"x{q}", [1, 2, 3], collection="away") for q in "abcd"]
    away += [record(f"x{q}", [1, 3, 2], collection="away", ranker="base") for q in "abcd"]
    found = {
        s.ranker: s for s in out_of_distribution.shifts([*home, *away], home="home", measure="P@1", baseline="base")
    }
    assert found["r"].unjudged == Range(-1, 0)
    assert found["r"].may_change is False
    assert found["base"].unjudged == Range(-1, -1)
    assert found["r"].may_change_vs_baseline is True  # level now, ahead if the unjudged documents are relevant
    assert found["r"].judged_target is not None
    assert found["r"].judged_target.value == pytest.approx(2 / 3)


def test_a_ranker_without_all_queries_is_no_system(folder: Path) -> None:
    spec = audit_file.load(folder / "audit.toml")
    pool = RecordedPool(
        collection="pets", relevant=1, qrels={"a": {"rel": 1}, "b": {"rel": 1}},
        runs={"one": {"a": ["rel"], "b": []}, "two": {"a": ["non"], "b": ["rel"]}},
    )  # fmt: skip
    ranked = [record(q, [3, 2, 1], ranker="BM25", collection="pets") for q in "ab"]
    ranked += [record("a", [3, 2, 1], ranker="one", collection="pets")]
    found = pooling.of_audit(pool, ranked, spec)
    assert found is not None
    assert [s.system for s in found.systems] == ["one", "two", "BM25"]


def test_two_audits_say_which_changes_the_unjudged_could_reverse(summary: Summary) -> None:
    def moved(by: float) -> Summary:
        first, *rest = summary.effectiveness
        return replace(summary, effectiveness=[replace(first, mean=first.mean._replace(value=by)), *rest])

    found = [line for line in compare.caveats(summary, moved(0.5)) if "further judgments" in line]
    (line,) = found
    assert line.startswith("BM25 on pets: the change of nDCG@5 may reverse with further judgments (judged@10 0.")
    assert not [line for line in compare.caveats(summary, summary) if "further judgments" in line]
