"""Collections are read from every format, and every fault is named with its file and line."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from robustrank.collections.beir import Beir
from robustrank.collections.jsonl import Jsonl
from robustrank.collections.trec import Trec, rankings
from robustrank.errors import DataError
from robustrank.types import Document, Query


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(text.encode()))
    else:
        path.write_text(text, encoding="utf-8")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "tiny"
    docs = [{"_id": "d1", "title": "Cats", "text": "sleep a lot"}, {"_id": "d2", "title": "", "text": "dogs bark"}]
    _write(root / "corpus.jsonl", "".join(json.dumps(d) + "\n" for d in docs))
    queries = [{"_id": "q1", "text": "who  sleeps", "type": "who"}, {"_id": "q2", "text": "unjudged"}]
    _write(root / "queries.jsonl", "".join(json.dumps(q) + "\n" for q in queries))
    _write(root / "qrels/test.tsv", "query-id\tcorpus-id\tscore\nq1\td1\t2\n")
    return root


def test_a_beir_folder_is_read_with_titles_types_and_only_judged_queries(folder: Path) -> None:
    found = Beir(path=str(folder), query_type="type").load()
    assert dict(found.documents) == {"d1": Document("d1", "Cats sleep a lot"), "d2": Document("d2", "dogs bark")}
    assert found.queries == (Query("q1", "who sleeps"),)
    assert found.qrels == {"q1": {"d1": 2}}
    assert found.query_types == {"q1": "who"}
    assert not found.warnings


def test_gzipped_files_give_the_same_collection(folder: Path) -> None:
    plain = Beir(path=str(folder)).load()
    for path in (folder / "corpus.jsonl", folder / "qrels" / "test.tsv"):
        _write(path.with_name(path.name + ".gz"), path.read_text())
        path.unlink()
    assert Beir(path=str(folder)).load().digest == plain.digest


def test_what_tools_of_the_field_accept_is_a_counted_warning(folder: Path) -> None:
    _write(folder / "qrels/test.tsv", "query-id\tcorpus-id\tscore\nq1\td1\t1\nq1\tgone\t1\nq2\td2\t0\nnobody\td1\t1\n")
    with (folder / "corpus.jsonl").open("a") as file:
        file.write(json.dumps({"_id": "d3", "text": " "}) + "\n")
    _write(folder / "runs/bm25.trec", "q1 Q0 d1 1 2.0 x\nq1 Q0 lost 2 1.0 x\n")
    found = Beir(path=str(folder), run="bm25").load()
    assert found.candidates == {"q1": ["d1"]}
    assert [w.split(" ", 1)[0] for w in found.warnings] == ["1"] * 4
    assert "judgments of documents that are not in the collection" in found.warnings[0]


BREAK: dict[str, tuple[Callable[[Path], object], str]] = {
    "no folder": (lambda f: f.rename(f.with_name("elsewhere")), "tiny: no such folder"),
    "no corpus": (lambda f: (f / "corpus.jsonl").unlink(), r"corpus\.jsonl: no such file"),
    "no split": (lambda f: (f / "qrels/test.tsv").rename(f / "qrels/dev.tsv"), r"test\.tsv: .*splits here: dev"),
    "not json": (lambda f: _write(f / "corpus.jsonl", '{"_id": "d1", "text": "x"}\n{"_id"'), r"corpus\.jsonl:2: not JSON"),
    "not object": (lambda f: _write(f / "corpus.jsonl", "[1]\n"), r"corpus\.jsonl:1: a JSON object expected, not list"),
    "no text": (lambda f: _write(f / "corpus.jsonl", '{"_id": "d1"}\n'), r"corpus\.jsonl:1: no field 'text'"),
    "text a list": (lambda f: _write(f / "corpus.jsonl", '{"_id": "1", "text": []}'), r":1: field 'text' must be text"),
    "doc twice": (
        lambda f: _write(f / "corpus.jsonl", '{"_id": "d", "text": "x"}\n' * 2), r"corpus\.jsonl:2: document id 'd' a second"
    ),
    "query twice": (
        lambda f: _write(f / "queries.jsonl", '{"_id": "q1", "text": "x"}\n' * 2), r"queries\.jsonl:2: query id 'q1' a second"
    ),
    "empty query": (lambda f: _write(f / "queries.jsonl", '{"_id": "q1", "text": " "}'), r"queries\.jsonl:1: query 'q1' is empty"),
    "empty corpus": (lambda f: _write(f / "corpus.jsonl", "\n"), r"corpus\.jsonl: no documents"),
    "no queries judged": (lambda f: _write(f / "qrels/test.tsv", "zz\td1\t1\n"), r"queries\.jsonl: no queries"),
    "columns": (lambda f: _write(f / "qrels/test.tsv", "q1 d1 1\n"), r"test\.tsv:1: 1 columns, expected query-id"),
    "grade": (lambda f: _write(f / "qrels/test.tsv", "q1\td1\tyes\n"), r"test\.tsv:1: grade 'yes' is not a whole number"),
    "half grade": (lambda f: _write(f / "qrels/test.tsv", "q1\td1\t0.5\n"), r"test\.tsv:1: grade '0.5'"),
    "two grades": (lambda f: _write(f / "qrels/test.tsv", "q1\td1\t1\nq1\td1\t2\n"), r"test\.tsv:2: .*judged 1 and 2"),
    "utf-8": (lambda f: (f / "corpus.jsonl").write_bytes(b'{"_id": "1", "text": "ok"}\n\xff\n'), r"corpus\.jsonl:1: not UTF-8"),
    "torn gzip": (
        lambda f: ((f / "corpus.jsonl.gz").write_bytes(gzip.compress(b"{}" * 999)[:-9]), (f / "corpus.jsonl").unlink()),
        r"corpus\.jsonl\.gz.*(torn or not gzip)",
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", sorted(BREAK))
def test_a_fault_is_named_with_file_and_line(folder: Path, fault: str) -> None:
    spoil, message = BREAK[fault]
    spoil(folder)
    with pytest.raises(DataError, match=message):
        Beir(path=str(folder)).load()


def test_trec_files_give_the_same_documents_queries_and_grades(folder: Path) -> None:
    _write(folder / "docs.tsv", "d1\tCats sleep a lot\nd2\tdogs bark\n")
    _write(folder / "topics.txt.gz", "<top>\n<num> Number: q1\n<title> who\n sleeps\n<desc> x\n</top>\n")
    _write(folder / "qrels.txt", "q1 0 d1 2\n")
    found = Trec(
        documents=str(folder / "docs.tsv"), topics=str(folder / "topics.txt.gz"), qrels=str(folder / "qrels.txt")
    )
    assert found.load().digest == Beir(path=str(folder)).load().digest


def test_topics_may_be_tab_separated_and_documents_json(folder: Path) -> None:
    _write(folder / "topics.tsv", "q1\twho sleeps\n")
    _write(folder / "qrels.txt", "q1 0 d1 2\n")
    found = Trec(
        documents=str(folder / "corpus.jsonl"), topics=str(folder / "topics.tsv"), qrels=str(folder / "qrels.txt")
    )
    assert found.load().queries == (Query("q1", "who sleeps"),)


def test_runs_are_ordered_by_score_with_the_declared_ties_and_the_rank_column_is_not_believed(tmp_path: Path) -> None:
    _write(tmp_path / "run", "q Q0 a 1 1.0 t\nq Q0 b 2 3.0 t\nq Q0 c 3 1.0 t\n")
    assert rankings(tmp_path / "run") == {"q": ("b", "c", "a")}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("q Q0 a 1 nan t", "score 'nan' is not a finite number"),
        ("q Q0 a 1 inf t", "score 'inf' is not a finite number"),
        ("q Q0 a 1 high t", "score 'high'"),
        ("q Q0 a 1 1.0", "5 columns"),
        ("q Q0 x 1 1.0 t", "document 'x' a second time"),
    ],
)
def test_a_broken_run_line_is_named(tmp_path: Path, line: str, message: str) -> None:
    _write(tmp_path / "run", f"q Q0 x 1 2.0 t\n{line}\n")
    with pytest.raises(DataError, match=f"run:2: {message}"):
        rankings(tmp_path / "run")


def test_jsonl_files_of_a_team(tmp_path: Path) -> None:
    _write(tmp_path / "d.jsonl", '{"id": 1, "text": "one"}\n')
    _write(tmp_path / "q.jsonl", '{"id": "q", "text": "number", "type": "kw"}\n')
    _write(tmp_path / "r.jsonl", '{"query_id": "q", "doc_id": "1", "relevance": 3}\n')
    names = (str(tmp_path / f"{name}.jsonl") for name in "dqr")
    found = Jsonl(**dict(zip(("documents", "queries", "qrels"), names, strict=True))).load()
    assert found.qrels == {"q": {"1": 3}}
    assert found.query_types == {"q": "kw"}


def test_the_digest_depends_on_content_and_not_on_file_order(folder: Path) -> None:
    before = Beir(path=str(folder)).load().digest
    lines = (folder / "corpus.jsonl").read_text().splitlines(keepends=True)
    _write(folder / "corpus.jsonl", "".join(reversed(lines)))
    assert Beir(path=str(folder)).load().digest == before
    _write(folder / "corpus.jsonl", "".join(lines).replace("bark", "barked"))
    assert Beir(path=str(folder)).load().digest != before
