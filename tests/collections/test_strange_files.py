"""Files as strangers send them: read where their meaning is plain, refused with file, line and fix where it is not."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from robustrank.collections import lines
from robustrank.collections.beir import Beir
from robustrank.collections.jsonl import Jsonl
from robustrank.collections.trec import Trec, topics
from robustrank.core.errors import DataError
from robustrank.core.types import Qrel, Query


def trec(folder: Path, qrels: str) -> Trec:
    """One document, one query, and these judgments."""
    contents = {"docs.tsv": "d1\ttext\n", "topics.txt": "q1\tquery\n", "qrels.txt": qrels}
    for name, content in contents.items():
        (folder / name).write_text(content, encoding="utf-8")
    documents, topics_, judgments = (str(folder / name) for name in contents)
    return Trec(documents=documents, topics=topics_, qrels=judgments)


@pytest.mark.parametrize(
    "grade", ["2147483648", "99999999999", "1_0", "１", "1e3", "nan", "0x1", "1001", "-1001", "9" * 5000]
)
def test_a_grade_that_is_no_plain_small_number_is_refused_with_its_line(tmp_path: Path, grade: str) -> None:
    with pytest.raises(DataError, match=r"qrels\.txt:1: grade "):
        trec(tmp_path, f"q1 0 d1 {grade}\n").load()


@pytest.mark.parametrize(("grade", "value"), [("3", 3), ("-1", -1), ("+2", 2), ("1.0", 1), ("1000", 1000)])
def test_plain_grades_are_read(tmp_path: Path, grade: str, value: int) -> None:
    assert trec(tmp_path, f"q1 0 d1 {grade}\n").load().qrels == {"q1": {"d1": value}}


def test_the_grades_of_every_loader_are_bounded() -> None:
    from robustrank.collections.validate import collection
    from robustrank.core.types import Document

    with pytest.raises(DataError, match="grade 2147483648 is not between"):
        collection("x", {"d": Document("d", "")}, {"q": Query("q", "a")}, [(1, Qrel("q", "d", 2147483648))], "id")


@pytest.mark.parametrize(
    "text",
    [
        "<top>" + " " * 200_000,
        "<top>\n<num>" + " " * 200_000 + "\n",
        "<title>" * 100_000,
        "<top><title>" * 50_000,
        "<top" + " <" * 200_000,
        "<topic number=" + "'" * 200_000,
    ],
)
def test_topics_that_no_parser_should_try_again_and_again_end_in_an_error(tmp_path: Path, text: str) -> None:
    """Each took a parser with nested searches minutes or hours."""
    (tmp_path / "topics").write_text(text)
    with pytest.raises(DataError, match=r"topics:\d+: "):
        list(topics(tmp_path / "topics"))


def test_a_line_without_an_end_is_refused_and_not_held_in_memory(tmp_path: Path) -> None:
    plain, packed = tmp_path / "plain.tsv", tmp_path / "packed.tsv.gz"
    with plain.open("wb") as file:
        file.truncate(1 << 30)  # a sparse file: 1 GB of zeros
    with gzip.open(packed, "wb") as file:
        for _ in range(200):
            file.write(bytes(1 << 20))
    for path in (plain, packed):
        with pytest.raises(DataError, match=rf"{path.name}:1: a line of more than 16 MB"):
            list(lines.lines(path))


def test_a_device_is_no_file() -> None:
    with pytest.raises(DataError, match="/dev/zero: not a file"):
        list(lines.lines(Path("/dev/zero")))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "<top><num>1</num><title>blood pressure < 120 in adults</title></top>",
            Query("1", "blood pressure < 120 in adults"),
        ),
        (
            "<top>\n<num> Number: 7\n<title> Topic: R&amp;D spending\n\n<desc> Description:\nx\n</top>",
            Query("7", "R&D spending"),
        ),
        (
            '<top lang="en"><num>C1</num><title lang="en">Wahlen\nin  Berlin</title></top>',
            Query("C1", "Wahlen in Berlin"),
        ),
        (
            '<topics><topic number="1"><query>coronavirus origin</query><question>what</question></topic></topics>',
            Query("1", "coronavirus origin"),
        ),
        (
            "<topics task='x'>\n<topic number='12'>\n  58-year-old woman, HbA1c &lt; 7\n</topic>\n</topics>",
            Query("12", "58-year-old woman, HbA1c < 7"),
        ),
        ("<TOP><NUM>3<TITLE>old <b>style</b> markup</TOP>", Query("3", "old <b>style</b> markup")),
    ],
)
def test_topics_of_every_flavour_are_read_with_signs_and_entities(tmp_path: Path, text: str, expected: Query) -> None:
    (tmp_path / "topics").write_text(text)
    assert [query for _, query in topics(tmp_path / "topics")] == [expected]


def test_blanks_around_ids_of_judgments_do_not_count(tmp_path: Path) -> None:
    (tmp_path / "qrels").mkdir()
    (tmp_path / "corpus.jsonl").write_text('{"_id": "d1", "text": "x"}\n')
    (tmp_path / "queries.jsonl").write_text('{"_id": "q1 ", "text": "y"}\n')
    (tmp_path / "qrels/test.tsv").write_text("query-id\tcorpus-id\tscore\nq1\td1 \t1 \n")
    assert Beir(path=str(tmp_path)).load().qrels == {"q1": {"d1": 1}}


def test_judgments_of_other_documents_are_refused_before_they_make_every_measure_zero(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"none of the 2 relevant documents is in the collection: .* 'D-1', .* has 'd1'"
    ):
        trec(tmp_path, "q1 0 D-1 1\nq1 0 D-2 1\n").load()


def test_gzip_is_recognised_under_any_name(tmp_path: Path) -> None:
    (tmp_path / "docs.tsv").write_bytes(gzip.compress(b"d1\ttext\n"))
    assert list(lines.lines(tmp_path / "docs.tsv")) == [(1, "d1\ttext")]
    (tmp_path / "docs.tsv.gz").write_bytes(b"d1\ttext\n")
    assert list(lines.lines(tmp_path / "docs.tsv.gz")) == [(1, "d1\ttext")]


def test_other_encodings_and_broken_compressions_are_refused_with_what_helps(tmp_path: Path) -> None:
    path = tmp_path / "docs"
    path.write_bytes("d1\ttext\n".encode("utf-16"))
    with pytest.raises(DataError, match="UTF-16; convert it with: iconv"):
        list(lines.lines(path))
    path.write_bytes(b"\x28\xb5\x2f\xfd rest")
    pytest.importorskip("pyarrow")
    with pytest.raises(DataError, match="copy or download it again"):
        list(lines.lines(path))
    path.write_bytes(b"PAR1 rest")
    with pytest.raises(DataError, match="a Parquet file, which the loader jsonl reads"):
        list(lines.lines(path))


def test_a_collection_may_be_csv_with_the_usual_names_of_columns(tmp_path: Path) -> None:
    (tmp_path / "docs.csv").write_text('docno,title,contents\nd1,Cats,"sleep, \na lot"\nd2,,bark\n')
    (tmp_path / "queries.tsv").write_text("qid\tquery\nq1\twho sleeps\n")
    (tmp_path / "qrels.jsonl").write_text(json.dumps({"qid": "q1", "docno": "d1 ", "label": 1.0}) + "\n")
    collection = Jsonl(
        documents=str(tmp_path / "docs.csv"), topics=str(tmp_path / "queries.tsv"), qrels=str(tmp_path / "qrels.jsonl")
    ).load()
    assert collection.documents["d1"].text == "Cats sleep, \na lot"
    assert collection.queries == (Query("q1", "who sleeps"),)
    assert collection.qrels == {"q1": {"d1": 1}}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("id,text\nd1,a,b\n", r":2: 3 cells separated by commas, the header has 2; quote cells"),
        ("id,id\nd1,a\n", ":1: the first line must name the columns"),
        ('id,text\nd1,"a\n', "not CSV"),
        ("id,words\nd1,a\n", ":2: no field 'text'"),
    ],
)
def test_a_broken_csv_is_named_with_its_line(tmp_path: Path, content: str, reason: str) -> None:
    (tmp_path / "docs.csv").write_text(content)
    (tmp_path / "other").write_text('{"id": "q1", "text": "x"}\n')
    with pytest.raises(DataError, match=reason):
        Jsonl(
            documents=str(tmp_path / "docs.csv"), topics=str(tmp_path / "other"), qrels=str(tmp_path / "other")
        ).load()


@pytest.mark.parametrize(("ending", "separator"), [("csv", ";"), ("csv", "\t"), ("tsv", ";"), ("tsv", ",")])
def test_another_separator_is_read_where_the_header_has_no_other(tmp_path: Path, ending: str, separator: str) -> None:
    path = tmp_path / f"docs.{ending}"
    path.write_text(f'id{separator}text\nd1{separator}"cats{separator} dogs"\nd2{separator}it rains\n')
    assert [cells for _, cells in lines.rows(path)] == [
        {"id": "d1", "text": f"cats{separator} dogs"}, {"id": "d2", "text": "it rains"},
    ]  # fmt: skip


def test_a_table_whose_separator_is_open_is_refused_with_the_fix(tmp_path: Path) -> None:
    path = tmp_path / "docs.csv"
    path.write_text("id;text\ttitle\nd1;a\tb\n")
    with pytest.raises(
        DataError, match=r"docs\.csv:1: the header holds semicolons and tabs; separate columns by commas"
    ):
        list(lines.rows(path))
    path.write_text("id;text\nd1;a;b\n")
    with pytest.raises(DataError, match=r"docs\.csv:2: 3 cells separated by semicolons, the header has 2"):
        list(lines.rows(path))


@pytest.mark.parametrize("second", ['"id": "b"', '"text": "y"', '"extra": {"a": 1, "a": 2}'])
def test_a_key_twice_in_one_object_of_a_line_is_an_error_with_its_line(tmp_path: Path, second: str) -> None:
    path = tmp_path / "docs.jsonl"
    path.write_text('{"id": "1", "text": "x"}\n{"id": "a", "text": "x", ' + second + "}\n")
    with pytest.raises(DataError, match=r"docs\.jsonl:2: .*twice in one object"):
        list(lines.objects(path))
