"""Synthetic documents: each for its own query, human texts change nothing, texts of test collections are refused."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

import pytest

from robustrank.core.errors import ConfigError, DataError
from robustrank.core.progress import Silent
from robustrank.training import distill
from robustrank.training.groups import Group
from robustrank.training.lists.documents import Documents

LISTS = [Group("salt sea", ("the sea", "a moon")), Group("bright sun", ("the sun", "a moon"))]


def file_of(folder: Path, *rows: tuple[str, str]) -> Documents:
    path = folder / "generated.jsonl"
    path.write_text("".join(json.dumps({"query": query, "text": text}) + "\n" for query, text in rows))
    return Documents(path=str(path))


def test_a_generated_text_is_a_candidate_of_its_own_query_and_of_no_other(tmp_path: Path) -> None:
    plugin = file_of(tmp_path, ("Salt  SEA", "generated one"), ("salt sea", "generated two"), ("elsewhere", "unused"))
    replayed = LISTS[0]._replace(targets=(1.0, 0.0))
    first, second, third = plugin.lists([*LISTS, replayed], Random(0))
    assert first == Group("salt sea", ("the sea", "a moon", "generated one", "generated two"))
    assert second == LISTS[1]
    assert third == replayed


def test_the_lists_own_texts_in_place_of_generated_ones_change_nothing(tmp_path: Path) -> None:
    rows = [(each.query, text) for each in LISTS for text in each.texts]
    assert file_of(tmp_path, *rows).lists(LISTS, Random(0)) == LISTS


def test_long_texts_are_cut_as_passages_are(tmp_path: Path) -> None:
    path = file_of(tmp_path, ("salt sea", "one two three four five six")).path
    assert Documents(path=path, words=3).lists(LISTS, Random(0))[0].texts[2] == "one two three"
    with pytest.raises(ConfigError, match="at least 1"):
        Documents(path=path, words=0)


@pytest.mark.parametrize("text", ["the  Tide rises", "About tides The tide rises"])
def test_a_text_of_a_collection_that_is_tested_on_is_refused(tmp_path: Path, text: str) -> None:
    held = tmp_path / "held"
    held.mkdir()
    row = {"_id": "d7", "title": "About tides", "text": "The tide rises"}
    (held / "corpus.jsonl").write_text(json.dumps({"_id": "d6", "text": "x"}) + "\n" + json.dumps(row))
    plugin = file_of(tmp_path, ("salt sea", "fine"), ("salt sea", text))
    plugin.check_apart([])
    with pytest.raises(DataError, match=r"generated.jsonl:2: this text is document 'd7' of .*held"):
        plugin.check_apart([str(held)])
    file_of(tmp_path, ("salt sea", "fine")).check_apart([str(held)])


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ('{"query": "salt sea", "text": "x"}\n{"query": "salt sea"}', "jsonl:2: no field 'text'"),
        ('{"query": "salt sea", "text": "  "}', "jsonl:1: an empty query or text"),
        ("salt sea", "jsonl:1: "),
        ('{"query": "unknown", "text": "x"}', "no training list has a query of this file"),
    ],
)
def test_a_file_with_a_fault_is_refused_with_its_line(tmp_path: Path, lines: str, message: str) -> None:
    path = tmp_path / "generated.jsonl"
    path.write_text(lines)
    with pytest.raises(DataError, match=message):
        Documents(path=str(path)).lists(LISTS, Random(0))
    with pytest.raises(DataError, match="no such file"):
        Documents(path=str(tmp_path / "none.jsonl")).lists(LISTS, Random(0))


def test_a_stage_reads_its_file_beside_the_training_file_and_keeps_it_apart_from_excluded_collections(
    training: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    queries = map(json.loads, (tmp_path / "home" / "queries.jsonl").read_text().splitlines())
    rows = [{"query": each["text"], "text": f"pale moon {number}"} for number, each in enumerate(queries)]
    (tmp_path / "made.jsonl").write_text("\n".join(map(json.dumps, rows)))
    table = 'checkpoint = 2 }\n[[stage.lists]]\nuse = "documents"\npath = "made.jsonl"\n'
    training.write_text(training.read_text().replace("checkpoint = 2 }", table))
    made: list[Group] = []
    whole = Documents.lists

    def noted(self: Documents, lists: list[Group], rng: Random, /) -> list[Group]:
        made.extend(whole(self, lists, rng))
        return made

    monkeypatch.setattr(Documents, "lists", noted)
    distill.run(training, tmp_path / "out", Silent())
    added = [text for each in made for text in each.texts if text.startswith("pale moon")]
    assert len(set(added)) == len(added) == len(made) == 6  # two of the eight queries are for development

    held = tmp_path / "held"
    (held / "qrels").mkdir(parents=True)
    (held / "corpus.jsonl").write_text(json.dumps({"_id": "d1", "text": "Pale moon 1"}))
    (held / "queries.jsonl").write_text(json.dumps({"_id": "q", "text": "nothing alike"}))
    (held / "qrels" / "test.tsv").write_text("q\td1\t1\n")
    training.write_text('exclude = ["held"]\n' + training.read_text())
    with pytest.raises(DataError, match=r"made.jsonl:2: this text is document 'd1'"):
        distill.run(training, tmp_path / "out", Silent())
