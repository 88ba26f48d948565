"""Any ir_datasets id is a collection, offline here through a dataset made of three small files."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import ir_datasets
import pytest

from robustrank.collections.irds import IrDatasets
from robustrank.core.errors import DataError, MissingExtra
from robustrank.core.types import Document, Query


@pytest.fixture
def registered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in {"docs": "d1\tCats sleep\nd2\tdogs bark\n", "queries": "q1\twho sleeps\n"}.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    (tmp_path / "qrels").write_text("q1 0 d1 1\nq1 0 d2 0\n", encoding="utf-8")
    parts = {"docs_tsv": str(tmp_path / "docs"), "queries_tsv": str(tmp_path / "queries")}
    whole = ir_datasets.create_dataset(**parts, qrels_trec=str(tmp_path / "qrels"))
    datasets = {"tiny/test": whole, "tiny": ir_datasets.create_dataset(**parts)}
    monkeypatch.setattr(ir_datasets, "load", lambda name: datasets[name])


@pytest.mark.usefixtures("registered")
def test_an_id_becomes_a_collection() -> None:
    collection = IrDatasets(id="tiny/test").load()
    assert collection.documents == {"d1": Document("d1", "Cats sleep"), "d2": Document("d2", "dogs bark")}
    assert collection.queries == (Query("q1", "who sleeps"),)
    assert collection.qrels == {"q1": {"d1": 1, "d2": 0}}


@pytest.mark.usefixtures("registered")
def test_an_id_without_judgments_is_refused() -> None:
    with pytest.raises(DataError, match="tiny: has no qrels; choose an id that has all three"):
        IrDatasets(id="tiny").load()


def test_an_unknown_id_is_refused() -> None:
    with pytest.raises(DataError, match="no-such-set: ir_datasets has no such id"):
        IrDatasets(id="no-such-set").load()


@pytest.mark.usefixtures("registered")
def test_a_download_that_fails_says_which_and_why(monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(name: str) -> Any:
        raise ConnectionError("no route to host")

    monkeypatch.setattr(ir_datasets, "load", offline)
    with pytest.raises(
        DataError, match="tiny/test: ir_datasets could not provide it: ConnectionError: no route to host"
    ):
        IrDatasets(id="tiny/test").load()


def test_a_missing_package_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ir_datasets", None)
    with pytest.raises(MissingExtra, match=r"pip install 'robustrank\[irds\]'"):
        IrDatasets(id="tiny").load()
