"""Variations, edits by people, types of queries and the planner, end to end on a few sentences."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from robustrank.auditing import cost
from robustrank.auditing import run as audit
from robustrank.cli.main import main
from robustrank.collections import jsonl
from robustrank.collections.competition import Competition
from robustrank.config import audit_file
from robustrank.config.specs import AuditSpec
from robustrank.core.errors import DataError
from robustrank.core.types import Query
from robustrank.protocols.red_flags import red_flags
from robustrank.results import summary
from robustrank.results.five_tasks import Setting
from robustrank.retrieval import query_features
from robustrank.storage import journal
from robustrank.work.check_records import CheckRecord, Differences
from robustrank.work.record_format import FORMAT
from robustrank.work.records import AttackRecord, EditRecord, RankingRecord, TaskRecord, VariantValue, VariationRecord
from tests.evidence import evidence

WORDS = ("apples", "pears", "whales", "trains", "violins", "planets", "rivers", "castles")


def write(folder: Path) -> None:
    docs = [
        {"_id": f"{w}-{i}", "text": f"{w} number {i} are about {w} and {x}"} for w in WORDS for i, x in enumerate(WORDS)
    ]
    queries = [
        {"_id": w, "text": f"What are {w} about?", "type": "odd" if i % 2 else "even"} for i, w in enumerate(WORDS)
    ]
    (folder / "qrels").mkdir(parents=True)
    for name, rows in (("corpus", docs), ("queries", queries)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    judged = [f"{w}\t{w}-{i}\t{int(i < 4)}" for w in WORDS for i in range(8)]
    (folder / "qrels" / "test.tsv").write_text("\n".join(["query-id\tcorpus-id\tscore", *judged]) + "\n")


def competition(folder: Path) -> None:
    (folder / "qrels").mkdir(parents=True)
    texts = {
        "ROUND-01-q-a": "cheap flights", "ROUND-01-q-b": "flights to Rome", "ROUND-02-q-a": "rome rome flights rome",
        "ROUND-02-q-b": "flights to Rome",
    }  # fmt: skip
    (folder / "corpus.jsonl").write_text(
        "".join(json.dumps({"_id": i, "title": "", "text": t}) + "\n" for i, t in texts.items())
    )
    (folder / "queries.jsonl").write_text(json.dumps({"_id": "q", "text": "rome"}) + "\n")
    (folder / "qrels" / "test.tsv").write_text("".join(f"q\t{i}\t1\n" for i in texts))


SPEC = """
name = "small"
baseline = "a"
query_types = ["label", "wh"]
[[collection]]
name = "home"
use = "beir"
path = "home"
depth = 6
[[collection]]
name = "game"
use = "competition"
path = "game"
first_stage = { use = "candidates" }
[[ranker]]
name = "a"
use = "bm25"
[[ranker]]
name = "b"
use = "query_likelihood"
[[variation]]
name = "operations"
use = "query_operations"
operations = ["identity", "keyboard", "upper", "order"]
[cases]
queries = 3
strata = ["4-6"]
[[attack]]
name = "injection"
use = "query_injection"
"""


@pytest.fixture
def spec(tmp_path: Path) -> AuditSpec:
    write(tmp_path / "home")
    competition(tmp_path / "game")
    return audit_file.parse(SPEC, folder=tmp_path)


def traced_mean(folder: Path, operation: str, **where: str) -> float:
    """The mean over queries of an operation end to end, by hand from what the command prints."""
    pairs = [word for name, value in where.items() for word in ("--where", f"{name}={value}")]
    lines = CliRunner().invoke(main, ["trace", str(folder), *pairs]).output.splitlines()
    values = [[v["end"] for v in json.loads(line)["variants"] if v["operation"] == operation] for line in lines]
    return float(sum(sum(found) / len(found) for found in values) / len(values))


def test_an_audit_reports_variations_edits_and_the_five_tasks(spec: AuditSpec, tmp_path: Path) -> None:
    found = audit.run(spec, tmp_path / "out")
    rows = {(w.ranker, w.operation, w.setting): w for w in found.five.variations}
    for setting in Setting:
        for ranker in "ab":
            for operation in ("identity", "upper", "order"):  # neither ranker reads case or order
                loss = rows[ranker, operation, setting].loss
                assert loss is not None
                assert loss.value == 0  # what changes no list costs nothing; so few queries cannot exclude a loss
                assert loss.low < 0 < loss.high
    assert (
        rows["a", "keyboard", Setting.END_TO_END].clean.value > rows["a", "keyboard", Setting.END_TO_END].changed.value
    )
    fooled = {m.ranker: m for m in found.five.manipulations}["a"]
    assert (fooled.edits, fooled.promoted.value) == (1, 1.0)  # the other author changed nothing
    assert not [f for f in found.red_flags if f.check in ("identity", "invariant")]
    # The game is no corpus, types are too few, and no coefficient of variation has a figure for so few queries.
    assert {c.task[0] for c in found.five.table} == {"4", "5"}
    traced = traced_mean(tmp_path / "out", "keyboard", kind="variation", ranker="a")
    assert traced == pytest.approx(rows["a", "keyboard", Setting.END_TO_END].changed.value)
    again = summary.read(tmp_path / "out" / "summary.json")
    assert again.five == found.five or json.dumps(again.five, default=vars) == json.dumps(found.five, default=vars)


def test_the_planner_knows_the_pairs_before_they_are_asked(spec: AuditSpec, tmp_path: Path) -> None:
    planned = cost.plan(spec)
    audit.run(spec, tmp_path / "out")
    done = [r for r in journal.read(tmp_path / "out", FORMAT).values() if isinstance(r, TaskRecord)]
    kinds = {
        "ranking": RankingRecord, "checks": CheckRecord, "variations": VariationRecord, "edits": EditRecord,
        "attacks": AttackRecord,
    }  # fmt: skip
    for phase, kind in kinds.items():
        asked = sum(r.pairs for r in done if isinstance(r, kind))
        assert sum(c.pairs for c in planned.costs if c.phase == phase) == pytest.approx(asked, rel=0.2), phase
    assert planned.pairs == pytest.approx(sum(r.pairs for r in done), rel=0.2)
    assert [(p.collection, p.queries) for p in planned.power] == [("home", 8)]  # one query shows nothing


def test_a_variation_can_be_limited_and_a_wrong_name_is_refused(spec: AuditSpec, tmp_path: Path) -> None:
    from robustrank.core.errors import ConfigError

    few = replace(spec, variations=(replace(spec.variations[0], queries=2, rankers=("b",), end_to_end=False),))
    found = audit.run(few, tmp_path / "out")
    assert {(w.ranker, w.setting) for w in found.five.variations} == {("b", Setting.FIXED)}
    assert next(w for w in found.five.variations if w.operation == "upper").clean.n == 2
    with pytest.raises(ConfigError, match=r"\[\[variation\]\] ranker 'c'"):
        audit_file.parse(SPEC.replace('name = "operations"', 'name = "operations"\nrankers = ["c"]'), folder=tmp_path)
    with pytest.raises(ConfigError, match="query_types 'lenght'"):
        audit_file.parse(SPEC.replace('"wh"', '"lenght"'), folder=tmp_path)


def test_edits_are_consecutive_rounds_of_one_author(tmp_path: Path) -> None:
    competition(tmp_path / "game")
    found = Competition(path=str(tmp_path / "game")).load()
    assert [(e.before, e.after, len(e.rivals)) for e in found.edits] == [
        ("ROUND-01-q-a", "ROUND-02-q-a", 2), ("ROUND-01-q-b", "ROUND-02-q-b", 2),
    ]  # fmt: skip
    assert sorted(found.qrels["q"]) == ["ROUND-02-q-a", "ROUND-02-q-b"]
    write(tmp_path / "home")
    with pytest.raises(DataError, match="is not ROUND"):
        Competition(path=str(tmp_path / "home")).load()


def test_the_published_competition_loads(shared_data: Path) -> None:
    found = Competition(path=str(shared_data / "asrc2017")).load()
    assert (len(found.queries), len(found.edits)) == (31, 31 * 7 * 5 + 7)


def test_a_ranker_that_breaks_its_own_word_is_flagged() -> None:
    seen = Differences(spread=1.0, repeat=0.0, order=0.0, batch=0.0, query=0.5, invariant={"order": 0.0, "case": 0.2})
    record = CheckRecord(ranker="r", collection="c", query_id="q", differences=seen)
    moved = VariationRecord(
        ranker="r", collection="c", query_id="q", variation="v", plugin="v", measure="m", query="same", clean=0.5,
        variants=[VariantValue(operation="identity", text="same", fixed=0.4, end=None)], unit="",
    )  # fmt: skip
    flags = red_flags(evidence([record, moved]))
    assert [(f.check, f.severity) for f in flags] == [("invariant", "serious"), ("identity", "serious")]
    assert "case" in flags[0].title


def test_rules_tell_answers_as_often_as_the_documentation_says() -> None:
    lines = (Path(__file__).parents[1] / "data" / "answer_types.tsv").read_text(encoding="utf-8").splitlines()
    rows = [line.split("\t") for line in lines]
    right = sum(query_features.of(Query(i, text), "answer") == label for i, label, text in rows)
    assert (right, len(rows)) == (92, 110)


def test_rules_tell_intents_as_often_as_the_documentation_says(shared_data: Path) -> None:
    labelled = (Path(__file__).parents[1] / "data" / "intents.tsv").read_text(encoding="utf-8").splitlines()
    queries_of = {
        name: jsonl.queries(shared_data / name / "queries.jsonl", "type")[0]
        for name in sorted({line.partition("\t")[0] for line in labelled})
    }
    pairs = [
        (label, query_features.of(queries_of[name][query_id], "intent"))
        for name, query_id, label in (t.split("\t") for t in labelled)
    ]
    assert (sum(label == rule for label, rule in pairs), len(pairs)) == (92, 120)
    assert [rule for label, rule in pairs if label == "transactional"].count("transactional") == 3  # of 16


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Who wrote Hamlet?", ("who", "person", "question", "1-3 words")),
        ("how many moons does jupiter have", ("how", "number", "question", "4-7 words")),
        ("cheap flights rome", ("none", "none", "transactional", "1-3 words")),
        ("Is Rome a city?", ("yes/no", "yes/no", "question", "4-7 words")),
        ("www.example.com login", ("none", "none", "navigational", "4-7 words")),
        ("in which city was he born", ("which", "place", "question", "4-7 words")),
    ],
)
def test_rules_by_example(text: str, expected: tuple[Any, ...]) -> None:
    assert tuple(query_features.of(Query("", text), axis) for axis in ("wh", "answer", "intent", "length")) == expected
