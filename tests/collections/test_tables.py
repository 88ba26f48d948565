"""Collections in Parquet files and compressed by zstd, with names of columns of one's own."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from robustrank.collections.beir import Beir
from robustrank.collections.jsonl import Jsonl
from robustrank.collections.trec import Trec
from robustrank.core.errors import ConfigError, DataError, MissingExtra
from robustrank.core.types import Collection

DOCUMENTS: list[dict[str, Any]] = [
    {"id": 1, "title": "Cats", "text": "sleep a lot"},
    {"id": 2, "title": None, "text": "dogs bark"},
]
QUERIES: list[dict[str, Any]] = [{"qid": "q1", "query": "who sleeps"}]
QRELS: list[dict[str, Any]] = [{"qid": "q1", "docid": 1, "grade": 2.0}, {"qid": "q1", "docid": 2, "grade": 0.0}]

arrow = pytest.importorskip("pyarrow")


def table(path: Path, rows: list[dict[str, Any]]) -> str:
    import pyarrow.parquet

    pyarrow.parquet.write_table(arrow.Table.from_pylist(rows), path)
    return str(path)


def zst(path: Path, text: str) -> Path:
    with arrow.CompressedOutputStream(str(path), "zstd") as file:
        file.write(text.encode())
    return path


def lines(rows: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def content(collection: Collection) -> Any:
    return {i: d.text for i, d in collection.documents.items()}, list(collection.queries), dict(collection.qrels)


def plain(folder: Path) -> Jsonl:
    files: dict[str, list[dict[str, Any]]] = {"documents": DOCUMENTS, "topics": QUERIES, "qrels": QRELS}
    for name, rows in files.items():
        (folder / f"{name}.jsonl").write_text(lines(rows))
    paths: dict[str, Any] = {name: str(folder / f"{name}.jsonl") for name in files}
    return Jsonl(**paths)


def test_parquet_and_zstd_hold_what_json_lines_hold(tmp_path: Path) -> None:
    expected = content(plain(tmp_path).load())
    assert expected[0] == {"1": "Cats sleep a lot", "2": "dogs bark"}
    of_tables = Jsonl(
        documents=table(tmp_path / "d.parquet", DOCUMENTS), topics=table(tmp_path / "no name", QUERIES),
        qrels=table(tmp_path / "r.parquet", QRELS),
    )  # fmt: skip
    assert content(of_tables.load()) == expected
    names = {"documents": DOCUMENTS, "topics": QUERIES, "qrels": QRELS}
    paths: dict[str, Any] = {
        name: str(zst(tmp_path / f"{name}.jsonl.zst", lines(rows))) for name, rows in names.items()
    }
    assert content(Jsonl(**paths).load()) == expected


def test_csv_beir_and_trec_may_be_compressed_by_zstd(tmp_path: Path) -> None:
    zst(tmp_path / "corpus.jsonl.zst", '{"_id": "1", "title": "", "text": "cats"}\n')
    zst(tmp_path / "queries.jsonl.zst", '{"_id": "q1", "text": "who"}\n')
    (tmp_path / "qrels").mkdir()
    zst(tmp_path / "qrels" / "test.tsv.zst", "query-id\tcorpus-id\tscore\nq1\t1\t1\n")
    assert content(Beir(path=str(tmp_path)).load())[0] == {"1": "cats"}
    topics, qrels = zst(tmp_path / "t.zst", "q1\twho\n"), zst(tmp_path / "r.zst", "q1 0 1 1\n")
    for documents in (
        zst(tmp_path / "d.csv.zst", "id,text\n1,cats\n"),
        table(tmp_path / "d.parquet", [{"id": 1, "text": "cats"}]),
    ):
        read = Trec(documents=str(documents), topics=str(topics), qrels=str(qrels)).load()
        assert content(read)[0] == {"1": "cats"}


def test_a_truncated_file_is_an_error_and_not_a_smaller_collection(tmp_path: Path) -> None:
    rows = [{"id": n, "text": f"text {n * 7919 % 10007}"} for n in range(5000)]
    ranker = plain(tmp_path)
    whole = zst(tmp_path / "whole.zst", lines(rows)).read_bytes()
    (tmp_path / "cut.zst").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"cut\.zst: cannot be read any further than line"):
        Jsonl(documents=str(tmp_path / "cut.zst"), topics=ranker.topics, qrels=ranker.qrels).load()
    data = Path(table(tmp_path / "whole.parquet", rows)).read_bytes()
    (tmp_path / "cut.parquet").write_bytes(data[: len(data) // 2])
    with pytest.raises(DataError, match=r"cut\.parquet: cannot be read"):
        Jsonl(documents=str(tmp_path / "cut.parquet"), topics=ranker.topics, qrels=ranker.qrels).load()


def test_without_pyarrow_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ranker = plain(tmp_path)
    files = [table(tmp_path / "d.parquet", DOCUMENTS), str(zst(tmp_path / "d.zst", lines(DOCUMENTS)))]
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    for file in files:
        with pytest.raises(MissingExtra, match=r"robustrank\[data\]"):
            Jsonl(documents=file, topics=ranker.topics, qrels=ranker.qrels).load()


def test_columns_of_other_names_are_mapped_and_a_name_that_no_file_has_is_refused(tmp_path: Path) -> None:
    expected = content(plain(tmp_path).load())
    (tmp_path / "d.csv").write_text("nr,headline,abstract,text\n1,Cats,sleep a lot,no\n2,,dogs bark,no\n")
    (tmp_path / "q.csv").write_text("topic_nr,utterance\nq1,who sleeps\n")
    (tmp_path / "r.csv").write_text("topic_nr,nr,usefulness\nq1,1,2\nq1,2,0\n")
    columns = {
        "doc_id": "nr", "title": "headline", "doc_text": "abstract", "query_id": "topic_nr", "query_text": "utterance",
        "grade": "usefulness",
    }  # fmt: skip
    files = {"documents": "d.csv", "topics": "q.csv", "qrels": "r.csv"}
    paths: dict[str, Any] = {name: str(tmp_path / file) for name, file in files.items()}
    assert content(Jsonl(**paths, columns=columns).load()) == expected
    with pytest.raises(DataError, match=r"no file has the column 'headline2'"):
        Jsonl(**paths, columns=columns | {"title": "headline2"}).load()
    with pytest.raises(ConfigError, match=r"unknown 'heading'; a column is one of doc_id"):
        Jsonl(**paths, columns={"heading": "x"}).load()
