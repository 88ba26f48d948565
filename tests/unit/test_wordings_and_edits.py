"""Edits by people, rules for types of queries, and red flags about both."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from robustrank import query_types
from robustrank.collections.competition import Competition
from robustrank.errors import DataError
from robustrank.redflags import red_flags
from robustrank.types import Query

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
    record = {
        "kind": "check", "status": "ok", "ranker": "r", "collection": "c", "query_id": "q", "spread": 1.0,
        "repeat": 0.0, "order": 0.0, "batch": 0.0, "query": 0.5, "invariant": {"order": 0.0, "case": 0.2},
    }  # fmt: skip
    variant = {"operation": "identity", "text": "same", "fixed": 0.4, "end": None}
    moved = {
        "kind": "variation", "status": "ok", "ranker": "r", "collection": "c", "query_id": "q", "query": "same",
        "clean": 0.5, "variants": [variant],
    }  # fmt: skip
    flags = red_flags([record, moved], [], [], {})
    assert [(f.check, f.severity) for f in flags] == [("invariant", "serious"), ("identity", "serious")]
    assert "case" in flags[0].title


def test_rules_tell_answers_as_often_as_the_documentation_says() -> None:
    lines = (Path(__file__).parents[1] / "data" / "answer_types.tsv").read_text(encoding="utf-8").splitlines()
    rows = [line.split("\t") for line in lines]
    right = sum(query_types.of(Query(i, text), "answer") == label for i, label, text in rows)
    assert (right, len(rows)) == (92, 110)


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
    assert tuple(query_types.of(Query("", text), axis) for axis in ("wh", "answer", "intent", "length")) == expected
