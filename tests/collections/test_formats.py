"""Collections are read from every format; every fault is named with its file and line, or counted where tools allow."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from robustrank.collections.beir import Beir
from robustrank.collections.jsonl import Jsonl
from robustrank.collections.trec import Trec, rankings
from robustrank.core.errors import DataError
from robustrank.core.types import Document, Query

DOCS = (
    '{"_id": "d1", "title": "Cats", "text": "sleep a lot"}\n'
    '{"_id": "d2", "title": "", "text": "dogs bark"}\n'
)  # fmt: skip
QUERIES = '{"_id": "q1", "text": "who  sleeps", "type": "who"}\n{"_id": "q2", "text": "unjudged", "type": 5}\n'
QRELS = "query-id\tcorpus-id\tscore\nq1\td1\t2\n"


def write(path: Path, content: str | bytes) -> str:
    raw = content.encode() if isinstance(content, str) else content
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(raw) if path.suffix == ".gz" else raw)
    return str(path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "tiny"
    write(root / "corpus.jsonl", DOCS)
    write(root / "queries.jsonl", QUERIES)
    write(root / "qrels/test.tsv", QRELS)
    return root


def test_a_beir_folder_is_read_with_titles_types_and_only_judged_queries(folder: Path) -> None:
    collection = Beir(path=str(folder)).load()
    assert collection.name == "tiny"
    assert collection.documents == {"d1": Document("d1", "Cats sleep a lot"), "d2": Document("d2", "dogs bark")}
    assert collection.queries == (Query("q1", "who sleeps"),)
    assert collection.qrels == {"q1": {"d1": 2}}
    assert collection.query_types == {"q1": "who"}
    assert collection.warnings == ("queries without a judgment in this split (not evaluated): 1",)


def test_gzipped_files_and_a_byte_order_mark_give_the_same_collection(folder: Path) -> None:
    plain = Beir(path=str(folder)).load()
    for name in ("corpus.jsonl", "queries.jsonl", "qrels/test.tsv"):
        content = b"\xef\xbb\xbf" + (folder / name).read_bytes().replace(b"\n", b"\r\n")
        (folder / name).unlink()
        write(folder / f"{name}.gz", content)
    assert Beir(path=str(folder)).load() == plain


def test_judgments_may_be_taken_from_another_file_of_the_folder(folder: Path) -> None:
    write(folder / "qrels_full/test.tsv", "q1\td1\t2\nq1\tgone\t3\n")
    collection = Beir(path=str(folder), qrels="qrels_full/test.tsv").load()
    assert collection.qrels == {"q1": {"d1": 2, "gone": 3}}


def test_what_tools_of_the_field_accept_is_a_counted_warning(folder: Path) -> None:
    write(folder / "corpus.jsonl", DOCS + '{"_id": "d3", "text": " "}\n{"_id": "d4", "title": "Empty", "text": ""}\n')
    write(folder / "qrels/test.tsv", QRELS + "q1\tgone\t1\nnobody\td1\t1\nnobody\td2\t0\n")
    write(folder / "runs/bm25.trec", "q1 Q0 d1 1 2.0 x\nq1 Q0 lost 2 1.0 x\n")
    collection = Beir(path=str(folder), run="bm25").load()
    assert collection.candidates == {"q1": ("d1",)}
    assert set(collection.warnings) == {
        "candidates that are not in the collection (ignored): 1",
        "documents with a title but no text (kept): 1",
        "documents without any text (kept): 1",
        "judgments of documents that are not in the collection (kept: they count in the ideal list): 1",
        "queries without a judgment in this split (not evaluated): 1",
        "judgments of unknown queries (ignored): 2",
    }


FAULTS: dict[str, tuple[str, str | bytes, str]] = {
    "not json": ("corpus.jsonl", DOCS + '{"_id"', r"corpus\.jsonl:3: not JSON"),
    "json, but no object": ("corpus.jsonl", "[1]\n", r"corpus\.jsonl:1: a JSON object expected, not list"),
    "no text": ("corpus.jsonl", DOCS + '{"_id": "d3"}\n', r"corpus\.jsonl:3: no field 'text'.* \(has: _id\)"),
    "text that is none": ("corpus.jsonl", '{"_id": "d", "text": null}', r":1: field 'text' must be text .* NoneType"),
    "half a surrogate pair": ("corpus.jsonl", r'{"_id": "d", "text": "\ud83d"}', r":1: field 'text' holds half"),
    "a document without id": ("corpus.jsonl", '{"_id": " ", "text": "x"}', r":1: a document without an id"),
    "a document twice": ("corpus.jsonl", DOCS + DOCS, r"corpus\.jsonl:3: document id 'd1' a second time"),
    "no documents": ("corpus.jsonl", "\n", r"corpus\.jsonl: no documents"),
    "a query twice": ("queries.jsonl", QUERIES + QUERIES, r"queries\.jsonl:3: query id 'q1' a second time"),
    "an empty query": ("queries.jsonl", '{"_id": "q1", "text": " "}', r"queries\.jsonl:1: query 'q1' is empty"),
    "a query without id": ("queries.jsonl", '{"_id": "", "text": "x"}', r"queries\.jsonl:1: a query without an id"),
    "no queries": ("queries.jsonl", "", r"queries\.jsonl: no queries"),
    "judgments of others": ("qrels/test.tsv", "zz\td1\t1\n", r"test\.tsv: no query has a judgment"),
    "blanks for tabs": ("qrels/test.tsv", "q1 d1 1\n", r"test\.tsv:1: 1 columns, expected query-id"),
    "a word for a grade": ("qrels/test.tsv", QRELS + "q1\td2\tyes\n", r"test\.tsv:3: grade 'yes' is not"),
    "half a grade": ("qrels/test.tsv", QRELS + "q1\td2\t0.5\n", r"test\.tsv:3: grade '0\.5'"),
    "an endless grade": ("qrels/test.tsv", QRELS + "q1\td2\tinf\n", r"test\.tsv:3: grade 'inf'"),
    "a pair judged two ways": ("qrels/test.tsv", QRELS + "q1\td1\t1\n", r"test\.tsv:3: .* judged 2 and 1"),
    "not utf-8": ("corpus.jsonl", DOCS.encode() + b"\xff\n", r"corpus\.jsonl:3: not UTF-8 at byte 0"),
}  # fmt: skip


@pytest.mark.parametrize("fault", sorted(FAULTS))
def test_a_fault_is_named_with_file_and_line(folder: Path, fault: str) -> None:
    name, content, message = FAULTS[fault]
    write(folder / name, content)
    with pytest.raises(DataError, match=message):
        Beir(path=str(folder)).load()


def test_a_torn_gzip_is_named_with_the_last_line_that_was_read(folder: Path) -> None:
    lines = "".join(json.dumps({"_id": str(n), "text": f"text {n * 7919}"}) + "\n" for n in range(20000))
    (folder / "corpus.jsonl").unlink()
    (folder / "corpus.jsonl.gz").write_bytes(gzip.compress(lines.encode())[:-9])
    with pytest.raises(
        DataError, match=r"corpus\.jsonl\.gz: cannot be read any further than line \d{4,}: .*end-of-stream"
    ):
        Beir(path=str(folder)).load()
    (folder / "corpus.jsonl.gz").write_bytes(b"no gzip at all")
    with pytest.raises(DataError, match=r"corpus\.jsonl\.gz:1: not JSON"):
        Beir(path=str(folder)).load()


def test_missing_files_are_named_and_splits_that_exist_are_listed(folder: Path) -> None:
    with pytest.raises(DataError, match=r"train\.tsv: no such judgments; splits here: test"):
        Beir(path=str(folder), split="train").load()
    with pytest.raises(DataError, match=r"runs/bm25\.trec: no such file"):
        Beir(path=str(folder), run="bm25").load()
    with pytest.raises(DataError, match="elsewhere: no such folder"):
        Beir(path=str(folder / "elsewhere")).load()
    (folder / "corpus.jsonl").unlink()
    with pytest.raises(DataError, match=r"corpus\.jsonl: no such file"):
        Beir(path=str(folder)).load()


def test_trec_files_give_the_same_content_as_a_beir_folder(folder: Path) -> None:
    collection = Trec(
        documents=write(folder / "docs.tsv", "d1\tCats sleep a lot\nd2\tdogs bark\n"),
        topics=write(folder / "topics.gz", "<top>\n\n<num> Number: q1\n<title> who\n sleeps\n\n<desc> x\n</top>\n"),
        qrels=write(folder / "qrels.gz", "q1 0 d1 2\n"),
        run=write(folder / "run.gz", "q1 Q0 d1 1 1.5 x\nq1 Q0 d2 2 2.5 x\n"),
    ).load()
    assert collection.digest == Beir(path=str(folder)).load().digest
    assert collection.candidates == {"q1": ("d2", "d1")}


def test_topics_may_be_tab_separated_and_documents_json(folder: Path) -> None:
    collection = Trec(
        documents=str(folder / "corpus.jsonl"),
        topics=write(folder / "topics.tsv", "q1\twho sleeps\n"),
        qrels=write(folder / "qrels.txt", "q1 0 d1 2\n"),
    ).load()
    assert collection.digest == Beir(path=str(folder)).load().digest


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("documents", "d1\tx\nd2 x\n", "documents:2: expected id<TAB>text"),
        ("topics", "q1 who sleeps\n", "topics:1: expected id<TAB>text, or <top> blocks"),
        ("topics", "<top>\n<num> q1\n</top>\n", "topics:1: a topic without <num> or <title>"),
        ("topics", "<top>\n<num> q1\n<title> a\n\n<top>\n<num> q2\n<title> b\n</top>\n", "topics:1: a <top> without"),
        (
            "topics",
            "<top><num>q1<title>a</top>\n\n<top>\n<num> q2\n<title> b\n",
            "topics:3: a <top> without its </top>",
        ),
        ("qrels", "q1 0 d1 1\nq1 d1 1\n", "qrels:2: 3 columns, expected query, iteration, document, grade"),
    ],
)
def test_a_fault_in_a_trec_file_is_named(tmp_path: Path, name: str, content: str, message: str) -> None:
    good = {"documents": "d1\tx\n", "topics": "q1\tx\n", "qrels": "q1 0 d1 1\n"}
    paths = {key: write(tmp_path / key, text) for key, text in {**good, name: content}.items()}
    with pytest.raises(DataError, match=message):
        Trec(documents=paths["documents"], topics=paths["topics"], qrels=paths["qrels"]).load()


def test_runs_go_by_score_with_the_declared_ties_and_the_rank_column_is_not_believed(tmp_path: Path) -> None:
    run = write(tmp_path / "run", "q Q0 a 1 1.0 t\nq Q0 b 2 3.0 t\nq Q0 c 3 1.0 t\n")
    assert rankings(Path(run)) == {"q": ("b", "c", "a")}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("q Q0 a 1 nan t", "score 'nan' is not a finite number"),
        ("q Q0 a 1 -inf t", "score '-inf' is not a finite number"),
        ("q Q0 a 1 high t", "score 'high' is not a finite number"),
        ("q Q0 a 1 1.0", "5 columns, expected query, Q0, document, rank, score, tag"),
        ("q Q0 x 1 1.0 t", "document 'x' a second time for query 'q'"),
    ],
)
def test_a_broken_run_line_is_named(tmp_path: Path, line: str, message: str) -> None:
    write(tmp_path / "run", f"q Q0 x 1 2.0 t\n{line}\n")
    with pytest.raises(DataError, match=f"run:2: {message}"):
        rankings(tmp_path / "run")


def test_json_lines_of_a_team_are_read_with_numbers_as_ids(tmp_path: Path) -> None:
    collection = Jsonl(
        documents=write(tmp_path / "d.jsonl", '{"id": 1, "text": "one"}\n'),
        topics=write(tmp_path / "q.jsonl", '{"id": "q", "text": "number", "type": "kw"}\n'),
        qrels=write(tmp_path / "r.jsonl", '{"query_id": "q", "doc_id": "1", "relevance": 3}\n'),
    ).load()
    assert collection.documents == {"1": Document("1", "one")}
    assert collection.qrels == {"q": {"1": 3}}
    assert collection.query_types == {"q": "kw"}


def test_the_digest_depends_on_content_and_not_on_file_order(folder: Path) -> None:
    before = Beir(path=str(folder)).load().digest
    write(folder / "corpus.jsonl", "".join(reversed(DOCS.splitlines(keepends=True))))
    assert Beir(path=str(folder)).load().digest == before
    for name, content in (("corpus.jsonl", DOCS), ("queries.jsonl", QUERIES), ("qrels/test.tsv", QRELS)):
        write(folder / name, content.replace("sleep", "slept").replace("\t2", "\t1"))
        assert Beir(path=str(folder)).load().digest != before
        write(folder / name, content)
