"""Variations of queries: each operation by hand, and variants out of files."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from robustrank.core.errors import DataError, PluginError
from robustrank.core.escaping import reveal
from robustrank.core.types import Query, Variant
from robustrank_attacks.queries.given_variants import GivenVariants
from robustrank_attacks.queries.query_operations import OPERATIONS, QueryOperations

QUERY = Query("1", "What is the définition of separate theorems?")


def made(operation: str, text: str = QUERY.text, **more: object) -> list[str]:
    plugin = QueryOperations(operations=[operation], **more)  # type: ignore[arg-type]
    return [variant.text for variant in plugin.variants(Query("1", text), Random(3))]


@pytest.mark.parametrize(
    ("operation", "text"),
    [
        ("identity", "What is the définition of separate theorems?"),
        ("stop_words", "définition separate theorems"),
        ("stem", "What is the définit of separ theorem?"),
        ("back_off", "What is the of separate theorems"),
        ("upper", "WHAT IS THE DÉFINITION OF SEPARATE THEOREMS?"),
        ("lower", "what is the définition of separate theorems?"),
        ("no_accents", "What is the definition of separate theorems?"),
    ],
)
def test_operations_that_leave_nothing_to_chance(operation: str, text: str) -> None:
    assert made(operation) == [text]


def test_the_order_changes_and_the_words_stay() -> None:
    (text,) = made("order", "one two three")
    assert text != "one two three"
    assert sorted(text.split()) == ["one", "three", "two"]


@pytest.mark.parametrize("operation", ["keyboard", "swap", "insert", "delete", "replace"])
def test_a_typo_changes_one_word_by_one_letter(operation: str) -> None:
    (text,) = made(operation, "find separate theorems")
    changed = [(a, b) for a, b in zip(["find", "separate", "theorems"], text.split(), strict=True) if a != b]
    assert len(changed) == 1
    assert abs(len(changed[0][0]) - len(changed[0][1])) <= 1


def test_homoglyphs_and_invisible_characters_look_the_same_and_are_revealed() -> None:
    for operation in ("homoglyphs", "invisible"):
        (text,) = made(operation, "separate")
        assert text != "separate"
        assert text.replace("\u200b", "") == "separate" or len(text) == len("separate")
        assert any(label for _, label in reveal(text))


def test_an_accent_that_is_put_on_is_taken_off_again() -> None:
    (text,) = made("accents", "separate theorems")
    assert text != "separate theorems"
    assert made("no_accents", text) == ["separate theorems"]


def test_real_misspellings_come_out_of_the_list(tmp_path: Path) -> None:
    (tmp_path / "list.tsv").write_text("separate\tseperate\tsource\nseparate\tse parate\tsource\n")
    assert made("misspelling", "separate things", misspellings=str(tmp_path / "list.tsv")) == ["seperate things"]
    with pytest.raises(PluginError, match="needs `misspellings`"):
        QueryOperations(operations=["misspelling"])


def test_what_changes_nothing_is_no_variant() -> None:
    assert made("lower", "separate") == []
    assert made("back_off", "separate") == []
    assert made("synonym", "xyzzy") == []


def test_the_same_source_of_chance_gives_the_same_variants() -> None:
    plugin = QueryOperations(draws=3)
    assert plugin.variants(QUERY, Random(1)) == plugin.variants(QUERY, Random(1))


def test_an_unknown_operation_is_refused_by_name() -> None:
    assert "keyboard" in OPERATIONS
    with pytest.raises(PluginError, match="shuffle"):
        QueryOperations(operations=["shuffle"])


def test_given_variants_come_by_id_by_text_and_from_folders(tmp_path: Path) -> None:
    (tmp_path / "typos").mkdir()
    (tmp_path / "typos" / "a.tsv").write_text("1\tfrist\n2\tother\n")
    (tmp_path / "typos" / "b.tsv").write_text("1\tfirst\n")
    query = Query("1", "first")
    assert GivenVariants(path=str(tmp_path / "typos")).variants(query, Random(0)) == [Variant("a", "frist")]
    table = tmp_path / "table.csv"
    table.write_text("q,how,variation,valid\n1,typo,frist,True\n1,order,tsrif,False\nfirst,text,1st,True\n")
    checked = GivenVariants(path=str(table), id="q", operation="how", valid="valid")
    assert checked.variants(query, Random(0)) == [Variant("typo", "frist")]
    by_text = GivenVariants(path=str(table), id="q", by="text")
    assert by_text.variants(query, Random(0)) == [Variant("variation", "1st")]
    lines = tmp_path / "queries.jsonl"
    lines.write_text('{"id": "1", "own": "the  first"}\n{"id": "2"}\n')
    own = GivenVariants(path=str(lines), id="id", text=["own", "short"])
    assert own.variants(query, Random(0)) == [Variant("own", "the first")]


def test_files_that_hold_no_variants_are_named(tmp_path: Path) -> None:
    (tmp_path / "empty.tsv").write_text("")
    with pytest.raises(DataError, match=r"empty\.tsv: no variants"):
        GivenVariants(path=str(tmp_path / "empty.tsv")).variants(QUERY, Random(0))
    (tmp_path / "table.csv").write_text("id,text\n1,x\n")
    with pytest.raises(DataError, match="no column 'q'"):
        GivenVariants(path=str(tmp_path / "table.csv"), id="q").variants(QUERY, Random(0))


@pytest.mark.parametrize(
    ("parameters", "query", "count"),
    [
        ({"path": "dl19_typos"}, Query("156493", "do goldfish grow"), 10),
        (
            {
                "path": "dl19_variations_labelled.csv",
                "id": "q_id",
                "operation": "transformation_type",
                "valid": "valid",
            },
            Query("1037798", "who is robert gray"),
            None,
        ),
        (
            {"path": "uqv100_pairs_annotator0.csv", "id": "query 1", "text": ["query 2"], "by": "text"},
            Query("1", "abscess treatment"),
            1,
        ),
    ],
)
def test_the_published_variants_load(
    shared_data: Path, parameters: dict[str, object], query: Query, count: int | None
) -> None:
    path = shared_data / "resources" / "query_variations" / str(parameters["path"])
    plugin = GivenVariants(**{**parameters, "path": str(path)})  # type: ignore[arg-type]
    variants = plugin.variants(query, Random(0))
    assert variants
    assert count in (None, len(variants))
